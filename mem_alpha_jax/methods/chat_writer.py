"""A prompted chat model as writer: a larger one behind a server, say.

It is shown what a chat policy is shown (roles/instructions.py) and calls the
same tools; nothing of it is trained. A reply that could not be had makes no
call, and none that is wrong.
"""

from mem_alpha_jax.methods import memory
from mem_alpha_jax.methods.protocol import Given, Written
from mem_alpha_jax.roles import instructions, writer


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
    read = lambda text, view: writer.parse(text, view, config, 'chat')
    return [
      Written(())
      if said.get(i) is None
      else Written(*read(said[i], views[i]), said[i])
      for i in range(len(chunks))
    ]

  return memory.MemoryMethod(write, given)


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
