"""Training rows, and batches of them of one shape: NumPy on the host.

Padding rows weigh zero and repeat nothing.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Bool, Float, Int

from mem_alpha_jax.types import RolloutRows

Numbers = Float[np.ndarray, 'M G'] | None  # one a response; None: zeros


def make_rows(
  context: dict[str, Any],
  response: Int[np.ndarray, 'M G R'],
  mask: Bool[np.ndarray, 'M G R'],
  row_weight: Float[np.ndarray, 'M G'],
  logps: Float[np.ndarray, 'M G R'] | None = None,
  advantages: Numbers = None,
  returns: Numbers = None,
  old_values: Numbers = None,
) -> RolloutRows:
  """Spreads numbers of responses over their tokens.

  The advantage of a response goes to each of its tokens; its return and old
  value go to its first token, the only one whose value is trained.

  `context` has prefix, prefix_length, own and own_length of the rows, and the
  targets of those sampled by a grammar; a row whose reward is missing weighs 0;
  log-probs are the sampler's, zeros if None.
  """
  first = mask & (np.arange(mask.shape[-1]) == 0)

  def spread(values, where):
    values = np.zeros(row_weight.shape) if values is None else values
    return np.where(where, values[..., None], 0.0).astype(np.float32)

  return RolloutRows(
    **context,
    response=response,
    response_mask=mask,
    rollout_logps=spread(None, mask) if logps is None else logps,
    advantages=spread(advantages, mask),
    row_weight=row_weight,
    returns=spread(returns, first),
    old_values=spread(old_values, first),
  )


def minibatches(
  rows: RolloutRows, seed: int | Sequence[int], size: int
) -> Iterator[RolloutRows]:
  """Shuffles the groups and deals them into batches of `size` groups.

  There are as few batches as hold all. Real groups are spread evenly (their
  numbers differ by at most one); what is left is padding of zero weight.

  `size` is a multiple of rl.microbatches * mesh.data * mesh.fsdp.
  """
  rows = jax.tree.map(np.asarray, rows)
  groups = len(rows.row_weight)
  order = np.random.default_rng(seed).permutation(groups)
  for part in np.array_split(order, -(-groups // size)):
    yield pad_groups(jax.tree.map(lambda x, part=part: x[part], rows), size)


def pad_groups(rows: RolloutRows, size: int) -> RolloutRows:
  """Appends groups of zeros; lengths of one keep every softmax finite."""
  groups = len(rows.row_weight)

  def pad(x):
    x = np.asarray(x)
    return np.concatenate([x, np.zeros((size - groups, *x.shape[1:]), x.dtype)])

  padded = jax.tree.map(pad, rows)
  padded.prefix_length[groups:] = padded.own_length[groups:] = 1
  return padded
