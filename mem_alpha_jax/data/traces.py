"""Traces of agents as episodes: what a step tells, asked while it holds."""

import collections
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from mem_alpha_jax.data import sessions
from mem_alpha_jax.types import Episode, Question


class Step(NamedTuple):
  action: str
  observation: str  # '' where the trace has none


class Told(NamedTuple):
  """What a step tells; holds until the next that tells of the same."""

  question: str
  answer: str  # '' ends what was told before, and is not asked for
  kind: str


class Trace(NamedTuple):
  task: str  # and all that is said before the first step
  steps: Sequence[Step]


def episode(
  uid: int,
  source: str,
  trace: Trace,
  told: Callable[[Step], Iterable[Told]],
  turns: int,
  words: int,
) -> Episode:
  """The task and each step are a turn of one session (`sessions.lay_out`)."""
  said = [trace.task, *map(_said, trace.steps)]
  laid = sessions.lay_out([sessions.Session('', said)], turns, words)
  (read,) = laid.read
  spans = _spans([told(step) for step in trace.steps])
  asked = tuple(
    Question(fact.question, fact.answer, fact.kind, read[t + 1], last)
    for t, end, fact in spans
    for last in [read[-1] if end is None else read[end + 1] - 1]
    if fact.answer and read[t + 1] <= last
  )
  return Episode(uid, source, laid.chunks, asked, laid.sizes)


def _said(step: Step) -> str:
  seen = f'\nObservation: {step.observation}' if step.observation else ''
  return f'Action: {step.action}{seen}'


def _spans(
  steps: Sequence[Iterable[Told]],
) -> Iterator[tuple[int, int | None, Told]]:
  """(step that tells, step that tells otherwise or None, what), in order."""
  of = collections.defaultdict(list)
  for t, facts in enumerate(steps):
    for fact in facts:
      before = of[fact.question]
      if not before or before[-1][1].answer != fact.answer:
        before.append((t, fact))
  found = [
    (t, after[0][0] if after else None, fact)
    for changes in of.values()
    for k, (t, fact) in enumerate(changes)
    for after in [changes[k + 1 : k + 2]]
  ]
  return iter(sorted(found, key=lambda span: span[0]))
