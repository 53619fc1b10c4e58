"""Costs of the kernels that XLA calls but cannot count."""

import math

from mem_alpha_jax.compile.instructions import Cost
from mem_alpha_jax.model import flash

FLOATS = ('bf16', 'f32')


def _tiles(n: int, length: int) -> tuple[int, int, int]:
  """Edges of the tiles of n queries and L keys, and how many are computed."""
  rows, columns = flash.edge(n), flash.edge(length)
  ends = (length - n + (i + 1) * rows for i in range(n // rows))
  return rows, columns, sum(-(-end // columns) for end in ends)


def _tiled(operands: list) -> tuple[list, tuple[int, int], float]:
  """Queries, keys and values; edges of their tiles; heads' elements of all."""
  q, k, v = [a for a in operands if a.dtype in FLOATS and len(a.dims) > 2][:3]
  *heads, n, size = q.dims
  rows, columns, tiles = _tiles(n, k.dims[-2])
  return [q, k, v], (rows, columns), float(tiles * math.prod(heads) * size)


def _forward_cost(operands: list, results: list) -> Cost:
  """Two products a tile; keys and values are read for each row of tiles."""
  (q, k, v), (rows, columns), tiles = _tiled(operands)
  item = k.size // math.prod(k.dims)
  read = 0 if k.local and v.local else 2 * tiles * columns * item
  moved = q.hbm + sum(a.hbm for a in results) + read
  return Cost(flops=4.0 * tiles * rows * columns, hbm=moved)


def _backward_cost(operands: list, results: list) -> Cost:
  """Five products a tile; queries and what comes back for each column."""
  (q, k, v), (rows, columns), tiles = _tiled(operands)
  item = q.size // math.prod(q.dims)
  moved = k.hbm + v.hbm + sum(a.hbm for a in results)
  moved += 2 * tiles * rows * item
  return Cost(flops=10.0 * tiles * rows * columns, hbm=moved)


# What XLA cannot count: names of splash's kernels -> their cost.
COSTS = {'splash_mha_fwd': _forward_cost, 'splash_mha_dkv': _backward_cost}
