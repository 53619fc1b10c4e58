"""What a reader may be shown: at most so many tokens."""

from collections.abc import Callable

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
    count: tokens of a text.
  """
  if not budget:
    return request
  core = first_words(request.core, budget, count)
  left = budget - count(core)
  notes = []
  for note in request.notes:
    size = count(note.text)
    if size <= left:
      notes.append(note)
      left -= size
  if not notes and request.notes:
    best = request.notes[0]
    text = first_words(best.text, left, count)
    notes = [best._replace(text=text)] if text else []
  return request._replace(core=core, notes=tuple(notes))


def first_words(text: str, tokens: int, count: Callable[[str], int]) -> str:
  """The most leading words of a text that are at most `tokens`."""
  return _most_words(text, tokens, count, lambda words, n: words[:n])


def last_words(text: str, tokens: int, count: Callable[[str], int]) -> str:
  """The most trailing words of a text that are at most `tokens`."""
  last = lambda words, n: words[len(words) - n :]
  return _most_words(text, tokens, count, last)


def _most_words(text, tokens, count, take) -> str:
  if count(text) <= tokens:
    return text
  words = text.split()
  # Bisection: n words fit for n <= low and do not for n >= high.
  low, high = 0, len(words)
  while high - low > 1:
    middle = (low + high) // 2
    if count(' '.join(take(words, middle))) <= tokens:
      low = middle
    else:
      high = middle
  return ' '.join(take(words, low))
