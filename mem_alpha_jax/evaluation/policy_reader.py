"""The policy as a reader: it answers as its turn of the answerer in training.

A policy that is paid by its own answers (reward.answerer=policy) learns to
read what it writes; a reader that is frozen tells nothing of that.
"""

from collections.abc import Sequence
from typing import Any

from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.reading import protocol
from mem_alpha_jax.recall import view
from mem_alpha_jax.roles import answerer
from mem_alpha_jax.rollout import play
from mem_alpha_jax.system import multihost
from mem_alpha_jax.types import Request, Turn

NAME = 'policy'  # its column, and the value of eval.answerer that asks it
TOLD = (
  'The policy answers, too (policy): greedily, by the prompt of its answers in '
  'training, from the first memory.view_entries notes of those that the reader '
  'is shown.'
)


def make(setup: Any, params: Any) -> protocol.Reader:
  """Returns a reader that decodes greedily, `reading.batch` questions a call.

  A call that has fewer is filled, so that nothing compiles for a number of
  questions. Every process of a run calls the reader, with its own.

  Args:
    setup: the collector's Setup, greedy.
    params: of the policy.
  """
  width = setup.config.reading.batch

  def read(requests: Sequence[Request]) -> list[str | None]:
    (most,) = multihost.largest(len(requests))
    calls = -(-most // width)
    filling = [Request('', ())] * (calls * width - len(requests))
    turns = [turn(setup.config, one) for one in (*requests, *filling)]
    said = []
    for start in range(0, len(turns), width):
      responses = play.respond(setup, params, turns[start : start + width])
      said += [answerer.read(setup, ids) for _, ids, _ in responses]
    return said[: len(requests)]

  return read


def turn(config: Any, request: Request) -> Turn:
  """The turn that asks what a reader is asked.

  It is that of training where reading.hops and reading.budget leave what one
  look-up finds; memory.view_entries notes are seen, the best ones.
  """
  entries = (
    state_lib.Entry(i, note.kind, note.text, note.step, i, 0)
    for i, note in enumerate(request.notes)
  )
  return Turn(
    'answerer',
    request.question,
    state=state_lib.MemoryState(core=request.core),
    view=view.fill(entries, view.places(config.memory)),
  )
