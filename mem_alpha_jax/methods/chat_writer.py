"""A prompted chat model as writer: a larger one behind a server, say.

It is shown what a chat policy is shown (roles/instructions.py) and calls the
same tools; nothing of it is trained. A reply that could not be had makes no
call, and none that is wrong.
"""

from mem_alpha_jax.memory import json_calls
from mem_alpha_jax.methods import memory
from mem_alpha_jax.methods.protocol import Given
from mem_alpha_jax.roles import instructions, writer
from mem_alpha_jax.types import Written


def method(given: Given) -> memory.MemoryMethod:
  model, config = given.chat_model(), given.config

  def write(memories, chunks, views, t):
    del t
    rows = [i for i, chunk in enumerate(chunks) if chunk is not None]
    tokens = config.rollout.response_buckets[-1]  # as long as the policy's
    chats = [
      _chat(chunks[i], views[i], memories.states[i], config.memory)
      for i in rows
    ]
    said = dict(zip(rows, model.complete(chats, tokens), strict=True))
    most = config.rollout.max_calls
    return [_written(said.get(i), view, most) for i, view in enumerate(views)]

  return memory.MemoryMethod(write, given)


def _written(text: str | None, view, most: int) -> Written:
  if text is None:
    return Written(lost=True)
  read = writer.limited(json_calls.parse(text, view), most)
  return read._replace(text=text)


def _chat(chunk: str, view, state, fields) -> list[dict[str, str]]:
  style = instructions.STYLES[fields.instructions]
  parts = [
    style.user.replace(instructions.CHUNK, chunk),
    style.memory_text(view, state),
  ]
  if fields.prompt_order == 'memory_first':
    parts.reverse()
  return [
    {'role': 'system', 'content': f'{style.system}\n\n{style.tools}'},
    {'role': 'user', 'content': '\n\n'.join(parts)},
  ]
