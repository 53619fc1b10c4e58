"""LongMemEval: chats of one user with an assistant, a question to each history.

Wu et al. 2024, arXiv 2410.10813. The files longmemeval_oracle.json, _s.json
and _m.json, also as cleaned by their authors, are lists of instances. Sessions
are put into the order of time. Those dated after their question stay, for the
published scores have them in the history; how many there are is logged, and
how many golds are known to be wrong.
"""

import collections
import pathlib
import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, NamedTuple

import pydantic

from mem_alpha_jax.data import errata, rows
from mem_alpha_jax.data import sessions as sessions_lib
from mem_alpha_jax.data.source import Source
from mem_alpha_jax.types import ERRATUM, UNANSWERABLE, Episode, Question

SOURCE = 'longmemeval'
Type = Literal[
  'single-session-user',
  'single-session-assistant',
  'single-session-preference',
  'multi-session',
  'temporal-reasoning',
  'knowledge-update',
]
_PUBLISHER = 'https://github.com/xiaowu0162/LongMemEval'
# As '2023/05/30 (Tue) 23:40'.
_Date = Annotated[str, pydantic.Field(pattern=r'^\d{4}/\d\d/\d\d\b')]


class Turn(rows.Row):
  """What one side says; `has_answer` if the answer rests on it."""

  role: str
  content: str
  has_answer: Any = None


class Session(NamedTuple):
  """One chat; `evidence` if it is among the answer's sessions."""

  date: str
  turns: Sequence[Turn]
  evidence: bool


class _Row(rows.Row):
  question_id: str
  question_type: Type
  question: str
  answer: rows.Golds
  question_date: _Date
  haystack_dates: list[_Date]  # of sessions; the oracle file has no order
  haystack_session_ids: list  # a filler session may come twice
  haystack_sessions: Annotated[list[list[Turn]], pydantic.Field(min_length=1)]
  answer_session_ids: list

  @pydantic.model_validator(mode='after')
  def _together(self):
    names = 'haystack_dates', 'haystack_session_ids', 'haystack_sessions'
    counts = {name: len(getattr(self, name)) for name in names}
    if len(set(counts.values())) > 1:
      raise ValueError(f'{counts}: they go together')
    return self


class Instance(NamedTuple):
  """A question and its history; the gold of one without answer says why."""

  id: str  # as published; ends with '_abs' if abstaining is right
  asked: str  # as published, without the date
  question: Question  # with its date and type
  sessions: tuple[Session, ...]  # oldest first


def moment(date: str) -> tuple[int, ...]:
  """Year, month, day, hour, minute: days of the week may be wrong."""
  return tuple(map(int, re.findall(r'\d+', date)))


def instances(path: pathlib.Path) -> Iterator[Instance]:
  """Reads the instances of a file one by one."""
  left, count = collections.Counter(), 0
  for _, r in rows.stream(path, _Row, _PUBLISHER):
    dates = list(map(moment, r.haystack_dates))
    ids = r.haystack_session_ids
    asked = moment(r.question_date)
    left['sessions dated after their question'] += sum(d > asked for d in dates)
    left['histories put into order'] += dates != sorted(dates)
    left['empty sessions'] += sum(not s for s in r.haystack_sessions)
    left['sessions of the evidence that are not there'] += sum(
      key not in ids for key in r.answer_session_ids
    )
    count += 1
    sessions = [
      Session(date, turns, key in r.answer_session_ids)
      for date, key, turns in zip(
        r.haystack_dates, ids, r.haystack_sessions, strict=True
      )
    ]
    sessions.sort(key=lambda session: moment(session.date))
    said = (turn.content for part in r.haystack_sessions for turn in part)
    kind = type_of(r.question_type, r.question_id)
    kind = errata.marked(SOURCE, r.question_id, r.answer[0], kind, said)
    left[errata.MARKED] += kind.endswith(ERRATUM)
    text = dated(r.question, r.question_date)
    question = Question(text, r.answer[0], kind, 0, 0)
    yield Instance(r.question_id, r.question, question, tuple(sessions))
  rows.report(str(path), f'{count} instances', left)


def load(paths: Sequence[pathlib.Path], turns: int = 0) -> list[Episode]:
  """One episode an instance, in the order of the files.

  Args:
    paths: of the files.
    turns: of a chunk, never of two sessions; 0: a session is a chunk.

  Raises:
    FileNotFoundError: there is no file.
    ValueError: a broken file (names row and field), or a question comes twice.
  """
  found, origin = [], {}
  for path, instance in ((p, i) for p in paths for i in instances(p)):
    if other := origin.get(instance.id):
      raise ValueError(
        f'{path}: question {instance.id} is also in {other}; keep one of the '
        'files, or name one: data.file'
      )
    origin[instance.id] = path
    found.append(_episode(instance, len(found), turns))
  return found


def _episode(instance: Instance, uid: int, turns: int) -> Episode:
  """One instance as an episode; its question is asked at the end.

  `first` is the chunk with the last turn of the evidence, or the end of the
  last session of the evidence if none of its turns is marked, or the last
  chunk if no session of the history is evidence.
  """
  history = instance.sessions
  laid = sessions_lib.lay_out(
    [
      sessions_lib.Session(
        sessions_lib.heading(session.date), [*map(line, session.turns)]
      )
      for session in history
    ],
    turns,
  )
  last = len(laid.chunks) - 1
  told = []
  for i, session in enumerate(history):
    if session.evidence:
      turns = zip(session.turns, laid.read[i], strict=False)
      marked = {read for turn, read in turns if turn.has_answer}
      told += sorted(marked) or laid.session(i)
  question = instance.question._replace(
    first=told[-1] if told else last, last=last, evidence=tuple(told)
  )
  return Episode(uid, SOURCE, laid.chunks, (question,), laid.sizes)


def dated(question: str, date: str) -> str:
  """The question as it is asked: '[2023/05/30 (Tue) 23:40] Where was I?'.

  Half of the types cannot be answered without the day on which it is asked.
  """
  return f'[{date}] {question}'


def type_of(kind: str, question_id: str) -> str:
  """The type of a question, marked if its id says that it has no answer."""
  return kind + UNANSWERABLE if question_id.endswith(UNANSWERABLE) else kind


def line(turn: Turn) -> str:
  """'User: Where was I?'; nothing shows that a turn is evidence."""
  return sessions_lib.said(turn.role, turn.content)


def _episodes(config, split: str) -> list[Episode]:
  del split
  d = config.data
  paths = rows.files(d.root, SOURCE, '*.json', _PUBLISHER, d.file)
  return load(paths, d.turns)


SOURCES = (
  Source(
    SOURCE,
    rule='contains',
    episodes=_episodes,
    splits=('test',),
    judged=True,
    alone=True,
    chats=True,
    held_out=('.json', lambda path: load([path])),
  ),
  Source('longmemeval*', rule='contains', judged=True, chats=True),
)
