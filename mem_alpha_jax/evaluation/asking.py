"""Questions to the memories of a method: asked, answered, scored.

What evaluations, streams and comparisons have in common.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from mem_alpha_jax.data import sources
from mem_alpha_jax.methods import protocol as protocol_lib
from mem_alpha_jax.reading import judge as judge_lib
from mem_alpha_jax.reading import protocol
from mem_alpha_jax.reward import scoring
from mem_alpha_jax.types import Episode, Question, Request

# (episode, question) -> rule of scoring.Asked.
Rule = Callable[[Episode, Question], str]


class Answered(NamedTuple):
  """A question that was asked; answer and score are None where one failed.

  Attributes:
    stream: index of its episode.
    question: as the episode has it.
    request: what the readers saw.
    answers: one a reader.
    scores: of the answers, in [0, 1].
  """

  stream: int
  question: Question
  request: Request
  answers: tuple[str | None, ...]
  scores: tuple[float | None, ...]


def rule_of(config: Any, judge: judge_lib.AnswerJudge | None) -> Rule:
  """The rule of an evaluation; a judge decides where the source has no own."""
  return lambda episode, question: sources.rule_of(
    episode.source, config.reading.reader, question.type, judge is not None
  )


def ask(
  method: protocol_lib.Method,
  episodes: Sequence[Episode],
  due: Sequence[Sequence[Question]],
  readers: Sequence[protocol.Reader],
  rule: Rule,
  judge: judge_lib.AnswerJudge | None = None,
) -> list[Answered]:
  """Asks each memory its questions, once, and every reader with them.

  Args:
    method: one memory for each episode.
    episodes: the streams.
    due: questions of each, maybe none.
    readers: answer the same requests; one may stand there twice.
    rule: how an answer is scored.
    judge: decides where `rule` says so, for all answers in one call.

  Returns:
    The questions stream by stream, in the order of `due`.
  """
  if not any(due):
    return []
  requests = method.requests([[q.text for q in row] for row in due])
  # A language model is the strict and the lenient reader: judged once.
  distinct = list({id(reader): reader for reader in readers}.values())
  which = [
    next(k for k, one in enumerate(distinct) if one is reader)
    for reader in readers
  ]
  given = [protocol.ask(reader, requests) for reader in distinct]
  places = [(i, j) for i, row in enumerate(due) for j in range(len(row))]
  asked = [
    scoring.Asked(due[i][j], answers[i][j], rule(episodes[i], due[i][j]))
    for i, j in places
    for answers in given
  ]
  marks = iter(scoring.score_all(asked, judge))
  found = []
  for i, j in places:
    scores = [next(marks) for _ in given]
    found.append(
      Answered(
        i,
        due[i][j],
        requests[i][j],
        tuple(given[k][i][j] for k in which),
        tuple(scores[k] for k in which),
      )
    )
  return found


def ending(episodes: Sequence[Episode], t: int) -> list[list[Question]]:
  """The questions that evaluation asks after chunk t."""
  return [[q for q in e.questions if q.asked and q.last == t] for e in episodes]
