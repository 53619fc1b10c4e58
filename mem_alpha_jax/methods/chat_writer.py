"""A prompted chat model as writer: a larger one behind a server, say.

It is shown what a chat policy is shown (memory/instructions.py) and calls the
same tools; nothing of it is trained. A reply that could not be had makes no
call and is missing, not a call that is wrong.
"""

from typing import Any

from mem_alpha_jax.memory import tools
from mem_alpha_jax.methods.memory import Writer, Written
from mem_alpha_jax.reading import chat
from mem_alpha_jax.roles import instructions


def make(model: chat.ChatModel, config: Any) -> Writer:
  """Returns the writer.

  Args:
    model: replies to chats.
    config: uses rollout.max_calls, rollout.response_buckets,
      memory.instructions and memory.prompt_order.
  """

  def write(memories, chunks, views, live, t):
    del t
    rows = [i for i, ok in enumerate(live) if ok]
    tokens = config.rollout.response_buckets[-1]  # as long as the policy's
    chats = [
      _chat(chunks[i], views[i], memories.states[i], config.memory)
      for i in rows
    ]
    said = dict(zip(rows, model.complete(chats, tokens), strict=True))
    return [
      _written(said[i], config) if ok else Written((), noop=True)
      for i, ok in enumerate(live)
    ]

  return write


def _chat(chunk: str, view, state, memory) -> list[dict[str, str]]:
  style = instructions.STYLES[memory.instructions]
  parts = [
    style.user.replace(instructions.CHUNK, chunk),
    style.memory_text(view, state),
  ]
  if memory.prompt_order == 'memory_first':
    parts.reverse()
  return [
    {'role': 'system', 'content': f'{style.system}\n\n{style.tools}'},
    {'role': 'user', 'content': '\n\n'.join(parts)},
  ]


def _written(text: str | None, config) -> Written:
  if text is None:
    return Written((), missing=True)
  parsed = tools.parse_json(text)
  calls = parsed.calls[: config.rollout.max_calls]
  errors = [c.error for c in calls if c.op is None]
  errors += ['too many calls'] * (len(parsed.calls) - len(calls))
  ops = [c.op for c in calls if c.op is not None]
  return Written(ops, errors, parsed.noop, text)
