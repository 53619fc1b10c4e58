"""The one loop of all that is evaluated: read, ask what is due, score.

Held-out episodes, comparisons and streams differ in what is due when, and in
how the records are summarised.
"""

import collections
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from mem_alpha_jax.data import sources
from mem_alpha_jax.data.source import Grade
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.memory import tools
from mem_alpha_jax.methods.protocol import Method, Parts, Step
from mem_alpha_jax.reading import judge as judge_lib
from mem_alpha_jax.reading import protocol
from mem_alpha_jax.report import page
from mem_alpha_jax.reward import scoring
from mem_alpha_jax.rollout import tracing
from mem_alpha_jax.system import multihost, stopping
from mem_alpha_jax.types import Episode, Request

# Chunks read -> indices of the questions that are asked then, maybe none.
Plan = Mapping[int, Sequence[int]]


class Panel(NamedTuple):
  """Who answers, and who scores."""

  readers: Sequence[protocol.Reader]  # one may stand there twice
  rule: Callable  # (episode, question) -> rule of scoring.Asked
  judge: judge_lib.AnswerJudge | None = None  # decides where `rule` says so


class Answered(NamedTuple):
  """A question that was asked; answer and score are None where one failed."""

  read: int  # chunks by then
  index: int  # of the question in its episode
  # What the readers saw; None where there was nothing, or it was not kept.
  request: Request | None
  answers: tuple[str | None, ...]  # one a reader
  scores: tuple[float | None, ...]  # of the answers, in [0, 1]


class Record(NamedTuple):
  """One stream's outcome so far, the unit of every interval."""

  answered: list[Answered]  # questions in the order in which they were asked
  held: list[tuple[int, int]]  # chunks read, tokens then; where the plan asks
  # By tool, and 'valid', 'all', 'repeats', 'repaired', 'noop', 'lost' replies,
  # 'cut' ones, and memory.tools.FAILED.
  calls: collections.Counter
  steps: list[page.TraceStep]  # of the trace, if asked for
  grades: list[Grade]  # of the memory at the end, where that can be graded


class Seconds(NamedTuple):
  """What a chunk took."""

  reading: float  # it, of one stream
  answering: float  # one of the questions after it; 0 where there are none


class Outcome(NamedTuple):
  records: list[Record]  # a stream
  seconds: list[Seconds]  # of each chunk


def panel(parts: Parts, readers: Sequence[protocol.Reader]) -> Panel:
  """A run's rules and judge; a judge decides where the source has no own."""
  judge, reader = parts.judge, parts.config.reading.reader
  rule = lambda episode, question: sources.rule_of(
    episode.source, reader, question.type, judge is not None
  )
  return Panel(readers, rule, judge)


def run(
  method: Method,
  episodes: Sequence[Episode],
  plans: Sequence[Plan],
  panel: Panel,
  traces: int = 0,
  outcome: Outcome | None = None,
  save: Callable[[Outcome], Any] = lambda outcome: None,
) -> Outcome:
  """Reads all streams side by side to their ends and asks their questions.

  Every process of a run calls it with its own.

  Args:
    episodes: the streams; shorter ones end sooner.
    plans: what is asked when, of each.
    traces: streams, from the first, whose steps are kept.
    outcome: of the chunks that the method has read already.
    save: called whenever something was asked.
  """
  empty = [Record([], [], collections.Counter(), [], []) for _ in episodes]
  outcome = outcome or Outcome(empty, [])
  records, seconds = outcome
  (longest,) = multihost.largest(max(len(e.chunks) for e in episodes))
  for t in range(len(seconds), longest):
    stopping.beat(f'evaluation, chunk {t + 1} of {longest}')
    chunks = [e.chunks[t] if t < len(e.chunks) else None for e in episodes]
    live = [i for i, chunk in enumerate(chunks) if chunk is not None]
    began = time.perf_counter()
    steps = method.observe(chunks)
    reading = (time.perf_counter() - began) / max(len(live), 1)
    for i in live if steps else ():
      records[i].calls.update(_calls(steps[i]))
      if i < traces:
        records[i].steps.append(_trace_step(chunks[i], steps[i]))
      if t + 1 == len(episodes[i].chunks):
        records[i].grades.extend(_grades(episodes[i], steps[i].state))
    due = [plan.get(t + 1, ()) for plan in plans]
    asked, answering = ask(method, episodes, due, panel, t + 1)
    seconds.append(Seconds(reading, answering))
    for i, found in asked:
      records[i].answered.append(found)
    now = [i for i in live if t + 1 in plans[i]]
    if now:
      tokens = method.memory_tokens()
      for i in now:
        records[i].held.append((t + 1, tokens[i]))
      save(outcome)
  return outcome


def ask(
  method: Method,
  episodes: Sequence[Episode],
  due: Sequence[Sequence[int]],
  panel: Panel,
  read: int,
) -> tuple[list[tuple[int, Answered]], float]:
  """Asks each memory its questions, once, and every reader with them.

  Args:
    due: indices of the questions of each, maybe none.
    panel: answers and scores, all answers in one call.
    read: chunks by now.

  Returns:
    (stream, answered), stream by stream, in the order of `due`; and seconds
    from a question to its answer, of which the scores are no part.
  """
  places = [(i, index) for i, row in enumerate(due) for index in row]
  # A reader may be a program of all processes: each one asks if any has to.
  if not any(multihost.largest(len(places))):
    return [], 0.0
  began = time.perf_counter()
  texts = [
    [e.questions[index].text for index in row]
    for e, row in zip(episodes, due, strict=True)
  ]
  shown = list(itertools.chain(*method.requests(texts)))
  # A language model is the strict and the lenient reader: judged once.
  distinct = {id(reader): reader for reader in panel.readers}
  which = [list(distinct).index(id(reader)) for reader in panel.readers]
  given = [request for request in shown if request]
  replies = zip(*(reader(given) for reader in distinct.values()), strict=True)
  nobody = (None,) * len(distinct)
  said = [next(replies) if request else nobody for request in shown]
  each = (time.perf_counter() - began) / max(len(places), 1)
  asked = []
  for (i, index), answers in zip(places, said, strict=True):
    question = episodes[i].questions[index]
    rule = panel.rule(episodes[i], question)
    asked += [scoring.Asked(question, answer, rule) for answer in answers]
  marks = iter(scoring.score_all(asked, panel.judge))
  pick = lambda row: tuple(row[k] for k in which)
  found = []
  for (i, index), request, answers in zip(places, shown, said, strict=True):
    scores = [next(marks) for _ in answers]
    found.append(
      (i, Answered(read, index, request, pick(answers), pick(scores)))
    )
  return found, each


def _grades(episode: Episode, state: state_lib.MemoryState) -> list[Grade]:
  source = sources.find(episode.source)
  return [source.grade(episode, state)] if source and source.grade else []


def trace(episode: Episode, record: Record) -> page.Trace:
  """What the method did with an episode, by the first reader."""
  answers = []
  for a in filter(lambda a: a.request, record.answered):
    question, score = episode.questions[a.index], a.scores[0]
    answers.append(
      page.TraceAnswer(
        question.text,
        question.type,
        question.answer,
        a.answers[0],
        None if score is None else score == 1.0,
        tuple(note.text for note in a.request.notes),
        a.request.core,
      )
    )
  return page.Trace(f'{episode.source} {episode.uid}', record.steps, answers)


def _calls(step: Step) -> collections.Counter:
  written, results = step.written, step.results
  found = collections.Counter(op.tool for op in written.ops)
  found['noop'], found['lost'] = int(written.noop), int(written.lost)
  found['repaired'] = sum(map(bool, written.repairs))
  found['repeats'] = sum(result.neutral for result in results)
  found['all'] = len(results) - found['repeats'] + len(written.errors)
  found['valid'] = sum(result.ok for result in results)
  found['cut'] = int(written.cut)
  refused = [r.error for r in results if not (r.ok or r.neutral)]
  found.update(tools.failed_names(written.errors, refused, written.cut))
  return found


def _trace_step(chunk: str, step: Step) -> page.TraceStep:
  written, results, state = step
  return page.TraceStep(
    chunk,
    written.text,
    tracing.calls(written, results),
    tracing.entries(state_lib.entries(state)),
    state.core,
    tracing.entries(written.view),
    written.tokens(),
  )
