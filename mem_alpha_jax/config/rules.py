"""What a config field is made of, and the rules for its value."""

import itertools
import json
import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple

# A rule returns '' for a value that is allowed, else what is allowed.
Rule = Callable[[Any], str]


def require(fits: bool, message: str) -> None:
  """Raises ValueError, in one line, of fields that do not agree."""
  if not fits:
    raise ValueError(f'config.{message}')


def integer(low: int, high: float = math.inf) -> Rule:
  """An int in [low, high]."""
  allowed = f'an integer, {_range(low, high)}'

  def rule(value: Any) -> str:
    fits = isinstance(value, int) and not isinstance(value, bool)
    return '' if fits and low <= value <= high else allowed

  return rule


def number(low: float, high: float = math.inf, above: bool = False) -> Rule:
  """A finite number in [low, high], or in (low, high] if `above`."""
  allowed = f'a finite number, {_range(low, high)}'
  if above:
    allowed = f'a finite number above {low}'
    allowed += '' if high == math.inf else f', at most {high}'

  def rule(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
      return allowed
    fits = low < value <= high if above else low <= value <= high
    return '' if fits and math.isfinite(value) else allowed

  return rule


def zero_or(rule: Rule) -> Rule:
  """0 switches something off; else the rule holds."""

  def either(value: Any) -> str:
    allowed = rule(value)
    is_off = not isinstance(value, bool) and value == 0
    return '' if is_off or not allowed else f'0 (off) or {allowed}'

  return either


def of_type(
  kind: Any, allowed: str, fits: Callable[[Any], Any] = lambda value: True
) -> Rule:
  """A value of a type, for which `fits` is true."""
  return lambda value: (
    '' if isinstance(value, kind) and fits(value) else allowed
  )


def choice(*names: str) -> Rule:
  return of_type(str, f'one of {list(names)}', lambda value: value in names)


def several(allowed: str, fits: Callable[[Any], Any]) -> Rule:
  """Different strings that fit, at least one."""

  def different(value: tuple) -> bool:
    each = all(isinstance(item, str) and fits(item) for item in value)
    return bool(value) and each and len(set(value)) == len(value)

  return of_type(list | tuple, allowed, different)


def _is_json_object(value: str) -> bool:
  try:
    return isinstance(json.loads(value or '{}'), dict)
  except ValueError:
    return False


def _grows(value: tuple) -> bool:
  each = not any(integer(1)(item) for item in value)
  return value and each and all(a < b for a, b in itertools.pairwise(value))


def _range(low: float, high: float) -> str:
  return f'{low} or more' if high == math.inf else f'{low} to {high}'


text = of_type(str, 'a string, not empty', bool)
address = of_type(
  str,
  "an address such as http://host:8000/v1, or ''",
  lambda value: re.fullmatch(r'(https?://\S+)?', value),
)
json_object = of_type(
  str, """JSON such as '{"top_k": 1}', or ''""", _is_json_object
)
names = several('different names, at least one', bool)
tasks = several(
  'different names of qa1 to qa20',
  lambda value: value in [f'qa{i}' for i in range(1, 21)],
)
natural = integer(0)
fraction = number(0, 1)
positive = number(0, above=True)
stages = of_type(
  list | tuple,
  '() (off) or growing integers, 1 or more',
  lambda value: not value or _grows(value),
)
KINDS = {
  bool: of_type(bool, 'True or False'),
  int: integer(1),
  float: number(0),
  str: of_type(str, 'a string'),
  tuple: of_type(list | tuple, 'growing integers, 1 or more', _grows),
}
# When the value may differ from the one in a workdir: never; where the run is
# resumed, as it changes nothing of what is learned beyond rounding; or where a
# trained policy is only evaluated.
NEVER, RESUME, EVALUATION = '', 'resume', 'evaluation'


class Field(NamedTuple):
  """What is known of a field."""

  default: Any  # value in configs/tiny.py
  meaning: str  # with its unit; messages show it
  # 'this | that' for one of some strings; None: `KINDS` of the default's type.
  rule: Rule | str | None = None
  may_differ: str = NEVER  # NEVER, RESUME or EVALUATION


def section(name: str, may_differ: str, /, **fields: Field) -> dict[str, Field]:
  """Fields of a section under their dotted names, all with a rule."""

  def complete(field: Field) -> Field:
    rule = field.rule or KINDS[type(field.default)]
    if isinstance(rule, str):
      rule = choice(*rule.split(' | '))
    return field._replace(rule=rule, may_differ=may_differ)

  prefix = f'{name}.' if name else ''
  return {prefix + key: complete(field) for key, field in fields.items()}
