"""Ctrl-C and SIGTERM, from the first line of `main` to the last.

Python runs a handler between two of its own instructions: not while XLA
compiles, and an exception raised there may be swallowed by whoever catches
it. So the signal is written to a pipe, as the kernel brings it, and a thread
that waits for it there ends the process, in one line. Where there is something
to save it first waits for the main thread to do so, which asks `asked`.

Nothing is imported here that takes long.
"""

import atexit
import contextlib
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator

CODE = 130  # exit code of whoever was asked to end before the work was done
LONG = 5.0  # seconds of waiting that are announced
_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_asked = threading.Event()
_ending = threading.Lock()  # held for ever by the thread that ends the process
_now = {'where': 'the start', 'saving': None, 'linger': 0.0}
_pipe: list[int] = []


def install() -> None:
  """Takes both signals; again where a library took them meanwhile."""
  if os.name != 'posix':
    sys.exit('error: runs on Linux and macOS; on Windows, use WSL')
  if not _pipe:
    _pipe.extend(os.pipe())
    os.set_blocking(_pipe[1], False)
    threading.Thread(target=_watch, daemon=True).start()
    atexit.register(_over)
  signal.set_wakeup_fd(_pipe[1], warn_on_full_buffer=False)
  for number in _SIGNALS:
    signal.signal(number, lambda *unused: None)


def _over() -> None:
  """The work is done: Python, as it leaves, would die of what comes now."""
  for number in _SIGNALS:
    signal.signal(number, signal.SIG_IGN)


def asked() -> bool:
  """Whether this process is to end."""
  return _asked.is_set()


def at(where: str) -> None:
  """What is done from here on, for the line that is printed at the end."""
  _now['where'] = where


def saving() -> bool:
  """Whether the main thread is to save before the process ends."""
  return _now['saving'] is not None


@contextlib.contextmanager
def save_within(seconds: float) -> Iterator[None]:
  """There is something to save here, at most so long; 0 is no bound."""
  _now['saving'] = seconds
  try:
    yield
  finally:
    _now['saving'] = None


def linger(seconds: float) -> None:
  """How long the process stays behind its line, for others to leave first."""
  _now['linger'] = seconds


def end(where: str = '') -> None:
  """Prints the line, once a process, and ends it; nothing is unwound."""
  _ending.acquire()
  where = where or _now['where']
  line = f'stopped in {where}; the same command goes on from what is saved'
  # Whoever holds the output may be what hangs.
  say = threading.Thread(target=_say, args=[line], daemon=True)
  say.start()
  say.join(1.0)
  time.sleep(_now['linger'])
  os._exit(CODE)


def _say(line: str) -> None:
  start = '\n' if sys.stdout.isatty() else ''  # below ^C, or below the bar
  print(f'{start}{line}', flush=True)


def _watch() -> None:
  _next(None)
  seconds = _now['saving']
  _asked.set()
  if seconds is not None:
    if not 0 < seconds <= LONG:
      bound = f' within {seconds:g} s' if seconds else ''
      _say(f'saving what is done{bound}; Ctrl-C again stops at once')
    limit = time.monotonic() + seconds if seconds else None
    while _next(limit) == signal.SIGTERM:  # only Ctrl-C has no patience
      pass
  end()


def _next(limit: float | None) -> int | None:
  """The next of both signals, None if there was none by then."""
  while True:
    left = None if limit is None else max(limit - time.monotonic(), 0)
    if not select.select([_pipe[0]], [], [], left)[0]:
      return None
    (number,) = os.read(_pipe[0], 1)
    if number in _SIGNALS:
      return number
