"""From a table of samples to training rows: advantages, weights, groups."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Int

from mem_alpha_jax.config import sizes
from mem_alpha_jax.credit import advantages as advantages_lib
from mem_alpha_jax.credit import forks, groups
from mem_alpha_jax.credit.groups import Keys
from mem_alpha_jax.rl import batching
from mem_alpha_jax.roles import registry
from mem_alpha_jax.rollout import forced_calls, grading
from mem_alpha_jax.rollout.samples import Samples, count_names
from mem_alpha_jax.types import RolloutRows

Index = Int[np.ndarray, 'M G']  # rows of the table, by group; -1: none


def to_rows(
  samples: Samples,
  config,
  value_fn: Callable[[RolloutRows], Float[np.ndarray, 'M G R']] | None = None,
  step: int = 0,
) -> tuple[RolloutRows, dict[str, float]]:
  """Advantages of the whole table first, then groups of equal prefix.

  Args:
    value_fn: value head on rows, needed by rl.advantage=gae.
    step: of training, part of the random key of rl.train_draw=pull.
  """
  rl, keys, reward = config.rl, samples.keys, samples.reward
  index = grouped(keys, sizes.shares_prefix(config))
  weights = {name: config.reward[name] for name in samples.parts}
  parts = {k: (w, samples.parts[k]) for k, w in weights.items() if w}
  keys = keys._replace(parts=parts)
  if value_fn is not None:
    size = max(rl.minibatch_rows // index.shape[1], 1)
    keys = keys._replace(value=_values(samples, index, value_fn, size))
  found = advantages_lib.compute(reward, keys, rl)
  weight = forced_calls.weights(samples.forced, samples.logps, found.advantages)
  weight = np.float32(weight * ~np.isnan(reward))
  if config.rollout.forks:  # a turn counts as often as trajectories have it
    weight *= forks.paths(keys, one=rl.advantage == 'tree')
  if rl.cut_responses == 'mask':  # they still are what others are compared to
    weight *= samples.counts[:, count_names().index('cut_responses')] == 0
  weight = np.append(weight, np.float32(0))  # of row -1
  if config.rollout.groups == 'state' and rl.min_gap:
    explored = (samples.forced.tokens != forced_calls.FREE).any(-1)
    index = index[_informative(reward[index], explored[index], rl.min_gap)]
  if 0 < rl.train_samples < index.shape[1]:
    pull = weight[index] * np.abs(found.advantages)[index]
    rng = np.random.default_rng((config.seed, step, 6))
    columns, factor = selected(pull, rl.train_samples, rl.train_draw, rng)
    index = np.take_along_axis(index, columns, axis=1)
    weight[index] *= factor
  rows = pack(
    samples,
    index,
    weight,
    advantages=found.advantages,
    returns=found.returns,
    old_values=keys.value,
  )
  return rows, {
    'reward/total': grading.mean(reward[keys.trajectory >= 0]),
    'rl/degenerate_groups': found.degenerate_share,
    'rl/missing_rewards': float(np.isnan(reward).mean()),
    'rl/sampled_tokens': int(samples.mask.sum()),
    'rl/trained_tokens': int(rows.response_mask[rows.row_weight > 0].sum()),
    **_by_role(samples, found.advantages, weight[:-1]),
  }


def _by_role(samples: Samples, advantages, weight) -> dict[str, float]:
  """Of each role where there are several: what it earns, and how it pulls.

  `loss` is its share of the policy's loss at the parameters that sampled, with
  rl.aggregate=token_mean.
  """
  roles, parts = np.unique(samples.keys.role), samples.parts
  pull, found = weight * samples.mask.sum(1), {}
  for role in roles if len(roles) > 1 else ():
    mine, name = samples.keys.role == role, list(registry.ROLES)[role]
    found |= {
      f'{name}/rows': int(mine.sum()),
      f'{name}/reward': grading.mean(samples.reward[mine]),
      f'{name}/advantage': float(np.abs(advantages[mine]).mean()),
      f'{name}/loss': float(-(pull * advantages)[mine].sum() / pull.sum()),
    }
    earned = {
      part: grading.mean(column[mine]) for part, column in parts.items()
    }
    found |= {f'{name}/{k}': x for k, x in earned.items() if x == x}
  return found


def selected(
  pull: Float[np.ndarray, 'M G'],
  count: int,
  draw: str,
  rng: np.random.Generator,
) -> tuple[Int[np.ndarray, 'M count'], Float[np.ndarray, 'M count']]:
  """The samples of each group that are trained, and factors of their weights.

  Args:
    pull: weight times |advantage|, how hard a sample pulls at the policy.
      Forced samples that failed and average ones hardly do; leaving them out
      saves their cost.
    draw: 'heaviest' takes those that pull most, all of them as they are. It is
      biased towards what is rare and extreme: of a bandit with three arms and
      groups of eight the five heaviest can turn the sign of an arm's gradient
      (tests/reference_math_test.py). 'pull' draws sample i with
      p_i = count (0.9 pull_i / sum + 0.1 / G), at most 1, and weighs it
      count / (G p_i): so the sum over what is drawn is in the mean count / G
      times that over all (Horvitz and Thompson 1952, JASA 47(260)), and no
      factor is above 10.
    rng: of 'pull'; one number a group, for systematic sampling.
  """
  size = pull.shape[1]
  if draw == 'heaviest':
    columns = np.argsort(-pull, axis=1, kind='stable')[:, :count]
    return columns, np.ones(columns.shape)
  total = pull.sum(1, keepdims=True)
  even = np.full(pull.shape, 1 / size)
  share = np.divide(pull, total, out=even.copy(), where=total > 0)
  chance, sure = 0.9 * share + 0.1 * even, np.zeros(pull.shape, bool)
  for _ in range(count):  # what passes 1 is sure; the others share the rest
    rest = np.where(sure, 0.0, chance)
    left = count - sure.sum(1, keepdims=True)
    p = np.where(sure, 1.0, left * rest / rest.sum(1, keepdims=True))
    sure = p >= 1
  points = rng.random((len(pull), 1)) + np.arange(count)
  passed = np.cumsum(p, 1)[:, :, None] <= points[:, None]
  columns = np.minimum(passed.sum(1), size - 1)
  return columns, count / size / np.take_along_axis(p, columns, axis=1)


def grouped(keys: Keys, shared: bool) -> Index:
  """Groups of equal prefix: samples of a turn if shared, else row by row.

  Re-rolls of a turn are a group of their own.
  """
  if not shared:
    return np.arange(len(keys.turn))[:, None]
  group = groups.ids(keys.trajectory < 0, keys.episode, keys.turn)
  order = np.lexsort((keys.trajectory, group))
  count = np.bincount(group)
  found = np.full((len(count), count.max()), -1)
  found[np.arange(found.shape[1]) < count[:, None]] = order
  return found


def pack(samples: Samples, index: Index, weight, **columns) -> RolloutRows:
  """The rows that cross to the device; columns are one number a response."""
  prompts = samples.prompts
  context = dict(
    prefix=prompts.prefix[index[:, 0]],
    prefix_length=prompts.prefix_length[index[:, 0]],
    own=prompts.own[index],
    own_length=prompts.own_length[index],
  )
  if prompts.targets is not None:
    context['targets'] = prompts.targets[index]
  return batching.make_rows(
    context,
    samples.response[index],
    samples.mask[index],
    weight[index],
    samples.logps[index],
    **{k: x[index] for k, x in columns.items() if x is not None},
  )


def _informative(
  total: Float[np.ndarray, 'M G'],
  explored: Bool[np.ndarray, 'M G'],
  min_gap: float,
) -> Bool[np.ndarray, 'M']:
  """Groups that teach something; at least one is kept.

  A group does if the rewards of its free samples differ, or if a forced one
  beats them all. The others say what the policy does anyway; leaving them out
  saves their cost, as the dynamic sampling of DAPO (Yu et al. 2025, arXiv
  2503.14476) does. What is lost: rewards that differ by less than `min_gap`,
  and forced samples that are worse than free ones that all agree; and groups
  that are left out pull by no KL.
  """
  known = ~np.isnan(total)
  best_free = np.where(~explored & known, total, -np.inf).max(-1)
  worst_free = np.where(~explored & known, total, np.inf).min(-1)
  best_found = np.where(explored & known, total, -np.inf).max(-1)
  with np.errstate(invalid='ignore'):  # groups without any reward
    gap = np.fmax(best_free - worst_free, best_found - best_free)
  gap = np.where(np.isnan(gap), -np.inf, gap)
  return (gap >= min_gap) | (gap == gap.max())


def _values(samples, index: Index, value_fn, size: int) -> np.ndarray:
  """The value head at each response's first token, `size` groups at a time."""
  found = np.zeros(len(samples.reward), np.float32)
  ones = np.ones_like(found)
  for start in range(0, len(index), size):
    part = index[start : start + size]
    rows = batching.pad_groups(pack(samples, part, ones), size)
    found[part] = np.asarray(value_fn(rows))[: len(part), :, 0]
  return found
