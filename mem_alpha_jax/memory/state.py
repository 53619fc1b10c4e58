"""The memory as an immutable value.

Versions share structure: an edit, a look-up by id, slot or text and a fork
cost O(log n) beside n entries, the number and the tokens of the entries O(1).
What calls do to it is in `memory/effects.py`.
"""

import functools
import heapq
import itertools
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import immutables

from mem_alpha_jax.memory import ordered
from mem_alpha_jax.types import Note

LISTS = ('semantic', 'episodic')  # parts that hold entries
KINDS = ('core', *LISTS)
DUPLICATE = 'duplicate'  # the error of a call that says what is there


class Entry(NamedTuple):
  """One note of the semantic or the episodic list."""

  id: int  # a counter's value, never used twice in a memory
  kind: str  # one of LISTS
  text: str
  step: int  # of the last write
  slot: int  # row of the device bank that holds the note
  tokens: int  # of the text
  time: str = ''  # when it happened, if the writer knows
  parents: tuple[int, ...] = ()  # ids of the entries that it was made from


class Op(NamedTuple):
  """One tool call; what its tool does not take is not given."""

  tool: str
  kind: str
  text: str = ''
  entry_id: int | None = None
  other_id: int | None = None


class OpResult(NamedTuple):
  """What became of an `Op`."""

  ok: bool  # True if it was carried out
  error: str = ''  # why it was not; DUPLICATE where nothing was to be done
  entry_id: int | None = None  # the entry that it wrote or deleted
  slots: tuple[int, ...] = ()  # those whose content it changed

  @property
  def neutral(self) -> bool:
    """Whether it neither worked nor failed: a repeat is skipped."""
    return self.error == DUPLICATE


class Limits(NamedTuple):
  """Budgets at the time of a call, in tokens except `slots`."""

  core_tokens: int
  entry_tokens: int
  slots: int
  total_tokens: int | None = None  # None is no cap


class LogRecord(NamedTuple):
  """One event: with `tokens`, the length of op.text, it can be replayed."""

  op: Op
  step: int
  limits: Limits
  result: OpResult
  tokens: int


class Notes(NamedTuple):
  """The entries of one list."""

  by_id: immutables.Map = immutables.Map()  # id -> slot
  by_text: immutables.Map = immutables.Map()  # `plain` text -> slot
  by_step: immutables.Map = immutables.Map()  # step of the last write -> ids
  ids: ordered.Ints = ordered.NO_INTS  # of all
  steps: ordered.Ints = ordered.NO_INTS  # the keys of by_step


class MemoryState(NamedTuple):
  """The whole memory."""

  core: str = ''
  core_tokens: int = 0
  lists: immutables.Map = immutables.Map({kind: Notes() for kind in LISTS})
  by_slot: immutables.Map = immutables.Map()  # slot -> entry
  free: ordered.Ints = ordered.NO_INTS  # free slots below one that is not
  top: int = 0  # all slots from here on are free, the one before is not
  tokens: int = 0  # of all entries
  next_id: int = 1  # of the next entry
  log: ordered.Chain = ordered.NO_ITEMS  # every call, in order


def empty() -> MemoryState:
  return MemoryState()


def holding(notes: Iterable[Note], count: Callable[[str], int]) -> MemoryState:
  """A memory with these entries, in their order."""
  return with_entries(
    empty(),
    [
      Entry(slot + 1, note.kind, note.text, note.step, slot, count(note.text))
      for slot, note in enumerate(notes)
    ],
  )


def token_length(state: MemoryState) -> int:
  """Returns the tokens of the core and of all entries."""
  return state.core_tokens + state.tokens


def count(state: MemoryState, *kinds: str) -> int:
  """Returns how many entries these lists have, all if none is named."""
  return sum(len(state.lists[kind].by_id) for kind in kinds or LISTS)


def entries(state: MemoryState, *kinds: str) -> list[Entry]:
  """Returns the entries of these lists, of all if none is named, by id."""
  lists = [state.lists[kind].by_id.values() for kind in kinds or LISTS]
  return sorted(map(state.by_slot.get, itertools.chain(*lists)))


def with_text(state: MemoryState, kind: str, text: str) -> Entry | None:
  """Returns the entry of a list that says this; see `plain`."""
  return state.by_slot.get(state.lists[kind].by_text.get(plain(text)))


def plain(text: str) -> str:
  """What two texts that state the same fact have in common.

  Compatibility forms (NFKC), case, runs of spaces and a final stop make no
  difference; all other signs do.
  """
  folded = unicodedata.normalize('NFKC', text).casefold()
  words = ' '.join(unicodedata.normalize('NFKC', folded).split())
  return words.rstrip('.。 ') or words


def with_id(state: MemoryState, kind: str, entry_id: Any) -> Entry | None:
  return state.by_slot.get(state.lists[kind].by_id.get(entry_id))


def by_age(
  state: MemoryState, *kinds: str, newest_first: bool = False
) -> Iterator[Entry]:
  """Yields entries of these lists, of all if none is named, by (step, id)."""

  def of(notes):
    for step in ordered.walk(notes.steps, newest_first):
      for entry_id in sorted(notes.by_step[step], reverse=newest_first):
        yield state.by_slot[notes.by_id[entry_id]]

  return heapq.merge(
    *(of(state.lists[kind]) for kind in kinds or LISTS),
    key=lambda entry: (entry.step, entry.id),
    reverse=newest_first,
  )


def last_inserted(state: MemoryState, kind: str) -> Iterator[Entry]:
  """Yields the entries of a list, the newest id first."""
  notes = state.lists[kind]
  for entry_id in ordered.walk(notes.ids, down=True):
    yield state.by_slot[notes.by_id[entry_id]]


def put(state: MemoryState, entry: Entry) -> MemoryState:
  """Writes an entry into its slot, instead of the one there."""
  before = state.by_slot.get(entry.slot)
  free, top = state.free, state.top
  if entry.slot >= top:
    for slot in range(top, entry.slot):
      free = ordered.add(free, slot)
    top = entry.slot + 1
  elif before is None:
    free = ordered.remove(free, entry.slot)
  return state._replace(
    lists=_listed(_unlisted(state.lists, before), entry),
    by_slot=state.by_slot.set(entry.slot, entry),
    free=free,
    top=top,
    tokens=state.tokens + entry.tokens - (before.tokens if before else 0),
    next_id=max(state.next_id, entry.id + 1),
  )


def with_entries(state: MemoryState, found: Iterable[Entry]) -> MemoryState:
  return functools.reduce(put, found, state)


def drop(state: MemoryState, entry: Entry) -> MemoryState:
  """Removes an entry and frees its slot."""
  free, top = state.free, state.top
  if entry.slot < top - 1:
    free = ordered.add(free, entry.slot)
  else:
    top -= 1
    while top and next(ordered.walk(free, down=True), -1) == top - 1:
      free, top = ordered.remove(free, top - 1), top - 1
  return state._replace(
    lists=_unlisted(state.lists, entry),
    by_slot=state.by_slot.delete(entry.slot),
    free=free,
    top=top,
    tokens=state.tokens - entry.tokens,
  )


def free_slot(state: MemoryState) -> int:
  return next(ordered.walk(state.free), state.top)


def _unlisted(lists, entry: Entry | None):
  if entry is None:
    return lists
  by_id, by_text, by_step, ids, steps = lists[entry.kind]
  key, rest = plain(entry.text), by_step[entry.step] - {entry.id}
  if by_text.get(key) == entry.slot:  # memories of old may hold two
    by_text = by_text.delete(key)
  if not rest:
    steps = ordered.remove(steps, entry.step)
  notes = Notes(
    by_id.delete(entry.id),
    by_text,
    by_step.set(entry.step, rest) if rest else by_step.delete(entry.step),
    ordered.remove(ids, entry.id),
    steps,
  )
  return lists.set(entry.kind, notes)


def _listed(lists, entry: Entry):
  by_id, by_text, by_step, ids, steps = lists[entry.kind]
  notes = Notes(
    by_id.set(entry.id, entry.slot),
    by_text.set(plain(entry.text), entry.slot),
    by_step.set(entry.step, by_step.get(entry.step, frozenset()) | {entry.id}),
    ordered.add(ids, entry.id),
    ordered.add(steps, entry.step),
  )
  return lists.set(entry.kind, notes)


def without_log(state: MemoryState) -> MemoryState:
  """Returns the memory with its history forgotten."""
  return state._replace(log=ordered.NO_ITEMS)


def to_json(state: MemoryState) -> dict[str, Any]:
  """Returns the state without its log; `from_json` is the way back."""
  return {
    'core': state.core,
    'core_tokens': state.core_tokens,
    **{
      kind: [entry._asdict() for entry in entries(state, kind)]
      for kind in LISTS
    },
    'next_id': state.next_id,
  }


def from_json(value: dict[str, Any]) -> MemoryState:
  """Reads what `to_json` made; ValueError for a missing or unknown field."""
  value = dict(value)
  try:
    found = [entry for kind in LISTS for entry in value.pop(kind)]
    state = MemoryState(**value)
    return with_entries(
      state,
      [Entry(**e)._replace(parents=tuple(e.get('parents', ()))) for e in found],
    )
  except (KeyError, TypeError) as error:
    raise ValueError(
      f'memory state: field {error} is missing or unknown; '
      'write the file again with state.to_json'
    ) from error
