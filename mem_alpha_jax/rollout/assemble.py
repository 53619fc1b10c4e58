"""From a graded grid to training rows: rewards, advantages, weights."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float

from mem_alpha_jax.credit import advantages as advantages_lib
from mem_alpha_jax.reward import parts as parts_lib
from mem_alpha_jax.rollout import collector, forced_calls, grading
from mem_alpha_jax.types import RolloutRows


def rewards(grid: collector.Grid, config) -> Float[np.ndarray, 'B G T']:
  """Weighted sums of the parts; NaN where a part that counts is missing."""
  weights = {name: config.reward[name] for name in collector.PARTS}
  flat = grid.parts.reshape(-1, len(collector.PARTS))
  total = [
    parts_lib.combine(dict(zip(collector.PARTS, row, strict=True)), weights)
    for row in flat.tolist()
  ]
  return np.array(total, np.float32).reshape(grid.parts.shape[:-1])


def to_rows(
  grid: collector.Grid,
  config,
  value_fn: Callable[[RolloutRows], Float[np.ndarray, 'M G R']] | None = None,
) -> tuple[RolloutRows, dict[str, float]]:
  """Advantages at trajectory level first, then one row a response.

  Samples that share a prefix become M = B * T groups of G rows, the others
  M = B * G * T groups of one row.

  Args:
    grid: samples of a batch.
    config: the run's config.
    value_fn: value head on rows, needed by rl.advantage=gae.
  """
  shared = collector.shares_prefix(config)
  b, g, t = grid.valid.shape
  total = rewards(grid, config)
  rows = _rows(grid, shared)
  values = None
  if value_fn is not None:
    rows, values = _with_values(rows, value_fn, (b, g, t), shared)
    values = np.where(grid.valid, values, 0.0)  # an episode's end is worth 0
  result = advantages_lib.compute(total, config.rl, grid.valid, values)
  weight = forced_calls.weights(grid.forced, grid.logps, result.advantages)
  weight = weight * result.valid
  rows = rows.replace(
    advantages=_spread(_arrange(result.advantages, shared), rows),
    row_weight=_arrange(weight.astype(np.float32), shared),
    returns=_spread(_arrange(result.returns, shared), rows, first=True),
  )
  live = _arrange(grid.valid, shared).any(-1)
  if config.rollout.groups == 'state' and config.rl.min_gap:
    explored = (grid.forced != forced_calls.FREE).any(-1)
    live &= _informative(
      _arrange(total, shared), _arrange(explored, shared), config.rl.min_gap
    )
  rows = RolloutRows(
    **{
      name: getattr(rows, name)[live]
      for name in RolloutRows.__dataclass_fields__
    }
  )
  keep = config.rl.train_samples
  if shared and 0 < keep < g:
    rows = _heaviest(rows, keep)
  return rows, {
    'reward/total': grading.mean(total[grid.valid]),
    'rl/degenerate_groups': result.degenerate_share,
    'rl/missing_rewards': float(np.isnan(total[grid.valid]).mean()),
  }


def _informative(
  total: Float[np.ndarray, 'M G'],
  explored: Bool[np.ndarray, 'M G'],
  min_gap: float,
) -> Bool[np.ndarray, 'M']:
  """Groups that teach something; at least one is kept.

  A group does if the rewards of its free samples differ, or if a forced one
  beats them all. The others say what the policy does anyway; leaving them out
  saves their cost, as the dynamic sampling of DAPO (Yu et al. 2025, arXiv
  2503.14476) does.
  """
  known = ~np.isnan(total)
  best_free = np.where(~explored & known, total, -np.inf).max(-1)
  worst_free = np.where(~explored & known, total, np.inf).min(-1)
  best_found = np.where(explored & known, total, -np.inf).max(-1)
  with np.errstate(invalid='ignore'):  # groups without any reward
    gap = np.fmax(best_free - worst_free, best_found - best_free)
  gap = np.where(np.isnan(gap), -np.inf, gap)
  return (gap >= min_gap) | (gap == gap.max())


def _heaviest(rows: RolloutRows, keep: int) -> RolloutRows:
  """The rows of each group that pull most: largest weight |advantage|.

  Forced samples that failed weigh next to nothing; leaving them out saves
  their cost.
  """
  pull = rows.row_weight * np.abs(rows.advantages[..., 0])
  chosen = np.argsort(-pull, axis=1, kind='stable')[:, :keep]

  def take(x):
    index = chosen.reshape(*chosen.shape, *(1,) * (x.ndim - 2))
    return np.take_along_axis(x, index, axis=1)

  shared = {'prefix': rows.prefix, 'prefix_length': rows.prefix_length}
  own = {
    name: take(getattr(rows, name))
    for name in RolloutRows.__dataclass_fields__
    if name not in shared
  }
  return RolloutRows(**shared, **own)


def _arrange(array: np.ndarray, shared: bool) -> np.ndarray:
  """[B, G, T, ...] -> [B * T, G, ...], or [B * G * T, 1, ...]."""
  if shared:
    array = np.moveaxis(array, 1, 2)
    return array.reshape(-1, *array.shape[2:])
  return array.reshape(-1, 1, *array.shape[3:])


def _restore(array: np.ndarray, shape, shared: bool) -> np.ndarray:
  """The inverse of `_arrange`."""
  b, g, t = shape
  if shared:
    return np.moveaxis(array.reshape(b, t, g, *array.shape[2:]), 2, 1)
  return array.reshape(b, g, t, *array.shape[2:])


def _rows(grid: collector.Grid, shared: bool) -> RolloutRows:
  put = lambda name: _arrange(getattr(grid, name), shared)
  zeros = np.zeros_like(put('logps'))
  return RolloutRows(
    prefix=put('prefix')[:, 0],
    prefix_length=put('prefix_length')[:, 0],
    own=put('own'),
    own_length=put('own_length'),
    response=put('response'),
    response_mask=put('mask'),
    rollout_logps=put('logps'),
    advantages=zeros,
    row_weight=put('valid').astype(np.float32),
    returns=zeros,
    old_values=zeros,
  )


def _with_values(rows, value_fn, shape, shared):
  """Adds the values of each response's first token."""
  values = np.asarray(value_fn(rows))[..., 0]
  rows = rows.replace(old_values=_spread(values, rows, first=True))
  return rows, _restore(values, shape, shared)


def _spread(per_row, rows: RolloutRows, first: bool = False) -> np.ndarray:
  """One number a response -> its tokens, or its first token alone."""
  where = rows.response_mask
  if first:
    where = where & (np.arange(where.shape[-1]) == 0)
  return np.where(where, per_row[..., None], 0.0).astype(np.float32)
