"""JSON files of data sets, with errors that name file and item."""

import json
import pathlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

T = TypeVar('T')


def read(path: str | pathlib.Path) -> Any:
  """The value in a file.

  Raises:
    FileNotFoundError: there is no such file.
    ValueError: it is not JSON; names file, line and column.
  """
  path = pathlib.Path(path)
  if not path.exists():
    raise FileNotFoundError(f'{path}: no such file; download it there')
  try:
    return json.loads(path.read_text(encoding='utf-8'))
  except ValueError as error:
    raise ValueError(f'{path}: not JSON ({error}); download it again') from None


def items(
  path: str | pathlib.Path, make: Callable[[int, dict], T], what: str
) -> Iterator[T]:
  """make(index, item) of each item of a file that holds a list.

  Raises:
    ValueError: for a file without a list, or an item that `make` cannot read
      (it raises KeyError, TypeError or ValueError); names file and item.
  """
  rows = read(path)
  if not isinstance(rows, list) or not rows:
    raise ValueError(f'{path}: not a list of {what}s')
  for i, row in enumerate(rows):
    try:
      yield make(i, row)
    except KeyError as error:
      raise ValueError(
        f'{path}: item {i}: no field {error}, so no {what}'
      ) from None
    except (AttributeError, TypeError, ValueError, IndexError) as error:
      raise ValueError(f'{path}: item {i}: no {what} ({error})') from None


def want(value: Any, kind: type | tuple, field: str) -> Any:
  """The value, if it is of the kind.

  Raises:
    ValueError: naming the field.
  """
  if not isinstance(value, kind):
    names = kind if isinstance(kind, tuple) else (kind,)
    expected = ' or '.join(k.__name__ for k in names)
    raise ValueError(
      f'{field}: expected {expected}, got {type(value).__name__}'
    )
  return value
