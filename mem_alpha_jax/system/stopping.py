"""How a run ends before its last step: when it is asked to, or hangs.

In a collective a process waits for the others for ever. A thread that sees no
beat for too long says where the run stood and ends it, so that whatever
started it can start it again: the same command goes on from the newest
checkpoint.
"""

import contextlib
import faulthandler
import os
import sys
import threading
import time
from collections.abc import Callable

from mem_alpha_jax.system import interrupt, multihost

CODE = 3  # exit code of a run that the watchdog ended


class Stopped(Exception):
  """The process was asked to end, and what can be saved is; says where."""


class Watchdog(contextlib.AbstractContextManager):
  """Watches `beat` while it is open; of 0 `seconds` it never ends anything."""

  def __init__(self, seconds: float, end: Callable[[str], None] | None = None):
    self.seconds, self._end = seconds, end or _end
    self._where, self._limit = 'the start', None
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
    self._where = where
    if self.seconds:
      self._limit = time.monotonic() + self.seconds

  def _watch(self) -> None:
    while not self._closed.wait(0.2):
      if self._limit is not None and time.monotonic() > self._limit:
        self._end(
          f'nothing happened for {self.seconds:g} s (log.watchdog) in '
          f'{self._where}: another process is gone or hangs, or the limit is '
          'too low'
        )
        return


_open: list[Watchdog] = []  # the run of this process, if one is on


def beat(where: str) -> None:
  """Something was done, and `where` comes next; every process calls it.

  Raises:
    Stopped: if any process was asked to end and there is something to save.
  """
  interrupt.at(where)
  for dog in _open:
    dog.beat(where)
  if interrupt.saving() and multihost.largest(interrupt.asked())[0]:
    raise Stopped(where)


def _end(message: str) -> None:
  print(
    f'error: {message}; the same command goes on from the newest checkpoint',
    file=sys.stderr,
    flush=True,
  )
  faulthandler.dump_traceback()  # where each thread stands
  os._exit(CODE)
