"""What the writes of an episode are worth to answers that rest on them.

The Q of MemQ, arXiv 2605.08374 (credit/provenance.py), as a reward of the
writer. A question is a task that uses what its reader is shown and makes
nothing. Ours: what a turn writes is made of all that it had in view.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from mem_alpha_jax.credit import provenance
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.types import Note, Request, Turn

RATE = 0.2  # of an update of Q; MemQ has 0.1 to 0.5


class Writes(NamedTuple):
  """The writes of an episode's turns in order, and what each was made of."""

  notes: list[Note]  # as a reader would be shown it
  parents: list[list[int]]  # earlier writes
  replaced: dict[int, int]  # the write whose place one took
  newest: dict[int | None, int]  # by id of the entries there are; None: core


def writes(turns: Sequence[Turn], state: state_lib.MemoryState) -> Writes:
  """The writes of these turns, from the log of the memory after them."""
  found, first = Writes([], [], {}, {}), turns[0].clock
  records = list(state.log.newest())[::-1]
  for t, turn in enumerate(turns):
    before = dict(found.newest)
    seen = [before.get(e.id) for e in turn.view if e] + [before.get(None)]
    for op, step, _, result, _ in records:
      if not result.ok or step != first + t:
        continue
      if op.tool == 'delete':  # what was made of it still hands credit on
        found.newest.pop(result.entry_id, None)
        continue
      made, old = len(found.notes), found.newest.get(result.entry_id)
      if old is not None:
        found.replaced[made] = old
      found.notes.append(Note(op.kind, op.text, step))
      found.parents.append([n for n in seen if n not in (None, old)])
      found.newest[result.entry_id] = made
  return found


def paid(
  turns: Sequence[Turn],
  marks: Float[np.ndarray, 'Q'],
  requests: Sequence[Request],
  state: state_lib.MemoryState,
  lam: float,
) -> Float[np.ndarray, 'T']:
  """The mean Q of what each turn wrote, 0 if nothing; a missing answer is none.

  Args:
    turns: of the episode, with what they had in view.
    marks: of the answers.
    requests: what these were given from.
    state: the memory at the end.
    lam: what is left of credit with each step to what a write was made of.
  """
  made = writes(turns, state)
  q = np.zeros(len(made.notes))
  for mark, request in zip(marks, requests, strict=True):
    if np.isnan(mark):
      continue
    shown = [*request.notes, Note('core', request.core, -1)]
    used = [n for n in made.newest.values() if _is_shown(made.notes[n], shown)]
    q = provenance.memq(
      q, made.parents, used, None, mark, RATE, 1.0, lam, made.replaced
    )
  steps = np.array([note.step for note in made.notes], int) - turns[0].clock
  total = np.bincount(steps, q, len(turns))
  return total / np.maximum(np.bincount(steps, minlength=len(turns)), 1)


def _is_shown(written: Note, shown: Sequence[Note]) -> bool:
  """Whether it is among what a reader sees, which may lose its end."""
  return any(
    note.kind == written.kind
    and note.step in (written.step, -1)
    and note.text
    and written.text.startswith(note.text)
    for note in shown
  )
