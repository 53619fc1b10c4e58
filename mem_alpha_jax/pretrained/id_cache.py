"""Remembers the token ids of texts, within so many bytes."""

import array
import collections
import sys
import threading
from collections.abc import Callable, Sequence

CACHED = 1 << 26  # bytes of texts and ids, of each function


class IdCache:
  """A function of text to ids that remembers the newest CACHED bytes of it.

  Counted by bytes, for a text may be a word or a book, and looking for the
  longest beginning that fits asks for many beginnings.
  """

  def __init__(self, encode: Callable[[str], Sequence[int]]):
    self._encode, self._lock = encode, threading.Lock()
    self._ids: collections.OrderedDict[str, array.array] = (
      collections.OrderedDict()
    )
    self.size = 0  # bytes

  def __call__(self, text: str) -> array.array:
    with self._lock:
      if (ids := self._ids.get(text)) is not None:
        self._ids.move_to_end(text)
        return ids
    ids = array.array('i', self._encode(text))
    with self._lock:
      if text not in self._ids:
        self._ids[text] = ids
        self.size += _bytes(text, ids)
      while self.size > CACHED:
        self.size -= _bytes(*self._ids.popitem(last=False))
    return ids


def _bytes(text: str, ids: array.array) -> int:
  return sys.getsizeof(text) + sys.getsizeof(ids)
