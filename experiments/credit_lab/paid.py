"""Arms that are paid by several parts, and those of a policy that answers."""

import numpy as np
from jaxtyping import Float

from experiments.credit_lab import world as world_lib
from experiments.credit_lab.arms import (
  BUDGET,
  Flat,
  Rows,
  Task,
  ends,
  options,
  play_flat,
)
from experiments.credit_lab.world import FILLER, INSERT, SLOTS
from mem_alpha_jax.credit import advantages, groups

PARTS = {
  'answers': 1.0,
  'calls': 1.0,
  'size': 0.05,
  'content': 0.1,
}  # Mem-alpha


def parts_of(flat: Flat) -> dict[str, Float[np.ndarray, 'N']]:
  """Columns of the parts of Mem-alpha's reward."""
  task, played = flat.task, flat.played
  held = (task.world.entries[played.after] > 0).sum(1)
  junk = (task.kinds[flat.stream] == FILLER) & (played.action == INSERT)
  return {
    'answers': flat.spread(ends(flat)),
    'calls': played.valid.ravel().astype(float),
    'size': flat.spread(1 - held / SLOTS),
    'content': 1.0 - junk.ravel(),
  }


def total_gradient(task: Task, weights=PARTS) -> Float[np.ndarray, 'obs 3']:
  """The exact gradient of the weighted sum, turns' parts being means."""
  w, length = task.world, task.kinds.shape[1]
  held = (w.entries > 0).sum(1)
  found = []
  for kinds, right in zip(task.kinds, task.last, strict=True):
    last = weights['answers'] * right + weights['size'] * (1 - held / SLOTS)
    good = np.ones((length, 3, len(held)))
    good[kinds == FILLER, INSERT] = 0.0
    each = weights['calls'] * w.valid[kinds] + weights['content'] * good
    found.append(
      world_lib.exact(w, kinds, task.logits, last, each / length).gradient
    )
  return np.mean(found, 0)


def with_parts(flat: Flat) -> dict[str, Rows]:
  """GRPO of the sum, GDPO, and CoMAM's weights, by what is compared."""
  parts = parts_of(flat)
  total = sum(PARTS[k] * column for k, column in parts.items())
  keys = flat.keys._replace(
    parts={k: (PARTS[k], column) for k, column in parts.items()}
  )
  found = {'answers alone': advantages.grpo(parts['answers'], keys, options())}
  for name in ('grpo', 'gdpo'):
    for by in groups.GROUP_BY:
      estimator = advantages.ESTIMATORS[name]
      found[f'{name}, {by}'] = estimator(total, keys, options(by))
  for rule in ('ndcg', 'spearman'):
    found[f'agree, {rule}'] = agreed(flat, parts, rule)
  return {name: flat.rows(column) for name, column in found.items()}


def agreed(flat: Flat, parts, rule: str) -> Float[np.ndarray, 'N']:
  """CoMAM where statements and fillers are two roles' turns.

  Their own rewards are the share of valid calls, and of fillers left out.
  """
  filler = (flat.task.kinds[flat.stream] == FILLER).ravel()
  own = np.where(filler, parts['content'], parts['calls'])
  known = {'answers': (1.0, parts['answers']), 'own': (1.0, own)}
  keys = flat.keys._replace(role=filler.astype(int), parts=known)
  return advantages.agree(own + parts['answers'], keys, options(), rule)


def answered(task: Task, picks: Float[np.ndarray, '3 3']):
  """One policy writes and answers: arms, their logits, the exact gradient."""
  flat, w = play_flat(task, BUDGET), task.world
  b, length = task.kinds.shape
  told = task.stated[:, -1]
  chance = world_lib.softmax(picks)
  gap = w.picks - (chance[w.shown] * w.picks).sum(-1, keepdims=True)
  value = (chance[w.shown] * w.picks).sum(-1)  # [S, keys]
  exact = []
  for kinds, asked in zip(task.kinds, told, strict=True):
    share = asked / asked.sum()
    one = world_lib.exact(w, kinds, task.logits, value @ share)
    answers = np.zeros_like(picks)
    flow = one.reached[:, None, None] * share[:, None] * chance[w.shown] * gap
    np.add.at(answers, w.shown, flow)
    exact.append(np.concatenate([one.gradient, answers]))
  rows, found = _answer_rows(flat, picks, told)
  both = np.concatenate([task.logits, picks])
  return {
    name: rows._replace(advantage=column) for name, column in found.items()
  }, both, np.mean(exact, 0)  # fmt: skip


def _answer_rows(flat: Flat, picks, told):
  """The table of writers and answers, and its advantages."""
  task, (b, length) = flat.task, flat.task.kinds.shape
  one, key = np.nonzero(told[flat.stream])
  state, first = flat.played.after[one], flat.rows(None)
  shown = task.world.shown[state, key]
  pick = world_lib.draw(world_lib.softmax(picks), shown, task.rng(4))
  reward = task.world.picks[state, key, pick].astype(float)
  mean = np.bincount(one, reward) / np.bincount(one)
  both = lambda a, b: np.concatenate([a, b])
  k, start = flat.keys, np.arange(len(flat.stream)) * length
  row = len(k.turn) + np.arange(len(key))
  episode, trajectory = k.episode[start[one]], k.trajectory[start[one]]
  columns = episode, trajectory, length + key, 0 * key + 1, row, 0 * key
  keys = groups.Keys(*map(both, k[:6], columns))
  asked = told.sum(1)[flat.stream][one]
  rows = Rows(
    both(first.replicate, episode // b),
    both(first.seen, world_lib.OBSERVATIONS + shown),
    both(first.action, pick),
    None,
    both(first.weight, first.weight[0] / asked),  # a mean over questions
  )
  own = both(flat.spread(mean), reward)
  alike = keys._replace(role=0 * keys.role)
  whole = both(flat.spread(mean), mean[one])
  return rows, {
    'one group': advantages.grpo(own, alike, options('episode')),
    'mean for all': advantages.grpo(whole, keys, options()),
    'uma': advantages.uma(own, keys, options()),
    # Nothing deviates by more than 1: gaps to the mean alone.
    'uma, gaps': advantages.uma(own, keys, options(std_floor=1.0)),
  }
