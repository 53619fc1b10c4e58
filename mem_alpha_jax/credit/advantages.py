"""Advantages of sampled responses: pure NumPy on the host, no compilation.

Rewards come as [B, G, T]: episode b, sample g, chunk t (see types.py for the
letters). A reward that is NaN or not `valid` is missing data, a reader or
judge that failed: it enters no mean and no standard deviation, and its own
advantage is zero.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

Rewards = Float[np.ndarray, 'B G T']
Valid = Bool[np.ndarray, 'B G T']


class Advantages(NamedTuple):
  """What the update learns from, and how much of it says anything.

  Attributes:
    advantages: float32, zero where missing.
    returns: float32 targets of the value head; zeros without GAE.
    valid: False where the reward is missing.
    degenerate_share: share of groups whose standard deviation is below the
      floor, among the groups with a valid reward (0 for GAE).
    missing_share: share of rewards that are missing.
  """

  advantages: Rewards
  returns: Rewards
  valid: Valid
  degenerate_share: float
  missing_share: float


class GroupStats(NamedTuple):
  """Mean, standard deviation and valid count, kept broadcastable."""

  mean: np.ndarray
  std: np.ndarray
  count: np.ndarray


# The axes of [B, G, T] that make one group. 'trajectory' first replaces the
# rewards of a trajectory by their mean, so its T axis then has size 1.
GROUP_AXES = {'chunk': (1,), 'trajectory': (1,), 'episode': (1, 2)}


def known(rewards: Rewards, valid: Valid | None) -> tuple[Rewards, Valid]:
  """Returns rewards as float64 with zeros where missing, and the mask."""
  rewards = np.asarray(rewards, np.float64)
  mask = ~np.isnan(rewards)
  if valid is not None:
    mask &= np.asarray(valid, bool)
  return np.where(mask, rewards, 0.0), mask


def group_stats(
  rewards: Rewards, valid: Valid, axes: tuple[int, ...], ddof: int = 0
) -> GroupStats:
  """Statistics over the valid rewards of each group.

  mean = sum(r) / n,  std = sqrt(sum((r - mean)^2) / max(n - ddof, 1)); both 0
  for a group without valid rewards.
  """
  count = valid.sum(axis=axes, keepdims=True)
  mean = rewards.sum(axis=axes, keepdims=True, where=valid)
  mean = mean / np.maximum(count, 1)
  square = np.square(rewards - mean)
  variance = square.sum(axis=axes, keepdims=True, where=valid)
  variance = variance / np.maximum(count - ddof, 1)
  return GroupStats(mean, np.sqrt(variance), count)


def grpo(
  rewards: Rewards, stats: GroupStats, std_floor: float
) -> Float[np.ndarray, 'B G T']:
  """Group-relative advantages.

  A_i = (r_i - mean(r)) / max(std(r), floor). Shao et al. 2024, DeepSeekMath,
  arXiv 2402.03300; the floor instead of their epsilon keeps a
  group of almost equal rewards from being blown up to unit variance.
  """
  return (rewards - stats.mean) / np.maximum(stats.std, std_floor)


def dr_grpo(
  rewards: Rewards, stats: GroupStats, std_floor: float
) -> Float[np.ndarray, 'B G T']:
  """Group-relative advantages without the division, so without its bias.

  A_i = r_i - mean(r). Liu et al. 2025, Understanding R1-Zero-like training,
  arXiv 2503.20783. The floor is not used.
  """
  del std_floor
  return rewards - stats.mean


def rloo(
  rewards: Rewards, stats: GroupStats, std_floor: float
) -> Float[np.ndarray, 'B G T']:
  """Leave-one-out advantages.

  A_i = r_i - sum_{j != i} r_j / (n - 1) = n / (n - 1) (r_i - mean(r)).
  Ahmadian et al. 2024, Back to basics, arXiv 2402.14740. A group of one has
  no baseline and gets zero. The floor is not used.
  """
  del std_floor
  others = np.maximum(stats.count - 1, 1)
  return (rewards - stats.mean) * stats.count / others


def gae(
  rewards: Rewards,
  values: Float[np.ndarray, 'B G T'],
  valid: Valid,
  gamma: float,
  lam: float,
) -> tuple[Float[np.ndarray, 'B G T'], Float[np.ndarray, 'B G T']]:
  """Generalised advantage estimation over the chunks of each trajectory.

  delta_t = r_t + gamma V_{t+1} - V_t,  A_t = delta_t + gamma lam A_{t+1},
  return_t = A_t + V_t. Schulman et al. 2015, arXiv 1506.02438. V_t is
  the value head at the start of the response to chunk t; V_T = 0, the episode
  ends. A missing reward cuts the trace: the chunks before it bootstrap from
  its value, its own advantage is zero and its return is its value.

  Returns:
    Advantages and returns. Where an episode is shorter than T, give value 0
    and valid False past its end.
  """
  steps = rewards.shape[-1]
  values = np.asarray(values, np.float64)
  advantages = np.zeros_like(values)
  carry = np.zeros_like(values[..., 0])
  after = np.zeros_like(carry)
  for t in reversed(range(steps)):
    delta = rewards[..., t] + gamma * after - values[..., t]
    carry = np.where(valid[..., t], delta + gamma * lam * carry, 0.0)
    advantages[..., t] = carry
    after = values[..., t]
  return advantages, advantages + values


ESTIMATORS: dict[str, Callable[..., np.ndarray]] = {
  'grpo': grpo,
  'dr_grpo': dr_grpo,
  'rloo': rloo,
  'gae': gae,
}


def compute(
  rewards: Rewards,
  rl_config: Any,
  valid: Valid | None = None,
  values: Float[np.ndarray, 'B G T'] | None = None,
  ddof: int = 0,
) -> Advantages:
  """Advantages by `rl.advantage` and `rl.group_by`.

  Groups: 'chunk' compares the G samples at each (b, t), also right where they
  start from the same state; 'trajectory' compares the G means over valid
  chunks and spreads the result to the valid rows; 'episode' pools all G * T
  rows of an episode, as the reference implementation of Mem-alpha does.

  Args:
    rewards: NaN where the reader or judge failed.
    rl_config: fields advantage, group_by, std_floor; gamma and lam for GAE.
    valid: False where a row is missing or does not exist.
    values: value of each chunk's state, needed by GAE.
    ddof: 1 divides the variance by n - 1 instead of n.

  Raises:
    ValueError: for an unknown field value, or GAE without values.
  """
  name, group_by = rl_config.advantage, rl_config.group_by
  if name not in ESTIMATORS:
    raise ValueError(f'rl.advantage={name!r}: use one of {list(ESTIMATORS)}')
  rewards, valid = known(rewards, valid)
  if name == 'gae':
    if values is None:
      raise ValueError('rl.advantage=gae needs values: set model.value_head')
    result, returns = gae(
      rewards, values, valid, rl_config.gamma, rl_config.lam
    )
    return _pack(result, returns, valid, 0.0)
  if group_by not in GROUP_AXES:
    raise ValueError(f'rl.group_by={group_by!r}: use {list(GROUP_AXES)}')
  # Without a floor, a group of equal rewards would divide rounding noise by
  # rounding noise and learn from it.
  if not rl_config.std_floor > 0:
    raise ValueError(f'rl.std_floor={rl_config.std_floor}: must be above 0')
  scores, counted = rewards, valid
  if group_by == 'trajectory':
    scores = group_stats(rewards, valid, axes=(2,)).mean
    counted = valid.any(axis=2, keepdims=True)
  stats = group_stats(scores, counted, GROUP_AXES[group_by], ddof)
  result = ESTIMATORS[name](scores, stats, rl_config.std_floor)
  occupied = stats.count > 0
  degenerate = occupied & (stats.std < rl_config.std_floor)
  share = degenerate.sum() / max(occupied.sum(), 1)
  return _pack(result, np.zeros_like(rewards), valid, share)


def _pack(advantages, returns, valid, degenerate_share) -> Advantages:
  """Spreads to rows, zeroes the missing ones, and casts for the device."""
  advantages = np.where(valid, advantages, 0.0).astype(np.float32)
  return Advantages(
    advantages,
    returns.astype(np.float32),
    valid,
    float(degenerate_share),
    float(1.0 - valid.mean()),
  )
