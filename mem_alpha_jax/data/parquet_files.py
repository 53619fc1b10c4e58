"""Parquet files row by row, with errors that name file, row and column.

Needs the extra 'paper' (pyarrow).
"""

import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

T = TypeVar('T')

ROWS = 64  # of a batch that is read at once


def items(
  path: str | pathlib.Path,
  columns: Mapping[str, str],
  make: Callable[[dict[str, Any]], T],
) -> Iterator[T]:
  """make(row) of each row of a file, a few rows in memory at a time.

  Args:
    path: of the file.
    columns: those that are read, and the beginning of their Arrow types.
    make: raises ValueError for a row that it cannot read.

  Raises:
    FileNotFoundError: there is no such file.
    ValueError: it is no parquet file, a column is missing or of another type,
      or a row is malformed; names file, row (from 0) and column.
  """
  import pyarrow as pa  # the extra 'paper'
  from pyarrow import parquet

  path = pathlib.Path(path)
  if not path.exists():
    raise FileNotFoundError(f'{path}: no such file; download it there')
  try:
    file = parquet.ParquetFile(path)
  except (pa.ArrowInvalid, OSError) as error:
    first = str(error).splitlines()[0]
    raise ValueError(f'{path}: not a parquet file ({first})') from None
  found = {field.name: str(field.type) for field in file.schema_arrow}
  for name, kind in columns.items():
    if name not in found:
      raise ValueError(f'{path}: no column {name!r}; it has {sorted(found)}')
    if not found[name].removeprefix('large_').startswith(kind):
      raise ValueError(
        f'{path}: column {name!r} is {found[name]}, expected {kind}'
      )
  number = 0
  for batch in file.iter_batches(ROWS, columns=list(columns)):
    for row in batch.to_pylist():
      try:
        yield make(row)
      except ValueError as error:
        raise ValueError(f'{path}: row {number}: {error}') from None
      number += 1


def write(
  path: str | pathlib.Path,
  columns: Mapping[str, str],
  rows: Iterable[dict[str, Any]],
) -> None:
  """Writes a file that is there whole or not at all."""
  import pyarrow as pa
  from pyarrow import parquet

  table = pa.Table.from_pylist(list(rows), pa.schema(list(columns.items())))
  path = pathlib.Path(path)
  path.parent.mkdir(parents=True, exist_ok=True)
  temporary = path.with_name(f'.{path.name}.tmp')
  parquet.write_table(table, temporary)
  temporary.replace(path)
