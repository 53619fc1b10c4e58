"""What chat models are told: system text, tools, and how memory is shown.

Facts of the reference's protocol: Mem-alpha's public code (memory.py,
functions.py) and qwen-agent's text protocol for function calls; the words
are ours.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from mem_alpha_jax.memory import json_calls, reference_tools, tools
from mem_alpha_jax.memory import state as state_lib

# Private-use characters: where data goes once a template is rendered.
CHUNK, MEMORY = '\ue000', '\ue001'

View = Sequence[state_lib.Entry | None]


class Style(NamedTuple):
  system: str  # what the model is for
  tools: str  # how it calls them, for templates that do not say so themselves
  schemas: list[dict[str, Any]] | None  # for those; None uses `tools` always
  user: str  # the user's message around CHUNK
  # What stands at MEMORY.
  memory_text: Callable[[View, state_lib.MemoryState], str]


SYSTEM = """You keep the memory of an assistant. You read a long text one \
chunk at a time and see each chunk once. Store what may be asked about later \
so that it can be understood without the chunk: who, what, when. Update a \
note that the chunk makes outdated, delete one that it makes wrong, and leave \
out small talk. The core memory is one short text about the user and the \
whole; semantic memory holds facts; episodic memory holds dated events."""

TOOL_USE = """Call tools by JSON objects inside <tool_call></tool_call> tags, \
as many as the chunk needs, all in one reply:
<tool_call>
{"name": <name of the tool>, "arguments": <object of its arguments>}
</tool_call>
If there is nothing to store, reply Done."""

NEW_CHUNK = f'<new_chunk>\n{CHUNK}\n</new_chunk>'

BRIEF = """You keep a memory. Store facts of the new text that may be asked \
about (semantic; dated events are episodic) and update notes that it makes \
outdated. Reply with calls, or Done."""


def _lines(view: View, kind: str, label: Callable[[int], str]) -> list[str]:
  return [f'[{label(e.id)}] {e.text}' for e in view if e and e.kind == kind]


def full_memory(view: View, state: state_lib.MemoryState) -> str:
  """All parts, each in its tags."""
  blocks = ['# Memory']
  for kind in state_lib.KINDS:
    lines = _lines(view, kind, str)
    if kind == 'core':
      lines = [state.core] if state.core else []
    body = '\n'.join(lines) or 'Empty'
    blocks.append(f'<{kind}_memory>\n{body}\n</{kind}_memory>')
  return '\n'.join(blocks)


def brief_memory(view: View, state: state_lib.MemoryState) -> str:
  """A line an entry; parts that show nothing are left out."""
  lines = [f'core: {state.core}'] if state.core else []
  for kind in state_lib.LISTS:
    lines += [f'{kind} {line}' for line in _lines(view, kind, str)]
  return '\n'.join(['Notes:', *(lines or ['none'])])


def _brief_tools() -> str:
  """One call of each tool, as it is written."""
  ops = []
  for key, tool in tools.TOOLS.items():
    kind, text = ('semantic', '...') if tool.takes_text else ('episodic', '')
    ids = zip(tool.ids, (3, 4), strict=False)
    fields = {tools.ARGUMENTS[name][0]: shown for name, shown in ids}
    ops.append(state_lib.Op(key, kind, text, **fields))
  return '\n'.join(map(json_calls.render, ops))


def _full_tools() -> str:
  schemas = map(json.dumps, tools.tool_schemas())
  lines = ['# Tools', '<tools>', *schemas, '</tools>', '', TOOL_USE]
  return '\n'.join(lines)


REFERENCE_SYSTEM = """You are a personal assistant with a memory. Analyse \
what you are given, understand it, and memorise it by calling the memory \
tools. The memory has these parts:
- core: one paragraph, the most important understanding of the user or the \
text; at most 512 tokens.
- semantic: short statements of general and factual knowledge.
- episodic: events with what happened and when; each needs its timestamp.
You are asked once for each text: make all calls in one reply, and reply \
Done when nothing remains to be stored."""

REFERENCE_USER = f"""Read the new text and update the memory:
1. Core memory: rewrite it as your understanding of the user, a running \
summary, or the rules that map texts to labels, in a few sentences.
2. Episodic memory: what the user, friends of the user or the assistant did, \
in the form "At timestamp t, the user did X".
3. Semantic memory: key facts in the short form "X is Y"; labelled samples in \
the form "Sample: ...; Label: ...".
<new_chunk>
{CHUNK}
</new_chunk>
Keep the reply below 1638 tokens, and be brief."""


def reference_memory(view: View, state: state_lib.MemoryState) -> str:
  """The reference's rendering: oldest first, ids as four hexadecimal digits.

  The head of a list says how many of its entries are shown.
  """
  view = sorted(filter(None, view), key=lambda entry: entry.id)
  core = state.core or 'Empty'
  blocks = [
    '# CURRENT MEMORY STATE',
    f'Core memory:\n<core_memory>\n{core}\n</core_memory>',
  ]
  for kind in state_lib.LISTS:
    lines = _lines(view, kind, reference_tools.label)
    body = '\n'.join(lines) or 'Empty'
    # Demonstrations have a view alone.
    total = max(state_lib.count(state, kind), len(lines))
    head = f'{kind.capitalize()} memory, {len(lines)} of {total} shown:'
    blocks.append(f'{head}\n<{kind}_memory>\n{body}\n</{kind}_memory>')
  return '\n'.join(blocks)


def _reference_tools() -> str:
  """The tools section: a heading a tool, then N calls in parallel."""
  blocks = ['# Tools', '', '## These tools can be called:', '']
  for schema in reference_tools.schemas():
    function = schema['function']
    name, parameters = function['name'], json.dumps(function['parameters'])
    blocks += [
      f'### {name}',
      '',
      f'{name}: {function["description"]} Parameters: {parameters} Write the '
      'arguments as a JSON object.',
      '',
    ]
  names = ','.join(s['function']['name'] for s in reference_tools.schemas())
  blocks += [
    '## To call N tools in parallel, write in the reply:',
    '',
    f'{reference_tools.FUNCTION}: The name of tool 1, one of [{names}]',
    f'{reference_tools.ARGS}: The input of tool 1',
    f'{reference_tools.FUNCTION}: The name of tool 2',
    f'{reference_tools.ARGS}: The input of tool 2',
    '...',
    f'{reference_tools.FUNCTION}: The name of tool N',
    f'{reference_tools.ARGS}: The input of tool N',
    f'{reference_tools.RESULT}: The results of the tools',
    f'{reference_tools.RETURN}: The reply, from the results',
  ]
  return '\n'.join(blocks)


STYLES = {
  'full': Style(
    SYSTEM, _full_tools(), tools.tool_schemas(), NEW_CHUNK, full_memory
  ),
  'brief': Style(BRIEF, _brief_tools(), None, f'{CHUNK}', brief_memory),
  'reference': Style(
    REFERENCE_SYSTEM, _reference_tools(), None, REFERENCE_USER, reference_memory
  ),
}
