"""Prompts of chat models, through the template of their own tokenizer.

A template is rendered once with marks where chunk and memory go, and cut
there. Its pieces are trusted and encoded with their special tokens; chunk and
notes are data, in which a special token is plain text. The pieces of a prompt
are encoded apart, in sampling and in training alike, and what was sampled is
never rendered again.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import ml_collections

from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.roles import instructions
from mem_alpha_jax.roles import prompt as prompt_lib

Entry = prompt_lib.Entry


class Form(NamedTuple):
  """Ids of a rendered template around its two holes, in order."""

  head: tuple[int, ...]
  middle: tuple[int, ...]
  tail: tuple[int, ...]


@functools.lru_cache(maxsize=64)
def make_form(tokenizer, style: str, order: str, thinking: bool) -> Form:
  """Renders and cuts the template.

  Args:
    tokenizer: with `chat_template` and `template_values`.
    style: key of instructions.STYLES.
    order: 'chunk_first': the memory follows the chunk in the user's message;
      'memory_first': it is in the system message, before the tools.
    thinking: whether the model may think before it answers.

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
  return Form(*(tuple(tokenizer.encode(x)) for x in (head, middle, tail)))


def template_text(tokenizer, style: str, order: str, thinking: bool) -> str:
  """The rendered template, with marks in place of chunk and memory."""
  from mem_alpha_jax.text import chat_template

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
  style = 'reference'
  if memory.prompt_format == 'chat':
    style = memory.instructions
  form = make_form(tokenizer, style, memory.prompt_order, memory.thinking)
  chunk_ids = tokenizer.encode_text(chunk)
  text = instructions.STYLES[style].memory_text
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
