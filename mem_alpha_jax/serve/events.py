"""What happened to a memory, as JSON: the truth, from which its state replays.

An event is what one caller did at once: a text that was added with the calls
that the writer made, or an edit. Events are never changed. One that is taken
back is named by a later one, and is left out where the state is made.
"""

import datetime
import itertools
from collections.abc import Collection, Iterable
from typing import Annotated, Literal, NamedTuple

import pydantic

from mem_alpha_jax.memory import execution
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.memory.state import LogRecord, MemoryState

MOST = 2**31  # above all numbers of events, entries and tokens
# Kinds after which a state cannot be had from the one before.
BREAKS = ('undo', 'clear')
# Changes that led to a memory, the newest last: a mark of each, which no other
# change of this process has, and the slots that it touched.
Trail = tuple[tuple[int, tuple[int, ...]], ...]
_TRAIL = 32  # changes that are remembered
_marks = itertools.count(1)
_Count = Annotated[int, pydantic.Field(ge=0, lt=MOST)]


class _Row(pydantic.BaseModel):
  model_config = pydantic.ConfigDict(extra='forbid', frozen=True, strict=True)


class Part(_Row):
  """A chunk that was read, or an edit by a user, and the calls in order."""

  text: str = ''  # of the chunk
  tokens: _Count = 0  # of the chunk
  log: tuple[LogRecord, ...] = ()
  errors: tuple[str, ...] = ()  # of calls that could not be read


class Item(_Row):
  """What a program keeps word by word, beside the notes; None takes it away."""

  namespace: tuple[str, ...]
  key: str
  value: dict[str, pydantic.JsonValue] | None = None
  index: bool | tuple[str, ...] = True  # looked up; or these fields of it


class Event(_Row):
  """One transaction.

  Attributes:
    seq: 1, 2, ... in its namespace.
    kind: what was done.
    at: when, in UTC.
    request: the caller's name for it; done once however often it is sent.
    parts: what was read and called.
    undone: events that an 'undo' takes back.
    items: what was put, which no state shows.
  """

  seq: _Count
  kind: Literal['add', 'update', 'delete', 'import', 'undo', 'clear', 'put']
  at: str
  request: str | None = None
  parts: tuple[Part, ...] = ()
  undone: tuple[_Count, ...] = ()
  items: tuple[Item, ...] = ()

  @property
  def log(self) -> list[LogRecord]:
    return [record for part in self.parts for record in part.log]


class Position(NamedTuple):
  """A memory after its first `seq` events.

  Attributes:
    state: without its log, which is in the store.
    read: tokens that it was told.
    clock: parts that it has lived through, the step of the next.
    seq: of the last event.
    trail: of the state, from which `banks` see what is new in it.
  """

  state: MemoryState = state_lib.empty()
  read: int = 0
  clock: int = 0
  seq: int = 0
  trail: Trail = ()


def now() -> str:
  return datetime.datetime.now(datetime.UTC).isoformat(timespec='milliseconds')


def of(before: Position, kind: str, **values) -> Event:
  """The next event of a memory."""
  return Event(seq=before.seq + 1, kind=kind, at=now(), **values)


def taken_back(events: Iterable[Event]) -> set[int]:
  """The events that later ones undo."""
  return {seq for event in events for seq in event.undone}


def fold(
  now: Position, events: Iterable[Event], undone: Collection[int] = ()
) -> Position:
  """The memory after further events.

  Args:
    now: the memory before them.
    events: in order.
    undone: those of them that are left out. Their tokens stay read, and their
      ids stay used.

  Raises:
    ValueError: if a call does not have the result that it had.
  """
  for event in events:
    for part in event.parts:
      now = step(now, part, event.seq in undone)
    now = now._replace(seq=event.seq)
  return now


def step(now: Position, part: Part, undone: bool = False) -> Position:
  """The memory after one part; the same errors."""
  after = now._replace(read=now.read + part.tokens, clock=now.clock + 1)
  if undone:
    used = [r.result.entry_id or 0 for r in part.log if r.op.tool == 'insert']
    most = max([now.state.next_id, *(n + 1 for n in used if n < MOST)])
    return after._replace(state=now.state._replace(next_id=most))
  state = execution.replay(part.log, now.state)
  if tuple(state.log) != part.log:
    raise ValueError(
      f'event {now.seq + 1} does not replay: a call has another result than '
      'it had; the store is damaged or of another version'
    )
  slots = tuple(slot for record in part.log for slot in record.result.slots)
  return after._replace(
    state=state_lib.without_log(state),
    trail=(*now.trail, (next(_marks), slots))[-_TRAIL:],
  )
