"""Which fields may differ where a run is taken up again."""

import json
import pathlib
from collections.abc import Collection
from typing import Any

from flax import traverse_util

from mem_alpha_jax.config.fields import FIELDS
from mem_alpha_jax.config.rules import RESUME
from mem_alpha_jax.system import files

# What may differ where a run goes on, and where a finished one is evaluated.
RESUME_FIELDS = frozenset(
  n for n, f in FIELDS.items() if f.may_differ == RESUME
)
EVAL_FIELDS = frozenset(n for n, f in FIELDS.items() if f.may_differ)


FILE = 'config.json'  # of a workdir


def read(path: pathlib.Path) -> dict[str, Any]:
  """Dotted names -> values of the config in a workdir.

  Of a run of before there was a field, the default, which is what it did.

  Raises:
    FileNotFoundError: if there is none.
    ValueError: if it is damaged.
  """
  try:
    found = json.loads(path.read_bytes())
    if not isinstance(found, dict):
      raise ValueError('no object')
    return {n: files.plain(f.default) for n, f in FIELDS.items()} | flatten(
      found
    )
  except (FileNotFoundError, NotADirectoryError):
    raise FileNotFoundError(
      f'--workdir={path.parent}: no run there ({path.name} is missing); give '
      'the folder of one'
    ) from None
  except (ValueError, RecursionError) as error:
    raise ValueError(
      f'{path}: not readable as JSON ({error}); restore it or give another '
      '--workdir'
    ) from error


def flatten(tree: dict) -> dict[str, Any]:
  """Returns dotted names -> values."""
  return traverse_util.flatten_dict(tree, sep='.')


def nest(flat: dict[str, Any]) -> dict:
  """The inverse of `flatten`, names sorted."""
  return traverse_util.unflatten_dict(dict(sorted(flat.items())), sep='.')


def differences(
  mine: dict[str, Any], theirs: dict[str, Any], may_differ: Collection[str]
) -> list[str]:
  """What differs between two flat configs, each field with both values."""
  return [
    f'{name} ({theirs.get(name, "absent")!r} there, '
    f'{mine.get(name, "absent")!r} now)'
    for name in sorted({**mine, **theirs})
    if mine.get(name) != theirs.get(name) and name not in may_differ
  ]
