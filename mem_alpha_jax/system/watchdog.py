"""Ends a run in which nothing happens any more.

In a collective a process waits for the others for ever. A thread that sees no
beat for too long says where the run stood and ends it, so that whatever
started it can start it again: the same command goes on from the newest
checkpoint.
"""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable

CODE = 3  # exit code


class Watchdog(contextlib.AbstractContextManager):
  """Watches `beat` while it is open.

  Attributes:
    seconds: longest time between two beats; 0 never ends anything.
    grace: seconds from `stopping` to the end of the process; 0 is no bound.
  """

  def __init__(
    self, seconds: float, grace: float, end: Callable[[str], None] | None = None
  ):
    self.seconds, self.grace = seconds, grace
    self._end = end or _end
    self._where, self._limit, self._stopping = 'the start', None, None
    self._closed = threading.Event()
    self._thread = threading.Thread(target=self._watch, daemon=True)

  def __enter__(self) -> 'Watchdog':
    _open.append(self)
    self.beat(self._where)
    self._thread.start()
    return self

  def __exit__(self, *unused) -> None:
    _open.remove(self)
    self._closed.set()
    self._thread.join()

  def beat(self, where: str) -> None:
    """Something was done; `where` is what comes next."""
    self._where = where
    if self.seconds:
      self._limit = time.monotonic() + self.seconds

  def stopping(self) -> None:
    """The process was asked to end: from now on it has `grace` seconds."""
    if self.grace and self._stopping is None:
      self._stopping = time.monotonic() + self.grace

  def _watch(self) -> None:
    while not self._closed.wait(0.2):
      now = time.monotonic()
      if self._stopping is not None and now > self._stopping:
        self._end(
          f'not saved {self.grace:g} s after it was asked to stop '
          f'(checkpoint.grace), in {self._where}'
        )
        return
      if self._limit is not None and now > self._limit:
        self._end(
          f'nothing happened for {self.seconds:g} s (log.watchdog) in '
          f'{self._where}: another process is gone or hangs, or the limit is '
          'too low'
        )
        return


_open: list[Watchdog] = []  # the run of this process, if one is on


def beat(where: str) -> None:
  """Tells the open watchdog, if there is one, what comes next."""
  for one in _open:
    one.beat(where)


def stopping() -> None:
  """Tells the open watchdog, if there is one, that the run shall end."""
  for one in _open:
    one.stopping()


def _end(message: str) -> None:
  print(
    f'error: {message}; the same command goes on from the newest checkpoint',
    file=sys.stderr,
    flush=True,
  )
  os._exit(CODE)
