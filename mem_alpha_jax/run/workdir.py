"""The folder of a run: whose it is, and that no second job writes there."""

import contextlib
import json
import os
import pathlib
import platform
from collections.abc import Collection, Iterator

import filelock
import jax
import ml_collections

from mem_alpha_jax.config import compare
from mem_alpha_jax.data import sources
from mem_alpha_jax.system import files


def prepare(
  workdir: str | os.PathLike,
  config: ml_collections.ConfigDict,
  may_differ: Collection[str] = compare.RESUME_FIELDS,
) -> pathlib.Path:
  """Makes the folder of a run, or checks that it is of this config.

  Args:
    workdir: the folder; `config.json` in it is written when it is missing.
    config: a whole config.
    may_differ: names of fields whose values may differ from those in
      `config.json`.

  Raises:
    ValueError: if other fields differ, naming each with both values, or the
      config names no source.
  """
  sources.check(config)
  folder = pathlib.Path(workdir)
  if folder.exists() and not folder.is_dir():
    raise ValueError(f'--workdir={workdir}: is a file, give a folder')
  path = folder / 'config.json'
  mine = compare.flatten(config.to_dict())
  if not path.exists():
    if jax.process_index() == 0:
      files.write_json(path, compare.nest(mine))
    return folder
  try:
    theirs = compare.flatten(json.loads(path.read_text()))
  except ValueError as error:
    raise ValueError(
      f'{path}: not readable as JSON ({error}); restore it or give another '
      '--workdir'
    ) from error
  differ = compare.differences(mine, theirs, may_differ)
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
  lock = filelock.FileLock(path)
  try:
    path.parent.mkdir(parents=True, exist_ok=True)
    lock.acquire(timeout=0)
  except filelock.Timeout:
    raise ValueError(
      f'--workdir={workdir}: in use by {path.read_text().strip()}; wait for '
      'it, or give another folder'
    ) from None
  except OSError as error:
    raise ValueError(
      f'--workdir={workdir}: cannot be written ({error.strerror}); give a '
      'folder that can'
    ) from error
  with lock:
    path.write_text(f'process {os.getpid()} on {platform.node()}\n')
    yield
