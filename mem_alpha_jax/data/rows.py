"""Rows of published files, checked, with errors of one line that name the row.

A row comes with `where`, as 'eval_50.json: row 3' (from 0), which begins the
message of whatever is found wrong with it. Of a JSON list one row is held at a
time, of a parquet file one row group: such files reach gigabytes.

What reads a file raises FileNotFoundError if it is not there, and ValueError if
it is cut off, has no row, is of another kind or encoding, is nested too deep,
or has a wrong field. What a reader leaves out or changes it tells by `report`.
"""

import csv
import decimal
import functools
import json
import mmap
import pathlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import ijson
import numpy as np
import pydantic
from absl import logging

_AGAIN = 'download it again'
_SHOWN = 60  # characters of a wrong value in a message
_DEPTH = 100  # levels of a JSON file; ijson's memory grows with their square
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_STEPS = bytes.maketrans(b'[{]}', b'\x01\x01\xff\xff')
_NO_STEPS = bytes(sorted(set(range(256)) - set(b'[{]}')))


class Row(pydantic.BaseModel):
  """What an object of a file must have; other fields are not looked at."""

  model_config = pydantic.ConfigDict(strict=True, frozen=True)


def _as_texts(value: Any) -> Any:
  """Numbers become text: some of LongMemEval's answers are counts."""
  several = value if isinstance(value, list) else [value]
  number = lambda x: isinstance(x, int | float) and not isinstance(x, bool)
  return [str(item) if number(item) else item for item in several]


Texts = Annotated[list[str], pydantic.Field(min_length=1)]
# One answer or a list of equally good ones.
Golds = Annotated[Texts, pydantic.BeforeValidator(_as_texts)]


def check(kind: Any, value: Any, where: str) -> Any:
  """The value as a `kind`, a Row or built of them; ValueError names a field."""
  try:
    return _adapter(kind).validate_python(value)
  except pydantic.ValidationError as error:
    raise ValueError(f'{where}: {_first(error)}') from error


def report(where: str, kept: str, left: Mapping[str, int]) -> None:
  """Logs in one line what a reader left out or changed, and why.

  Nothing where all counts are 0, and the same line once in a process.

  Args:
    where: file, or source and split.
    kept: what came out, as '419 turns'.
    left: why -> how many.
  """
  if told := ', '.join(f'{why}: {n:,}' for why, n in left.items() if n):
    _warn(f'{where}: {kept}; {told}')


def shown(value: Any) -> str:
  """A value in a message, however long it is."""
  text = repr(value)
  return text if len(text) <= _SHOWN else f'{text[: _SHOWN - 3]}...'


def whole(path: pathlib.Path, kind: Any, publisher: str) -> Any:
  """All of a JSON file, as a `kind`."""
  text = present(path, publisher).read_bytes()
  try:
    data = json.loads(text)
  except (ValueError, RecursionError) as error:
    raise ValueError(f'{path}: no JSON ({error}); {_AGAIN}') from error
  return check(kind, data, str(path))


def stream(
  path: pathlib.Path, kind: Any, publisher: str, prefix: str = 'item'
) -> Iterator[tuple[str, Any]]:
  """(where, row) of a JSON file.

  Args:
    publisher: where a user finds it, for the message if it is not there.
    prefix: of ijson: 'item' if the file is one list, 'data.item' if that is
      the field `data`.
  """
  index = 0
  with present(path, publisher).open('rb') as file:
    if path.stat().st_size and _depth(file) > _DEPTH:
      raise ValueError(f'{path}: nested deeper than {_DEPTH} levels; {_AGAIN}')
    if file.read(3) != b'\xef\xbb\xbf':  # a byte order mark
      file.seek(0)
    # Its own floats (use_float) end at 64 bits of an integer: ids are longer.
    rows = ijson.items(file, prefix)
    while True:
      where = f'{path}: row {index}'
      try:
        row = next(rows, None)
      except (ijson.JSONError, UnicodeDecodeError) as error:
        text = ' '.join(str(error).split())
        raise ValueError(f'{where}: no JSON ({text}); {_AGAIN}') from error
      if row is None:
        break
      yield where, check(kind, _floats(row), where)
      index += 1
  if not index:
    raise ValueError(f'{path}: no row in a JSON list {prefix!r}; {_AGAIN}')


def lines(
  path: pathlib.Path, publisher: str, encoding: str = 'utf-8-sig'
) -> Iterator[tuple[str, str]]:
  """(where, line) of a text file, 'a.txt:3' from 1, without blank lines."""
  with present(path, publisher).open(encoding=encoding) as file:
    try:
      for i, line in enumerate(file, start=1):
        if line.strip():
          yield f'{path}:{i}', line
    except UnicodeDecodeError as error:
      raise ValueError(f'{path}: no UTF-8 text ({error}); {_AGAIN}') from error


def json_lines(
  path: pathlib.Path, kind: Any, publisher: str
) -> Iterator[tuple[str, Any]]:
  """(where, row) of a file with a JSON value a line, as a `kind` each."""
  for where, line in lines(path, publisher):
    yield where, check(pydantic.Json[kind], line, where)


def table(
  path: pathlib.Path,
  publisher: str,
  columns: Sequence[str],
  delimiter: str = ',',
) -> Iterator[tuple[str, dict[str, str]]]:
  """Rows of a table with a header, each with the place it ends at."""
  present(path, publisher)
  with path.open(encoding='utf-8-sig', newline='') as file:
    try:
      table = csv.DictReader(file, delimiter=delimiter)
      names = table.fieldnames or ()
      if missing := [c for c in columns if c not in names]:
        raise ValueError(f'{path}:1: no column {missing}, got {names}')
      for row in table:
        where = f'{path}:{table.line_num}'
        if any(row[column] is None for column in columns):
          raise ValueError(f'{where}: the row is too short, got {row}')
        yield where, row
    except (UnicodeDecodeError, csv.Error) as error:
      raise ValueError(f'{path}: no table ({error}); {_AGAIN}') from error


def parquet(
  path: pathlib.Path, kind: type[Row], publisher: str
) -> Iterator[tuple[str, Any]]:
  """(where, row) of a parquet file; its columns are the fields of `kind`.

  Raises:
    FileNotFoundError: the file is not there.
    ValueError: no parquet file, a broken one, one without rows or without
      one of the columns, a row is no `kind`, or pyarrow is not installed.
  """
  try:
    import pyarrow
    import pyarrow.parquet
  except ImportError:
    raise ValueError(
      f"{path}: needs pyarrow: pip install pyarrow, or '.[paper]' in the clone"
    ) from None
  index, columns = 0, list(kind.model_fields)
  try:
    with pyarrow.parquet.ParquetFile(present(path, publisher)) as file:
      names = file.schema_arrow.names
      if missing := [name for name in columns if name not in names]:
        raise ValueError(f'{path}: no column {missing}, only {names}')
      for group in range(file.num_row_groups):
        table = file.read_row_group(group, columns=columns)
        for row in table.to_pylist():
          where = f'{path}: row {index}'
          yield where, check(kind, row, where)
          index += 1
  except FileNotFoundError:
    raise
  except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
    text = ' '.join(str(error).split())
    raise ValueError(
      f'{path}: row {index}: broken parquet file ({text}); {_AGAIN}'
    ) from error
  if not index:
    raise ValueError(f'{path}: the file has no row; {_AGAIN}')


def files(
  root: str, folder: str, pattern: str, publisher: str, file: str = ''
) -> list[pathlib.Path]:
  """Files of a data set by name; FileNotFoundError if there is none.

  Args:
    file: the one that a user has named, which needs no data.root; or ''.
  """
  if file:
    return [pathlib.Path(file)]
  place = pathlib.Path(root, folder)
  found = sorted(place.glob(pattern))
  if not found:
    raise FileNotFoundError(
      f'no {pattern} in {place}; download it from {publisher} or set data.root'
    )
  return found


def present(path: pathlib.Path, publisher: str) -> pathlib.Path:
  """The path, if it is a file; FileNotFoundError says where to get it."""
  if not path.is_file():
    raise FileNotFoundError(
      f'no file {path}; download it from {publisher} or set data.root'
    )
  return path


def _depth(file: Any) -> int:
  """Levels to which JSON is nested, of a file that is not empty."""
  with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
    marks = _STRING.sub(b'', data).translate(_STEPS, _NO_STEPS)
  steps = np.frombuffer(marks, np.int8)
  return int(steps.cumsum(dtype=np.int64).max(initial=0))


@functools.cache
def _warn(line: str) -> None:
  logging.warning('%s', line)


def _floats(value: Any) -> Any:
  """A JSON value with floats where ijson reads decimals."""
  if isinstance(value, decimal.Decimal):
    return float(value)
  if isinstance(value, list):
    return [_floats(item) for item in value]
  if isinstance(value, dict):
    return {key: _floats(item) for key, item in value.items()}
  return value


@functools.cache
def _adapter(kind: Any) -> pydantic.TypeAdapter:
  return pydantic.TypeAdapter(kind)


def _first(error: pydantic.ValidationError) -> str:
  """The first fault on one line: 'qa[4].category: field required'."""
  fault = error.errors(include_url=False)[0]
  place = ''.join(
    f'[{part}]' if isinstance(part, int) else f'.{part}'
    for part in fault['loc']
  ).lstrip('.')
  text = fault['msg'].removeprefix('Value error, ')
  text = ' '.join((text[:1].lower() + text[1:]).split())
  if fault['type'] != 'missing':
    text += f', got {shown(fault["input"])}'
  return f'{place}: {text}' if place else text
