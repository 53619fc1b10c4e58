"""Files that are there whole or not at all, and the sums that tell."""

import contextlib
import itertools
import json
import os
import pathlib
import shutil
import uuid
import zlib
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

SUMS = 'sums.json'
SUM_BYTES = 64 * 2**20  # larger files are checked by size alone


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[pathlib.Path]:
  """Gives a name beside `path`; what is written there takes its place.

  After an error, and when the process dies, `path` is as it was. It is a file,
  or a folder that is new or empty; what it lies in is made. Processes that race
  for a file each write a whole one.
  """
  path = pathlib.Path(path)
  path.parent.mkdir(parents=True, exist_ok=True)
  part = path.with_name(f'.{path.name}.{uuid.uuid4().hex}.tmp')
  try:
    yield part
    if part.is_file():
      with open(part, 'rb') as file:
        os.fsync(file.fileno())
    os.replace(part, path)
  finally:
    if part.is_dir():
      shutil.rmtree(part)
    part.unlink(missing_ok=True)


def write_bytes(path: str | os.PathLike, data: bytes) -> None:
  """Writes a whole file or none."""
  with replacing(path) as part:
    part.write_bytes(data)


def write_text(path: str | os.PathLike, text: str) -> None:
  """Writes a whole file of UTF-8 text or none."""
  write_bytes(path, text.encode())


def write_json(path: str | os.PathLike, value: Any) -> None:
  """Writes indented JSON in the order given; no NaN: they become null."""
  text = json.dumps(plain(value), indent=2, allow_nan=False)
  write_text(path, text + '\n')


def unused(path: pathlib.Path) -> pathlib.Path:
  """The path, or the first of path_2, path_3, ... that is not there."""
  names = (path.with_stem(f'{path.stem}_{n}') for n in itertools.count(2))
  return next(p for p in itertools.chain([path], names) if not p.exists())


def plain(value: Any) -> Any:
  """The value as JSON has it: lists, Python numbers, null for NaN."""
  if isinstance(value, dict):
    return {str(key): plain(item) for key, item in value.items()}
  if isinstance(value, list | tuple):
    return [plain(item) for item in value]
  if isinstance(value, jax.Array | np.ndarray | np.generic):
    return plain(np.asarray(value).tolist())
  if isinstance(value, float) and not np.isfinite(value):
    return None
  return value


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
