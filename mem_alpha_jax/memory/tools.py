"""The tools of the writer: one table, two notations.

JSON, as Qwen-family models call tools:
  <tool_call>{"name": "memory_insert", "arguments": {...}}</tool_call>
Compact, for tiny policies; every <..> is one token of the tokenizer:
  <ins><sem> Marta job baker<upd><2> Marta job pilot<del><3>
A handle <i> is the i-th entry shown in the prompt. Neither parser raises.
"""

import functools
import json
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from mem_alpha_jax.memory import effects
from mem_alpha_jax.memory.state import KINDS, LISTS, Entry, Op


class Tool(NamedTuple):
  """One row of the table.

  Attributes:
    name: name of the function in JSON.
    description: what the model is told.
    arguments: what a call takes, keys of ARGUMENTS in the order of JSON.
    kinds: parts of the memory on which the tool works.
    symbol: first token of a compact call.
    effect: what it does; see memory/effects.py.
  """

  name: str
  description: str
  arguments: tuple[str, ...]
  kinds: tuple[str, ...]
  symbol: str
  effect: Callable[..., effects.Done]

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
KIND_SYMBOLS = {'core': '<core>', 'semantic': '<sem>', 'episodic': '<epi>'}
HANDLES = tuple(f'<{i}>' for i in range(1, 10))
CALL, NONE, SEP, NULL = '<call>', '<none>', '<sep>', '<null>'
NOOP_REPLY = 'Done.'  # a chat model has nothing to store

_KIND_OF_SYMBOL = {symbol: kind for kind, symbol in KIND_SYMBOLS.items()}
_ID = re.compile(r'\s*\[?\s*([0-9]{1,9})\s*\]?\s*')


class ParsedCall(NamedTuple):
  """A call, or why the text is not one (`op` None)."""

  op: Op | None
  error: str = ''


class ParsedResponse(NamedTuple):
  """All calls of a response; `noop` says that it validly makes none."""

  calls: list[ParsedCall]
  noop: bool = False


def compact_symbols() -> tuple[str, ...]:
  """The control symbols of the compact notation; a tokenizer has them all."""
  tools = (tool.symbol for tool in TOOLS.values())
  return (CALL, *tools, NONE, *KIND_SYMBOLS.values(), *HANDLES, SEP, NULL)


def tool_schemas() -> list[dict[str, Any]]:
  """Returns the function schemas."""
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


def render_json(op: Op) -> str:
  """Returns the call as a Qwen-family model writes it."""
  call = {'name': TOOLS[op.tool].name, 'arguments': json_arguments(op)}
  body = json.dumps(call, ensure_ascii=False)
  return f'<tool_call>\n{body}\n</tool_call>'


def json_arguments(op: Op) -> dict[str, Any]:
  """The arguments of a call by their names."""
  values = {
    name: getattr(op, ARGUMENTS[name][0]) for name in TOOLS[op.tool].arguments
  }
  return {name: v for name, v in values.items() if v is not None}


def render_compact(op: Op, view: Sequence[Entry | None] = ()) -> str:
  """Returns the call in the compact grammar.

  Raises:
    ValueError: if it is about an entry that the view does not show.
  """
  tool, targets = TOOLS[op.tool], [KIND_SYMBOLS[op.kind]]
  if tool.ids and op.kind != 'core':
    ids = [item.id if item else None for item in view]
    wanted = [getattr(op, ARGUMENTS[name][0]) for name in tool.ids]
    for entry_id in wanted:
      if entry_id is None or entry_id not in ids:
        raise ValueError(f'entry {entry_id} is not in the view {ids}')
    targets = [HANDLES[ids.index(entry_id)] for entry_id in wanted]
  text = f' {op.text}' if tool.takes_text else ''
  return ''.join([tool.symbol, *targets, text])


def parse_json(text: str) -> ParsedResponse:
  """Reads `<tool_call>` blocks; the last close tag may be missing.

  Thoughts up to `</think>` are skipped. Arguments may be a JSON string, types
  may end in '_memory', ids may be 3, '3' or '[3]'. A reply without a block is
  a no-op if it says `NOOP_REPLY`, otherwise one failed call.
  """
  text = text.rpartition('</think>')[2]
  head, *blocks = text.split('<tool_call>')
  if not blocks:
    return without_calls(head)
  bodies = [block.partition('</tool_call>')[0] for block in blocks]
  return ParsedResponse([_json_call(body) for body in bodies])


def without_calls(text: str) -> ParsedResponse:
  """Reads a reply that has no call in it."""
  plain = lambda said: said.strip().rstrip('.!').lower()
  noop = plain(text) == plain(NOOP_REPLY)
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
  keys = [key for key, tool in TOOLS.items() if tool.name == name]
  if not keys:
    return ParsedCall(None, 'unknown tool')
  if not isinstance(arguments, dict):
    return ParsedCall(None, 'arguments are not a JSON object')
  key, tool = keys[0], TOOLS[keys[0]]
  kind = arguments.get('memory_type')
  kind = kind.removesuffix('_memory') if isinstance(kind, str) else None
  if kind not in tool.kinds:
    return ParsedCall(None, f'bad memory_type for {key}')
  text = arguments.get('content', '') if tool.takes_text else ''
  if tool.takes_text and not (isinstance(text, str) and text.strip()):
    return ParsedCall(None, 'content is missing or empty')
  ids = {}
  for argument in tool.ids if kind != 'core' else ():
    found = _entry_id(arguments.get(argument))
    if found is None:
      return ParsedCall(None, f'{argument} is missing or not a number')
    ids[ARGUMENTS[argument][0]] = found
  return ParsedCall(Op(key, kind, _clean(text), **ids))


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


@functools.lru_cache(maxsize=1)
def _splitter(symbols: tuple[str, ...]) -> re.Pattern:
  return re.compile('(' + '|'.join(map(re.escape, symbols)) + ')')


def parse_compact(text: str, view: Sequence[Entry | None]) -> ParsedResponse:
  """Reads the compact grammar; `view[i - 1]` is what handle <i> stands for."""
  # Odd positions are symbols, even ones the text between them.
  parts = _splitter(compact_symbols()).split(text)
  if [part for part in parts if part.strip()] == [NONE]:
    return ParsedResponse([], True)
  symbols = {tool.symbol: key for key, tool in TOOLS.items()}
  starts = [i for i, part in enumerate(parts) if part in symbols]
  if not starts:
    return ParsedResponse([ParsedCall(None, 'no call')])
  calls = []
  if any(part.strip() for part in parts[: starts[0]]):
    calls.append(ParsedCall(None, 'text before the first call'))
  for start, end in zip(starts, starts[1:] + [len(parts)], strict=True):
    calls.append(_compact_call(symbols[parts[start]], parts[start:end], view))
  return ParsedResponse(calls)


def _compact_call(
  key: str, parts: list[str], view: Sequence[Entry | None]
) -> ParsedCall:
  """Reads [tool symbol, '', target symbol, ..., text] and what follows it."""
  tool = TOOLS[key]
  if len(parts) < 4 or parts[1].strip():
    return ParsedCall(None, f'{key} without a target')
  at_kind = parts[2] in _KIND_OF_SYMBOL or not tool.ids
  count = 1 if at_kind else len(tool.ids)  # targets
  targets, text = parts[2 : 2 * count + 2 : 2], parts[2 * count + 1 :][:1]
  if any(part.strip() for part in parts[3 : 2 * count + 1 : 2]) or not text:
    return ParsedCall(None, f'{key} without a target')
  if any(part.strip() for part in parts[2 * count + 2 :]):
    return ParsedCall(None, 'symbol inside the text')
  text = _clean(text[0])
  if text and not tool.takes_text:
    return ParsedCall(None, f'{key} takes no text')
  if tool.takes_text and not text:
    return ParsedCall(None, 'empty text')
  if at_kind:
    kind = _KIND_OF_SYMBOL.get(targets[0])
    if kind not in tool.kinds or tool.ids and kind != 'core':
      return ParsedCall(None, f'{key} cannot target {targets[0]}')
    return ParsedCall(Op(key, kind, text))
  items = []
  for target in targets:
    if target not in HANDLES:
      return ParsedCall(None, f'{key} cannot target {target}')
    place = HANDLES.index(target)
    item = view[place] if place < len(view) else None
    if item is None:
      return ParsedCall(None, f'handle {target} shows no entry')
    items.append(item)
  ids = zip(tool.ids, items, strict=True)
  fields = {ARGUMENTS[name][0]: item.id for name, item in ids}
  return ParsedCall(Op(key, items[0].kind, text, **fields))
