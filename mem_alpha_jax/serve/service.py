"""One store and one model, which all namespaces and threads share."""

import collections
import contextlib
import threading
from collections.abc import Iterator

from mem_alpha_jax.serve import events, model, queue
from mem_alpha_jax.serve import store as store_lib
from mem_alpha_jax.serve.events import Position

KEPT = 4096  # namespaces whose states are kept
PATIENCE = 60.0  # seconds that another call on a namespace is waited for


class _Place:
  """A namespace: where it stands, and who may move it."""

  def __init__(self):
    self.lock, self.position = threading.Lock(), Position()


class Service:
  """One store and one model, shared by all namespaces and threads."""

  def __init__(self, store: store_lib.Store, serving: model.Model):
    self.store, self.serving = store, serving
    self.queue = queue.Queue(serving.run, serving.batch)
    self._places = collections.OrderedDict()
    self._lock = threading.Lock()

  def close(self) -> None:
    """Ends the thread of the model and the connections."""
    self.queue.close()
    self.store.close()

  @contextlib.contextmanager
  def held(self, namespace: str) -> Iterator[Position]:
    """Where a namespace is in the store now; other threads wait.

    Raises:
      Busy: if other threads have it for too long.
      store.StoreError: if it cannot be read.
    """
    with self._lock:
      place = self._places.setdefault(namespace, _Place())
      self._places.move_to_end(namespace)
      if len(self._places) > KEPT:  # whoever holds it is told by the store
        self._places.popitem(last=False)
    if not place.lock.acquire(timeout=PATIENCE):
      raise store_lib.Busy(f'namespace {namespace!r} is in use; try again')
    try:
      place.position = self._newest(namespace, place.position)
      yield place.position
    finally:
      place.lock.release()

  def _newest(self, namespace: str, now: Position) -> Position:
    """With what this and other processes have stored."""
    new = self.store.events(namespace, now.seq)
    if any(event.kind in events.BREAKS for event in new):
      new, now = self.store.events(namespace), Position()
    try:
      return events.fold(now, new, events.taken_back(new))
    except ValueError as error:
      raise store_lib.StoreError(f'namespace {namespace!r}: {error}') from error
