"""Rows of published files, one at a time, with errors that name the row.

A row comes with `where`, as 'eval_50.json: row 3' (from 0), which begins the
message of whatever is found wrong with it. JSON files, which reach gigabytes,
are never held as a whole; of a parquet file one row group is.
"""

import json
import pathlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_BLOCK = 1 << 16  # characters
_BEGIN = re.compile(r'\s*\[\s*')
_NEXT = re.compile(r'\s*,\s*')
_END = re.compile(r'\s*\]\s*')
_NAMES = {
  str: 'text',
  int: 'a whole number',
  list: 'a list',
  dict: 'an object',
}


def from_json(
  path: str | pathlib.Path, publisher: str
) -> Iterator[tuple[str, dict[str, Any]]]:
  """Rows of a file that is one JSON list of objects.

  Args:
    path: the file.
    publisher: where a user finds it, for the message if it is not there.

  Yields:
    (where, row).

  Raises:
    FileNotFoundError: the file is not there.
    ValueError: no such list, cut off, without a row, or no UTF-8.
  """
  path = _present(path, publisher)
  try:
    yield from _json_rows(path)
  except UnicodeDecodeError as error:
    raise ValueError(f'{path}: {error}; download it again') from error


def from_parquet(
  path: str | pathlib.Path, columns: Sequence[str], publisher: str
) -> Iterator[tuple[str, dict[str, Any]]]:
  """Rows of some columns of a parquet file, read group by group.

  Args:
    path: the file.
    columns: what a row has; others of the file are not read.
    publisher: where a user finds it, for the message if it is not there.

  Yields:
    (where, row).

  Raises:
    FileNotFoundError: the file is not there.
    ValueError: no parquet file, a broken one, one without rows or without
      one of the columns, or pyarrow is not installed.
  """
  arrow, parquet = pyarrow()
  path = _present(path, publisher)
  index = 0
  try:
    with parquet.ParquetFile(path) as file:
      names = file.schema_arrow.names
      if missing := [name for name in columns if name not in names]:
        raise ValueError(f'{path}: no column {missing}, only {names}')
      for group in range(file.num_row_groups):
        table = file.read_row_group(group, columns=list(columns))
        for row in table.to_pylist():
          yield f'{path}: row {index}', row
          index += 1
  except (arrow.ArrowException, OSError, UnicodeDecodeError) as error:
    text = ' '.join(str(error).split())
    raise ValueError(
      f'{path}: row {index}: broken parquet file ({text}); download it again'
    ) from error
  if not index:
    raise ValueError(f'{path}: the file has no row; download it again')


def pyarrow():
  """Modules pyarrow and pyarrow.parquet.

  Raises:
    ValueError: they are not installed.
  """
  try:
    import pyarrow
    import pyarrow.parquet as parquet
  except ImportError:
    raise ValueError(
      "parquet files need pyarrow: pip install 'mem_alpha_jax[paper]'"
    ) from None
  return pyarrow, parquet


def field(
  row: Mapping[str, Any], name: str, kind: type | None, where: str
) -> Any:
  """A field of a row, which must be of a kind.

  Args:
    row: the row, or an object inside it.
    name: of the field.
    kind: str, int, list or dict; None for any.
    where: begins the message.

  Raises:
    ValueError: there is no such field, or it is something else.
  """
  if name not in row:
    raise ValueError(f'{where}: no field {name!r}, only {sorted(row)}')
  return checked(row[name], kind, f'{where}: {name}') if kind else row[name]


def checked(value: Any, kind: type, where: str) -> Any:
  """The value, if it is of a kind (str, int, list or dict).

  Raises:
    ValueError: it is not.
  """
  if not isinstance(value, kind) or isinstance(value, bool):
    raise ValueError(f'{where}: expected {_NAMES[kind]}, got {_short(value)}')
  return value


def objects(value: Any, where: str) -> list[dict[str, Any]]:
  """The value, if it is a list of objects.

  Raises:
    ValueError: it is not; names the item.
  """
  for i, item in enumerate(checked(value, list, where)):
    checked(item, dict, f'{where}[{i}]')
  return value


def texts(value: Any, where: str) -> list[str]:
  """The value, if it is a list of texts that is not empty.

  Raises:
    ValueError: it is not; names the item.
  """
  if not checked(value, list, where):
    raise ValueError(f'{where}: the list is empty')
  return [checked(item, str, f'{where}[{i}]') for i, item in enumerate(value)]


def golds(value: Any, where: str) -> tuple[str, ...]:
  """Gold answers from one answer or a list of equally good ones.

  Numbers become text: some of LongMemEval's answers are counts.

  Raises:
    ValueError: it is neither, or the list is empty.
  """
  if isinstance(value, list):
    if not value:
      raise ValueError(f'{where}: the list is empty')
    return tuple(_gold(item, f'{where}[{i}]') for i, item in enumerate(value))
  return (_gold(value, where),)


def _gold(value: Any, where: str) -> str:
  if isinstance(value, (int, float)) and not isinstance(value, bool):
    return str(value)
  return checked(value, str, where)


def _json_rows(path: pathlib.Path) -> Iterator[tuple[str, dict[str, Any]]]:
  decode = json.JSONDecoder().raw_decode
  index, gap = 0, _BEGIN
  with path.open(encoding='utf-8-sig') as file:
    text = file.read(_BLOCK)
    if text.strip() and not _BEGIN.match(text):
      raise ValueError(f'{path}: expected a JSON list of rows')
    while True:
      where, problem = f'{path}: row {index}', 'the file ends here'
      if start := gap.match(text):
        try:
          row, end = decode(text, start.end())
        except json.JSONDecodeError as error:
          problem = error.msg
        else:
          yield where, checked(row, dict, where)
          text, index, gap = text[end:], index + 1, _NEXT
          continue
      # A row may be longer than what was read of it.
      more = file.read(max(_BLOCK, len(text)))
      text += more
      if not more and index and _END.fullmatch(text):
        return
      if not more:
        raise ValueError(f'{where}: no JSON ({problem}); download it again')


def _present(path: str | pathlib.Path, publisher: str) -> pathlib.Path:
  path = pathlib.Path(path)
  if not path.is_file():
    raise FileNotFoundError(f'no file {path}; download it from {publisher}')
  return path


def _short(value: Any) -> str:
  text = repr(value)
  return text if len(text) <= 60 else f'{text[:57]}...'
