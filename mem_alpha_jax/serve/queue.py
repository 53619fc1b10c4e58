"""What many threads ask of one model, done together by a thread of its own.

Nobody waits for company: what came in while a batch ran is the next one. Jobs
with an `alone` do not share a batch with their like, and keep their order.
"""

import collections
import concurrent.futures
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

# (kind, jobs) -> results; an error fails its job, one of None is in the next
# batch, too.
Run = Callable[[str, Sequence[Any]], Sequence[Any]]


class _Asked(NamedTuple):
  kind: str
  job: Any
  alone: str | None
  future: concurrent.futures.Future


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

  def ask(
    self, kind: str, job: Any, alone: str | None = None
  ) -> concurrent.futures.Future:
    """The result of a job, or what it raised.

    Args:
      kind: of the job.
      job: what `run` gets.
      alone: two jobs of this name are not done together.
    """
    future = concurrent.futures.Future()
    future.set_running_or_notify_cancel()  # who hangs up stops nothing
    with self._changed:
      if not self._open:
        raise ConnectionError('the memory is closed; open it again')
      self._waiting.append(_Asked(kind, job, alone, future))
      self._changed.notify()
    return future

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
      kind = batch[0].kind
      self.counts[kind, 'jobs'] += len(batch)
      self.counts[kind, 'batches'] += 1
      try:
        results = self._run(kind, [asked.job for asked in batch])
      except BaseException as error:  # the thread must live; callers are told
        results = [error] * len(batch)
      for asked, result in zip(batch, results, strict=True):
        if isinstance(result, BaseException):
          asked.future.set_exception(result)
        elif result is not None:
          asked.future.set_result(result)
      again = [a for a, r in zip(batch, results, strict=True) if r is None]
      with self._changed:
        self._waiting.extendleft(reversed(again))

  def _next(self) -> list[_Asked]:
    """The oldest job and others of its kind; [] when closed and done."""
    with self._changed:
      self._changed.wait_for(lambda: self._waiting or not self._open)
      batch, rest, names = [], collections.deque(), set()
      for asked in self._waiting:
        fits = len(batch) < self._most and asked.alone not in names
        fits = fits and asked.kind == self._waiting[0].kind
        (batch if fits else rest).append(asked)
        names |= {asked.alone} - {None}
      self._waiting = rest
      return batch
