"""A prompted chat model as writer: a larger one behind a server, say.

It is shown what a chat policy is shown (roles/instructions.py) and calls the
same tools; nothing of it is trained. A reply that could not be had makes no
call, and none that is wrong.
"""

from mem_alpha_jax.memory import tools
from mem_alpha_jax.methods import memory
from mem_alpha_jax.methods.protocol import Given, Written
from mem_alpha_jax.roles import instructions


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
    return [_written(said.get(i), most) for i in range(len(chunks))]

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


def _written(text: str | None, most: int) -> Written:
  if text is None:
    return Written(())
  parsed = tools.parse_json(text)
  calls = parsed.calls[:most]
  errors = [c.error for c in calls if c.op is None]
  errors += ['too many calls'] * (len(parsed.calls) - len(calls))
  ops = [c.op for c in calls if c.op is not None]
  return Written(ops, errors, parsed.noop, text)
