"""Training rows in batches of one shape: NumPy on the host.

Padding rows weigh zero and repeat nothing.
"""

from collections.abc import Iterator, Sequence

import jax
import numpy as np

from mem_alpha_jax.types import RolloutRows


def pad_groups(rows: RolloutRows, multiple: int) -> RolloutRows:
  """Appends groups of zero weight until M is a multiple of `multiple`."""
  groups = rows.row_weight.shape[0]
  return _pad_to(rows, -(-groups // multiple) * multiple)


def minibatches(
  rows: RolloutRows,
  seed: int | Sequence[int],
  n: int,
  multiple: int = 1,
) -> Iterator[RolloutRows]:
  """Shuffles the groups and deals them into n batches of the same shape.

  Real groups are spread evenly (their numbers differ by at most one); what is
  left of the shape is padding of zero weight.

  Args:
    rows: M groups.
    seed: of the order; a sequence is hashed, for example (run seed, step).
    n: number of batches.
    multiple: groups of a batch are padded to a multiple of this; give
      rl.microbatches * mesh.data * mesh.fsdp.

  Raises:
    ValueError: if there are fewer groups than batches.
  """
  groups = rows.row_weight.shape[0]
  if not 1 <= n <= groups:
    raise ValueError(
      f'rl.minibatches={n}: must be from 1 to the {groups} groups of a batch'
    )
  rows = jax.tree.map(np.asarray, rows)
  order = np.random.default_rng(seed).permutation(groups)
  size = -(-groups // n)
  size = -(-size // multiple) * multiple
  for part in np.array_split(order, n):
    yield _pad_to(jax.tree.map(lambda x, part=part: x[part], rows), size)


def _pad_to(rows: RolloutRows, groups: int) -> RolloutRows:
  """Appends groups of zeros; lengths of one keep every softmax finite."""
  extra = groups - rows.row_weight.shape[0]

  def pad(x):
    x = np.asarray(x)
    return np.concatenate([x, np.zeros((extra, *x.shape[1:]), x.dtype)])

  padded = jax.tree.map(pad, rows)
  padded.prefix_length[groups - extra :] = 1
  padded.own_length[groups - extra :] = 1
  return padded
