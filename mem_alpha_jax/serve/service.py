"""One store and one model, which all namespaces and threads share.

Texts that are added at the same time to different namespaces are read in one
call of the model, and stored in one transaction.
"""

import collections
import contextlib
import threading
from collections.abc import Iterator, Sequence
from concurrent import futures

from mem_alpha_jax.serve import events, model, queue
from mem_alpha_jax.serve import store as store_lib
from mem_alpha_jax.serve.events import Event, Part, Position

KEPT = 4096  # namespaces whose states are kept, at most
NOTES = 1 << 18  # of all states that are kept; about 2 KB each
PATIENCE = 60.0  # seconds that another call on a namespace is waited for
TRIES = 8  # when others write to the same namespace


class _Place:
  """A namespace: where it stands, and who may move it."""

  def __init__(self):
    self.lock, self.position = threading.Lock(), Position()


class _Add:
  """A text that is being added; the queue's thread alone changes it."""

  def __init__(
    self, namespace: str, chunks: Sequence[str], request: str | None
  ):
    self.namespace, self.chunks, self.request = namespace, chunks, request
    self.tries, self.result = 0, None  # an event, or what went wrong
    self.begin(Position())

  def begin(self, before: Position) -> None:
    self.before = self.now = before
    self.parts = []

  def job(self) -> model.Job:
    return model.Job(self.namespace, self.now, self.chunks[len(self.parts)])

  def take(self, part: Part) -> None:
    self.parts.append(part)
    self.now = events.step(self.now, part)

  def event(self) -> Event:
    return events.of(
      self.before, 'add', request=self.request, parts=tuple(self.parts)
    )


class Service:
  """One store and one model, shared by all namespaces and threads."""

  def __init__(self, store: store_lib.Store, serving: model.Model):
    self.store, self.serving = store, serving
    self.queue = queue.Queue(self._run, serving.batch)
    self._places: collections.OrderedDict[str, _Place] = (
      collections.OrderedDict()
    )
    self._notes = 0  # of them
    self._lock = threading.Lock()

  def close(self) -> None:
    """Ends the thread of the model and the connections."""
    self.queue.close()
    self.store.close()

  def add(
    self, namespace: str, chunks: Sequence[str], request: str | None
  ) -> futures.Future:
    """Lets the writer read chunks, one after the other: their one event.

    Args:
      namespace: whose memory it is.
      chunks: as the model makes them.
      request: a name for this call; sent again, it is done once.
    """
    add = _Add(namespace, chunks, request)
    return self.queue.ask('write', add, alone=namespace)

  @contextlib.contextmanager
  def held(self, namespace: str) -> Iterator[Position]:
    """Where a namespace is in the store now; other edits wait.

    Raises:
      Busy: if other threads have it for too long.
      store.StoreError: if it cannot be read.
    """
    place = self._place(namespace)
    if not place.lock.acquire(timeout=PATIENCE):
      raise store_lib.Busy(f'namespace {namespace!r} is in use; try again')
    try:
      now = self._newest(namespace, place.position)
      self._move(namespace, place, now)
      yield now
    finally:
      place.lock.release()

  def _place(self, namespace: str) -> _Place:
    with self._lock:
      place = self._places.setdefault(namespace, _Place())
      self._places.move_to_end(namespace)
      if len(self._places) > KEPT:
        self._forget()
    return place

  def _move(self, namespace: str, place: _Place, now: Position) -> None:
    """A place stands here now; others make room for its notes."""
    with self._lock:
      before, place.position = place.position, now
      if self._places.get(namespace) is not place:
        return
      self._notes += now.state.top - before.state.top
      self._places.move_to_end(namespace)
      while self._notes > NOTES and len(self._places) > 1:
        self._forget()

  def _forget(self) -> None:
    """The place unused for longest; who holds it is told by the store."""
    _, place = self._places.popitem(last=False)
    self._notes -= place.position.state.top

  def _run(self, kind: str, jobs: Sequence) -> Sequence:
    """What the queue does with a batch."""
    return (
      self._write(jobs) if kind == 'write' else self.serving.run(kind, jobs)
    )

  def _write(self, adds: Sequence[_Add]) -> list:
    """The next chunk of each; those that have all of theirs are stored."""
    for add in adds:
      if not add.parts:
        self._begin(add)
    going = [add for add in adds if add.result is None]
    if going:
      parts = self.serving.run('write', [add.job() for add in going])
      for add, part in zip(going, parts, strict=True):
        add.take(part)
      if read := [a for a in going if len(a.parts) == len(a.chunks)]:
        self._store(read)
    return [add.result for add in adds]

  def _begin(self, add: _Add) -> None:
    """Goes on from what is known here: if it is old, `_store` is told."""
    name = add.namespace
    try:
      if add.request:
        add.result = self.store.of_request(name, add.request)
      now = self._place(name).position
      if add.tries or not now.seq:
        with self.held(name) as now:
          pass
      add.begin(now)
    except OSError as error:  # of the store; the others of the batch go on
      add.result = error

  def _store(self, adds: Sequence[_Add]) -> None:
    """All in one transaction; if one cannot be stored, each in its own."""
    made = {add.namespace: add.event() for add in adds}
    try:
      self.store.append({name: [event] for name, event in made.items()})
    except store_lib.StoreError as error:
      for add in adds:
        add.result = error
    except Exception as error:
      if len(adds) > 1:
        for add in adds:
          self._store([add])
        return
      (add,) = adds
      add.tries += 1
      if add.tries < TRIES and isinstance(error, store_lib.Moved):
        add.begin(Position())
      else:
        add.result = error
    else:
      for add in adds:
        add.result = made[add.namespace]
        now = add.now._replace(seq=add.result.seq)
        self._move(add.namespace, self._place(add.namespace), now)

  def _newest(self, namespace: str, now: Position) -> Position:
    """With what this and other processes have stored."""
    new = self.store.events(namespace, now.seq)
    if any(event.kind in events.BREAKS for event in new):
      new, now = self.store.events(namespace), Position()
    try:
      return events.fold(now, new, events.taken_back(new))
    except ValueError as error:
      raise store_lib.StoreError(f'namespace {namespace!r}: {error}') from error
