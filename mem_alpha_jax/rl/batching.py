"""From sampled responses to padded training rows: NumPy on the host.

Padding rows weigh zero and repeat nothing; shapes come from the widths given
(the bucket table's), so that no batch compiles anew.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from mem_alpha_jax.types import RolloutRows

Tokens = Sequence[int]


class Widths(NamedTuple):
  """Padded lengths in tokens, each from its bucket of config.rollout."""

  prefix: int
  own: int
  response: int


def to_rows(
  prefixes: Sequence[Tokens],
  owns: Sequence[Sequence[Tokens]],
  responses: Sequence[Sequence[Tokens]],
  logps: Sequence[Sequence[Sequence[float]]],
  advantages: Float[np.ndarray, 'M G'],
  widths: Widths,
  pad_id: int,
  row_weight: Float[np.ndarray, 'M G'] | None = None,
  returns: Float[np.ndarray, 'M G'] | None = None,
  old_values: Float[np.ndarray, 'M G'] | None = None,
) -> RolloutRows:
  """Pads M groups of G sampled responses to rows.

  The ids are stored as sampled, EOS included. The advantage of a response
  goes to each of its tokens; its return and old value go to its first token,
  the only one whose value is trained.

  Args:
    prefixes: M lists of ids, shared by a group.
    owns: M lists of G lists of ids, none empty.
    responses: M lists of G lists of sampled ids.
    logps: nats, one for each response id.
    advantages: one for each response.
    widths: padded lengths.
    pad_id: id that fills what is left.
    row_weight: ones if None; give 0 to a row whose reward is missing.
    returns: targets of the value head, zeros if None.
    old_values: values at sampling time, zeros if None.

  Raises:
    ValueError: if a list passes its width, an own context is empty, or a
      response and its logps differ in length; names the field and the row.
  """
  shape = np.shape(advantages)
  own_lists = _flatten(owns, shape, 'own')
  response_lists = _flatten(responses, shape, 'response')
  logp_lists = _flatten(logps, shape, 'logps')
  prefix, prefix_length = _pad(prefixes, widths.prefix, pad_id, 'prefix')
  own, own_length = _pad(own_lists, widths.own, pad_id, 'own')
  response, length = _pad(response_lists, widths.response, pad_id, 'response')
  logp, logp_length = _pad(logp_lists, widths.response, 0.0, 'response')
  if len(prefix) != shape[0]:
    raise ValueError(f'{len(prefix)} prefixes for {shape[0]} groups')
  if np.any(own_length < 1):
    row = int(np.argmin(own_length))
    raise ValueError(f'own context of row {row} is empty: needs a token')
  if np.any(length != logp_length):
    row = int(np.argmax(length != logp_length))
    raise ValueError(
      f'row {row}: {length[row]} response ids but {logp_length[row]} logps'
    )
  mask = _mask(length, widths.response).reshape(*shape, -1)
  first = np.arange(widths.response) == 0

  def spread(values, where):
    values = np.zeros(shape) if values is None else np.asarray(values)
    return np.where(mask & where, values[..., None], 0).astype(np.float32)

  return RolloutRows(
    prefix=prefix,
    prefix_length=prefix_length,
    own=own.reshape(*shape, -1),
    own_length=own_length.reshape(shape),
    response=response.reshape(*shape, -1),
    response_mask=mask,
    rollout_logps=logp.reshape(*shape, -1),
    advantages=spread(advantages, True),
    row_weight=(
      np.ones(shape, np.float32)
      if row_weight is None
      else np.asarray(row_weight, np.float32).reshape(shape)
    ),
    returns=spread(returns, first),
    old_values=spread(old_values, first),
  )


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


def pack_lengths(lengths: Sequence[int], capacity: int) -> list[list[int]]:
  """First-fit-decreasing bin packing; ties go to the lower index.

  At most 11/9 of the optimal number of bins and 6/9 of a bin more (Dosa
  2007).

  Returns:
    Bins of indices into `lengths`; each index once, each bin's sum at most
    `capacity`.

  Raises:
    ValueError: if a length passes the capacity.
  """
  bins: list[list[int]] = []
  room: list[int] = []
  for i in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
    if lengths[i] > capacity:
      raise ValueError(
        f'row {i} has {lengths[i]} tokens, more than the capacity {capacity}'
      )
    place = next((b for b, r in enumerate(room) if r >= lengths[i]), None)
    if place is None:
      bins.append([])
      room.append(capacity)
      place = len(bins) - 1
    bins[place].append(i)
    room[place] -= lengths[i]
  return bins


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


def _flatten(nested, shape: tuple[int, int], name: str) -> list:
  """Rows of M lists of G; every group must have G."""
  if [len(group) for group in nested] != [shape[1]] * shape[0]:
    raise ValueError(
      f'{name}: expected {shape[0]} groups of {shape[1]} samples'
    )
  return [row for group in nested for row in group]


def _mask(lengths: np.ndarray, width: int) -> np.ndarray:
  return np.arange(width) < lengths[:, None]


def _pad(lists, width: int, fill: int | float, name: str):
  """Returns (array [n, width], lengths [n]); refuses to cut anything."""
  lengths = np.array([len(row) for row in lists], np.int32)
  if lengths.size and lengths.max() > width:
    row = int(np.argmax(lengths))
    raise ValueError(
      f'row {row}: {name} of {lengths[row]} tokens does not fit {width}; '
      f'raise rollout.{name}_buckets'
    )
  dtype = np.float32 if isinstance(fill, float) else np.int32
  out = np.full((len(lengths), width), fill, dtype)
  if lengths.sum():
    flat = np.concatenate([np.asarray(row, dtype) for row in lists])
    out[_mask(lengths, width)] = flat
  return out, lengths
