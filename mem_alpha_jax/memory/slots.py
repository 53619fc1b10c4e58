"""The memories of a batch as padded arrays on the device.

  N  memories    S  slots of a memory    W  terms of a slot
  E  embedding   J  edits of a memory in one call

A slot that is not valid holds zeros everywhere, so a bank that was edited
and one that was built from the same host states are equal, array by array.
"""

import functools
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from mem_alpha_jax.memory.state import LISTS, Entry, MemoryState, entries
from mem_alpha_jax.text import words

# Texts -> float32 [n, E], one row a text; see recall/embedders.py.
EmbedFn = Callable[[Sequence[str]], Float[np.ndarray, 'n E']]

_CACHED = 1 << 16  # texts whose terms are remembered


@struct.dataclass
class SlotBank:
  """N memories of S slots.

  `histogram[n, f]` counts the distinct terms that exactly f entries of
  memory n contain (f = 0 is unused): with it the mean idf of a memory costs
  S additions instead of a sort of its S x W terms. Edits keep it exact.
  """

  embedding: Float[Array, 'N S E']
  term_ids: Int[Array, 'N S W']  # distinct in a slot, 0 is none
  term_counts: Int[Array, 'N S W']  # occurrences, or 1 if binary
  valid: Bool[Array, 'N S']
  histogram: Int[Array, 'N S+1']


class Edits(NamedTuple):
  """Up to J writes or deletions for each memory, applied in order of J."""

  slot: Int[Array, 'N J']  # -1 is none
  set: Bool[Array, 'N J']  # False deletes
  term_ids: Int[Array, 'N J W']
  term_counts: Int[Array, 'N J W']
  embedding: Float[Array, 'N J E']


@functools.lru_cache(maxsize=_CACHED)
def term_id(word: str) -> int:
  """Returns a 31-bit id, the same in every run; never 0.

  CRC-32 without its top bit: two of 1,000 distinct words of a memory share
  an id with a chance of 2e-4, and then count as one word.
  """
  return zlib.crc32(word.encode('utf-8', 'replace')) & 0x7FFFFFFF or 1


@functools.lru_cache(maxsize=_CACHED)
def encode_terms(
  text: str, width: int, binary: bool
) -> tuple[Int[np.ndarray, 'W'], Int[np.ndarray, 'W']]:
  """Returns the ids and counts of the distinct words of a text.

  Distinct words beyond `width` are dropped from the end: they cannot be
  found, nor do they add to the entry's length. `binary` counts a word once
  however often it is repeated, so that repeating a name wins no rank.
  The arrays are shared and read-only.
  """
  counts = {}
  for word in map(term_id, words.terms(text)):
    counts[word] = 1 if binary else counts.get(word, 0) + 1
  ids = list(counts)[:width]
  out = np.zeros((2, width), np.int32)
  out[0, : len(ids)] = ids
  out[1, : len(ids)] = [counts[word] for word in ids]
  out.setflags(write=False)
  return out[0], out[1]


def no_vectors(texts: Sequence[str]) -> Float[np.ndarray, 'n 0']:
  """Embeds nothing: a bank of it has E = 0 and is searched by words alone."""
  return np.zeros((len(texts), 0), np.float32)


def empty(n: int, slots: int, width: int, embedding: int = 0) -> SlotBank:
  """Returns n memories without entries; sizes S, W and E."""
  return SlotBank(
    embedding=jnp.zeros((n, slots, embedding), jnp.float32),
    term_ids=jnp.zeros((n, slots, width), jnp.int32),
    term_counts=jnp.zeros((n, slots, width), jnp.int32),
    valid=jnp.zeros((n, slots), bool),
    histogram=jnp.zeros((n, slots + 1), jnp.int32),
  )


def from_states(
  states: Sequence[MemoryState],
  slots: int,
  width: int,
  embed: EmbedFn = no_vectors,
  binary: bool = True,
) -> SlotBank:
  """Builds the bank of host memories.

  Args:
    states: the N memories.
    slots: S; every entry must lie below it.
    width: W, see `encode_terms`.
    embed: called once, with the texts of all entries.
    binary: see `encode_terms`.

  Raises:
    ValueError: if an entry lies outside the slots.
  """
  found = {}
  for n, state in enumerate(states):
    if state.top > slots:
      raise ValueError(
        f'memory {n}: an entry is in slot {state.top - 1}, but the bank has '
        f'{slots}; grow it, or raise memory.slots'
      )
    lists = (entries(state, kind) for kind in LISTS)
    found |= {(n, e.slot): e for notes in lists for e in notes}
  shape = (len(states), slots)
  ids, counts, vectors = _encoded(found, shape, width, embed, binary)
  valid = np.zeros(shape, bool)
  histogram = np.zeros((len(states), slots + 1), np.int32)
  for place in found:
    valid[place] = True
  for n in range(len(states)):
    _, found_in = np.unique(ids[n][ids[n] > 0], return_counts=True)
    histogram[n] = np.bincount(found_in, minlength=slots + 1)
  # Copies: a bank is donated to `apply_edits`, its buffers must be its own.
  arrays = (vectors, ids, counts, valid, histogram)
  return SlotBank(*(jnp.array(array) for array in arrays))


def edits(
  states: Sequence[MemoryState],
  touched: Sequence[Iterable[int]],
  width: int,
  embed: EmbedFn = no_vectors,
  binary: bool = True,
) -> Edits:
  """What brings a bank up to date.

  Args:
    states: the N memories after their calls.
    touched: slots of each that the calls changed.
    width: W, see `encode_terms`.
    embed: called once, with the texts of all entries that were written.
    binary: see `encode_terms`.
  """
  touched = [list(row) for row in touched]
  shape = (len(touched), max(map(len, touched), default=0))
  slot, is_set = np.full(shape, -1, np.int32), np.zeros(shape, bool)
  found = {}
  for n, row in enumerate(touched):
    slot[n, : len(row)] = row
    kept = ((j, states[n].by_slot.get(s)) for j, s in enumerate(row))
    found |= {(n, j): entry for j, entry in kept if entry is not None}
  for place in found:
    is_set[place] = True
  return Edits(slot, is_set, *_encoded(found, shape, width, embed, binary))


def _encoded(
  found: Mapping[tuple[int, int], Entry],
  shape: tuple[int, int],
  width: int,
  embed: EmbedFn,
  binary: bool,
):
  """Terms, counts and vectors of entries at their (n, j), zeros elsewhere."""
  terms = np.zeros((2, *shape, width), np.int32)
  for place, entry in found.items():
    terms[(slice(None), *place)] = encode_terms(entry.text, width, binary)
  rows = embed([entry.text for entry in found.values()])
  vectors = np.zeros((*shape, rows.shape[1]), np.float32)
  if found:
    vectors[tuple(np.transpose(list(found)))] = rows
  return *terms, vectors


def apply_edits(bank: SlotBank, edits: Edits) -> SlotBank:
  """Executes the edits; the old bank is donated and must not be used again.

  One jitted scatter for each of the J turns, so J compiles nothing. Slots of
  S or more are ignored: `grow` first.
  """
  for j in range(edits.slot.shape[1]):
    bank = _edit(bank, Edits(*(x[:, j] for x in edits)))
  return bank


@functools.partial(jax.jit, donate_argnums=0)
def _edit(bank: SlotBank, edit: Edits) -> SlotBank:
  """Executes one edit of each memory; `edit` has no axis J."""
  n, slots = bank.valid.shape
  rows = jnp.arange(n)
  active = (edit.slot >= 0) & (edit.slot < slots)
  # XLA drops writes beyond the end; a negative index would wrap around.
  target = jnp.where(active, edit.slot, slots)
  old = bank.term_ids[rows, jnp.minimum(target, slots - 1)]  # [N, W]
  old = jnp.where(active[:, None], old, 0)
  new = jnp.where((active & edit.set)[:, None], edit.term_ids, 0)
  bins = _moved(bank, old, new)

  def put(field, value):
    keep = edit.set.reshape(n, *(1,) * (value.ndim - 1))
    value = jnp.where(keep, value, jnp.zeros_like(value))
    return field.at[rows, target].set(value, mode='drop')

  return SlotBank(
    embedding=put(bank.embedding, edit.embedding),
    term_ids=put(bank.term_ids, edit.term_ids),
    term_counts=put(bank.term_counts, edit.term_counts),
    valid=put(bank.valid, edit.set),
    histogram=bank.histogram + bins,
  )


def _moved(
  bank: SlotBank, old: Int[Array, 'N W'], new: Int[Array, 'N W']
) -> Int[Array, 'N S+1']:
  """Returns the change of the histogram when `old` terms become `new`.

  A term of the old entry alone moves from f to f - 1, one of the new entry
  alone from f to f + 1, where f is its frequency before the edit.
  """
  shared = (old[:, :, None] == new[:, None, :]) & (old[:, :, None] > 0)
  gone = jnp.where(shared.any(2), 0, old)
  come = jnp.where(shared.any(1), 0, new)
  moved = jnp.concatenate([gone, come], 1)  # [N, 2W]
  flat = bank.term_ids.reshape(moved.shape[0], -1)

  def frequency(word: Int[Array, 'N']) -> Int[Array, 'N']:
    return jnp.sum(flat == word[:, None], 1)

  before = lax.map(frequency, moved.T).T  # [N, 2W]
  width = old.shape[1]
  after = before + jnp.where(jnp.arange(2 * width) < width, -1, 1)[None]
  # Bin 0 takes what is no term, or is in no entry; it is reset below.
  before = jnp.where(moved > 0, before, 0)
  after = jnp.where(moved > 0, after, 0)
  bins = jnp.arange(bank.histogram.shape[1])[None, None]
  change = jnp.sum(after[:, :, None] == bins, 1)
  change -= jnp.sum(before[:, :, None] == bins, 1)
  return change.at[:, 0].set(0)


def grow(bank: SlotBank, slots: int) -> SlotBank:
  """Returns the bank with more, empty slots.

  Raises:
    ValueError: if it already has more than that.
  """
  more = slots - bank.valid.shape[1]
  if more < 0:
    raise ValueError(f'cannot grow {bank.valid.shape[1]} slots to {slots}')
  return jax.tree.map(
    lambda x: jnp.pad(x, [(0, 0), (0, more)] + [(0, 0)] * (x.ndim - 2)), bank
  )


def broadcast(bank: SlotBank, copies: int) -> SlotBank:
  """Returns N * copies memories; those of memory n start at n * copies."""
  return jax.tree.map(lambda x: jnp.repeat(x, copies, axis=0), bank)
