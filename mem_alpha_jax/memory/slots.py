"""The memories of a batch as padded arrays on the device.

  N  memories    S  slots of a memory    W  terms of a slot
  E  embedding   J  edits of a memory in one call

A slot that is not valid holds zeros everywhere, so a bank that was edited
and one that was built from the same host states are equal, array by array.
"""

import functools
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Bool, Float, Int

from mem_alpha_jax.memory.state import LISTS, Entry, MemoryState, entries
from mem_alpha_jax.text import words

# Texts -> float32 [n, E], one row a text; see recall/embedders.py.
EmbedFn = Callable[[Sequence[str]], Float[np.ndarray, 'n E']]

NOWHERE = np.iinfo(np.int32).max  # a slot beyond all others
_CACHED = 1 << 16  # texts whose terms are remembered


@struct.dataclass
class SlotBank:
  """N memories of S slots."""

  embedding: Float[Array, 'N S E']
  term_ids: Int[Array, 'N S W']  # distinct in a slot, 0 is none
  valid: Bool[Array, 'N S']


class Edits(NamedTuple):
  """What J slots of each memory hold now, zeros where that is nothing."""

  slot: Int[Array, 'N J']  # different ones; NOWHERE is none
  rows: SlotBank  # [N, J, ...]


@functools.lru_cache(maxsize=_CACHED)
def term_id(word: str) -> int:
  """Returns a 31-bit id, the same in every run; never 0.

  CRC-32 without its top bit: two of 1,000 distinct words of a memory share
  an id with a chance of 2e-4, and then count as one word.
  """
  return zlib.crc32(word.encode('utf-8', 'replace')) & 0x7FFFFFFF or 1


@functools.lru_cache(maxsize=_CACHED)
def encode_terms(text: str) -> Int[np.ndarray, 'w']:
  """Ids of the distinct words of a text.

  A word counts once however often it is repeated, so that repeating a name
  wins no rank. The array is shared.
  """
  return np.array([*dict.fromkeys(map(term_id, words.terms(text)))], np.int32)


def no_vectors(texts: Sequence[str]) -> Float[np.ndarray, 'n 0']:
  """Embeds nothing: a bank of it has E = 0 and is searched by words alone."""
  return np.zeros((len(texts), 0), np.float32)


def empty(n: int, slots: int, width: int, embedding: int = 0) -> SlotBank:
  """Returns n memories without entries; sizes S, W and E."""
  return SlotBank(
    embedding=jnp.zeros((n, slots, embedding), jnp.float32),
    term_ids=jnp.zeros((n, slots, width), jnp.int32),
    valid=jnp.zeros((n, slots), bool),
  )


def from_states(
  states: Sequence[MemoryState],
  slots: int,
  width: int,
  embed: EmbedFn = no_vectors,
) -> SlotBank:
  """Builds the bank of host memories.

  Args:
    slots: S; every entry must lie below it.
    width: W, doubled until the words of each entry fit.
    embed: called once, with the texts of all entries.

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
  rows = _rows(found, (len(states), slots), width, embed)
  # Copies: a bank is donated to `apply_edits`, its buffers must be its own.
  return jax.tree.map(jnp.array, rows)


def edits(
  states: Sequence[MemoryState],
  touched: Sequence[Sequence[int]],
  width: int,
  embed: EmbedFn = no_vectors,
) -> Edits:
  """What brings a bank up to date.

  Args:
    states: the N memories after their calls.
    touched: slots of each that the calls changed, each once.
    width: W, doubled until the words of each entry fit.
    embed: called once, with the texts of all entries that were written.
  """
  most = max(map(len, touched), default=0)
  shape = (len(touched), max(4, 1 << (most - 1).bit_length()))  # few shapes
  slot, found = np.full(shape, NOWHERE, np.int32), {}
  for n, row in enumerate(touched):
    slot[n, : len(row)] = row
    kept = ((j, states[n].by_slot.get(s)) for j, s in enumerate(row))
    found |= {(n, j): entry for j, entry in kept if entry is not None}
  return Edits(slot, _rows(found, shape, width, embed))


def _rows(
  found: Mapping[tuple[int, int], Entry],
  shape: tuple[int, int],
  width: int,
  embed: EmbedFn,
) -> SlotBank:
  """Entries at their places (n, j), in arrays of the host."""
  ids = {place: encode_terms(entry.text) for place, entry in found.items()}
  while width < max(map(len, ids.values()), default=0):
    width *= 2
  terms, valid = np.zeros((*shape, width), np.int32), np.zeros(shape, bool)
  for place, row in ids.items():
    terms[place][: len(row)], valid[place] = row, True
  made = embed([entry.text for entry in found.values()])
  vectors = np.zeros((*shape, made.shape[1]), np.float32)
  if found:
    vectors[tuple(np.transpose(list(found)))] = made
  return SlotBank(vectors, terms, valid)


@functools.partial(jax.jit, donate_argnums=0)
def apply_edits(bank: SlotBank, edits: Edits) -> SlotBank:
  """Executes the edits; the old bank is donated and must not be used again.

  Slots of S or more are ignored: `grow` first, also to their W.
  """
  memory = jnp.arange(len(edits.slot))[:, None]
  put = lambda old, new: old.at[memory, edits.slot].set(new, mode='drop')
  return jax.tree.map(put, bank, edits.rows)


def grow(bank: SlotBank, slots: int, width: int) -> SlotBank:
  """Returns the bank with at least so many slots and terms, the new ones empty.

  The sizes are S and W.
  """
  _, held, indexed = bank.term_ids.shape
  more = max(slots - held, 0), max(width - indexed, 0)
  if not any(more):
    return bank
  pad = lambda x, *by: jnp.pad(x, [(0, 0), (0, more[0]), *((0, n) for n in by)])
  return SlotBank(
    pad(bank.embedding, 0), pad(bank.term_ids, more[1]), pad(bank.valid)
  )


def broadcast(bank: SlotBank, copies: int) -> SlotBank:
  """Returns N * copies memories; those of memory n start at n * copies."""
  return jax.tree.map(lambda x: jnp.repeat(x, copies, axis=0), bank)
