"""The reference's own notation of calls, in which Memalpha-4B was trained.

  ✿FUNCTION✿: new_memory_insert
  ✿ARGS✿: {"memory_type": "semantic_memory", "content": "..."}

N such pairs in one reply; what follows a ✿RESULT✿ was made up by the model.
Facts: the text protocol of qwen-agent, and functions.py of Mem-alpha's code.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

from mem_alpha_jax.memory import json_calls, tools
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.text import chat_template, lenient_json

FUNCTION, ARGS = '✿FUNCTION✿', '✿ARGS✿'
RESULT, RETURN = '✿RESULT✿', '✿RETURN✿'
# Our name of a tool or argument -> theirs, where they differ.
TOOL_NAMES = {'memory_insert': 'new_memory_insert'}
UPDATED = 'new_content'  # the argument `content` of memory_update
_SUFFIX = '_memory'  # of the memory types
_ID = re.compile(r'[\s#(\[]*([0-9a-fA-F]{1,8})[\s)\]]*')
_LABEL = re.compile('[0-9a-f]{4,8}')
_MARK = re.compile(f'</?think>|{FUNCTION}|{RESULT}|{RETURN}')
_NAME = re.compile(f'[^{FUNCTION[0]}]*')
_ARGS = re.compile(f'{ARGS}:?\\s*')


def schemas() -> list[dict[str, Any]]:
  """The function schemas under the reference's names."""
  found = tools.tool_schemas()
  for (key, tool), schema in zip(tools.TOOLS.items(), found, strict=True):
    function = schema['function']
    function['name'] = TOOL_NAMES.get(tool.name, tool.name)
    parameters = function['parameters']
    properties = parameters['properties']
    for name in tool.ids:
      properties[name]['type'] = 'string'
    kinds = properties['memory_type']
    kinds['enum'] = [kind + _SUFFIX for kind in kinds['enum']]
    if key == 'update':
      theirs = lambda name: UPDATED if name == 'content' else name
      parameters['properties'] = {theirs(k): properties[k] for k in properties}
      parameters['required'] = [*map(theirs, parameters['required'])]
  return found


def label(entry_id: int) -> str:
  """An id as the reference writes it: four hexadecimal digits."""
  return f'{entry_id:04x}'


def render(op: state_lib.Op) -> str:
  """Returns the call in this notation; no text in it is taken for a marker."""
  tool, arguments = tools.TOOLS[op.tool], tools.arguments_of(op)
  arguments['memory_type'] += _SUFFIX
  for name in arguments.keys() & tool.ids:
    arguments[name] = label(arguments[name])
  if op.tool == 'update':
    arguments[UPDATED] = arguments.pop('content')
  body = json.dumps(arguments, ensure_ascii=False)
  for sign in (FUNCTION[0], '<'):
    body = body.replace(sign, f'\\u{ord(sign):04x}')
  return f'{FUNCTION}: {TOOL_NAMES.get(tool.name, tool.name)}\n{ARGS}: {body}'


def parse(
  text: str, view: Sequence[state_lib.Entry | None]
) -> tools.ParsedResponse:
  """Reads the calls before the first RESULT marker; never raises.

  Args and result are those of `json_calls.parse`, as what is done about
  thoughts and slips is; inside of a JSON string nothing is a marker.
  """
  calls, pos, said = [], 0, 0
  while match := _MARK.search(text, pos):
    mark, pos = match[0], match.end()
    if mark == chat_template.THINK:
      pos = said = chat_template.after_thought(text, pos)
      if not pos:
        return tools.ParsedResponse([*calls, json_calls.UNFINISHED])
    elif mark == chat_template.THOUGHT:
      calls, said = [], pos
    elif mark == FUNCTION:
      call, pos = _call(text, pos, view)
      calls.append(call)
    else:
      text = text[: match.start()]
      break
  if calls:
    return tools.ParsedResponse(calls)
  return tools.without_calls(text[said:])


def _call(text: str, pos: int, view) -> tuple[tools.ParsedCall, int]:
  """Reads what follows a FUNCTION marker; returns the call and its end."""
  name = _NAME.match(text, pos)
  args = _ARGS.match(text, name.end())
  end = args.end() if args else name.end()
  found = None
  if args and text.startswith('{', end):
    found = lenient_json.read(text, end)
    end = found.end
  repairs, arguments = set(), found and found.value
  if found and found.repaired:
    repairs.add('json')
  if isinstance(arguments, dict):
    behind = _MARK.search(text, end)
    if text[end : behind.start() if behind else len(text)].strip():
      repairs.add('stray_text')
    arguments = _ours(arguments, repairs)
  said = name[0].removeprefix(':').strip()
  ours = {theirs: name for name, theirs in TOOL_NAMES.items()}
  return tools.call(ours.get(said, said), arguments, view, repairs), end


def _ours(arguments: dict[str, Any], repairs: set[str]) -> dict[str, Any]:
  """Arguments under our names and as ours are written."""
  found = dict(arguments)
  if UPDATED in found:
    found['content'] = found.pop(UPDATED)
  kind = found.get('memory_type')
  if isinstance(kind, str) and kind.endswith(_SUFFIX):
    found['memory_type'] = kind.removesuffix(_SUFFIX)
  elif kind is not None:
    repairs.add('type')
  for name in found.keys() & {n for n in tools.ARGUMENTS if n.endswith('_id')}:
    # '[00a3]' is read, and 123 where the model left out the quotes.
    match = _ID.fullmatch(str(found[name]))
    if not (isinstance(found[name], str) and _LABEL.fullmatch(found[name])):
      repairs.add('id')
    found[name] = int(match[1], 16) if match else None
  return found
