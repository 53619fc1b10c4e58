"""Where the numbers of a run go: metrics.jsonl, the terminal, services."""

import contextlib
import json
import math
import os
import pathlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import numpy as np
import tqdm

from mem_alpha_jax.report import page, services
from mem_alpha_jax.system import files

FILE = 'metrics.jsonl'


class Writer(contextlib.AbstractContextManager):
  """Writes scalars of a step; only the first process of a run writes.

  `metrics.jsonl` has one JSON object a line: `step` first, then the names
  given. What depends on the machine (seconds, memory, compilations) goes
  under `time/`, so that the rest of two equal runs is equal to the byte.
  `turns.jsonl` has what a page shows of some steps.
  """

  def __init__(
    self,
    workdir: str | os.PathLike,
    total: int,
    start: int = 0,
    tensorboard: bool = True,
    progress: bool = True,
    service: str = 'none',
  ):
    """Drops the lines that an interrupted run has after step `start`."""
    self._file = self._bar = None
    self._sinks = []
    if jax.process_index() != 0:
      return
    folder = pathlib.Path(workdir)
    folder.mkdir(parents=True, exist_ok=True)
    for name in (FILE, page.TURNS):
      truncate(folder / name, start)
    self._turns = folder / page.TURNS
    # Open for the life of the writer.
    self._file = open(folder / FILE, 'a', encoding='utf-8')  # noqa: SIM115
    for name, wanted in services.SERVICES.items():
      if tensorboard if name == 'tensorboard' else name == service:
        self._sinks.append(wanted(folder, start))
    if progress:
      self._bar = tqdm.tqdm(
        total=total, initial=start, unit='step', dynamic_ncols=True
      )

  def write(self, step: int, scalars: Mapping[str, Any]) -> None:
    """Writes one line; a number that is not finite is written as null."""
    if self._file is None:
      return
    plain = {name: _number(name, value) for name, value in scalars.items()}
    line = json.dumps({'step': int(step), **plain}, allow_nan=False)
    self._file.write(line + '\n')
    self._file.flush()
    finite = {n: value for n, value in plain.items() if value is not None}
    for sink in self._sinks:
      sink.write(int(step), finite)

  def show(self, step: int, of: Callable[[], Mapping[str, Any]]) -> None:
    """Writes a line of what was sampled in a step, if this process writes."""
    if self._file is not None:
      with open(self._turns, 'a', encoding='utf-8') as file:
        file.write(json.dumps({'step': step, **of()}) + '\n')

  def advance(self, step: int, **shown: float) -> None:
    """Moves the bar to `step` and shows numbers on it (the reward)."""
    if self._bar is None:
      return
    text = ', '.join(f'{name} {value:.3f}' for name, value in shown.items())
    self._bar.set_postfix_str(text, refresh=False)
    self._bar.update(step - self._bar.n)

  def message(self, text: str) -> None:
    """Prints a line above the bar."""
    if self._file is not None:
      tqdm.tqdm.write(text)

  def __exit__(self, *unused) -> None:
    """Closes the files and leaves the bar as it is."""
    for part in (self._file, *self._sinks, self._bar):
      if part is not None:
        part.close()
    self._file, self._sinks, self._bar = None, [], None


class Timer:
  """Adds up the seconds of named phases between two calls of `take`."""

  def __init__(self):
    self._seconds = {}

  @contextlib.contextmanager
  def __call__(self, phase: str) -> Iterator[None]:
    """Times a block: `with timer('rollout'): ...`."""
    start = time.perf_counter()
    try:
      yield
    finally:
      spent = time.perf_counter() - start
      self._seconds[phase] = self._seconds.get(phase, 0.0) + spent

  def take(self) -> dict[str, float]:
    """Returns `time/<phase>` -> seconds since the last call."""
    taken = {f'time/{name}': spent for name, spent in self._seconds.items()}
    self._seconds = {}
    return taken


def read(path: str | os.PathLike) -> list[dict[str, Any]]:
  """Returns the lines of a metrics file, one a step, in order.

  A last line that a kill cut short is left out.

  Raises:
    FileNotFoundError: if there is no such file.
    ValueError: if another line is no JSON object with a step; names it.
  """
  rows = []
  lines = pathlib.Path(path).read_text(encoding='utf-8').split('\n')
  for number, line in enumerate(lines, 1):
    if not line:
      continue
    try:
      row = json.loads(line)
      row['step']
    except (ValueError, KeyError, TypeError) as error:
      if number == len(lines):  # no newline after it: the write was cut
        break
      raise ValueError(
        f'{path}:{number}: not a JSON object with a step ({error}); '
        'delete the line'
      ) from error
    rows.append(row)
  return rows


def read_equal(path: str | os.PathLike) -> list[dict[str, Any]]:
  """Returns the lines without what depends on the machine (`time/...`)."""
  return [
    {name: x for name, x in row.items() if not name.startswith('time/')}
    for row in read(path)
  ]


def truncate(path: str | os.PathLike, last: int) -> None:
  """Drops the lines after step `last`, and a line that was cut short.

  A run that is killed has written lines of steps that its newest checkpoint
  does not know; the resumed run writes them again.
  """
  if os.path.exists(path):
    kept = [json.dumps(row) for row in read(path) if row['step'] <= last]
    files.write_text(path, ''.join(f'{line}\n' for line in kept))


def _number(name: str, value: Any) -> int | float | None:
  array = np.asarray(value)
  if array.size != 1:
    raise ValueError(f'metric {name!r}: one number wanted, got {array.shape}')
  number = array.reshape(()).item()
  if isinstance(number, bool | int):
    return int(number)
  return float(number) if math.isfinite(number) else None
