"""The tools of the writer: one table, two notations.

JSON, as Qwen-family models call tools:
  <tool_call>{"name": "memory_insert", "arguments": {...}}</tool_call>
Compact, for tiny policies; every <..> is one token of the tokenizer:
  <ins><sem> Marta job baker<upd><2> Marta job pilot<del><3>
A handle <i> is the i-th entry shown in the prompt. Neither parser raises.
"""

import json
import re
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple, Protocol

from mem_alpha_jax.memory import state as state_lib

Op = state_lib.Op


class ToolSpec(NamedTuple):
  """One row of the table.

  Attributes:
    name: name of the function in JSON.
    description: what the model is told.
    arguments: names of the required arguments; `memory_id` may be left out
      for the core.
    kinds: parts of the memory on which the tool works.
    symbol: first token of a compact call.
  """

  name: str
  description: str
  arguments: tuple[str, ...]
  kinds: tuple[str, ...]
  symbol: str


TOOLS = {
  'insert': ToolSpec(
    'memory_insert',
    'Store one new note in the semantic or the episodic memory.',
    ('memory_type', 'content'),
    ('semantic', 'episodic'),
    '<ins>',
  ),
  'update': ToolSpec(
    'memory_update',
    'Replace the text of one note, or the whole core memory.',
    ('memory_type', 'content', 'memory_id'),
    ('core', 'semantic', 'episodic'),
    '<upd>',
  ),
  'delete': ToolSpec(
    'memory_delete',
    'Remove one note that is no longer true or useful, or clear the core.',
    ('memory_type', 'memory_id'),
    ('core', 'semantic', 'episodic'),
    '<del>',
  ),
}
ARGUMENTS = {
  'memory_type': 'Which part of the memory.',
  'content': 'The text to store, short and complete in itself.',
  'memory_id': 'Id of the note, as shown in brackets; not for the core.',
}
KIND_SYMBOLS = {'core': '<core>', 'semantic': '<sem>', 'episodic': '<epi>'}
HANDLES = tuple(f'<{i}>' for i in range(1, 10))
CALL, NONE, SEP, NULL = '<call>', '<none>', '<sep>', '<null>'
COMPACT_SYMBOLS = (
  CALL,
  *(tool.symbol for tool in TOOLS.values()),
  NONE,
  *KIND_SYMBOLS.values(),
  *HANDLES,
  SEP,
  NULL,
)
NOOP_TEXT = 'done'  # a chat reply that says there is nothing to store

_TOOL_OF_NAME = {tool.name: key for key, tool in TOOLS.items()}
_TOOL_OF_SYMBOL = {tool.symbol: key for key, tool in TOOLS.items()}
_KIND_OF_SYMBOL = {symbol: kind for kind, symbol in KIND_SYMBOLS.items()}
_SYMBOL = re.compile('(' + '|'.join(map(re.escape, COMPACT_SYMBOLS)) + ')')
_ID = re.compile(r'\s*\[?\s*([0-9]{1,9})\s*\]?\s*')


class ParsedCall(NamedTuple):
  """A call, or why the text is not one (`op` None)."""

  op: Op | None
  error: str = ''


class ParsedResponse(NamedTuple):
  """All calls of a response; `noop` says that it validly makes none."""

  calls: list[ParsedCall]
  noop: bool = False


class ViewItem(NamedTuple):
  """What a handle stands for."""

  id: int
  kind: str


class HasIdAndKind(Protocol):
  """A `ViewItem` or an `Entry`."""

  id: int
  kind: str


def tool_schemas(disabled_kinds: Collection[str] = ()) -> list[dict[str, Any]]:
  """Returns the function schemas; a tool without any kind left is dropped."""
  schemas = []
  for tool in TOOLS.values():
    kinds = [kind for kind in tool.kinds if kind not in disabled_kinds]
    if not kinds:
      continue
    properties = {
      name: {
        'type': 'integer' if name == 'memory_id' else 'string',
        'description': ARGUMENTS[name],
      }
      for name in tool.arguments
    }
    properties['memory_type']['enum'] = kinds
    optional = {'memory_id'} if 'core' in kinds else set()
    parameters = {
      'type': 'object',
      'properties': properties,
      'required': [name for name in tool.arguments if name not in optional],
    }
    function = {
      'name': tool.name,
      'description': tool.description,
      'parameters': parameters,
    }
    schemas.append({'type': 'function', 'function': function})
  return schemas


def render_json(op: Op) -> str:
  """Returns the call as a Qwen-family model writes it."""
  values = {
    'memory_type': op.kind,
    'content': op.text,
    'memory_id': op.entry_id,
  }
  tool = TOOLS[op.tool]
  arguments = {
    name: values[name] for name in tool.arguments if values[name] is not None
  }
  call = {'name': tool.name, 'arguments': arguments}
  body = json.dumps(call, ensure_ascii=False)
  return f'<tool_call>\n{body}\n</tool_call>'


def render_compact(op: Op, view: Sequence[HasIdAndKind | None] = ()) -> str:
  """Returns the call in the compact grammar.

  Raises:
    ValueError: if it is about an entry that the view does not show.
  """
  target = KIND_SYMBOLS[op.kind]
  if op.tool != 'insert' and op.kind != 'core':
    ids = [item.id if item else None for item in view]
    if op.entry_id is None or op.entry_id not in ids:
      raise ValueError(f'entry {op.entry_id} is not in the view {ids}')
    target = HANDLES[ids.index(op.entry_id)]
  text = '' if op.tool == 'delete' else f' {op.text}'
  return TOOLS[op.tool].symbol + target + text


def parse_json(text: str) -> ParsedResponse:
  """Reads `<tool_call>` blocks; the last close tag may be missing.

  Thoughts up to `</think>` are skipped. Arguments may be a JSON string, types
  may end in '_memory', ids may be 3, '3' or '[3]'. A reply without a block is
  a no-op if it says `NOOP_TEXT`, otherwise one failed call.
  """
  text = text.rpartition('</think>')[2]
  head, *blocks = text.split('<tool_call>')
  if not blocks:
    return without_calls(head)
  bodies = [block.partition('</tool_call>')[0] for block in blocks]
  return ParsedResponse([_json_call(body) for body in bodies])


def without_calls(text: str) -> ParsedResponse:
  """Reads a reply that has no call in it."""
  noop = text.strip().rstrip('.!').lower() == NOOP_TEXT
  return ParsedResponse([] if noop else [ParsedCall(None, 'no call')], noop)


def _json_call(body: str) -> ParsedCall:
  call = load_json(body)
  if not isinstance(call, dict):
    return ParsedCall(None, 'call is not a JSON object')
  arguments = call.get('arguments')
  if isinstance(arguments, str):
    arguments = load_json(arguments)
  return json_call(call.get('name'), arguments)


def json_call(name: Any, arguments: Any) -> ParsedCall:
  """Checks a call whose JSON has been read; both may be anything."""
  if not isinstance(name, str) or name not in _TOOL_OF_NAME:
    return ParsedCall(None, 'unknown tool')
  if not isinstance(arguments, dict):
    return ParsedCall(None, 'arguments are not a JSON object')
  tool = _TOOL_OF_NAME[name]
  kind = arguments.get('memory_type')
  kind = kind.removesuffix('_memory') if isinstance(kind, str) else None
  if kind not in TOOLS[tool].kinds:
    return ParsedCall(None, f'bad memory_type for {tool}')
  content = arguments.get('content', '')
  if tool != 'delete' and not (isinstance(content, str) and content.strip()):
    return ParsedCall(None, 'content is missing or empty')
  if tool == 'insert' or kind == 'core':
    entry_id = None
  else:
    entry_id = _entry_id(arguments.get('memory_id'))
    if entry_id is None:
      return ParsedCall(None, 'memory_id is missing or not a number')
  return ParsedCall(
    Op(tool, kind, '' if tool == 'delete' else _clean(content), entry_id)
  )


def load_json(text: str) -> Any:
  """Returns the JSON value, None if there is none."""
  try:
    return json.loads(text.strip(), strict=False)
  except (ValueError, RecursionError):  # deep nesting, endless numbers
    return None


def _entry_id(value: Any) -> int | None:
  if isinstance(value, bool) or not isinstance(value, int | str):
    return None
  if isinstance(value, int):
    return value
  match = _ID.fullmatch(value)
  return int(match[1]) if match else None


def _clean(text: str) -> str:
  """Strips the text and replaces what UTF-8 cannot encode."""
  return text.strip().encode('utf-8', 'replace').decode()


def parse_compact(
  text: str, view: Sequence[HasIdAndKind | None]
) -> ParsedResponse:
  """Reads the compact grammar; `view[i - 1]` is what handle <i> stands for."""
  # Odd positions are symbols, even ones the text between them.
  parts = _SYMBOL.split(text)
  if [part for part in parts if part.strip()] == [NONE]:
    return ParsedResponse([], True)
  starts = [i for i, part in enumerate(parts) if part in _TOOL_OF_SYMBOL]
  if not starts:
    return ParsedResponse([ParsedCall(None, 'no call')])
  calls = []
  if any(part.strip() for part in parts[: starts[0]]):
    calls.append(ParsedCall(None, 'text before the first call'))
  for start, end in zip(starts, starts[1:] + [len(parts)], strict=True):
    calls.append(_compact_call(parts[start:end], view))
  return ParsedResponse(calls)


def _compact_call(
  parts: list[str], view: Sequence[HasIdAndKind | None]
) -> ParsedCall:
  """Reads [tool symbol, '', target symbol, text] and what may follow it."""
  tool = _TOOL_OF_SYMBOL[parts[0]]
  if len(parts) < 4 or parts[1].strip():
    return ParsedCall(None, f'{tool} without a target')
  if any(part.strip() for part in parts[4:]):
    return ParsedCall(None, 'symbol inside the text')
  target, text = parts[2], _clean(parts[3])
  if tool == 'delete' and text:
    return ParsedCall(None, 'delete takes no text')
  if tool != 'delete' and not text:
    return ParsedCall(None, 'empty text')
  if target in _KIND_OF_SYMBOL:
    kind = _KIND_OF_SYMBOL[target]
    if (tool == 'insert') == (kind == 'core'):
      return ParsedCall(None, f'{tool} cannot target {target}')
    return ParsedCall(Op(tool, kind, text))
  if tool == 'insert' or target not in HANDLES:
    return ParsedCall(None, f'{tool} cannot target {target}')
  place = HANDLES.index(target)
  item = view[place] if place < len(view) else None
  if item is None:
    return ParsedCall(None, f'handle {target} shows no entry')
  return ParsedCall(Op(tool, item.kind, text, item.id))
