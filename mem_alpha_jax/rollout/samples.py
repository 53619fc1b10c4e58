"""The table of a batch: one row a response, of all processes."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from absl import logging
from jaxtyping import Bool, Float, Int

from mem_alpha_jax.credit.groups import Keys
from mem_alpha_jax.memory.tools import FAILED, REPAIRS, TOOLS, failed_names
from mem_alpha_jax.reward import parts as parts_lib
from mem_alpha_jax.roles import registry
from mem_alpha_jax.rollout import forced_calls, grading, play
from mem_alpha_jax.system import multihost
from mem_alpha_jax.types import Outcome, Turn

ASKED = ('answers', 'verdicts')  # of the reader, and of the judge of contents
# What may be cut of a row, and what to do about it.
CUT = {
  'cut_responses': 'responses have no end; raise rollout.response_buckets',
  'cut_prompts': 'prompts lose text; raise rollout.prefix_buckets or '
  'rollout.own_buckets, or lower data.chunk_sentences',
  'cut_entries': 'prompts lose entries in view; raise rollout.own_buckets or '
  'lower memory.view_entries',
}
_MUCH = 0.01  # share of rows of which a user is warned


def count_names() -> tuple[str, ...]:
  """What is counted of a row.

  Calls by tool; calls that were read, those of them that were valid, those
  that repeated what is stored, those with slips; those that could not be read;
  no-ops; tokens of the response; whether it has no end, whether its prompt was
  cut, and in it an entry; then slips and failed calls by kind.
  """
  rest = 'calls valid repeats repaired unread noop tokens'
  return (*TOOLS, *rest.split(), *CUT, *_kinds())


def _kinds() -> list[str]:
  """Of slips and of failed calls."""
  return [*(f'repaired_{kind}' for kind in REPAIRS), *FAILED]


class Samples(NamedTuple):
  """Rows in the order of (episode, trajectory, turn); re-rolls come last."""

  keys: Keys
  prompts: play.Prompts  # N rows
  response: Int[np.ndarray, 'N R']  # exactly the sampled ids, EOS included
  mask: Bool[np.ndarray, 'N R']
  logps: Float[np.ndarray, 'N R']
  forced: forced_calls.Forced
  counts: Int[np.ndarray, 'N counts']  # by count_names()
  parts: dict[str, Float[np.ndarray, 'N']]  # NaN where grading failed
  reward: Float[np.ndarray, 'N']  # their weighted sum


class Played(NamedTuple):
  """One time step of the N memories of this process."""

  turns: Sequence[Turn]
  cut: Sequence[tuple[bool, bool]]  # whether a prompt, an entry in it was cut
  prompts: play.Prompts
  forced: forced_calls.Forced  # of N groups of W
  sampled: play.Responses
  outcomes: Sequence[Sequence[Outcome]]  # of each turn: W, none if not live
  chosen: Int[np.ndarray, 'N']  # the response whose memory is kept; -1: none


def gather(
  played: Sequence[Played],
  ends: grading.Ends | None,
  copies: int,
  config: Any,
) -> Samples:
  """Grades what this process played and joins the tables of all.

  Args:
    ends: of each memory, where they are the reward of every turn before; None
      where a turn has its own.
      An estimator that sums the turns of a trajectory (gae) is paid them at
      the last turn alone, else a trajectory of T turns would earn them T times.
    copies: memories of an episode.
  """
  n, width = played[0].forced.chance.shape
  places = [
    (i, w, t)
    for i, w, t in np.ndindex(n, width, len(played))
    if played[t].turns[i].live
  ]
  turns = [played[t].turns[i] for i, _, t in places]
  outcomes = [played[t].outcomes[i][w] for i, w, t in places]
  if ends is not None:
    once = config.rl.advantage == 'gae'
    last = {i: t for i, _, t in places}
    paid = ends.paid or [[r1] * len(played) for r1 in ends.accuracy]
    outcomes = [
      o._replace(gain=0.0, compression=0.0)
      if once and t < last[i]
      else o._replace(gain=paid[i][t], compression=ends.compression[i])
      for (i, _, t), o in zip(places, outcomes, strict=True)
    ]
  parts, reward = _earned(turns, outcomes, config.reward)
  counts = [
    _counts(o, played[t], i, w)
    for (i, w, t), o in zip(places, outcomes, strict=True)
  ]

  def spread(column):
    out = np.zeros((n, width, len(played), *column.shape[1:]), column.dtype)
    out[tuple(np.array(places, int).reshape(-1, 3).T)] = column
    return out

  stack = lambda pick, axis: np.stack([pick(p) for p in played], axis)
  by_row = dict(
    response=stack(lambda p: p.sampled.tokens, 2),
    mask=stack(lambda p: p.sampled.mask, 2),
    logps=stack(lambda p: p.sampled.logps, 2),
    forced=forced_calls.Forced(
      stack(lambda p: p.forced.tokens, 2), stack(lambda p: p.forced.chance, 2)
    ),
    counts=spread(np.array(counts, np.int32).reshape(-1, len(count_names()))),
    parts={name: spread(column) for name, column in parts.items()},
    reward=spread(reward),
  )
  roles = list(registry.ROLES)
  each = lambda pick: np.array([[pick(x) for x in p.turns] for p in played]).T
  by_turn = dict(
    prompts=_stacked([p.prompts for p in played]),
    live=each(lambda turn: turn.live),
    role=each(lambda turn: roles.index(turn.role)),
    chosen=stack(lambda p: p.chosen, 1),
  )
  # What the samples of a turn share is gathered before it is repeated.
  return _table(*multihost.gather((by_row, by_turn)), copies)


def _earned(
  turns, outcomes, config
) -> tuple[dict[str, np.ndarray], np.ndarray]:
  """Columns of reward parts, by each row's role, and their weighted sum."""
  missing = np.full(len(turns), np.nan, np.float32)
  parts, reward = {}, missing.copy()
  for name, role in registry.ROLES.items():
    rows = [row for row, turn in enumerate(turns) if turn.role == name]
    earned = role.earn(
      [turns[row] for row in rows], [outcomes[row] for row in rows], config
    )
    for part, column in earned.items():
      parts.setdefault(part, missing.copy())[rows] = column
    if rows:
      reward[rows] = parts_lib.total(earned, config)
  return parts, reward


def _counts(o: Outcome, step: Played, i: int, w: int) -> tuple[int, ...]:
  tools = [op.tool for op in o.ops]
  slips = [kind for repairs in o.repairs for kind in repairs]
  wrong = [r.error for r in o.results if not (r.ok or r.neutral)]
  cut = not step.sampled.finished[i, w]
  kinds = failed_names(o.errors, wrong, cut)
  return (
    *map(tools.count, TOOLS),
    len(o.results), sum(r.ok for r in o.results),
    sum(r.neutral for r in o.results), sum(map(bool, o.repairs)),
    len(o.errors), o.noop,
    step.sampled.mask[i, w].sum(), cut,
    *step.cut[i], *map(slips.count, REPAIRS), *map(kinds.count, FAILED),
  )  # fmt: skip


def _stacked(prompts: Sequence[play.Prompts]) -> play.Prompts:
  """[N, T, ...], padded to the widest bucket."""

  def stack(name):
    arrays = [getattr(p, name) for p in prompts]
    if arrays[0] is None:
      return None
    if arrays[0].ndim > 1:
      widest = max(a.shape[1] for a in arrays)
      arrays = [np.pad(a, ((0, 0), (0, widest - a.shape[1]))) for a in arrays]
    return np.stack(arrays, 1)

  return play.Prompts(*map(stack, play.Prompts._fields))


def _table(by_row: dict, by_turn: dict, copies: int) -> Samples:
  """Arrays [N, W, T, ...] and [N, T, ...] -> the rows that exist."""
  width = by_row['reward'].shape[1]
  at = np.nonzero(np.repeat(by_turn['live'][:, None], width, 1))
  memory, sample, turn = at
  number = np.full(by_row['reward'].shape, -1)
  number[at] = np.arange(len(memory))
  kept = by_turn['chosen'][memory, turn - 1]
  before = np.where(kept < 0, -1, number[memory, kept, turn - 1])
  keys = Keys(
    episode=memory // copies,
    trajectory=memory % copies * width + sample,
    turn=turn,
    role=by_turn['role'][memory, turn],
    state=np.ravel_multi_index((memory, turn), by_turn['live'].shape),
    parent=np.where(turn, before, -1),
  )
  prompts = jax.tree.map(lambda x: x[memory, turn], by_turn['prompts'])
  rows = jax.tree.map(lambda x: x[at], by_row)
  return Samples(keys, prompts, **rows)


def metrics(
  samples: Samples, ends: grading.Ends, answers: Mapping[str, int]
) -> dict[str, float]:
  """Scalars of a batch.

  Args:
    ends: of each trajectory.
    answers: how many were `asked` for and are `missing`.
  """
  sums = dict(zip(count_names(), samples.counts.sum(0).tolist(), strict=True))
  rows = max(len(samples.reward), 1)
  share = lambda name: sums[name] / rows
  return {
    **{
      f'reward/{name}': grading.mean(column)
      for name, column in samples.parts.items()
    },
    'rollout/end_accuracy': grading.mean(ends.accuracy),
    'rollout/compression': grading.mean(ends.compression),
    'rollout/valid_calls': sums['valid']
    / max(sums['calls'] - sums['repeats'] + sums['unread'], 1),
    **{
      f'rollout/{name}': sums[name] / max(sums['calls'] + sums['unread'], 1)
      for name in ('repaired', *_kinds())
    },
    **{f'rollout/{name}': share(name) for name in (*TOOLS, 'repeats', 'noop')},
    'rollout/response_tokens': share('tokens'),
    **{f'rollout/{name}': share(name) for name in CUT},
    'rollout/failed_readings': float(np.isnan(samples.parts['answers']).mean()),
    **{
      f'rollout/missing_{what}': answers[what, 'missing']
      / max(answers[what, 'asked'], 1)
      for what in ASKED
    },
  }


def warn_of_cuts(metrics: Mapping[str, float]) -> None:
  """Says once in a run what is cut in more than a hundredth of the rows."""
  for name in CUT:
    if metrics[f'rollout/{name}'] > _MUCH:
      _warn(name)


@functools.cache
def _warn(name: str) -> None:
  logging.warning(
    'rollout/%s: more than %d%% of the %s', name, 100 * _MUCH, CUT[name]
  )
