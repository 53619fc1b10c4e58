"""How a run ends before its last step: when it is asked to, or hangs.

In a collective a process waits for the others for ever. A thread that sees no
beat for too long says where the run stood and ends it, so that whatever
started it can start it again: the same command goes on from the newest
checkpoint.
"""

import contextlib
import faulthandler
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from absl import logging

from mem_alpha_jax.system import multihost

CODE = 3  # exit code of a run that the watchdog ended


class GracefulStop(contextlib.AbstractContextManager):
  """Turns the first SIGINT or SIGTERM into a flag.

  The loop looks at `requested()` at each chunk, leaves a step that has begun,
  saves and ends within config.checkpoint.grace seconds. A second Ctrl-C raises
  KeyboardInterrupt at once. Use in the main thread.
  """

  def __init__(self):
    self._flag = False
    self._previous = {}

  def __enter__(self) -> 'GracefulStop':
    for number in (signal.SIGINT, signal.SIGTERM):
      self._previous[number] = signal.signal(number, self._handle)
    return self

  def __exit__(self, *unused) -> None:
    for number, handler in self._previous.items():
      signal.signal(number, handler)

  def _handle(self, number: int, frame: Any) -> None:
    del frame
    if self._flag and number == signal.SIGINT:
      raise KeyboardInterrupt
    self._flag = True
    for dog in _open:
      dog.stopping()
    logging.warning(
      '%s: saving what is done; Ctrl-C again stops at once',
      signal.Signals(number).name,
    )

  def requested(self) -> bool:
    """Returns True if any process was asked to stop; all must call it."""
    return bool(multihost.largest(self._flag)[0])


class Watchdog(contextlib.AbstractContextManager):
  """Watches `beat` while it is open.

  Attributes:
    seconds: longest time between two beats; 0 never ends anything.
    grace: seconds from a signal to the end of the process; 0 is no bound.
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
    beat(self._where)
    self._thread.start()
    return self

  def __exit__(self, *unused) -> None:
    _open.remove(self)
    self._closed.set()
    self._thread.join()

  def beat(self, where: str) -> None:
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
  """Something was done; tells an open watchdog what comes next."""
  for dog in _open:
    dog.beat(where)


def _end(message: str) -> None:
  print(
    f'error: {message}; the same command goes on from the newest checkpoint',
    file=sys.stderr,
    flush=True,
  )
  faulthandler.dump_traceback()  # where each thread stands
  os._exit(CODE)
