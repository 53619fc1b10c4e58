"""What a reader may be shown: at most so many tokens."""

from collections.abc import Callable

from mem_alpha_jax.text import words
from mem_alpha_jax.types import Request


def within(
  request: Request, budget: int, count: Callable[[str], int]
) -> Request:
  """Cuts a request to what a reader may be shown, best notes first.

  The core comes first. A note that does not fit is left out and the next are
  tried; if none fits, the best is cut at a word. Core that is too long loses
  its end.

  Args:
    request: notes best first.
    budget: tokens of core and notes together; 0 is no limit.
  """
  if not budget:
    return request
  core = words.first_words(request.core, budget, count)
  left = budget - count(core)
  notes = []
  for note in request.notes:
    size = count(note.text)
    if size <= left:
      notes.append(note)
      left -= size
  if not notes and request.notes:
    best = request.notes[0]
    text = words.first_words(best.text, left, count)
    notes = [best._replace(text=text)] if text else []
  return request._replace(core=core, notes=tuple(notes))
