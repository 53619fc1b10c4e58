"""What was trained, as a method; and the same with a part of memory off."""

import numpy as np

from mem_alpha_jax.methods import memory
from mem_alpha_jax.methods.protocol import Given, Written
from mem_alpha_jax.rollout import collector, forced_calls, prompts
from mem_alpha_jax.rollout import response as response_lib


def writer(given: Given) -> memory.Writer:
  """Greedy decoding of the policy."""
  setup, config = given.parts.eval_setup, given.config

  def write(memories, chunks, views, t):
    n = len(chunks)
    texts = [chunk or '' for chunk in chunks]
    shown = prompts.render(setup, memories.states, texts, views)
    forced = np.full((n, 1, forced_calls.WIDTH), forced_calls.FREE, np.int32)
    keys = collector.row_keys(setup.key, 0, np.arange(n), np.zeros(n, int), t)
    out = setup.generate(
      given.params,
      shown['prefix'],
      shown['prefix_length'],
      shown['own'][:, None],
      shown['own_length'][:, None],
      forced,
      keys.reshape(n, 1),
    )
    ids, mask = np.asarray(out.tokens)[:, 0], np.asarray(out.mask)[:, 0]
    written = []
    for row, real, view in zip(ids, mask, views, strict=True):
      text = setup.tokenizer.decode(row[real].tolist())
      written.append(Written(*response_lib.parse(text, view, config), text))
    return written

  return write


def method(given: Given) -> memory.MemoryMethod:
  return memory.MemoryMethod(writer(given), given)


def without_part(part: str, given: Given) -> memory.MemoryMethod:
  """The policy with one part of memory off: calls to it are errors.

  Nothing is ever stored there, so nothing of it is shown or found.
  """
  write = writer(given)

  def limited(*seen) -> list[Written]:
    found = []
    for one in write(*seen):
      ops = [op for op in one.ops if op.kind != part]
      off = [f'{part} memory is off'] * (len(one.ops) - len(ops))
      found.append(one._replace(ops=ops, errors=[*one.errors, *off]))
    return found

  return memory.MemoryMethod(limited, given)
