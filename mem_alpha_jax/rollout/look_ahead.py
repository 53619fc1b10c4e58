"""What a response is worth later on, after a perfect writer has read on.

Some calls change no answer yet. "Mary dropped the football" in the kitchen:
whether the memory says that the football is with her or in the kitchen is the
same until she leaves. So the memory after each response, and that before it,
are taken on by a perfect writer, all over the same chunks, and the questions of
then grade them, too. What it adds is the same for the samples of a group, so
only what they themselves wrote or lost tells them apart. It looks through all
entries of each memory: meant for training memories of some dozens.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from mem_alpha_jax.data.source import Notes
from mem_alpha_jax.memory import batch as batch_lib
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.types import Episode, Outcome, Turn


class Expert(NamedTuple):
  """A perfect writer."""

  # What it makes of a turn; with `last` of all chunks from the turn's to that,
  # a call a note: the untidy memory that a response leaves stays so.
  write: Callable[..., Outcome]
  notes: Callable[[Episode], Notes]  # what it knows of each chunk


def horizons(notes: Notes, chunk: int, most: int) -> tuple[int, int]:
  """How far to read on: while what is noted of a chunk stands, and past that.

  Past it, where something is noted anew, a note that was added beside an old
  one, and not in its place, is in the way. At most so many chunks on; the chunk
  itself where there is no note, and the second where nothing is noted anew.
  """
  keys = {note.key for note in notes[chunk]}
  end = min(chunk + most, len(notes) - 1)
  if not keys:
    return chunk, chunk
  for last in range(chunk, end):
    if not keys.isdisjoint(note.key for note in notes[last + 1]):
      return last, end
  return end, chunk


def read_on(
  expert: Expert,
  memories: batch_lib.Memories,
  turns: Sequence[Turn],
  rows: Sequence[Sequence[Outcome]],
  past: bool,
) -> tuple[list[Turn], list[list[Outcome]]]:
  """The turns at their horizons, and each memory as the expert takes it on.

  A turn's text is then all that was read; it is not live where that is nothing
  new.

  Args:
    memories: before the turns.
    rows: of each turn, what led to the memories to take on.
    past: to the second of `horizons`.
  """
  later, taken = [], []
  for i, (turn, row) in enumerate(zip(turns, rows, strict=True)):
    last = turn.chunk
    if turn.live and turn.question is None:
      notes = expert.notes(turn.episode)
      last = horizons(notes, last, memories.config.rollout.ahead)[past]
    chunks = turn.episode.chunks[turn.chunk + 1 : last + 1]
    text = ' '.join([turn.text, *chunks])
    later.append(turn._replace(chunk=last, text=text, live=bool(chunks)))
    if not chunks:
      taken.append([*row])
      continue
    more = sum(map(memories.count_tokens, chunks))
    limits = batch_lib.limits(memories.config.memory, memories.read[i] + more)
    first = turn._replace(chunk=turn.chunk + 1, limits=limits)
    seen = {id(o): _taken_on(expert, first, last, o) for o in row}
    taken.append([seen[id(o)] for o in row])
  return later, taken


def _taken_on(expert: Expert, turn: Turn, last: int, o: Outcome) -> Outcome:
  """An outcome and what the expert, which sees all entries, adds to it."""
  view = tuple(state_lib.by_age(o.state, newest_first=True))
  more = expert.write(turn._replace(state=o.state, view=view), last)
  return o._replace(state=more.state, results=(*o.results, *more.results))
