"""Calls in JSON, as Qwen-family models write them, and all that comes near.

  <tool_call>{"name": "memory_insert", "arguments": {...}}</tool_call>

A reply is read from left to right. Inside of a JSON string nothing is a tag,
so that a note may say anything. Thoughts are skipped; one without an end hides
all that follows. If any call is in tags, those in tags are the calls; without,
JSON that has a tool's name, or a name and arguments, is one.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

from mem_alpha_jax.memory import tools
from mem_alpha_jax.memory.state import Entry, Op
from mem_alpha_jax.memory.tools import ParsedCall, ParsedResponse, failed
from mem_alpha_jax.text import chat_template, lenient_json

UNFINISHED = failed('unfinished thought')
_OPEN, _CLOSE = '<tool_call>', '</tool_call>'
_FUNCTION = '<function='
_TAG = re.compile('</?tool_call>|</?tools>')
_INSIDE = re.compile(f'{_TAG.pattern}|{_FUNCTION}|[{{\\[]')
_MARK = re.compile(f'</?think>|<tool_call>|<tools>|{_FUNCTION}|[{{\\[]')
_BODY_END = re.compile(f'</function>|{_FUNCTION}|{_TAG.pattern}')
_PARAMETER = re.compile(
  r'<parameter=([^<>\n]{0,64})>(.*?)(?:</parameter>|(?=<parameter=)|\Z)',
  re.DOTALL,
)
_NAMES = ('name', 'tool', 'tool_name', 'function')  # keys of a tool's name
_FENCE = re.compile(r'```\w*')
_BEHIND_FENCE = re.compile(r'```\w*\s*\Z')


def render(op: Op) -> str:
  """Returns the call; no text in it can be taken for a tag."""
  call = {
    'name': tools.TOOLS[op.tool].name,
    'arguments': tools.arguments_of(op),
  }
  body = json.dumps(call, ensure_ascii=False).replace('<', '\\u003c')
  return f'{_OPEN}\n{body}\n{_CLOSE}'


def parse(text: str, view: Sequence[Entry | None]) -> ParsedResponse:
  """Reads a reply; never raises.

  Args:
    text: the reply; that of a template which opens a thought begins with it.

  Returns:
    Its calls. A reply without one is a no-op if it says `NOOP_REPLY`,
    otherwise one failed call.
  """
  tagged, bare, pos, said = [], [], 0, 0
  while match := _MARK.search(text, pos):
    mark, start, pos = match[0], match.start(), match.end()
    if mark == chat_template.THINK:
      pos = said = chat_template.after_thought(text, pos)
      if not pos:
        return ParsedResponse([*(tagged or bare), UNFINISHED])
    elif mark == chat_template.THOUGHT:  # of a thought that had no beginning
      tagged, bare, said = [], [], pos
    elif mark in '{[':
      found = lenient_json.read(text, start)
      pos = found.end
      bare += _bare_calls(found, text[max(start - 40, 0) : start], view)
    elif mark == _FUNCTION:
      function, pos = _function(text, start)
      bare.append(_call(function, {'function_tag'}, view))
    else:
      calls, pos = _block(text, pos, mark, view)
      tagged += calls
  calls = tagged or bare
  return ParsedResponse(calls) if calls else tools.without_calls(text[said:])


def _bare_calls(found: lenient_json.Found, before: str, view):
  """The calls in JSON without tags; other objects are no calls."""
  repairs = {'code_block' if _BEHIND_FENCE.search(before) else 'untagged'}
  if found.repaired:
    repairs.add('json')
  names = [tool.name for tool in tools.TOOLS.values()]
  for value in _each(found.value):
    named = isinstance(value, dict) and {'name', 'arguments'} <= value.keys()
    if named or _parts(value)[0] in names:
      yield _call(value, repairs, view)


def _block(text: str, pos: int, tag: str, view) -> tuple[list[ParsedCall], int]:
  """Reads what stands between tags; returns the calls and where it ends."""
  found, closed, stray = [], False, False
  shared = {'tools_tag'} if tag == '<tools>' else set()
  while True:
    match = _INSIDE.search(text, pos)
    gap = text[pos : match.start() if match else len(text)]
    if '```' in gap:
      shared.add('code_block')
    stray |= bool(_FENCE.sub('', gap).strip(' \n\r\t,'))
    pos = match.end() if match else len(text)
    if not match or match[0].startswith('</'):
      closed = bool(match)
      break
    if match[0] in (_OPEN, '<tools>'):
      pos = match.start()
      break
    if match[0] == _FUNCTION:
      function, pos = _function(text, match.start())
      found.append((function, {'function_tag'}))
      continue
    value, pos, repaired = lenient_json.read(text, match.start())
    repairs = {'json'} if repaired else set()
    found += [(one, repairs) for one in _each(value)] or [(value, repairs)]
    if value is None:  # the rest of a broken call is no call
      match = _TAG.search(text, pos)
      pos = match.start() if match else len(text)
  shared |= {'several'} if len(found) > 1 else set()
  shared |= {'stray_text'} if stray else set()
  shared |= set() if closed else {'unclosed'}
  calls = [_call(value, shared | repairs, view) for value, repairs in found]
  return calls or [_call(None, (), view)], pos


def _function(text: str, start: int) -> tuple[dict[str, Any] | None, int]:
  """Reads `<function=...>` as the object that it stands for, and its end."""
  start += len(_FUNCTION)
  match = _BODY_END.search(text, start)
  stop = match.start() if match else len(text)
  end = match.end() if match and match[0] == '</function>' else stop
  name, sign, body = text[start:stop].partition('>')
  values = {k.strip(): v.strip('\n') for k, v in _PARAMETER.findall(body)}
  return {'name': name.strip(), 'arguments': values} if sign else None, end


def _each(value: Any) -> list[Any]:
  return value if isinstance(value, list) else [value]


def _parts(value: Any) -> tuple[Any, Any, bool]:
  """Name and arguments of a call, and whether they stand where they should."""
  as_said = True
  if isinstance(value, dict) and isinstance(value.get('function'), dict):
    value, as_said = value['function'], False  # as servers wrap it
  if not isinstance(value, dict):
    return None, None, as_said
  if {'name', 'arguments'} <= value.keys():
    return value['name'], value['arguments'], as_said
  name = next((value[k] for k in _NAMES if isinstance(value.get(k), str)), None)
  rest = {k: v for k, v in value.items() if k not in _NAMES}
  arguments = value.get('arguments', value.get('parameters', rest))
  return name, arguments, False


def _call(value: Any, repairs, view) -> ParsedCall:
  if not isinstance(value, dict):
    return failed('unreadable', 'call is not a JSON object')
  name, arguments, as_said = _parts(value)
  repairs = {*repairs, *(() if as_said else ('arguments',))}
  if isinstance(arguments, str):
    found = lenient_json.read(arguments.lstrip())
    arguments = found.value
    repairs |= {'arguments', 'json'} if found.repaired else {'arguments'}
  return tools.call(name, arguments, view, repairs)
