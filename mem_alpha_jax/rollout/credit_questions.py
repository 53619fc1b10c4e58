"""Which questions grade a step: the source of dense credit.

The writer never sees them; they only decide the reward of calls already made.
"""

import itertools
from collections.abc import Iterable, Mapping

from mem_alpha_jax.text import words as words_lib
from mem_alpha_jax.text import wrapping
from mem_alpha_jax.types import Episode, Question, Turn

History = Mapping[str, Question]  # by text, of earlier episodes


def of_turn(turn: Turn, config) -> list[Question]:
  """The questions that grade a turn.

  reward.when='step', and re-rolls of 'end': the questions true now that a call
  can change; 'session': those about the session; 'end': those that evaluation
  asks after the last chunk.
  """
  if not turn.live or turn.question is not None:
    return []
  limit = config.rollout.probes
  if config.reward.when == 'end' and turn.trajectory >= 0:
    return ending(turn.episode)[:limit]
  if config.reward.when == 'session':
    return of_session(turn.episode, turn.chunk)[-limit:]
  history = turn.history if config.rollout.retain else {}
  questions = {**history, **current(turn.episode, turn.chunk)}
  texts = [turn.text] + [e.text for e in turn.view if e]
  return relevant(questions, texts, limit)


def of_session(episode: Episode, step: int) -> list[Question]:
  """Questions that hold since a chunk of the session that `step` is in.

  The newest last. MemBuilder (arXiv 2601.05488) has five made of a session's
  text; here they are the episode's, asked or not.
  """
  ends = itertools.accumulate(episode.sessions)
  first = max((end for end in ends if end <= step), default=0)
  first = first if episode.sessions else step
  return [q for q in current(episode, step).values() if q.first >= first]


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
    limit: most questions returned, those with the largest overlap first.

  Returns:
    The questions; ties keep their order.
  """
  seen = [_content(text) for text in texts]
  scored = []
  for text, question in questions.items():
    words = _content(text)
    overlap = max((len(words & other) for other in seen), default=0)
    if overlap:
      scored.append((overlap / len(words), question))
  scored.sort(key=lambda item: -item[0])
  return [question for _, question in scored[:limit]]


def _content(text: str) -> set[str]:
  return set(words_lib.content(wrapping.bare(text)))
