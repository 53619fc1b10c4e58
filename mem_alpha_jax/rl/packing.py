"""Lays a minibatch out so that what is padding is not computed: host side.

Responses are shorter than their bucket, most by half. The samples of a group
stand one after the other in rows as long as one sample may be, and groups are
dealt into micro-batches of fixed shape; an update runs as many of them as hold
anything. It changes which sums are taken first, and nothing else.
"""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Int

from mem_alpha_jax.rl import batching
from mem_alpha_jax.types import RolloutRows


class Shape(NamedTuple):
  """What a micro-batch has room for, on each device."""

  groups: int
  rows: int  # of one group each


def shape(rl_config: Any, width: int) -> Shape | None:
  """For groups of so many samples; None where config.rl packs nothing."""
  groups = rl_config.packed_groups
  if not groups:
    return None
  return Shape(groups, min(rl_config.packed_rows, groups * width))


def batches(size: int, width: int, shape: Shape, devices: int) -> int:
  """Micro-batches that hold `size` groups of `width` samples at the worst."""
  return -(-size // (min(shape.groups, shape.rows // width) * devices))


def places_shape(rows: RolloutRows, shape: Shape, devices: int) -> tuple:
  """Of `RolloutRows.places` for so many groups, padding included."""
  size, width, context = rows.own.shape
  count = batches(size, width, shape, devices) * devices
  return count, shape.rows, context + rows.response.shape[-1] - 1


def pack(rows: RolloutRows, shape: Shape, devices: int = 1) -> RolloutRows:
  """Returns groups packed; micro-batches lie as an update splits them.

  Rows that weigh nothing are left out. Arrays are always as long as groups of
  that number need at the worst; micro-batches that hold nothing come last.
  """
  rows = jax.tree.map(np.asarray, rows)
  length = _lengths(rows)
  size, *rest = places_shape(rows, shape, devices)
  held = [_first_fit(x, rest[-1]) for x in length]
  dealt = _deal([len(row) for row in held], shape, devices)
  count = size // devices
  index = np.full((devices, shape.groups, count), len(held))  # padding
  places = np.full((devices, count, *rest), -1, np.int32)
  for number, groups in enumerate(dealt):
    batch, device = divmod(number, devices)
    packed = iter(places[device, batch])
    for place, group in enumerate(groups):
      index[device, place, batch] = group
      for samples in held[group]:
        at = [_own(rows, group, i, length[group, i], place) for i in samples]
        at = np.concatenate(at)
        next(packed)[: len(at)] = at
  padded = batching.pad_groups(rows, len(held) + 1)
  found = jax.tree.map(lambda x: x[index.reshape(-1)], padded)
  return found.replace(places=places.reshape(size, *rest))


def padding(parts: Sequence[RolloutRows], devices: int = 1) -> float:
  """The share of what updates run through the model that is no token of a row.

  Of prefixes, own contexts and responses together, packed or not; all of a row
  that weighs nothing, and of a micro-batch that is run without a row.
  """
  real = run = 0
  for part in parts:
    length = _lengths(part)
    real += length.sum() + part.prefix_length[length.any(-1)].sum()
    groups, width, context = part.own.shape
    n = context + part.response.shape[-1] - 1
    if part.places is None:
      run += groups * (part.prefix.shape[-1] + width * n)
      continue
    held = (part.places.reshape(devices, -1, *part.places.shape[1:]) >= 0).any(
      (0, 2, 3)
    )
    each = groups // len(part.places) * part.prefix.shape[-1]
    run += devices * held.sum() * (each + part.places[0].size)
  return 1 - float(real / max(run, 1))


def _lengths(rows: RolloutRows) -> Int[np.ndarray, 'M G']:
  """Own tokens that a sample's row needs; 0 of one that weighs nothing."""
  there = (rows.row_weight > 0) & rows.response_mask.any(-1)
  return np.where(there, rows.own_length + rows.response_mask.sum(-1) - 1, 0)


def _own(rows, group: int, i: int, length: int, place: int):
  """The own tokens of a sample, among those of a device's groups."""
  _, width, context = rows.own.shape
  n = context + rows.response.shape[-1] - 1
  at, own = np.arange(length), rows.own_length[group, i]
  return (place * width + i) * n + np.where(at < own, at, at - own + context)


def _first_fit(lengths: Sequence[int], size: int) -> list[list[int]]:
  """Samples of each row, the longest first, each where it first fits."""
  rows, room = [], []
  for i in np.argsort(-np.asarray(lengths), kind='stable'):
    need = lengths[i]
    if not need:
      break
    at = next((r for r, left in enumerate(room) if left >= need), len(rows))
    if at == len(rows):
      rows.append([])
      room.append(size)
    rows[at].append(i)
    room[at] -= need
  return rows


def _deal(need: Sequence[int], shape: Shape, devices: int) -> list[list[int]]:
  """Deals groups that need so many rows into as few micro-batches as hold them.

  Those with most rows first, each to where most are left.
  """
  order = [i for i in np.argsort(-np.asarray(need), kind='stable') if need[i]]
  least = max(-(-len(order) // shape.groups), -(-sum(need) // shape.rows))
  for count in itertools.count(-(-least // devices)):
    bins = [[] for _ in range(count * devices)]
    room = [shape.rows] * len(bins)
    for i in order:
      open_ = [b for b in range(len(bins)) if len(bins[b]) < shape.groups]
      best = max(open_, key=lambda b: (room[b], -len(bins[b])), default=None)
      if best is None or room[best] < need[i]:
        break
      bins[best].append(i)
      room[best] -= need[i]
    else:
      return bins
