"""JSON as models write it: what a strict parser refuses and people can read.

Read are, besides JSON: strings in single quotes, escaped single quotes, a
comma before a bracket, Python's None, True and False, and raw control
characters in strings. Linear in the length of the text; never an exception.
"""

import json
import re
from typing import Any, NamedTuple

DEEPEST = 32  # brackets inside each other
_STRICT = json.JSONDecoder()
_TOKEN = re.compile(
  r"""\s*(?:
    (?P<string> "[^"\\]*(?:\\.[^"\\]*)*" | '[^'\\]*(?:\\.[^'\\]*)*' )
    | (?P<mark> [{}\[\],:] )
    | (?P<word> [^\s{}\[\],:"']+ )
  )""",
  re.VERBOSE | re.DOTALL,
)
_WORDS = {'None': 'null', 'True': 'true', 'False': 'false'}
# In a string: an escaped single quote, any other escape, a bare double quote.
_QUOTED = re.compile(r"""\\(')|(\\.)|(")""", re.DOTALL)


class Found(NamedTuple):
  """What was read at a place of a text."""

  value: Any  # of the JSON, None if there is none
  end: int  # where the text goes on, or could not be read any further
  repaired: bool = False  # whether a strict parser would have refused it


def read(text: str, start: int = 0) -> Found:
  """Reads the object or list that begins at a bracket of the text."""
  try:
    return Found(*_STRICT.raw_decode(text, start))
  except (ValueError, RecursionError):  # deep nesting, endless numbers
    pass
  parts, depth, end = [], 0, start
  while match := _TOKEN.match(text, end):
    end, token = match.end(), match[match.lastgroup]
    if match.lastgroup == 'string':
      token = f'"{_QUOTED.sub(_in_double_quotes, token[1:-1])}"'
    if token in ('}', ']') and parts[-1:] == [',']:
      parts.pop()
    parts.append(_WORDS.get(token, token))
    if match.lastgroup == 'mark':
      depth += (token in '{[') - (token in '}]')
    if not 0 < depth <= DEEPEST:
      break
  try:
    return Found(json.loads(''.join(parts), strict=False), end, True)
  except (ValueError, RecursionError):
    return Found(None, max(end, start + 1), True)


def _in_double_quotes(match: re.Match) -> str:
  single, escape, double = match.groups()
  return single or escape or f'\\{double}'
