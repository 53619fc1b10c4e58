"""The answerer: says what a question asks for, from the entries it recalls."""

import collections
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from mem_alpha_jax.data import sources
from mem_alpha_jax.memory import compact_calls
from mem_alpha_jax.reward import parts as parts_lib
from mem_alpha_jax.reward import scoring
from mem_alpha_jax.roles import prompt, role, writer
from mem_alpha_jax.text import words as words_lib
from mem_alpha_jax.types import Episode, Outcome, Question, Turn


def ask(episode: Episode, questions: Iterable[Question]) -> list[Turn]:
  """One turn a question, after the last chunk."""
  last = len(episode.chunks) - 1
  return [Turn('answerer', q.text, episode, last, q) for q in questions]


def show(setup: Any, turn: Turn) -> prompt.Prompt:
  """As a chunk is shown, but it goes on with another symbol than a call."""
  symbol = setup.tokenizer.symbol(compact_calls.SEP)
  return writer.show(setup, turn)._replace(own=[symbol])


def read(setup: Any, ids: Sequence[int]) -> str:
  """The answer that the ids of a response say."""
  return setup.tokenizer.decode(ids).strip()


def act(setup: Any, turn: Turn, ids: Sequence[int]) -> Outcome:
  """The response is the answer, marked by the rule of short answers."""
  said, question = read(setup, ids), turn.question
  # It is to say the gold and no more, as the extractive reader does.
  rule = sources.rule_of(turn.episode.source, 'extractive', question.type)
  golds = (question.answer, *question.others)
  mark = scoring.score(said, golds, rule)
  return Outcome(turn.state, answer=said, mark=mark)


def earn(turns, outcomes, config) -> dict[str, parts_lib.Column]:
  """The mark, and how much of the answer what was shown supports."""
  del config
  supported = map(_supported, turns, outcomes)
  return {
    'answers': np.array([o.mark for o in outcomes], np.float32),
    'content': np.fromiter(supported, np.float32),
  }


def _supported(turn: Turn, o: Outcome) -> float:
  """The share of its words that are shown; 1 where nothing is said."""
  count = lambda text: collections.Counter(words_lib.terms(text))
  shown = [e.text for e in turn.view if e]
  said, seen = count(o.answer), count(' '.join([turn.state.core, *shown]))
  return (said & seen).total() / said.total() if said else 1.0


ROLE = role.Role(show, act, earn)
