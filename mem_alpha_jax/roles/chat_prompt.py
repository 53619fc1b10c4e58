"""Prompts of chat models, through the template of their own tokenizer.

A template is rendered once with marks where chunk and memory go, and cut
there. Its pieces are trusted and encoded with their special tokens; chunk and
notes are data, in which a special token is plain text. The pieces of a prompt
are encoded apart, in sampling and in training alike, and what was sampled is
never rendered again.
"""

import functools
import os
from collections.abc import Sequence
from typing import NamedTuple

import ml_collections

from mem_alpha_jax.memory import json_calls, tools
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.roles import instructions
from mem_alpha_jax.roles import prompt as prompt_lib
from mem_alpha_jax.text import chat_template

Entry = prompt_lib.Entry


class Form(NamedTuple):
  """Ids of a rendered template around its two holes, in order.

  `opens_thought` says that a reply begins inside of a thought.
  """

  head: tuple[int, ...]
  middle: tuple[int, ...]
  tail: tuple[int, ...]
  opens_thought: bool


@functools.lru_cache(maxsize=64)
def make_form(tokenizer, style: str, order: str, thinking: bool) -> Form:
  """Renders and cuts the template.

  Args:
    tokenizer: with `chat_template` and `template_values`.
    style: key of instructions.STYLES.
    order: 'chunk_first': the memory follows the chunk in the user's message;
      'memory_first': it is in the system message, before the tools.

  Raises:
    ValueError: if the tokenizer has no chat template or it fails, naming its
      file.
  """
  text = template_text(tokenizer, style, order, thinking)
  marks = [instructions.CHUNK, instructions.MEMORY]
  marks = marks if order == 'chunk_first' else marks[::-1]
  if [c for c in text if c in marks] != marks:
    raise ValueError(
      f'{tokenizer.template_values["name"]}: the chat template does not write '
      'the system message and the message of the user once each, in this order'
    )
  head, rest = text.split(marks[0])
  middle, tail = rest.split(marks[1])
  ids = (tuple(tokenizer.encode(x)) for x in (head, middle, tail))
  return Form(*ids, chat_template.opens_thought(text))


def form_of(tokenizer, memory: ml_collections.ConfigDict) -> Form:
  """The form of prompts under config.memory."""
  style, order = _style(memory), memory.prompt_order
  return make_form(tokenizer, style, order, memory.thinking)


def opens_thought(tokenizer, memory: ml_collections.ConfigDict) -> bool:
  """Whether a response begins inside of a thought."""
  compact = memory.prompt_format == 'compact'
  return not compact and form_of(tokenizer, memory).opens_thought


def _style(memory) -> str:
  chat = memory.prompt_format == 'chat'
  return memory.instructions if chat else memory.prompt_format


def check(tokenizer, memory: ml_collections.ConfigDict) -> None:
  """Refuses a template that does not serve, before anything is built on it.

  A model falls back on the calls that its template writes, so they must be
  some that `json_calls` reads. ValueError names the template.
  """
  if memory.prompt_format == 'compact':
    return
  form_of(tokenizer, memory)
  template, values = tokenizer.chat_template, tokenizer.template_values
  if memory.prompt_format != 'chat' or not chat_template.uses_tools(
    template, values['name']
  ):
    return
  op = state_lib.Op('update', 'semantic', 'Marta is a pilot.', 3)
  view = [state_lib.Entry(3, 'semantic', '', 0, 0, 0)]
  said = _written_call(template, op, values)
  if [call.op for call in json_calls.parse(said, view).calls] != [op]:
    raise ValueError(
      f'{values["name"]}: the chat template writes calls that are not read, '
      f'{said[:200]!r}; use a model whose template writes JSON calls, or '
      'another template'
    )


def _written_call(template: str, op: state_lib.Op, values) -> str:
  """A call as the template writes one that was made before."""
  function = {
    'name': tools.TOOLS[op.tool].name,
    'arguments': tools.arguments_of(op),
  }
  made = {'type': 'function', 'id': 'call00001', 'function': function}
  chat = [
    {'role': 'user', 'content': 'Marta flies.'},
    {'role': 'assistant', 'content': '', 'tool_calls': [made]},
  ]
  texts = [
    chat_template.render(
      template, chat[:n], tools.tool_schemas(), False, **values
    )
    for n in (1, 2)
  ]
  return texts[1][len(os.path.commonprefix(texts)) :]


def template_text(tokenizer, style: str, order: str, thinking: bool) -> str:
  """The rendered template, with marks in place of chunk and memory."""
  template = tokenizer.chat_template
  if not template:
    raise ValueError(
      'memory.prompt_format: the tokenizer of model.source has no chat '
      'template; use an instruct model'
    )
  asked = instructions.STYLES[style]
  values = tokenizer.template_values
  # Others, like Llama's, ask for calls in a format that `tools` does not read.
  native = '<tool_call>' in template
  native = native and chat_template.uses_tools(template, values['name'])
  schemas = asked.schemas if native else None
  system, user = [asked.system], [asked.user]
  memory_first = order == 'memory_first'
  (system if memory_first else user).append(instructions.MEMORY)
  if schemas is None:
    system.append(asked.tools)
  messages = [
    {'role': 'system', 'content': '\n\n'.join(system)},
    {'role': 'user', 'content': '\n\n'.join(user)},
  ]
  return chat_template.render(
    template, messages, tools=schemas, enable_thinking=thinking, **values
  )


def chat(
  tokenizer,
  chunk: str,
  state: state_lib.MemoryState,
  view: Sequence[Entry | None],
  memory: ml_collections.ConfigDict,
  room: prompt_lib.Room | None = None,
) -> prompt_lib.Prompt:
  """Renders the prompt of a chat model; the memory is in `own`.

  What does not fit into `room` is left out: entries from the end of the view,
  then the end of the core, and the oldest ids of the chunk.
  """
  form = form_of(tokenizer, memory)
  chunk_ids = tokenizer.encode_text(chunk)
  text = instructions.STYLES[_style(memory)].memory_text
  encode = lambda shown: tokenizer.encode_text(text(shown, state))
  notes = everything = encode(view)
  rest = len(form.tail)
  if room and memory.prompt_order == 'memory_first':
    rest += len(form.middle)
    # At least half of what is left is for the chunk.
    rest += min(len(chunk_ids), (room.own - rest) // 2)
  shown = list(view)
  while room and shown and len(notes) + rest > room.own:
    shown.pop()
    notes = encode(shown)
  if room:
    notes = notes[: max(room.own - rest, 0)]
  truncated = len(everything) - len(notes)
  if memory.prompt_order == 'memory_first':
    around = len(notes) + len(form.middle) + len(form.tail)
    chunk_ids, lost = _newest(chunk_ids, room and room.own - around)
    own = [*notes, *form.middle, *chunk_ids, *form.tail]
    prefix = [*form.head]
  else:
    around = len(form.head) + len(form.middle)
    chunk_ids, lost = _newest(chunk_ids, room and room.prefix - around)
    prefix = [*form.head, *chunk_ids, *form.middle]
    own = [*notes, *form.tail]
  left_out = sum(entry is not None for entry in view[len(shown) :])
  shown += [None] * (len(view) - len(shown))
  return prompt_lib.Prompt(
    prefix, own, tuple(shown), truncated + lost, left_out
  )


def _newest(ids: list[int], room: int | None) -> tuple[list[int], int]:
  """Returns the last ids that fit, and how many did not."""
  lost = 0 if room is None else max(len(ids) - max(room, 0), 0)
  return ids[lost:], lost
