"""What was trained, as a method; and the same with a part of memory off."""

import functools
import itertools
from collections.abc import Callable

from mem_alpha_jax.methods import memory
from mem_alpha_jax.methods.protocol import Given
from mem_alpha_jax.roles import writer as writer_lib
from mem_alpha_jax.rollout import play, tracing
from mem_alpha_jax.types import Turn, Written


def writer(given: Given) -> memory.Writer:
  """Greedy decoding of the policy."""
  setup = given.parts.eval_setup

  def write(memories, chunks, views, t):
    turns = [
      Turn('writer', chunk or '', index=t, state=state, view=view)
      for state, chunk, view in zip(memories.states, chunks, views, strict=True)
    ]
    return [
      writer_lib.read(setup, ids, turn.view)._replace(
        text=setup.tokenizer.decode(ids),
        view=turn.view,
        tokens=functools.partial(tracing.tokens, setup.tokenizer, ids, logps),
        cut=not set(ids[-1:]) & set(setup.tokenizer.eos_ids),
      )
      for turn, ids, logps in play.respond(setup, given.params, turns)
    ]

  return write


def cut(given: Given) -> Callable[[str], list[str]]:
  """Chunk -> its pieces, each read at a turn."""
  return functools.partial(
    writer_lib.pieces, clauses=given.config.rollout.clauses
  )


def method(given: Given) -> memory.MemoryMethod:
  return memory.MemoryMethod(writer(given), given, cut=cut(given))


def without_part(part: str, given: Given) -> memory.MemoryMethod:
  """The policy with one part of memory off: calls to it are errors.

  Nothing is ever stored there, so nothing of it is shown or found.
  """
  write = writer(given)

  def limited(*seen) -> list[Written]:
    found = []
    for one in write(*seen):
      on = [op.kind != part for op in one.ops]
      off = [f'{part} memory is off'] * on.count(False)
      pick = lambda column: [*itertools.compress(column, on)]  # noqa: B023
      found.append(
        one._replace(
          ops=pick(one.ops),
          errors=[*one.errors, *off],
          repairs=pick(one.repairs),
        )
      )
    return found

  return memory.MemoryMethod(limited, given, cut=cut(given))
