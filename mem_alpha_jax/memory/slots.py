"""The memories of a batch as padded arrays on the device.

  N  memories    S  slots of a memory    W  terms of a slot
  E  embedding   J  edits of a memory in one call

A slot that is not valid holds zeros everywhere, so a bank that was edited
and one that was built from the same host states are equal, array by array.
"""

import functools
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from mem_alpha_jax.memory import state as state_lib

# Texts -> float32 [n, E], one row a text; see memory/embedders.py.
EmbedFn = Callable[[Sequence[str]], Float[np.ndarray, 'n E']]

_WORD = re.compile(r'\w+')
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
  kind: Int[Array, 'N S']  # index into state.KINDS
  step: Int[Array, 'N S']  # of the last write
  valid: Bool[Array, 'N S']
  histogram: Int[Array, 'N S+1']


class Edits(NamedTuple):
  """Up to J writes or deletions for each memory, applied in order of J."""

  slot: Int[Array, 'N J']  # -1 is none
  set: Bool[Array, 'N J']  # False deletes
  term_ids: Int[Array, 'N J W']
  term_counts: Int[Array, 'N J W']
  kind: Int[Array, 'N J']
  step: Int[Array, 'N J']
  embedding: Float[Array, 'N J E']


def terms(text: str) -> list[str]:
  r"""Returns the words of a text: lowercase runs of \w, in order."""
  return _WORD.findall(text.lower())


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
  for word in terms(text):
    word = term_id(word)
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
    kind=jnp.zeros((n, slots), jnp.int32),
    step=jnp.zeros((n, slots), jnp.int32),
    valid=jnp.zeros((n, slots), bool),
    histogram=jnp.zeros((n, slots + 1), jnp.int32),
  )


def from_states(
  states: Sequence[state_lib.MemoryState],
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
  shape = (len(states), slots)
  ids = np.zeros((*shape, width), np.int32)
  counts = np.zeros((*shape, width), np.int32)
  kind, step = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
  valid = np.zeros(shape, bool)
  histogram = np.zeros((len(states), slots + 1), np.int32)
  texts = {}
  for n, state in enumerate(states):
    for entry in state.semantic + state.episodic:
      s = entry.slot
      if s >= slots:
        raise ValueError(
          f'memory {n}: entry {entry.id} is in slot {s}, but the bank has '
          f'{slots}; grow it, or raise memory.slots'
        )
      ids[n, s], counts[n, s] = encode_terms(entry.text, width, binary)
      kind[n, s], step[n, s] = state_lib.KINDS.index(entry.kind), entry.step
      valid[n, s] = True
      texts[n, s] = entry.text
    _, found_in = np.unique(ids[n][ids[n] > 0], return_counts=True)
    histogram[n] = np.bincount(found_in, minlength=slots + 1)
  vectors = _embed_at(texts, embed, shape)
  arrays = (vectors, ids, counts, kind, step, valid, histogram)
  # Copies: a bank is donated to `apply_edits`, its buffers must be its own.
  return SlotBank(*(jnp.array(array) for array in arrays))


def _embed_at(
  texts: Mapping[tuple[int, int], str], embed: EmbedFn, shape: tuple[int, int]
) -> Float[np.ndarray, 'N J E']:
  """Vectors of texts at their (n, j), zeros elsewhere; one call of embed."""
  rows = embed(list(texts.values()))
  out = np.zeros((*shape, rows.shape[1]), np.float32)
  if texts:
    out[tuple(np.transpose(list(texts)))] = rows
  return out


def edits_from_results(
  ops: Sequence[Sequence[state_lib.Op]],
  results: Sequence[Sequence[state_lib.OpResult]],
  step: int | Sequence[int],
  width: int,
  embed: EmbedFn = no_vectors,
  binary: bool = True,
) -> Edits:
  """Returns what the executed calls change in the bank, as numpy arrays.

  Failed calls and calls on the core change nothing.

  Args:
    ops: for each memory its calls, in order.
    results: what `state.apply` said to them.
    step: step of the calls, one for all or one for each memory.
    width: W of the bank.
    embed: that of the bank; called once, with all texts written.
    binary: see `encode_terms`.
  """
  kept = [
    [(op, r.slot) for op, r in zip(*row, strict=True) if r.slot is not None]
    for row in zip(ops, results, strict=True)
  ]
  shape = (len(kept), max(map(len, kept), default=0))
  texts = {
    (n, j): op.text
    for n, calls in enumerate(kept)
    for j, (op, _) in enumerate(calls)
    if op.tool != 'delete'
  }
  edits = Edits(
    slot=np.full(shape, -1, np.int32),
    set=np.zeros(shape, bool),
    term_ids=np.zeros((*shape, width), np.int32),
    term_counts=np.zeros((*shape, width), np.int32),
    kind=np.zeros(shape, np.int32),
    step=np.zeros(shape, np.int32),
    embedding=_embed_at(texts, embed, shape),
  )
  steps = np.broadcast_to(np.asarray(step, np.int32), len(kept))
  for n, calls in enumerate(kept):
    for j, (op, slot) in enumerate(calls):
      edits.slot[n, j] = slot
      if (n, j) not in texts:
        continue
      words = encode_terms(op.text, width, binary)
      edits.set[n, j] = True
      edits.term_ids[n, j], edits.term_counts[n, j] = words
      edits.kind[n, j] = state_lib.KINDS.index(op.kind)
      edits.step[n, j] = steps[n]
  return edits


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
    kind=put(bank.kind, edit.kind),
    step=put(bank.step, edit.step),
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
  words = jnp.concatenate([gone, come], 1)  # [N, 2W]
  flat = bank.term_ids.reshape(words.shape[0], -1)

  def frequency(word: Int[Array, 'N']) -> Int[Array, 'N']:
    return jnp.sum(flat == word[:, None], 1)

  before = lax.map(frequency, words.T).T  # [N, 2W]
  width = old.shape[1]
  after = before + jnp.where(jnp.arange(2 * width) < width, -1, 1)[None]
  # Bin 0 takes what is no term, or is in no entry; it is reset below.
  before = jnp.where(words > 0, before, 0)
  after = jnp.where(words > 0, after, 0)
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
