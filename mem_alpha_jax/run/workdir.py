"""The folder of a run: its config, atomic files, clean stops, the machine."""

import contextlib
import fcntl
import importlib.metadata
import json
import os
import pathlib
import platform
import resource
import signal
import sys
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import ml_collections
import numpy as np
from absl import logging

from mem_alpha_jax.data import sources
from mem_alpha_jax.system import multihost, watchdog

# Fields (or their prefixes) that may differ when a run is taken up again:
# none changes what is learned, beyond rounding.
RESUME_FIELDS = (
  'log.',
  'checkpoint.',
  'eval.html_episodes',
  'stream.',
  'data.root',
  'mesh.',
  'model.attention',
  'model.block_logits',
  'model.remat',
  'rl.microbatches',
  'optim.max_skipped',
  'reading.url',
  'reading.key_env',
  'reading.cache',
  'reading.price_prompt',
  'reading.price_completion',
  'reading.timeout',
  'reading.retries',
  'reading.backoff',
  'reading.concurrency',
  'reading.breaker_limit',
  'reading.breaker_pause',
  'reading.max_missing',
)
# Fields that may differ when a finished run is only evaluated.
EVAL_FIELDS = (*RESUME_FIELDS, 'eval.', 'data.', 'reading.')
SUMS = 'sums.json'
SUM_BYTES = 64 * 2**20  # larger files are checked by size alone
_PACKAGES = (
  'jax',
  'jaxlib',
  'flax',
  'optax',
  'orbax-checkpoint',
  'grain',
  'sentencepiece',
  'numpy',
)


def summary(error: BaseException) -> str:
  """Returns an error's kind and the beginning of its first line."""
  lines = str(error).strip().splitlines() or ['']
  return f'{type(error).__name__}: {lines[0][:160]}'


def write_bytes(path: str | os.PathLike, data: bytes) -> None:
  """Writes a file that is there whole or not at all; makes its folder."""
  path = pathlib.Path(path)
  path.parent.mkdir(parents=True, exist_ok=True)
  temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
  with open(temporary, 'wb') as file:
    file.write(data)
    file.flush()
    os.fsync(file.fileno())
  os.replace(temporary, path)


def write_text(path: str | os.PathLike, text: str) -> None:
  """Writes UTF-8 text as `write_bytes` does."""
  write_bytes(path, text.encode())


def write_json(path: str | os.PathLike, value: Any) -> None:
  """Writes indented JSON in the order given; no NaN: they become null."""
  text = json.dumps(_plain(value), indent=2, allow_nan=False)
  write_text(path, text + '\n')


def write_sums(folder: pathlib.Path) -> None:
  """Lists the files of a folder in `sums.json`, for `check_sums`."""
  sums = {
    str(path.relative_to(folder)): _sum(path)
    for path in sorted(folder.rglob('*'))
    if path.is_file()
  }
  write_json(folder / SUMS, sums)


def check_sums(folder: pathlib.Path) -> None:
  """Raises ValueError if a listed file is missing or not as it was."""
  listing = folder / SUMS
  if not listing.exists():  # the process died before it could list them
    return
  for name, expected in json.loads(listing.read_text()).items():
    path = folder / name
    if not path.exists():
      raise ValueError(f'{name} is missing')
    if _sum(path) != expected:
      raise ValueError(f'{name} is not as it was written')


def _sum(path: pathlib.Path) -> list[int]:
  """Size, and CRC-32 of the files that are quick to read."""
  size = path.stat().st_size
  return [size, zlib.crc32(path.read_bytes()) if size <= SUM_BYTES else 0]


def prepare(
  workdir: str | os.PathLike,
  config: ml_collections.ConfigDict,
  may_differ: Sequence[str] = RESUME_FIELDS,
) -> pathlib.Path:
  """Makes the folder of a run, or checks that it is of this config.

  Args:
    workdir: the folder; `config.json` in it is written when it is missing.
    config: a whole config.
    may_differ: names of fields, or prefixes ending in a dot, whose values may
      differ from those in `config.json`.

  Raises:
    ValueError: if other fields differ, naming each with both values, or the
      config names no source.
  """
  sources.check(config)
  folder = pathlib.Path(workdir)
  if folder.exists() and not folder.is_dir():
    raise ValueError(f'--workdir={workdir}: is a file, give a folder')
  path = folder / 'config.json'
  mine = flatten(config.to_dict())
  if not path.exists():
    if jax.process_index() == 0:
      write_json(path, _nest(sorted(mine.items())))
    return folder
  try:
    theirs = flatten(json.loads(path.read_text()))
  except ValueError as error:
    raise ValueError(
      f'{path}: not readable as JSON ({error}); restore it or give another '
      '--workdir'
    ) from error
  differ = [
    f'{name} ({theirs.get(name, "absent")!r} there, '
    f'{mine.get(name, "absent")!r} now)'
    for name in sorted(set(mine) | set(theirs))
    if mine.get(name) != theirs.get(name) and not _matches(name, may_differ)
  ]
  if differ:
    raise ValueError(
      f'--workdir={workdir} is of a run with another config: '
      f'{", ".join(differ)}; give another --workdir, or the old values'
    )
  return folder


@contextlib.contextmanager
def locked(workdir: str | os.PathLike) -> Iterator[None]:
  """Holds the folder of a run against a second job.

  The kernel lets go of the lock when the process ends, however it ends.

  Raises:
    ValueError: if another process holds it, or nothing can be written there.
  """
  path = pathlib.Path(workdir) / 'lock'
  try:
    path.parent.mkdir(parents=True, exist_ok=True)
    file = open(path, 'a+')  # noqa: SIM115
  except OSError as error:
    raise ValueError(
      f'--workdir={workdir}: cannot be written ({error.strerror}); give a '
      'folder that can'
    ) from error
  with file:
    try:
      fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
      file.seek(0)
      raise ValueError(
        f'--workdir={workdir}: in use by {file.read().strip()}; wait for it, '
        'or give another folder'
      ) from None
    file.truncate(0)
    file.write(f'process {os.getpid()} on {platform.node()}\n')
    file.flush()
    yield


def flatten(tree: dict, prefix: str = '') -> dict[str, Any]:
  """Returns dotted names -> values, as JSON has them (tuples are lists)."""
  flat = {}
  for key, value in tree.items():
    if isinstance(value, dict):
      flat.update(flatten(value, f'{prefix}{key}.'))
    else:
      flat[prefix + key] = _plain(value)
  return flat


def versions() -> dict[str, str]:
  """Returns what a result depends on: Python, packages, machine, device."""
  found = {'python': platform.python_version()}
  for name in _PACKAGES:
    found[name] = importlib.metadata.version(name)
  device = jax.devices()[0]
  found['platform'] = platform.platform()
  found['device'] = f'{jax.device_count()} x {device.device_kind}'
  return found


def peak_rss_bytes() -> int:
  """Returns the peak resident memory of this process so far."""
  peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
  return peak if sys.platform == 'darwin' else peak * 1024


def use_compilation_cache() -> None:
  """Keeps compiled programs for later runs, in ~/.cache/mem_alpha_jax/xla.

  JAX_COMPILATION_CACHE_DIR names another folder. Programs that compile faster
  than JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS, 0.3 here, are not kept.
  """
  if 'JAX_COMPILATION_CACHE_DIR' not in os.environ:
    folder = pathlib.Path.home() / '.cache' / 'mem_alpha_jax' / 'xla'
    jax.config.update('jax_compilation_cache_dir', str(folder))
  if 'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS' not in os.environ:
    jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.3)


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
    watchdog.stopping()
    logging.warning(
      '%s: saving what is done; Ctrl-C again stops at once',
      signal.Signals(number).name,
    )

  def requested(self) -> bool:
    """Returns True if any process was asked to stop; all must call it."""
    return bool(multihost.largest(self._flag)[0])


def _matches(name: str, allowed: Sequence[str]) -> bool:
  return any(
    name.startswith(item) if item.endswith('.') else name == item
    for item in allowed
  )


def _nest(items: Sequence[tuple[str, Any]]) -> dict:
  tree = {}
  for name, value in items:
    *parents, leaf = name.split('.')
    node = tree
    for parent in parents:
      node = node.setdefault(parent, {})
    node[leaf] = value
  return tree


def _plain(value: Any) -> Any:
  """The value as JSON has it: lists, Python numbers, null for NaN."""
  if isinstance(value, dict):
    return {str(key): _plain(item) for key, item in value.items()}
  if isinstance(value, list | tuple):
    return [_plain(item) for item in value]
  if isinstance(value, jax.Array | np.ndarray | np.generic):
    return _plain(np.asarray(value).tolist())
  if isinstance(value, float) and not np.isfinite(value):
    return None
  return value
