"""Fields that a command line sets: 'field=value,...' over dotted names."""

import ast
import difflib
from typing import Any

import ml_collections

from mem_alpha_jax.config import compare


def pairs(text: str) -> list[tuple[str, str]]:
  """Splits 'field=value,...'; ValueError for a part without '='."""
  found = []
  for part in filter(None, text.split(',')):
    name, equals, value = part.partition('=')
    if not equals:
      before = f': write {found[-1][0]}={found[-1][1]};{part}' if found else ''
      raise ValueError(
        f'{part!r} is no field=value; items of a tuple are separated by '
        f'semicolons{before}'
      )
    found.append((name, value))
  return found


def apply(
  config: ml_collections.ConfigDict, given: list[tuple[str, str]]
) -> ml_collections.ConfigDict:
  """Sets the fields and locks the config; `validate` checks the values.

  A value is a Python literal; what is not one is read as a string. Tuples
  are written with semicolons: eval.lengths=1;2;4.

  Raises:
    ValueError: for a field that the config does not have.
  """
  known = compare.flatten(config.to_dict())
  for name, text in given:
    if name not in known:
      near = difflib.get_close_matches(name, known, 1)
      raise ValueError(
        f'config.{name}={text}: there is no such field; '
        + (f'did you mean {near[0]}? ' if near else '')
        + '--help lists them'
      )
    with config.unlocked(), config.ignore_type():
      config.update_from_flattened_dict({name: _value(text, known[name])})
  return config.lock()


def _value(text: str, old: Any) -> Any:
  if isinstance(old, tuple):
    return tuple(map(_literal, filter(None, text.strip('()[]').split(';'))))
  value = _literal(text)
  whole = isinstance(value, int) and not isinstance(value, bool)
  return float(value) if whole and isinstance(old, float) else value


def _literal(text: str) -> Any:
  try:
    return ast.literal_eval(text)
  except (ValueError, SyntaxError):
    return text
