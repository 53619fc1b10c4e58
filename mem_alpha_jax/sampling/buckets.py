"""The table of padded shapes, padding, and a counter of compilations.

Every shape that reaches a jitted function of the sampler or the trainer comes
from this table, so that nothing compiles after the first pass over it.
"""

import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np


class Buckets(NamedTuple):
  """Padded lengths in tokens, ascending."""

  prefix: tuple[int, ...]
  own: tuple[int, ...]
  response: tuple[int, ...]


def from_config(rollout_config: Any) -> Buckets:
  """The table of `config.rollout`."""
  sizes = (rollout_config[f'{kind}_buckets'] for kind in Buckets._fields)
  return Buckets(*map(tuple, sizes))


def pick(buckets: Buckets, length: int, kind: str) -> int:
  """Returns the smallest bucket of `kind` that holds `length` tokens."""
  sizes = getattr(buckets, kind)
  for size in sizes:
    if length <= size:
      return size
  raise ValueError(
    f'a {kind} of {length} tokens does not fit rollout.{kind}_buckets={sizes}:'
    f' add a bucket of at least {length}'
  )


def pad(
  rows: Sequence[Sequence[int]], size: int, pad_id: int
) -> tuple[np.ndarray, np.ndarray]:
  """Right-pads rows to int32 [N, size]; also returns lengths [N]."""
  out = np.full((len(rows), size), pad_id, np.int32)
  for i, row in enumerate(rows):
    if len(row) > size:
      raise ValueError(f'row {i} has {len(row)} tokens, the bucket {size}')
    out[i, : len(row)] = row
  return out, np.array([len(row) for row in rows], np.int32)


_EVENT = '/jax/core/compile/backend_compile_duration'
_lock = threading.Lock()
_compiles = [0]


def _count(event: str, duration: float, **kwargs: Any) -> None:
  del duration, kwargs
  if event == _EVENT:
    with _lock:
      _compiles[0] += 1


jax.monitoring.register_event_duration_secs_listener(_count)


def compile_count() -> int:
  """Returns how many programs this process compiled, or read from the cache."""
  return _compiles[0]
