"""The tools of the writer: one table, and what every notation says with it.

The notations are in `json_calls`, `compact_calls` and `reference_tools`. They
share one policy on slips: what can only mean one thing is read and counted as
a repair (REPAIRS), anything else is a failed call (FAILURES).
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from mem_alpha_jax.memory import effects
from mem_alpha_jax.memory.state import KINDS, LISTS, Entry, Op
from mem_alpha_jax.text import tokenizer as tokenizer_lib


class Tool(NamedTuple):
  """One row of the table."""

  name: str  # of the function in JSON
  description: str  # what the model is told
  arguments: tuple[str, ...]  # of a call, keys of ARGUMENTS in their order
  kinds: tuple[str, ...]  # parts of the memory on which the tool works
  symbol: str  # first token of a compact call
  effect: Callable[..., effects.Done]  # what it does; see memory/effects.py

  @property
  def ids(self) -> tuple[str, ...]:
    """The arguments that name entries; the core needs none."""
    return tuple(name for name in self.arguments if name.endswith('_id'))

  @property
  def takes_text(self) -> bool:
    return 'content' in self.arguments


TOOLS = {
  'insert': Tool(
    'memory_insert',
    'Store one new note in the semantic or the episodic memory.',
    ('memory_type', 'content'),
    LISTS,
    '<ins>',
    effects.insert,
  ),
  'update': Tool(
    'memory_update',
    'Replace the text of one note, or the whole core memory.',
    ('memory_type', 'content', 'memory_id'),
    KINDS,
    '<upd>',
    effects.update,
  ),
  'delete': Tool(
    'memory_delete',
    'Remove one note that is no longer true or useful, or clear the core.',
    ('memory_type', 'memory_id'),
    KINDS,
    '<del>',
    effects.delete,
  ),
}
# Argument -> field of Op, description.
ARGUMENTS = {
  'memory_type': ('kind', 'Which part of the memory.'),
  'content': ('text', 'The text to store, short and complete in itself.'),
  'memory_id': (
    'entry_id',
    'Id of the note, as shown in brackets; not for the core.',
  ),
  'other_id': ('other_id', 'Id of another note of that part.'),
}
NOOP_REPLY = 'Done.'  # a chat model has nothing to store

# Slips that are read.
REPAIRS = (
  'unclosed',  # a tag without its end
  'untagged',  # JSON without tags
  'code_block',  # JSON in a Markdown fence
  'tools_tag',  # <tools> for <tool_call>
  'function_tag',  # <function=name><parameter=key>value</parameter></function>
  'several',  # calls in one pair of tags
  'stray_text',  # between or behind what is read
  'json',  # see text/lenient_json.py; lone surrogates
  'arguments',  # in a string, under another name, or too many
  'type',  # 'Semantic', 'semantic_memory'
  'id',  # '3', 3.0, '#3', '[3]'
)
# What an error begins with: why a call did nothing.
FAILURES = (
  'no call',
  'unfinished thought',
  'unreadable',
  'unknown tool',
  'bad target',
  'bad text',
  'unknown id',
  'full',
  'too many calls',
)
# Failures by kind as metrics name them. The last two are of other kinds, too.
_metric = lambda kind: f'failed_{kind.replace(" ", "_")}'
FAILED = tuple(map(_metric, (*FAILURES, 'too long', 'truncated')))
_ID = re.compile(r'[\s#(\[]*([0-9]{1,9})(?:\.0+)?[\s)\]]*')


class ParsedCall(NamedTuple):
  """A call, or why the text is not one (`op` None), and what was repaired."""

  op: Op | None
  error: str = ''
  repairs: frozenset[str] = frozenset()


class ParsedResponse(NamedTuple):
  """All calls of a response; `noop` says that it validly makes none."""

  calls: list[ParsedCall]
  noop: bool = False


def failed(kind: str, detail: str = '') -> ParsedCall:
  """A call that cannot be read; kind is one of FAILURES."""
  return ParsedCall(None, f'{kind}: {detail}' if detail else kind)


def failure(error: str) -> str:
  """The kind of an error, of FAILURES."""
  return error.partition(':')[0]


def failed_names(
  unread: Sequence[str], refused: Sequence[str], cut: bool
) -> list[str]:
  """Of FAILED, once for every call that did nothing.

  Twice for a text that is longer than its place, and for what could not be
  read of a response that was cut at its limit.

  Args:
    unread: errors of calls that could not be read.
    refused: errors of calls that the memory refused.
    cut: whether the response has no end.
  """
  errors = [*refused, *unread]
  kinds = [*map(failure, errors), *['truncated'] * (cut * len(unread))]
  kinds += ['too long' for error in errors if error.endswith(': too long')]
  return list(map(_metric, kinds))


def tool_schemas() -> list[dict[str, Any]]:
  return [
    {
      'type': 'function',
      'function': {
        'name': tool.name,
        'description': tool.description,
        'parameters': _parameters(tool),
      },
    }
    for tool in TOOLS.values()
  ]


def _parameters(tool: Tool) -> dict[str, Any]:
  properties = {
    name: {
      'type': 'integer' if name in tool.ids else 'string',
      'description': ARGUMENTS[name][1],
    }
    for name in tool.arguments
  }
  properties['memory_type']['enum'] = list(tool.kinds)
  optional = tool.ids if 'core' in tool.kinds else ()
  return {
    'type': 'object',
    'properties': properties,
    'required': [name for name in tool.arguments if name not in optional],
  }


def arguments_of(op: Op) -> dict[str, Any]:
  """The arguments of a call by their names."""
  values = {
    name: getattr(op, ARGUMENTS[name][0]) for name in TOOLS[op.tool].arguments
  }
  return {name: v for name, v in values.items() if v is not None}


def without_calls(text: str) -> ParsedResponse:
  """Reads a reply that has no call in it: NOOP_REPLY, or one failed call."""
  plain = lambda said: said.strip().rstrip('.!').lower()
  noop = plain(text) == plain(NOOP_REPLY)
  return ParsedResponse([] if noop else [failed('no call')], noop)


def call(
  name: Any,
  arguments: Any,
  view: Sequence[Entry | None],
  repairs: Iterable[str] = (),
) -> ParsedCall:
  """Checks a call by its values, which may be anything.

  Args:
    view: the entries that were shown; no other can be named.
    repairs: of REPAIRS, that reading took so far.
  """
  keys = [key for key, tool in TOOLS.items() if tool.name == name]
  if not keys:
    return failed('unknown tool')
  if not isinstance(arguments, Mapping):
    return failed('unreadable', 'arguments are not a JSON object')
  key, tool, repairs = keys[0], TOOLS[keys[0]], set(repairs)
  given = {k: v for k, v in arguments.items() if v is not None}
  if given.keys() - tool.arguments:
    repairs.add('arguments')
  kind, text = _kind(given.get('memory_type')), given.get('content', '')
  if kind not in tool.kinds:
    return failed('bad target', f'memory_type of {key}')
  if kind != given['memory_type']:
    repairs.add('type')
  if not tool.takes_text:
    text = ''
  elif not (isinstance(text, str) and text.strip()):
    return failed('bad text', 'content is missing or empty')
  if text != tokenizer_lib.valid(text):
    text = tokenizer_lib.valid(text)
    repairs.add('json')
  ids = {}
  for argument in tool.ids if kind != 'core' else ():
    found = _entry_id(given.get(argument))
    if found is None:
      return failed('bad target', f'{argument} is missing or not a number')
    if found not in [entry.id for entry in view if entry]:
      return failed('unknown id', f'{found} is not shown')
    if type(given[argument]) is not int:
      repairs.add('id')
    ids[ARGUMENTS[argument][0]] = found
  return ParsedCall(Op(key, kind, text, **ids), repairs=frozenset(repairs))


def _kind(value: Any) -> str | None:
  if not isinstance(value, str):
    return None
  return value.strip().casefold().removesuffix('memory').rstrip(' _-')


def _entry_id(value: Any) -> int | None:
  if isinstance(value, bool) or not isinstance(value, int | float | str):
    return None
  if isinstance(value, str):
    match = _ID.fullmatch(value)
    return int(match[1]) if match else None
  return int(value) if value == value // 1 else None
