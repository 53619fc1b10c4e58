"""A memory as a Python object: one namespace of a store, and a trained writer.

  memory = Memory.open('memory.db', namespace='ana')
  memory.add('Ana has a job as a baker. Ana lives in Rome.')
  memory.answer('Where does Ana live?')['answer']

What is returned is plain JSON-able values; REST and MCP send the same.
"""

import re
from collections.abc import Callable, Sequence
from concurrent import futures
from typing import Any

import jax

from mem_alpha_jax.memory import execution
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.memory.state import (
  KINDS,
  Entry,
  LogRecord,
  MemoryState,
  Op,
)
from mem_alpha_jax.serve import events, formats, model
from mem_alpha_jax.serve import store as store_lib
from mem_alpha_jax.serve.events import Event, Part, Position
from mem_alpha_jax.serve.service import TRIES, Service
from mem_alpha_jax.system import machine
from mem_alpha_jax.text import tokenizer

NAME = r'[A-Za-z0-9_@-][A-Za-z0-9_.@-]{0,63}'  # of a namespace
CORE = 'core'  # the id of the core text

Value = dict[str, Any]  # JSON-able
Make = Callable[[Position], list[Event]]


class NotFound(LookupError):
  """There is no such memory."""


class Memory:
  """One namespace.

  Any number of threads may use it; in an event loop, asyncio.to_thread.
  """

  def __init__(self, service: Service, namespace: str):
    """Args:
    service: the store and the model.
    namespace: letters, digits and _ . @ -; made when something is added.

    Raises:
      ValueError: for a name that is none.
    """
    if not re.fullmatch(NAME, namespace):
      raise ValueError(
        f'namespace {namespace[:80]!r}: use 1 to 64 letters, digits and _ . @ -'
      )
    self._service, self.namespace = service, namespace

  @classmethod
  def open(
    cls, store: str, run: str = '', namespace: str = 'default',
    fields: str = '',
  ) -> 'Memory':  # fmt: skip
    """Opens a store with the writer of a run, or the tiny one of the package.

    Args:
      store: a file, made if it is missing, or an address of SQLAlchemy.
      run: workdir of a run, or a config file; see model.open_run.
      namespace: whose memory it is.
      fields: 'field=value,...' of the run's config.

    Raises:
      FileNotFoundError, ValueError, store.StoreError: in one line.
    """
    if not jax.config.jax_compilation_cache_dir:  # the caller's own, if any
      machine.use_compilation_cache()
    kept = store_lib.Store(store)
    serving = model.Model(*model.open_run(run, fields))
    return cls(Service(kept, serving), namespace)

  def of(self, namespace: str) -> 'Memory':
    """Another memory of the same store and model."""
    return Memory(self._service, namespace)

  def close(self) -> None:
    """Closes the store and the model, of all namespaces."""
    self._service.close()

  def add(
    self, said: model.Said, time: str | None = None, request: str | None = None
  ) -> Value:
    """Lets the writer read a text, or messages, and returns its calls.

    It is stored as a whole or not at all.

    Args:
      said: a text, or [{'role': ..., 'content': ...}, ...].
      time: when it was said, which the writer reads.
      request: a name for this call; sent again, it is done once.
    """
    return added(self.adding(said, time, request).result())

  def adding(
    self, said: model.Said, time: str | None, request: str | None
  ) -> futures.Future:
    """What `add` waits for: an event, from which `added` has the calls."""
    chunks = self._service.serving.chunks(said, time)
    return self._service.add(self.namespace, chunks, request)

  def search(self, query: str, k: int = 5) -> list[Value]:
    """The notes that fit best, best first; at most model.FOUND."""
    found = self._ask('find', self._now(), query)
    return [_note(entry) for entry in found[: max(k, 0)]]

  def answer(self, question: str) -> Value:
    """What the reader says, and the notes that it was shown.

    The answer is '' where they do not tell, and None if the reader failed.
    """
    now, notes = self._now(), []
    request, answer = self._ask('answer', now, question)
    for note in request.notes:
      entry = state_lib.with_text(now.state, note.kind, note.text)
      notes.append(
        {'id': entry and entry.id, 'kind': note.kind, 'text': note.text}
      )
    return {'answer': answer, 'notes': notes, 'core': request.core}

  def all(self, kind: str | None = None) -> list[Value]:
    """The core, if it says anything, and all notes; or those of one kind.

    Raises:
      ValueError: for an unknown kind.
    """
    if kind not in (None, *KINDS):
      raise ValueError(f'kind={kind!r}: use one of {KINDS}')
    return _all(self._now().state, kind)

  def update(self, id: int | str, text: str) -> Value:
    """Replaces the text of a note, or of the core (id 'core').

    Raises:
      NotFound: if there is no such note.
      ValueError: if the text cannot be a note.
    """
    return self._edit('update', id, tokenizer.valid(text))

  def delete(self, id: int | str) -> Value:
    """Removes a note, or clears the core; its history stays. See `clear`."""
    return self._edit('delete', id)

  def history(self, id: int | str | None = None) -> list[Value]:
    """What was called on a note, or on the whole memory, the oldest first."""
    found = self.events()
    undone = events.taken_back(found)
    return [
      {
        'event': event.seq,
        'what': event.kind,
        'at': event.at,
        'undone': event.seq in undone,
        'read': part.text,
        **_call(record),
      }
      for event in found
      for part in event.parts
      for record in part.log
      if id is None or id == _id(record)
    ]

  def undo(self, n: int = 1) -> list[Value]:
    """Takes back the last n events that changed something.

    Returns:
      The calls that were taken back, by event, the newest first.
    """
    if n < 1:
      raise ValueError(f'n={n}: undo takes back one event or more')
    last = []

    def undo(now: Position) -> list[Event]:
      found = self.events()
      gone = events.taken_back(found)
      live = [e for e in found[::-1] if e.seq not in gone]
      last[:] = [e for e in live if any(r.result.ok for r in e.log)][:n]
      # What failed since then might not have failed without them.
      since = [e.seq for e in live if last and e.log and e.seq >= last[-1].seq]
      return [events.of(now, 'undo', undone=tuple(since))] if last else []

    self._do(undo)
    return list(map(added, last))

  def clear(self) -> None:
    """Forgets everything, the history included; that cannot be undone."""
    self._do(lambda now: [events.of(now, 'clear')], instead=True)

  def export(self) -> Value:
    """All there is, with history, JSON-able."""
    found = self.events()
    return formats.export(self.namespace, self.all(), found)

  def import_(self, value: Any) -> Value:
    """Takes in an export: ours into an empty memory, or mem0's, OpenMemory's.

    Of others each memory becomes a note; what cannot be one is counted.

    Raises:
      ValueError: if it is none, or the memory is not empty.
    """
    if formats.is_ours(value):
      self._do(lambda now: self._events_of(value, now))
      return {'imported': len(self.all()), 'refused': []}
    ops = formats.inserts(value)
    (done,) = self._do(lambda now: [self._applied(now, 'import', ops)])
    calls = list(map(_call, done.log))
    refused = [call for call in calls if not call['ok']]
    return {'imported': len(calls) - len(refused), 'refused': refused}

  def put(self, items: Sequence[events.Item]) -> None:
    """Keeps values under keys; neither writer, reader nor `undo` sees them."""
    self._do(lambda now: [events.of(now, 'put', items=tuple(items))])

  def events(self, after: int = 0) -> list[Event]:
    """The log from the event after that one on."""
    return self._service.store.events(self.namespace, after)

  def stats(self) -> Value:
    now = self._now()
    count = lambda kind: state_lib.count(now.state, kind)
    return {
      'notes': {kind: count(kind) for kind in state_lib.LISTS},
      'tokens': state_lib.token_length(now.state),
      'most_tokens': self._service.serving.limits(now.read).total_tokens,
      'read_tokens': now.read,
      'steps': now.clock,
      'events': now.seq,
    }

  def _now(self) -> Position:
    with self._service.held(self.namespace) as now:
      return now

  def _ask(self, kind: str, now: Position, text: str) -> Any:
    job = model.Job(self.namespace, now, text)
    return self._service.queue.ask(kind, job).result()

  def _edit(self, kind: str, id: int | str, text: str = '') -> Value:
    def edit(now: Position) -> list[Event]:
      op = _edit_op(now.state, kind, id, text)
      event = self._applied(now, kind, [op])
      result = event.log[0].result
      if not (result.ok or result.neutral):
        raise ValueError(f'{kind} of {id}: {result.error}')
      return [event]

    return added(*self._do(edit))

  def _applied(self, now: Position, kind: str, ops: Sequence[Op]) -> Event:
    """The event of these calls by a user."""
    serving, state = self._service.serving, now.state
    limits = serving.limits(now.read)
    for op in ops:
      state, _ = execution.apply(state, op, limits, serving.count, now.clock)
    return events.of(now, kind, parts=(Part(log=tuple(state.log)),))

  def _events_of(self, value: Any, now: Position) -> list[Event]:
    if now.clock:
      raise ValueError(
        f'namespace {self.namespace!r} is not empty: import into a new one, '
        'or clear it'
      )
    return formats.events(value, now.seq + 1)

  def _do(self, make: Make, instead: bool = False) -> list[Event]:
    """Stores what `make` gives at the position of the moment; see append."""
    for left in reversed(range(TRIES)):
      with self._service.held(self.namespace) as now:
        found = make(now)
        try:
          if found:
            self._service.store.append({self.namespace: found}, instead)
          return found
        except store_lib.Moved:
          if not left:
            raise


def _edit_op(state: MemoryState, kind: str, id: int | str, text: str) -> Op:
  if id == CORE:
    return Op(kind, CORE, text)
  found = (state_lib.with_id(state, name, id) for name in state_lib.LISTS)
  entry = next(filter(None, found), None)
  if entry is None:
    raise NotFound(f'there is no note {id}')
  return Op(kind, entry.kind, text, entry.id)


def _all(state: MemoryState, kind: str | None) -> list[Value]:
  core = [{'id': CORE, 'kind': CORE, 'text': state.core}] if state.core else []
  if kind == CORE:
    return core
  notes = state_lib.entries(state, *([kind] if kind else state_lib.LISTS))
  return [*([] if kind else core), *map(_note, notes)]


def _note(entry: Entry) -> Value:
  return {'id': entry.id, 'kind': entry.kind, 'text': entry.text}


def _call(record: LogRecord) -> Value:
  op, result = record.op, record.result
  return {
    'tool': op.tool,
    'id': _id(record),
    'kind': op.kind,
    'text': op.text,
    'ok': result.ok,
    'error': result.error,
  }


def _id(record: LogRecord) -> int | str | None:
  if record.op.kind == CORE:
    return CORE
  written = record.result.entry_id
  return record.op.entry_id if written is None else written


def added(event: Event) -> Value:
  """What a caller is told of it."""
  return {
    'event': event.seq,
    'calls': list(map(_call, event.log)),
    'errors': [error for part in event.parts for error in part.errors],
  }
