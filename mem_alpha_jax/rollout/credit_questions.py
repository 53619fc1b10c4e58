"""Which questions grade a step: the source of dense credit.

The writer never sees them; they only decide the reward of calls already made.
"""

from collections.abc import Iterable, Mapping, Sequence

from mem_alpha_jax.text import words as words_lib
from mem_alpha_jax.types import Episode, Question

History = Mapping[str, Question]  # by text, of earlier episodes


def ending(episode: Episode) -> list[Question]:
  """The questions evaluation asks after the last chunk."""
  end = len(episode.chunks) - 1
  return [q for q in episode.questions if q.asked and q.last == end]


def current(episode: Episode, step: int) -> dict[str, Question]:
  """Questions whose gold is true after chunk `step`, by their texts."""
  holding = [q for q in episode.questions if q.first <= step <= q.last]
  return {q.text: q for q in sorted(holding, key=lambda q: q.first)}


def remembered(episode: Episode, history: History) -> dict[str, Question]:
  """What can still be asked once the episode is over."""
  end = len(episode.chunks) - 1
  return {**history, **current(episode, end)}


def relevant(
  questions: History, texts: Iterable[str], limit: int
) -> list[Question]:
  """The questions a call can change: they share words with what it saw.

  A call inserts words of the chunk, or changes an entry in view, so only
  questions that share content words with those texts can change their
  answer (but for the small effect on BM25's statistics).

  Args:
    questions: by their texts.
    texts: the chunk and the entries in view.
    limit: most questions returned, those with the largest overlap first.

  Returns:
    The questions; ties keep their order.
  """
  seen = [set(words_lib.terms(text)) - words_lib.STOP for text in texts]
  scored = []
  for text, question in questions.items():
    words = set(words_lib.terms(text)) - words_lib.STOP
    overlap = max((len(words & other) for other in seen), default=0)
    if overlap:
      scored.append((overlap / len(words), question))
  scored.sort(key=lambda item: -item[0])
  return [question for _, question in scored[:limit]]


def gains(
  before: Sequence[float | None], after: Sequence[float | None]
) -> float | None:
  """Sum of score changes; None if one is missing.

  A sum without it would take the question for one that did not change: a
  gain of 0.
  """
  if None in before or None in after:
    return None
  return sum(b - a for a, b in zip(before, after, strict=True))
