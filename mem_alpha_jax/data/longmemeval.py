"""LongMemEval: chats of one user with an assistant, a question to each history.

Wu et al. 2024, arXiv 2410.10813. The files longmemeval_oracle.json, _s.json
and _m.json, also as cleaned by their authors, are lists of instances:

  question_id           ends with '_abs' if abstaining is right
  question_type         one of TYPES
  question, answer      some answers are numbers
  question_date         '2023/05/30 (Tue) 23:40'
  haystack_dates        when each session was; not in order in the oracle file
  haystack_session_ids  of each session; a filler session may come twice
  haystack_sessions     lists of {role, content}, has_answer in the evidence
  answer_session_ids    the sessions with the evidence
"""

import pathlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from mem_alpha_jax.data import passages
from mem_alpha_jax.data import rows as rows_lib
from mem_alpha_jax.data.source import Source
from mem_alpha_jax.types import UNANSWERABLE, Episode, Question

SOURCE = 'longmemeval'
TYPES = (
  'single-session-user',
  'single-session-assistant',
  'single-session-preference',
  'multi-session',
  'temporal-reasoning',
  'knowledge-update',
)
_PUBLISHER = 'https://github.com/xiaowu0162/LongMemEval'
_DATE = re.compile(r'\d{4}/\d\d/\d\d\b')  # sorts as text


class Turn(NamedTuple):
  """What one side says; `evidence` if the answer rests on it."""

  role: str
  text: str
  evidence: bool = False


class Session(NamedTuple):
  """One chat; `evidence` if it is among the answer's sessions."""

  date: str
  turns: tuple[Turn, ...]
  evidence: bool = False


class Instance(NamedTuple):
  """A question and its history, oldest session first.

  Attributes:
    id: of the question.
    type: one of TYPES, with '_abs' behind it if abstaining is right.
    question: as published, without its date.
    answer: the gold; says what is missing if abstaining is right.
    date: when it is asked.
    sessions: the history.
  """

  id: str
  type: str
  question: str
  answer: str
  date: str
  sessions: tuple[Session, ...]


def load(
  path: str | pathlib.Path, limit: int, count: Callable[[str], int]
) -> list[Episode]:
  """Reads a file as one episode an instance, in its order.

  Args:
    path: the file.
    limit: tokens of a chunk at most; a session is one chunk if it fits.
    count: tokens of a text, by the tokenizer of the policy.

  Raises:
    FileNotFoundError: the file is not there.
    ValueError: a broken file (names row and field), or the limit is too low.
  """
  chunked = lambda session: session_chunks(*session[:2], limit, count)
  return [
    _episode(instance, uid, chunked)
    for uid, instance in enumerate(instances(path))
  ]


def episodes(root: str, turns: int = 0) -> list[Episode]:
  """Reads <root>/longmemeval/*.json as `load` does, without a limit of tokens.

  Args:
    root: the data folder, config field data.root.
    turns: of a chunk, never of two sessions; 0: a session is a chunk.

  Raises:
    FileNotFoundError: there is no file.
    ValueError: a broken file (names row and field), or a question comes twice.
  """
  folder = pathlib.Path(root) / SOURCE
  paths = sorted(folder.glob('*.json'))
  if not paths:
    raise FileNotFoundError(
      f'no .json file in {folder}; download one from {_PUBLISHER} or set '
      'data.root'
    )
  found, origin = [], {}
  chunked = lambda session: turn_chunks(*session[:2], turns)
  for path, instance in ((p, i) for p in paths for i in instances(p)):
    if other := origin.get(instance.id):
      raise ValueError(
        f'{path}: question {instance.id} is also in {other}; keep one of the '
        'files'
      )
    origin[instance.id] = path
    found.append(_episode(instance, len(found), chunked))
  return found


def instances(path: str | pathlib.Path) -> Iterator[Instance]:
  """Reads the instances of a file one by one.

  Raises:
    FileNotFoundError: the file is not there.
    ValueError: a broken file; names row and field.
  """
  for where, row in rows_lib.from_json(path, _PUBLISHER):
    yield _instance(row, where)


def _episode(
  instance: Instance,
  uid: int,
  chunked: Callable[[Session], tuple[list[str], int | None]],
) -> Episode:
  """One instance as an episode; its question is asked at the end.

  `first` is the chunk with the last turn of the evidence, or the end of the
  last session of the evidence if none of its turns is marked, or the last
  chunk if no session of the history is evidence.

  Args:
    instance: the question and its history.
    uid: of the episode.
    chunked: what `session_chunks` returns of a session.
  """
  chunks, sessions, first = [], [], None
  for session in instance.sessions:
    found, evidence = chunked(session)
    if session.evidence:
      first = len(chunks) + (len(found) - 1 if evidence is None else evidence)
    chunks += found
    sessions.append(len(found))
  last = len(chunks) - 1
  first = last if first is None else first
  text = dated(instance.question, instance.date)
  question = Question(text, instance.answer, instance.type, first, last)
  return Episode(uid, SOURCE, tuple(chunks), (question,), tuple(sessions))


def dated(question: str, date: str) -> str:
  """The question as it is asked: '[2023/05/30 (Tue) 23:40] Where was I?'.

  Half of the types cannot be answered without the day on which it is asked.
  """
  return f'[{date}] {question}'


def session_chunks(
  date: str,
  turns: Sequence[Turn],
  limit: int,
  count: Callable[[str], int],
) -> tuple[list[str], int | None]:
  """A chat as chunks that all begin with its date, split between turns.

  Returns:
    The chunks; the one in which the last turn of evidence ends, None if no
    turn is marked. Nothing of a chunk shows which turns are.

  Raises:
    ValueError: the limit leaves no room beside the date.
  """
  header = _header(date)
  room = limit - count(header)
  if room <= 0:
    raise ValueError(
      f'chunks of {limit} tokens cannot hold {header.strip()!r} and a turn; '
      'raise the limit'
    )
  placed = passages.place(list(map(_line, turns)), room, count)
  chunks = [
    header + '\n'.join(text for _, text in chunk) for chunk in placed
  ] or [header.strip()]
  marked = [
    at
    for at, chunk in enumerate(placed)
    if any(turns[i].evidence for i, _ in chunk)
  ]
  return chunks, marked[-1] if marked else None


def turn_chunks(
  date: str, turns: Sequence[Turn], size: int
) -> tuple[list[str], int | None]:
  """`session_chunks` of `size` whole turns each, however long; 0 for all."""
  size = size or max(len(turns), 1)
  groups = [turns[i : i + size] for i in range(0, len(turns), size)] or [()]
  chunks = [
    (_header(date) + '\n'.join(map(_line, group))).strip() for group in groups
  ]
  marked = [i for i, g in enumerate(groups) if any(t.evidence for t in g)]
  return chunks, marked[-1] if marked else None


def turns_of(session: Any, where: str) -> tuple[Turn, ...]:
  """Turns of a list of {role, content} and perhaps has_answer.

  Raises:
    ValueError: it is something else; names the turn and the field.
  """
  return tuple(
    Turn(
      rows_lib.field(turn, 'role', str, f'{where}[{i}]'),
      rows_lib.field(turn, 'content', str, f'{where}[{i}]'),
      bool(turn.get('has_answer')),
    )
    for i, turn in enumerate(rows_lib.objects(session, where))
  )


def type_of(kind: str, question_id: str, where: str) -> str:
  """The type of a question, marked if its id says that it has no answer.

  Raises:
    ValueError: no type of LongMemEval.
  """
  if kind not in TYPES:
    raise ValueError(f'{where}: no type {kind!r}, only {list(TYPES)}')
  return kind + UNANSWERABLE if question_id.endswith(UNANSWERABLE) else kind


def _header(date: str) -> str:
  return f'Chat on {date}\n'


def _line(turn: Turn) -> str:
  return f'{turn.role.capitalize()}: {turn.text.strip()}'


def _instance(row: Mapping[str, Any], where: str) -> Instance:
  uid, kind, question, date = (
    rows_lib.field(row, name, str, where)
    for name in ('question_id', 'question_type', 'question', 'question_date')
  )
  kind = type_of(kind, uid, f'{where}: question_type')
  golds = rows_lib.field(row, 'answer', None, where)
  answer, *_ = rows_lib.golds(golds, f'{where}: answer')
  return Instance(uid, kind, question, answer, date, _sessions(row, where))


def _sessions(row: Mapping[str, Any], where: str) -> tuple[Session, ...]:
  dates, ids, sessions = (
    rows_lib.field(row, f'haystack_{name}', list, where)
    for name in ('dates', 'session_ids', 'sessions')
  )
  if not len(dates) == len(ids) == len(sessions):
    raise ValueError(
      f'{where}: {len(dates)} haystack_dates, {len(ids)} haystack_session_ids '
      f'and {len(sessions)} haystack_sessions; they go together'
    )
  if not sessions:
    raise ValueError(f'{where}: haystack_sessions: the list is empty')
  evidence = rows_lib.field(row, 'answer_session_ids', list, where)
  found = []
  for i, (date, key, turns) in enumerate(
    zip(dates, ids, sessions, strict=True)
  ):
    place = f'{where}: haystack_dates[{i}]'
    if not _DATE.match(rows_lib.checked(date, str, place)):
      raise ValueError(f'{place}: expected yyyy/mm/dd ..., got {date!r}')
    turns = turns_of(turns, f'{where}: haystack_sessions[{i}]')
    found.append(Session(date, turns, key in evidence))
  return tuple(sorted(found, key=lambda session: session.date))


SOURCES = (
  Source(
    SOURCE,
    rule='contains',
    episodes=lambda config, split: episodes(
      config.data.root, config.data.turns
    ),
    splits=('test',),
    judged=True,
    alone=True,
  ),
  Source('longmemeval*', rule='contains', judged=True),
)
