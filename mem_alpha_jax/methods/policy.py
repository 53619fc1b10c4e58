"""What was trained, as a method; and the same with a part of memory off."""

from mem_alpha_jax.methods import memory
from mem_alpha_jax.methods.protocol import Given, Written
from mem_alpha_jax.roles import writer as writer_lib
from mem_alpha_jax.rollout import play
from mem_alpha_jax.types import Turn


def writer(given: Given) -> memory.Writer:
  """Greedy decoding of the policy."""
  setup = given.parts.eval_setup

  def write(memories, chunks, views, t):
    turns = [
      Turn('writer', chunk or '', index=t, state=state, view=view)
      for state, chunk, view in zip(memories.states, chunks, views, strict=True)
    ]
    return [
      Written(*writer_lib.parse(text, turn.view, setup.config), text)
      for turn, text in play.respond(setup, given.params, turns)
    ]

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
