"""Plays the turns of a batch of episodes and grades what the policy did.

Two ways to form groups of G samples, chosen by `rollout.groups`:

  state       the G responses of a group answer the same turn of one memory;
              one of them, drawn at random, is carried out. The groups'
              prompts are shared, so each is prefilled once.
  trajectory  the reference: G memories per episode live side by side and
              every sample carries out its own calls. Beside them there may
              be re-rolls (rollout/rerolls.py), or they may be one until they
              branch (rollout/trees.py).

Each process of a run steps its own episodes; sampling is one program of all,
and what training needs of the samples is gathered at the end.
"""

import collections
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Int

from mem_alpha_jax.config import sizes
from mem_alpha_jax.memory import batch as batch_lib
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.reading import judge as judge_lib
from mem_alpha_jax.reading import protocol
from mem_alpha_jax.recall import view as view_lib
from mem_alpha_jax.roles import role
from mem_alpha_jax.rollout import (
  credit_questions,
  forced_calls,
  grading,
  look_ahead,
  play,
  rerolls,
  tracing,
  trees,
)
from mem_alpha_jax.rollout import samples as samples_lib
from mem_alpha_jax.rollout import starts as starts_lib
from mem_alpha_jax.system import multihost, stopping
from mem_alpha_jax.types import Episode, Outcome, Turn


class Setup(NamedTuple):
  """What collecting needs beside parameters and episodes."""

  config: Any
  tokenizer: Any
  generate: Callable  # the jitted sampler
  buckets: Any
  reader: protocol.Reader
  key: Array  # root key of sampling
  embed: Callable  # params -> slots.EmbedFn; see recall/embedders.py
  content_judge: judge_lib.ContentJudge | None  # gives r4
  schedule: role.Schedule
  # Of rollout.expert, rollout.ahead and reward.gold.
  expert: look_ahead.Expert | None = None


class Rollout(NamedTuple):
  samples: samples_lib.Samples  # of all processes
  # Memories after the batch, one an episode of this process.
  ends: list[starts_lib.Start]
  metrics: dict[str, float]  # of all processes
  shown: Callable[[], dict]  # the first episode, for a page


def collect(
  setup: Setup,
  params: Any,
  episodes: Sequence[Episode],
  starts: Sequence[starts_lib.Start],
  step: int,
) -> Rollout:
  """Rolls out one batch; every process of a run calls it.

  Args:
    episodes: those of this process; shorter ones stop early.
    step: training step, part of every random key.

  Raises:
    stopping.Stopped: nothing is kept of a batch that is not whole; the same
      arguments give the same batch again.
  """
  config = setup.config
  by_state = config.rollout.groups == 'state'
  copies = 1 if by_state else config.rollout.group_size
  answers = collections.Counter()
  setup = _counted(setup, answers)
  starts = starts_lib.given(starts, episodes, setup.tokenizer.count)
  plans = [
    plan
    for episode, start in zip(episodes, starts, strict=True)
    for plan in _plans(setup.schedule(episode), start, copies)
  ]
  trunks = copies // sizes.leaves_below(config.rollout, 0)
  memories = batch_lib.Memories(
    [s.state for s in starts for _ in range(trunks)],
    [s.read for s in starts for _ in range(trunks)],
    config,
    setup.tokenizer.count,
    embed=setup.embed(params),
  )
  (longest,) = multihost.largest(max(map(len, plans)))
  played, again, anchors = [], [], []
  for t in range(longest):
    stopping.beat(f'step {step + 1}, turn {t + 1} of {longest}')
    below = sizes.leaves_below(config.rollout, t)
    memories = trees.branched(memories, len(plans) // below)
    turns = _turns(setup, memories, plans[::below], t, step)
    at = rerolls.anchors(turns, copies, config, step)
    if at.size:
      anchors.append(at)
      again.append(_reroll(setup, params, memories, turns, at, step))
    done = _play(setup, params, memories, turns, step, copies // below)
    played.append(trees.spread(done, below))
  memories = trees.branched(memories, len(plans))
  rollout = _finish(setup, memories, plans, played, starts, answers)
  if not again:
    return rollout
  samples = rerolls.join(rollout.samples, again, anchors, copies, config)
  return rollout._replace(samples=samples)


def _counted(setup: Setup, answers: collections.Counter) -> Setup:
  """The setup, which counts what reader and judge are asked."""
  judge = setup.content_judge
  return setup._replace(
    reader=protocol.counted(setup.reader, answers, 'answers'),
    content_judge=judge and protocol.counted(judge, answers, 'verdicts'),
  )


def _plans(turns: Sequence[Turn], start: starts_lib.Start, copies: int):
  """The schedule of each of an episode's memories."""
  for trajectory in range(copies):
    yield [
      turn._replace(
        index=t,
        trajectory=trajectory,
        clock=start.clock + t,
        history=start.history,
      )
      for t, turn in enumerate(turns)
    ]


def _turns(setup: Setup, memories, plans, t: int, step: int) -> list[Turn]:
  """Turn t of each memory as it is now; one that reads nothing is idle."""
  count, turns = setup.tokenizer.count, []
  for i, plan in enumerate(plans):
    turn = plan[min(t, len(plan) - 1)]
    if t >= len(plan):
      turn = turn._replace(text='', question=None, live=False, index=t)
    turn = turn._replace(tokens=count(turn.text))
    if turn.question is None:
      memories.read[i] += turn.tokens
    turns.append(turn)
  texts = [turn.text for turn in turns]
  views = view_lib.look(memories, texts)
  if any(turn.question for turn in turns):  # it sees what a reader would
    found = view_lib.look(memories, texts, 'retrieved')
    pairs = zip(turns, views, found, strict=True)
    views = [f if turn.question else view for turn, view, f in pairs]
  return [
    turn._replace(
      state=memories.states[i],
      view=_shuffled(setup, turn, view, step),
      limits=memories.limits(i),
    )
    for i, (turn, view) in enumerate(zip(turns, views, strict=True))
  ]


def _shuffled(setup: Setup, turn: Turn, view: view_lib.View, step: int):
  """The view, in rollout.shuffled of the turns in random order."""
  rng = _rng(setup, turn, step, 6)
  if rng.random() >= setup.config.rollout.shuffled:
    return view
  return view_lib.unranked(view, rng)


def _play(
  setup: Setup, params, memories, turns: Sequence[Turn], step: int, copies: int
) -> samples_lib.Played:
  """Responds to each turn, grades what was done, and keeps what was written."""
  config = setup.config
  by_state = config.rollout.groups == 'state'
  width = config.rollout.group_size if by_state else 1
  # Memories of one episode side by side share the prefix of a chat prompt.
  stride = copies if sizes.shares_prefix(config) else 1
  played = _respond(setup, params, turns, step, width, stride)
  turns, outcomes = played.turns, played.outcomes
  if not _at_end(config):
    outcomes = grading.gained(
      memories, turns, outcomes, setup.reader, width, setup.expert
    )
  chosen = _carry_out(setup, memories, turns, outcomes, step)
  return played._replace(outcomes=outcomes, chosen=chosen)


def _reroll(setup: Setup, params, memories, turns, at, step: int):
  """Responds to the turns of some memories again, and keeps nothing."""
  width = setup.config.rollout.rerolls
  turns = [turns[i]._replace(trajectory=rerolls.TRAJECTORY) for i in at]
  played = _respond(setup, params, turns, step, width, 1)
  outcomes = grading.gained(
    memories.some(at), played.turns, played.outcomes, setup.reader, width
  )
  return played._replace(outcomes=outcomes)


def _respond(
  setup: Setup,
  params,
  turns: Sequence[Turn],
  step: int,
  width: int,
  stride: int,
) -> samples_lib.Played:
  """Shows each turn, samples `width` responses and does what they say."""
  turns, shown = play.show(setup, turns)
  if setup.config.reward.gold:  # of what the prompts had room for
    turns = [turn._replace(gold=setup.expert.write(turn).ops) for turn in turns]
  prompts = play.pad(setup, shown, turns)
  rng = lambda turn, stream: _rng(setup, turn, step, stream)
  forced = forced_calls.of_turns(
    turns, width, setup.config, setup.tokenizer, rng
  )
  keys = play.row_keys(
    setup.key,
    step,
    np.repeat([turn.episode.uid for turn in turns], width),
    np.array([x.trajectory * width + w for x in turns for w in range(width)]),
    turns[0].index,
  )
  sampled = play.sample(setup, params, prompts, forced.tokens, keys, stride)
  outcomes = [
    play.act(setup, turn, *responses)
    for turn, *responses in zip(
      turns, sampled.tokens, sampled.mask, strict=True
    )
  ]
  if setup.content_judge:
    outcomes = grading.judged(setup.content_judge, turns, outcomes)
  chosen = np.zeros(len(turns), np.int32)
  cut = [(p.truncated > 0, p.cut_entries > 0) for p in shown]
  return samples_lib.Played(
    turns, cut, prompts, forced, sampled, outcomes, chosen
  )


def _at_end(config) -> bool:
  """Whether the turns of a trajectory share the reward of its end."""
  by_state = config.rollout.groups == 'state'
  return config.reward.when == 'end' and not by_state


def _rng(setup, turn: Turn, step: int, stream: int) -> np.random.Generator:
  return np.random.default_rng(
    (setup.config.seed, step, turn.episode.uid, turn.index, stream)
  )


def _carry_out(
  setup, memories, turns, outcomes, step: int
) -> Int[np.ndarray, 'N']:
  """Keeps one sample's memory: drawn among those that were not forced.

  In rollout.expert of the turns it is the expert's, and no sample's (-1): the
  snapshots from which MemBuilder (arXiv 2601.05488) trains.
  """
  chosen = np.zeros(len(turns), np.int32)
  states, results = [], []
  for i, (turn, row) in enumerate(zip(turns, outcomes, strict=True)):
    kept = Outcome(turn.state)
    if len(row) > 1:
      first = forced_calls.count(turn, setup.config)
      chosen[i] = _rng(setup, turn, step, 3).integers(first, len(row))
    if row:
      kept = row[chosen[i]]
    if row and setup.expert and _follows_expert(setup, turn, step):
      kept, chosen[i] = setup.expert.write(turn), -1
    states.append(kept.state)
    results.append(kept.results)
  memories.become(states, results)
  return chosen


def _follows_expert(setup: Setup, turn: Turn, step: int) -> bool:
  return _rng(setup, turn, step, 8).random() < setup.config.rollout.expert


def _finish(setup, memories, plans, played, starts, answers) -> Rollout:
  """Grades ends, gathers the table, and keeps the memories."""
  copies = len(plans) // len(starts)
  episodes = [plan[0].episode for plan in plans]
  lived = [  # with the entries in view
    [p.turns[i] for p in played[: len(plan)]] for i, plan in enumerate(plans)
  ]
  ends = grading.end_scores(lived, memories, setup.reader)
  if setup.config.reward.answerer == 'policy':
    paid = grading.answered([p.outcomes for p in played])
    ends = ends._replace(paid=paid)
  samples = samples_lib.gather(
    played, ends if _at_end(setup.config) else None, copies, setup.config
  )
  names = [(a, b) for a in samples_lib.ASKED for b in ('asked', 'missing')]
  asked = np.array([[answers[name] for name in names]])
  if setup.config.rollout.forks:
    samples = trees.merged(samples, setup.config)
  ends, asked = multihost.gather((ends._replace(paid=None), asked))
  told = dict(zip(names, asked.sum(0).tolist(), strict=True))
  firsts = range(0, len(plans), copies)
  return Rollout(
    samples,
    [
      starts_lib.Start(
        state_lib.without_log(memories.states[i]),
        memories.read[i],
        start.chain + 1,
        credit_questions.remembered(episodes[i], start.history),
        start.clock + len(plans[i]),
      )
      for i, start in zip(firsts, starts, strict=True)
    ],
    samples_lib.metrics(samples, ends, told)
    # Twice as many from one step to the next: look-ups compile again.
    | {'rollout/slots': memories.bank.valid.shape[1]},
    functools.partial(tracing.groups, setup.tokenizer, played, samples, copies),
  )
