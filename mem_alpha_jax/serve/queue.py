"""What many threads ask of one model, done together by a thread of its own.

Nobody waits for company: what came in while a batch ran is the next one.
"""

import collections
import concurrent.futures
import threading
from collections.abc import Callable, Sequence
from typing import Any

Run = Callable[[str, Sequence[Any]], Sequence[Any]]  # (kind, jobs) -> results


class Queue:
  """Jobs of one kind are done at once, the oldest first.

  Attributes:
    counts: (kind, 'jobs' or 'batches') -> how many were done.
  """

  def __init__(self, run: Run, most: int):
    """Args:
    run: does at most `most` jobs of a kind.
    most: of them.
    """
    self._run, self._most = run, most
    self._waiting = collections.deque()
    self._changed = threading.Condition()
    self._open = True
    self.counts = collections.Counter()
    self._thread = threading.Thread(target=self._work, daemon=True)
    self._thread.start()

  def ask(self, kind: str, job: Any) -> Any:
    """Waits for the result of a job; what it raised is raised here."""
    future = concurrent.futures.Future()
    with self._changed:
      if not self._open:
        raise ConnectionError('the memory is closed; open it again')
      self._waiting.append((kind, job, future))
      self._changed.notify()
    return future.result()

  def waiting(self) -> int:
    return len(self._waiting)

  def close(self) -> None:
    """Does what was asked by now, and nothing after it."""
    with self._changed:
      self._open = False
      self._changed.notify()
    self._thread.join()

  def _work(self) -> None:
    while batch := self._next():
      kind = batch[0][0]
      self.counts[kind, 'jobs'] += len(batch)
      self.counts[kind, 'batches'] += 1
      try:
        results = self._run(kind, [job for _, job, _ in batch])
      except BaseException as error:  # the thread must live; callers are told
        for *_, future in batch:
          future.set_exception(error)
        continue
      for (*_, future), result in zip(batch, results, strict=True):
        future.set_result(result)

  def _next(self) -> list[tuple]:
    """The oldest job and others of its kind; [] when closed and done."""
    with self._changed:
      self._changed.wait_for(lambda: self._waiting or not self._open)
      if not self._waiting:
        return []
      kind, batch, rest = self._waiting[0][0], [], collections.deque()
      for item in self._waiting:
        fits = item[0] == kind and len(batch) < self._most
        (batch if fits else rest).append(item)
      self._waiting = rest
      return batch
