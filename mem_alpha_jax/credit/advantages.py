"""Advantages of sampled responses: pure NumPy on the host, no compilation.

An estimator is a function of (rewards [N], keys, config.rl) -> advantages
[N], one number a row of the table. A reward that is NaN is missing data, a
reader or judge that failed: it enters no mean and no standard deviation, and
its own advantage is zero. A new one is a function, and a line in ESTIMATORS.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from mem_alpha_jax.credit import forks, groups, shares

Column = Float[np.ndarray, 'N']


class Advantages(NamedTuple):
  """What the update learns from, and how much of it says anything.

  Attributes:
    advantages: float32, zero where missing.
    returns: float32 targets of the value head; zeros without one.
    degenerate_share: share of groups whose standard deviation is below the
      floor, among the groups with a known reward (0 where values are).
  """

  advantages: Column
  returns: Column
  degenerate_share: float


def grpo(rewards: Column, keys: groups.Keys, config: Any) -> Column:
  """Group-relative advantages.

  A_i = (r_i - mean(r)) / max(std(r), floor). Shao et al. 2024, DeepSeekMath,
  arXiv 2402.03300; the floor instead of their epsilon keeps a
  group of almost equal rewards from being blown up to unit variance.
  """
  stats = groups.compare(rewards, keys, config.group_by)
  return stats.gap / np.maximum(stats.std, config.std_floor)


def dr_grpo(rewards: Column, keys: groups.Keys, config: Any) -> Column:
  """Group-relative advantages without the division, so without its bias.

  A_i = r_i - mean(r). Liu et al. 2025, Understanding R1-Zero-like training,
  arXiv 2503.20783.
  """
  return groups.compare(rewards, keys, config.group_by).gap


def rloo(rewards: Column, keys: groups.Keys, config: Any) -> Column:
  """Leave-one-out advantages.

  A_i = r_i - sum_{j != i} r_j / (n - 1) = n / (n - 1) (r_i - mean(r)).
  Ahmadian et al. 2024, Back to basics, arXiv 2402.14740. A group of one has
  no baseline and gets zero.
  """
  stats = groups.compare(rewards, keys, config.group_by)
  return stats.gap * stats.count / np.maximum(stats.count - 1, 1)


def gdpo(rewards: Column, keys: groups.Keys, config: Any) -> Column:
  """Each part of the reward relative to its group by itself, then their sum.

  A_i = (s_i - mean(s)) / max(std(s), floor) over the rows of the batch, of
  s_i = sum_k w_k (r_ki - mean(r_k)) / max(std(r_k), floor) over the row's
  group. GDPO, arXiv 2601.05242: two responses with the parts (0, 1) and (1, 1)
  beside (0, 0) get the same from GRPO in groups of two, and twice as much here.
  Rows are whitened, as in its TRL code, not tokens. Ours: the floor, and that
  a part that is missing, or that a role does not earn, adds nothing.
  """
  known = ~np.isnan(rewards)
  total = np.zeros(len(rewards))
  for weight, part in keys.parts.values():
    part = np.where(known, part, np.nan)
    total += weight * np.nan_to_num(grpo(part, keys, config))
  if not known.any():
    return total
  spread = np.maximum(total[known].std(), config.std_floor)
  return (total - total[known].mean()) / spread


def gae(rewards: Column, keys: groups.Keys, config: Any) -> Column:
  """Generalized advantage estimation over the turns of each trajectory.

  delta_t = r_t + gamma V_{t+1} - V_t,  A_t = delta_t + gamma lam A_{t+1}.
  Schulman et al. 2015, arXiv 1506.02438. V_t is keys.value, that of the state
  at the start of the response; V_T = 0, the episode ends. What a trajectory
  earns once, at its end, must be the reward of its last turn alone
  (rollout/samples.py). A missing reward cuts the trace: the turns before it
  bootstrap from its value, its own advantage is zero.
  """
  known = ~np.isnan(rewards)
  values = np.asarray(keys.value, np.float64)
  whole = groups.ids(keys.episode, keys.trajectory)
  advantages = np.zeros_like(values)
  carry, after = np.zeros((2, len(values)))  # of each trajectory
  for t in reversed(range(keys.turn.max() + 1)):
    at = np.flatnonzero(keys.turn == t)
    of = whole[at]
    delta = rewards[at] + config.gamma * after[of] - values[at]
    trace = delta + config.gamma * config.lam * carry[of]
    advantages[at] = carry[of] = np.where(known[at], trace, 0.0)
    after[of] = values[at]
  return advantages


def uma(rewards: Column, keys: groups.Keys, config: Any) -> Column:
  """Writers are compared as trajectories, answers at their question.

  A = z(G_i; trajectories) of a writer, G_i = mean_j(R_ij) over the questions
  of its trajectory, and A = z(R_ij; trajectories at question j) of an answer.
  UMA, arXiv 2602.18493. Role 0 writes, and its turns earn the mean of the
  answers (reward.answerer=policy); a question has its turn. Ours: what else a
  turn earns is in both, where theirs has the share of valid calls.
  """
  whole, each = (
    groups.compare(rewards, keys, by) for by in ('trajectory', 'chunk')
  )
  z = lambda stats: stats.gap / np.maximum(stats.std, config.std_floor)
  return np.where(keys.role == 0, z(whole), z(each))


def agree(
  rewards: Column, keys: groups.Keys, config: Any, rule: str = 'ndcg'
) -> Column:
  """Answers count for a role as much as its own reward agrees with them.

  A = GRPO of local + w_a answers, where local is the sum of the other parts
  and w_a the weight of the row's role in its episode (shares.agree), by the
  means of local over the role's rows of each trajectory, beside the mean that
  its writer is paid for answers. CoMAM, arXiv 2603.12631. Ours: a trajectory
  has several questions, and an answer is paid by its own. A role that
  has no row agrees with all.
  """
  known = ~np.isnan(rewards)
  paid = {
    name: weight * np.where(known, np.nan_to_num(np.float64(column)), np.nan)
    for name, (weight, column) in keys.parts.items()
  }
  answers = paid.pop('answers')
  local = sum(paid.values(), 0 * answers)  # no difference: it would break ties
  role = groups.ids(keys.role)
  at = keys.episode, role, keys.trajectory
  shape = tuple(column.max() + 1 for column in at)
  own = _table(local, at, shape)
  shared = _table(answers, at, shape)[:, 0]
  share = shares.agree(own, shared, rule)[keys.episode, role]
  return grpo(local + share * answers, keys, config)


def _table(values: Column, at, shape) -> Float[np.ndarray, 'E A G']:
  """Means of rows by (episode, role, trajectory), NaN without any."""
  known = ~np.isnan(values)
  total, count = np.zeros((2, *shape))
  at = tuple(column[known] for column in at)
  np.add.at(total, at, values[known])
  np.add.at(count, at, 1)
  return np.divide(total, count, out=np.full(shape, np.nan), where=count > 0)


ESTIMATORS: dict[str, Callable[[Column, groups.Keys, Any], Column]] = {
  'grpo': grpo,
  'dr_grpo': dr_grpo,
  'rloo': rloo,
  'gdpo': gdpo,
  'gae': gae,
  'siblings': functools.partial(forks.siblings, estimator=rloo),
  'siblings_grpo': functools.partial(forks.siblings, estimator=grpo),
  'tree': forks.tree,
  'mem_t': forks.mem_t,
  'uma': uma,
  'agree': agree,
  'agree_spearman': functools.partial(agree, rule='spearman'),
}


def check(config: Any) -> None:
  """Refuses what no estimator can do with.

  Args:
    config: config.rl, fields advantage, group_by and std_floor.

  Raises:
    ValueError: naming the field and what it may be.
  """
  wrong = {
    'advantage': config.advantage not in ESTIMATORS
    and f'use one of {list(ESTIMATORS)}',
    'group_by': config.group_by not in groups.GROUP_BY
    and f'use one of {list(groups.GROUP_BY)}',
    # Without a floor, a group of equal rewards would divide rounding noise by
    # rounding noise and learn from it.
    'std_floor': not config.std_floor > 0 and 'must be above 0',
  }
  for name, way_out in wrong.items():
    if way_out:
      raise ValueError(f'config.rl.{name}={config[name]!r}: {way_out}')


def compute(rewards: Column, keys: groups.Keys, config: Any) -> Advantages:
  """Advantages by `rl.advantage`, and returns where there are values.

  return_t = A_t + V_t.
  """
  rewards = np.asarray(rewards, np.float64)
  found = ESTIMATORS[config.advantage](rewards, keys, config)
  found = np.where(np.isnan(rewards), 0.0, found)
  if keys.value is not None:
    returns = found + np.asarray(keys.value, np.float64)
    return Advantages(*np.float32([found, returns]), 0.0)
  stats = groups.compare(rewards, keys, config.group_by)
  occupied = stats.count > 0
  _, one = np.unique(stats.group[occupied], return_index=True)
  low = stats.std[occupied][one] < config.std_floor
  share = float(low.mean()) if low.size else 0.0
  return Advantages(np.float32(found), np.zeros(len(found), np.float32), share)
