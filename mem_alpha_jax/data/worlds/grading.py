"""Whether a memory holds what it should: strict, and in part.

A state is graded by what its entries say: the words of the world in each, in
any order and with any others. So 'Ana turned out allergic to nuts' is the note
'Ana allergic nuts', an entry more or less is a fault, and so is one twice.
"""

import collections
from collections.abc import Iterable, Mapping

from mem_alpha_jax.data.source import Grade, Notes, OracleNote
from mem_alpha_jax.data.worlds import questions
from mem_alpha_jax.data.worlds.language import Language
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.memory.state import MemoryState

Key = tuple[str, ...]


def target(notes: Notes) -> dict[Key, OracleNote]:
  """The notes that perfect writing ends with, by what they are about."""
  held = {}
  for row in notes:
    for note in row:
      held.pop(note.key, None)
      if not note.over:
        held[note.key] = note
  return held


def grade(
  language: Language, wanted: Mapping[Key, OracleNote], state: MemoryState
) -> Grade:
  """Compares the entries of a state with the notes that it should hold.

  The part is |both| / |either|, of entries as often as they occur (Jaccard).
  """
  told = _said(language, (entry.text for entry in state_lib.entries(state)))
  right = _said(language, (note.text for note in wanted.values()))
  either = (told | right).total()
  part = (told & right).total() / either if either else 1.0
  return Grade(told == right and not state.core, part)


def _said(language: Language, texts: Iterable[str]) -> collections.Counter:
  known, world = questions.known(language), language.vocabulary
  return collections.Counter(
    frozenset(world.intersection(questions.words(text, known)))
    for text in texts
  )
