"""What a turn is worth: answers after each response minus those before."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from mem_alpha_jax.credit import shares
from mem_alpha_jax.data import sources
from mem_alpha_jax.memory import batch as batch_lib
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.reading import judge as judge_lib
from mem_alpha_jax.reading import protocol
from mem_alpha_jax.recall import registry as recall
from mem_alpha_jax.reward import parts, scoring
from mem_alpha_jax.rollout import credit_questions, look_ahead, traces
from mem_alpha_jax.types import Episode, Outcome, Question, Request, Turn

Outcomes = Sequence[Sequence[Outcome]]  # of each turn: W, or none if not live
Plan = Sequence[Turn]  # of one memory, as played


class Ends(NamedTuple):
  """What the memories of a batch are worth at its end."""

  accuracy: Float[np.ndarray, 'N']  # on asked questions; NaN: none answered
  compression: Float[np.ndarray, 'N']
  # r1 of each turn, by reward.evidence, reward.memq or reward.answerer; None:
  # all are paid the accuracy.
  paid: Sequence[Float[np.ndarray, 'T']] | None = None


def judged(
  judge: judge_lib.ContentJudge, turns: Sequence[Turn], outcomes: Outcomes
) -> list[list[Outcome]]:
  """Adds a judge's verdict on each call; see reward.parts.content.

  It sees a stored text beside the chunk and the text it replaces. All texts
  of a step are judged in one call, equal ones once.
  """
  notes = [
    [_judged_notes(turn, o) for o in row]
    for turn, row in zip(turns, outcomes, strict=True)
  ]
  asked = dict.fromkeys(
    note
    for row in notes
    for made in row
    for note in made
    if isinstance(note, judge_lib.Stored)
  )
  verdicts = dict(zip(asked, judge([*asked]) if asked else [], strict=True))
  return [
    [
      o._replace(verdicts=tuple(verdicts.get(note, note) for note in made))
      for o, made in zip(row, given, strict=True)
    ]
    for row, given in zip(outcomes, notes, strict=True)
  ]


def _judged_notes(turn: Turn, o: Outcome) -> list[judge_lib.Stored | float]:
  """What a judge must see of each call; the mark of one that needs none."""
  old = parts.replaced(turn, o.ops)
  return [
    judge_lib.Stored(op.kind, op.text, f'{before}\n{turn.text}'.strip())
    if op.tool != 'delete' and result.ok
    else float(result.ok)
    for op, result, before in zip(o.ops, o.results, old, strict=True)
  ]


def gained(
  memories: batch_lib.Memories,
  turns: Sequence[Turn],
  outcomes: Outcomes,
  reader: protocol.Reader,
  width: int,
  expert: look_ahead.Expert | None = None,
) -> list[list[Outcome]]:
  """Adds what answers gain: scores after a response minus those before it.

  A gain is NaN where an answer is missing, before or after: a sum without it
  would take the question for one that did not change. With
  reward.when='session' it is the mean score after it, 0 without a question.
  With rollout.ahead what is left of the gain when the expert has read on
  counts, too: while the note stands, and past that; see look_ahead.
  """
  rows = [
    [*row, *[Outcome(turn.state)] * (width + 1 - len(row))]
    for turn, row in zip(turns, outcomes, strict=True)
  ]
  gains = _gains(memories, turns, rows, reader)
  if memories.config.rollout.ahead:
    later = (
      look_ahead.read_on(expert, memories, turns, rows, past)
      for past in (False, True)
    )
    then = (_gains(memories, *read, reader) for read in later)
    gains = [
      [sum(one) for one in zip(*each, strict=True)]
      for each in zip(gains, *then, strict=True)
    ]
  return [
    [o._replace(gain=gain) for o, gain in zip(row, mine, strict=False)]
    for row, mine in zip(outcomes, gains, strict=True)
  ]


def _gains(
  memories: batch_lib.Memories,
  turns: Sequence[Turn],
  rows: Outcomes,
  reader: protocol.Reader,
) -> list[list[float]]:
  """What answers gain in each turn by its outcomes but the last, over that."""
  by_session = memories.config.reward.when == 'session'
  asked = [credit_questions.of_turn(turn, memories.config) for turn in turns]
  answers = _answers(memories, rows, asked, reader)
  found = []
  for turn, questions, given in zip(turns, asked, answers, strict=True):
    *after, before = (
      _scores(turn.episode, questions, one, memories.config) for one in given
    )
    found.append(
      [
        sum(marks) / max(len(marks), 1)
        if by_session
        else sum(b - a for a, b in zip(before, marks, strict=True))
        for marks in after
      ]
    )
  return found


def _scores(
  episode: Episode, questions: Sequence[Question], answers: Sequence, config
) -> list[float]:
  """Scores of answers to questions of one episode, NaN where missing."""
  reader = config.reading.reader
  marks = scoring.score_all(
    [
      scoring.Asked(q, answer, sources.rule_of(episode.source, reader, q.type))
      for q, answer in zip(questions, answers, strict=True)
    ]
  )
  return [np.nan if mark is None else mark for mark in marks]


def _answers(memories, rows: Outcomes, asked, reader):
  """Answers [N][W][Q] after the calls of each outcome."""
  wide, flat = len(rows[0]), [o for row in rows for o in row]
  after = memories.forked([o.state for o in flat], [o.results for o in flat])
  texts = [[q.text for q in row] for row in asked for _ in range(wide)]
  requests = recall.requests(after, texts, memories.config.rollout.probes)
  answers = protocol.ask(reader, requests)
  return [answers[i : i + wide] for i in range(0, len(answers), wide)]


def end_scores(
  plans: Sequence[Plan],
  memories: batch_lib.Memories,
  reader: protocol.Reader,
) -> Ends:
  """Asks what evaluation would ask of each memory, after its last turn."""
  config, episodes = memories.config, [plan[0].episode for plan in plans]
  questions = [credit_questions.ending(e) for e in episodes]
  texts = [[q.text for q in row] for row in questions]
  requests = recall.requests(memories, texts, config.rollout.probes)
  given = protocol.ask(reader, requests)
  marks = [
    np.array(_scores(*one, config), float)
    for one in zip(episodes, questions, given, strict=True)
  ]
  sizes = [
    parts.compression(state_lib.token_length(s), n)
    for s, n in zip(memories.states, memories.read, strict=True)
  ]
  found = Ends(*np.float32([[mean(m) for m in marks], sizes]))
  if not config.reward.evidence and not config.reward.memq:
    return found
  pay = _by_evidence if config.reward.evidence else _by_traces
  each = zip(plans, marks, requests, memories.states, strict=True)
  return found._replace(paid=[pay(*one, config.reward) for one in each])


def answered(outcomes: Sequence[Outcomes]) -> list[Float[np.ndarray, 'T']]:
  """r1 of the turns of each memory: the mean mark of the policy's answers."""
  marks = np.array(
    [[row[0].mark if row else np.nan for row in step] for step in outcomes]
  )
  return [np.full(len(marks), mean(one)) for one in marks.T]


def _by_evidence(
  plan: Plan,
  marks: Float[np.ndarray, 'Q'],
  requests: Sequence[Request],
  state: state_lib.MemoryState,
  reward: Any,
) -> Float[np.ndarray, 'T']:
  """r1 of each turn of a memory; their mean is that of the marks.

  credit.shares.evidence, of which each turn is paid T times, so that the other
  parts weigh what they weigh without it. An entry, or the core, is of the turn
  that wrote it last, and of none if an earlier episode did.
  """
  if np.isnan(marks).all():
    return np.full(len(plan), np.nan)
  core = [
    record.step
    for record in state.log.newest()
    if record.op.kind == 'core' and record.result.ok
  ][:1]
  steps = [
    [*(note.step for note in request.notes), *(core if request.core else ())]
    for request in requests
  ]
  written = np.full((1, len(steps), max(1, *map(len, steps))), -1)
  for row, shown in zip(written[0], steps, strict=True):
    row[: len(shown)] = shown
  turns = np.where(written < plan[0].clock, -1, written - plan[0].clock)
  found = shares.evidence(marks[None], turns, len(plan), reward.evidence)
  return len(plan) * found[0]


def _by_traces(
  plan: Plan,
  marks: Float[np.ndarray, 'Q'],
  requests: Sequence[Request],
  state: state_lib.MemoryState,
  reward: Any,
) -> Float[np.ndarray, 'T']:
  """r1 of each turn: the mean of the marks, mixed with Q of what it wrote."""
  q = traces.paid(plan, marks, requests, state, reward.memq_lam)
  return (1 - reward.memq) * mean(marks) + reward.memq * q


def mean(values: np.ndarray) -> float:
  """Mean of what is known; NaN if nothing is."""
  known = values[~np.isnan(values)]
  return float(known.mean()) if known.size else float('nan')
