"""The reference's own notation of calls, in which Memalpha-4B was trained.

  ✿FUNCTION✿: new_memory_insert
  ✿ARGS✿: {"memory_type": "semantic_memory", "content": "..."}

N such pairs in one reply; what follows a ✿RESULT✿ was made up by the model.
Facts: the text protocol of qwen-agent, and functions.py of Mem-alpha's code.
"""

import json
import re
from typing import Any

from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.memory import tools

FUNCTION, ARGS = '✿FUNCTION✿', '✿ARGS✿'
RESULT, RETURN = '✿RESULT✿', '✿RETURN✿'
# Our name of a tool or argument -> theirs, where they differ.
TOOL_NAMES = {'memory_insert': 'new_memory_insert'}
UPDATED = 'new_content'  # the argument `content` of memory_update
_SUFFIX = '_memory'  # of the memory types
_ID = re.compile(r'\s*\[?\s*([0-9a-fA-F]{1,8})\s*\]?\s*')
_CALL = re.compile(f'{FUNCTION}:?(.*?)(?:{ARGS}:?(.*))?$', re.DOTALL)


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
  """Returns the call in this notation."""
  tool, arguments = tools.TOOLS[op.tool], tools.json_arguments(op)
  arguments['memory_type'] += _SUFFIX
  for name in arguments.keys() & tool.ids:
    arguments[name] = label(arguments[name])
  if op.tool == 'update':
    arguments[UPDATED] = arguments.pop('content')
  body = json.dumps(arguments, ensure_ascii=False)
  return f'{FUNCTION}: {TOOL_NAMES.get(tool.name, tool.name)}\n{ARGS}: {body}'


def parse(text: str) -> tools.ParsedResponse:
  """Reads the calls before the first RESULT marker; never raises.

  Thoughts up to `</think>` are skipped. A reply without a call is a no-op if
  it says `tools.NOOP_REPLY`, otherwise one failed call.
  """
  text = text.rpartition('</think>')[2].partition(RESULT)[0]
  text = text.partition(RETURN)[0]
  head, *blocks = text.split(FUNCTION)
  if not blocks:
    return tools.without_calls(head)
  return tools.ParsedResponse([_call(FUNCTION + block) for block in blocks])


def _call(block: str) -> tools.ParsedCall:
  name, body = (part or '' for part in _CALL.match(block).groups())
  ours = {theirs: name for name, theirs in TOOL_NAMES.items()}
  name = name.strip()
  arguments = _first_json(body)
  if isinstance(arguments, dict):
    arguments = _ours(arguments)
  return tools.json_call(ours.get(name, name), arguments)


def _first_json(text: str) -> Any:
  """Returns the JSON value that the text starts with, None if there is none."""
  try:
    return json.JSONDecoder(strict=False).raw_decode(text.strip())[0]
  except (ValueError, RecursionError):  # deep nesting, endless numbers
    return None


def _ours(arguments: dict[str, Any]) -> dict[str, Any]:
  """Arguments under our names, ids as numbers."""
  found = dict(arguments)
  if UPDATED in found:
    found['content'] = found.pop(UPDATED)
  ids = [name for name in tools.ARGUMENTS if name.endswith('_id')]
  return found | {name: _number(found.get(name)) for name in ids}


def _number(value: Any) -> int | None:
  """Reads '00a3', '[00a3]', or 123 where the model left out the quotes."""
  match = _ID.fullmatch(str(value))
  return int(match[1], 16) if match else None
