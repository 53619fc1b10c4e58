"""The slot arrays of the namespaces that were asked last.

They are kept on the host and edited where their memory has changed, so that a
call costs the changes and a copy, and encodes no note a second time.
"""

import collections
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mem_alpha_jax.memory import batch as batch_lib
from mem_alpha_jax.memory import slots as slots_lib
from mem_alpha_jax.memory.slots import SlotBank
from mem_alpha_jax.serve.events import Position, Trail

MOST_BYTES = 256 << 20  # of all that are kept


class _Kept(NamedTuple):
  trail: Trail  # of the memory that the arrays are of
  rows: SlotBank  # of one memory, NumPy; S and W grow and never shrink

  def bytes(self) -> int:
    return sum(x.nbytes for x in jax.tree.leaves(self.rows))


_NOTHING = _Kept(
  (),
  SlotBank(
    embedding=np.zeros((0, 0), np.float32),
    term_ids=np.zeros((0, 0), np.int32),
    valid=np.zeros(0, bool),
  ),
)


class Banks:
  """Makes the banks of calls; only one thread may use it."""

  def __init__(
    self, config: Any, embed: slots_lib.EmbedFn, most_bytes: int = MOST_BYTES
  ):
    self._config, self._embed, self._most = config, embed, most_bytes
    self._kept: collections.OrderedDict[str, _Kept] = collections.OrderedDict()
    self._bytes = 0

  def bank(self, names: Sequence[str], at: Sequence[Position]) -> SlotBank:
    """The bank of these memories, equal to that of slots.from_states.

    But that it is wider, by zeros, where a note was longer once.
    """
    slots = batch_lib.slots_needed([now.state for now in at], self._config)
    found = [*map(self._newest, names, at)]
    while self._bytes > self._most:
      self._bytes -= self._kept.popitem(last=False)[1].bytes()
    width = max(rows.term_ids.shape[1] for rows in found)
    size = found[0].embedding.shape[1]
    found = [_resized(rows, slots, width, size) for rows in found]
    return jax.tree.map(lambda *rows: jnp.array(np.stack(rows)), *found)

  def _newest(self, name: str, now: Position) -> SlotBank:
    """The arrays of a memory, new ones, which are kept under its name."""
    kept, top = self._kept.pop(name, _NOTHING), now.state.top
    self._bytes -= kept.bytes()
    edited = _changed(kept.trail, now.trail)
    if edited is None:
      kept, edited = _NOTHING, range(top)
    held, width = kept.rows.term_ids.shape
    if held < top:
      held = 1 << (top - 1).bit_length()
    width = max(width, self._config.memory.entry_tokens)
    edited = [slot for slot in edited if slot < held]  # the others are free
    new = slots_lib.edits([now.state], [edited], width, self._embed).rows
    sizes = new.term_ids.shape[2], new.embedding.shape[2]
    rows = _resized(kept.rows, held, *sizes)
    for old, row in zip(*map(jax.tree.leaves, (rows, new)), strict=True):
      old[edited] = row[0, : len(edited)]
    self._kept[name] = _Kept(now.trail, rows)
    self._bytes += self._kept[name].bytes()
    return rows


def _changed(old: Trail, new: Trail) -> Collection[int] | None:
  """Slots in which the memories may differ, None if that is not known."""
  marks = {mark: i for i, (mark, _) in enumerate(old, 1)}
  for i in range(len(new), 0, -1):
    if common := marks.get(new[i - 1][0]):
      since = old[common:] + new[i:]
      return {slot for _, slots in since for slot in slots}
  return None


def _resized(rows: SlotBank, slots: int, width: int, size: int) -> SlotBank:
  """A copy, cut or padded with zeros to S, W and E."""

  def resized(x, *shape):
    out = np.zeros(shape, x.dtype)
    held = tuple(map(slice, np.minimum(shape, x.shape)))
    out[held] = x[held]
    return out

  return SlotBank(
    resized(rows.embedding, slots, size),
    resized(rows.term_ids, slots, width),
    resized(rows.valid, slots),
  )
