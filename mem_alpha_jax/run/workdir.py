"""The folder of a run: whose it is, and that no second job writes there."""

import contextlib
import errno
import fcntl
import os
import pathlib
import platform
from collections.abc import Iterator
from typing import TextIO

import jax
import ml_collections
from absl import logging

from mem_alpha_jax.config import compare
from mem_alpha_jax.data import sources
from mem_alpha_jax.system import files

_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)


def prepare(
  workdir: str | os.PathLike, config: ml_collections.ConfigDict
) -> pathlib.Path:
  """Makes the folder of a run, or checks that it is of this config.

  Args:
    workdir: the folder; `config.json` in it is written when it is missing.

  Raises:
    ValueError: if fields differ that may not, naming each with both values, or
      the config names no source.
  """
  sources.check(config)
  path = pathlib.Path(workdir) / compare.FILE
  if path.parent.exists() and not path.parent.is_dir():
    raise ValueError(f'--workdir={workdir}: is a file, give a folder')
  if path.exists():
    _check(path, config, compare.RESUME_FIELDS)
  elif jax.process_index() == 0:
    files.write_json(path, compare.nest(compare.flatten(config.to_dict())))
  return path.parent


def finished(
  workdir: str | os.PathLike, config: ml_collections.ConfigDict
) -> pathlib.Path:
  """The folder of a run that is there, and into which more can be written.

  Raises:
    FileNotFoundError: if there is no run; no folder is made.
    ValueError: if it is of another config, but for what evaluation may change,
      or nothing can be written there.
  """
  sources.check(config)
  path = pathlib.Path(workdir) / compare.FILE
  _check(path, config, compare.EVAL_FIELDS)
  try:
    files.write_text(path.parent / '.write', '')
    (path.parent / '.write').unlink(missing_ok=True)
  except OSError as error:
    raise _unwritable(workdir, error) from error
  return path.parent


def _check(path: pathlib.Path, config, may_differ) -> None:
  mine = files.plain(compare.flatten(config.to_dict()))
  theirs = compare.read(path)
  differ = compare.differences(mine, theirs, may_differ)
  if differ:
    raise ValueError(
      f'--workdir={path.parent} is of a run with another config: '
      f'{", ".join(differ)}; give another --workdir, or the old values'
    )


def _unwritable(workdir: str | os.PathLike, error: OSError) -> ValueError:
  return ValueError(
    f'--workdir={workdir}: cannot be written ({error.strerror}); give a '
    'folder that can'
  )


@contextlib.contextmanager
def locked(workdir: str | os.PathLike) -> Iterator[None]:
  """Holds the folder of a run against a second job.

  The kernel lets go of the lock when the process ends, however it ends. Where
  locks are a node's own, the file still says who came last.

  Raises:
    ValueError: if another process holds it, nothing can be written there, or
      its file system has no locks.
  """
  path = pathlib.Path(workdir) / 'lock'
  try:
    path.parent.mkdir(parents=True, exist_ok=True)
    file = open(path, 'a+', encoding='utf-8')  # noqa: SIM115
  except OSError as error:
    raise _unwritable(workdir, error) from error
  with file:
    _hold(workdir, file)
    file.truncate(0)
    file.write(f'process {os.getpid()} on {platform.node()}\n')
    file.flush()
    try:
      yield
    finally:
      file.truncate(0)


def _hold(workdir: str | os.PathLike, file: TextIO) -> None:
  file.seek(0)
  last = file.read().strip()
  try:
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
  except BlockingIOError:
    raise ValueError(
      f'--workdir={workdir}: in use by {last}; wait for it, or give another '
      'folder'
    ) from None
  except OSError as error:
    if error.errno not in _NO_LOCKS:
      raise
    raise ValueError(
      f'--workdir={workdir}: its file system has no locks ({error.strerror}): '
      'mount it with them (NFS: without nolock), or give a folder elsewhere'
    ) from error
  if last and not last.endswith(f' on {platform.node()}'):
    logging.warning(
      '%s: %s did not end in order; if it still runs there, stop it: locks of '
      'this file system may not reach other machines', workdir, last
    )  # fmt: skip
