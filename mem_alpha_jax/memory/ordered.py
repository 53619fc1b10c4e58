"""Persistent values that the memory is made of: an ordered set and a chain.

Both share structure between versions, and equal contents make equal values.
"""

from collections.abc import Iterator
from typing import Any

import immutables

_BITS = 8  # of a number, at each of
_LEVELS = 4

# A set of integers from 0 to 2^32 - 1: a tree whose nodes have 256 children,
# (level, prefix) -> bit mask of the children that hold something. An edit and
# the step from one number to the next cost O(log n) at most.
Ints = immutables.Map
NO_INTS: Ints = immutables.Map()


def add(ints: Ints, value: int) -> Ints:
  """Returns the set with one more number."""
  for level in range(_LEVELS):
    value, bit = value >> _BITS, 1 << (value & (1 << _BITS) - 1)
    mask = ints.get((level, value), 0)
    ints = ints.set((level, value), mask | bit)
    if mask:  # the levels above know
      break
  return ints


def remove(ints: Ints, value: int) -> Ints:
  """Returns the set without a number that it holds."""
  for level in range(_LEVELS):
    value, bit = value >> _BITS, 1 << (value & (1 << _BITS) - 1)
    mask = ints[level, value] ^ bit
    if mask:
      return ints.set((level, value), mask)
    ints = ints.delete((level, value))
  return ints


def walk(
  ints: Ints, down: bool = False, level: int = _LEVELS - 1, prefix: int = 0
) -> Iterator[int]:
  """Yields the numbers in ascending order, or `down`."""
  mask = ints.get((level, prefix), 0)
  while mask:
    bit = (mask if down else mask & -mask).bit_length() - 1
    mask ^= 1 << bit
    child = prefix << _BITS | bit
    if level:
      yield from walk(ints, down, level - 1, child)
    else:
      yield child


class Chain:
  """A list that grows at its end; every version is a value of its own."""

  __slots__ = ('_before', '_last', '_length')

  def __init__(self, before: 'Chain | None' = None, last: Any = None):
    self._before, self._last = before, last
    self._length = 0 if before is None else len(before) + 1

  def __len__(self) -> int:
    return self._length

  def __iter__(self) -> Iterator[Any]:
    return reversed(list(self.newest()))

  def __eq__(self, other: object) -> bool:
    if not isinstance(other, Chain) or len(self) != len(other):
      return False
    mine, others = self, other
    while mine is not others and len(mine):
      if mine._last != others._last:
        return False
      mine, others = mine._before, others._before
    return True

  __hash__ = None

  def append(self, item: Any) -> 'Chain':
    return Chain(self, item)

  def newest(self) -> Iterator[Any]:
    """Yields the items, the last first."""
    node = self
    while len(node):
      yield node._last
      node = node._before


NO_ITEMS = Chain()
