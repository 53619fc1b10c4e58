"""MedMemoryBench: a patient's talks with a doctor, asked in between.

arXiv 2605.11814, https://github.com/AQ-MedAI/MedMemoryBench. A folder
persona_<number>/eval for each patient, or one for all, has
generated_dialogues_with_noise.json, else generated_dialogues.json, and
generated_queries.json. Each question comes after its session, and no session
is left out; the published program leaves out those since the last question.
"""

import collections
import pathlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import pydantic

from mem_alpha_jax.data import rows, sessions
from mem_alpha_jax.data.source import Source, numbered
from mem_alpha_jax.reading import choices
from mem_alpha_jax.types import Episode, Question

SOURCE = 'medmemorybench'
_PUBLISHER = 'https://github.com/AQ-MedAI/MedMemoryBench'
_DIALOGUES = 'generated_dialogues_with_noise.json', 'generated_dialogues.json'
_CHOICE, _ENTITY = 'multiple_choice', 'entity_exact_match'
_LETTER = re.compile(r'([A-J])[.、:\s]\s*(.*)', re.DOTALL)


class _Message(rows.Row):
  role: str
  content: str


class _Event(rows.Row):
  date: str = ''


class _Session(rows.Row):
  session_id: int
  persona_id: int = 0
  messages: list[_Message]
  event_info: _Event | None = None  # None of what is no event: noise


class _Dialogues(rows.Row):
  sessions: Annotated[list[_Session], pydantic.Field(min_length=1)]


class _Answer(rows.Row):
  content: str
  is_correct: bool = False


class _Point(rows.Row):
  session_id: int | None = None  # that tells it


class _Query(rows.Row):
  query_id: str
  session_id: int  # after which it is asked
  query_type: str
  question: str
  answers: list[_Answer]
  source_key_points: list[_Point] = []
  persona_id: Any = None


class _Queries(rows.Row):
  queries: list[_Query]


def load(folder: pathlib.Path, turns: int = 0, words: int = 0) -> list[Episode]:
  """Reads a folder, an episode a patient.

  Raises:
    FileNotFoundError: one of the two files is not there.
    ValueError: one is not of MedMemoryBench (names the field).
  """
  there = [folder / name for name in _DIALOGUES if (folder / name).is_file()]
  path = there[0] if there else folder / _DIALOGUES[-1]
  patients = collections.defaultdict(list)
  for session in rows.whole(path, _Dialogues, _PUBLISHER).sessions:
    patients[session.persona_id].append(session)
  path = folder / 'generated_queries.json'
  queries = rows.whole(path, _Queries, _PUBLISHER).queries
  if len(patients) > 1 and any(q.persona_id is None for q in queries):
    raise ValueError(
      f'{path}: queries of several patients have no persona_id; keep a folder '
      'persona_<number>/eval for each'
    )
  left, found = collections.Counter(), []
  for persona, history in patients.items():
    mine = [q for q in queries if q.persona_id in (None, persona)]
    found.append(_episode(len(found), history, mine, (turns, words), left))
  asked = sum(len(episode.questions) for episode in found)
  kept = f'{len(found)} patients, {asked} questions'
  rows.report(str(path), kept, left)
  return found


def _episode(uid, history: Sequence[_Session], queries, size, left) -> Episode:
  laid = sessions.lay_out(
    [
      sessions.Session(
        sessions.heading(s.event_info.date)
        if s.event_info and s.event_info.date
        else '',
        [sessions.said(m.role, m.content) for m in s.messages],
      )
      for s in history
    ],
    *size,
  )
  told = {s.session_id: laid.session(i) for i, s in enumerate(history)}
  if len(told) < len(history):
    left['sessions whose number comes again'] += len(history) - len(told)
  asked = tuple(_questions(queries, told, left))
  return Episode(uid, SOURCE, laid.chunks, asked, laid.sizes)


def _questions(
  queries: Sequence[_Query], told: Mapping[int, range], left
) -> Iterator[Question]:
  """Those that can be asked when their session has been read.

  Args:
    told: the chunks of each session.
  """
  seen = set()
  for query in queries:
    points = {p.session_id for p in query.source_key_points}
    known = sorted(t for i in points if i in told for t in told[i])
    right = [a.content for a in query.answers if a.is_correct]
    if query.query_id in seen:
      left['questions that come again'] += 1
    elif not right:
      left['questions without a right answer'] += 1
    elif query.session_id not in told:
      left['questions after a session that is not there'] += 1
    elif max(known, default=0) > told[query.session_id][-1]:
      left['questions before what they need was said'] += 1
    else:
      text, gold = _wording(query, right)
      last = told[query.session_id][-1]
      span = max(known, default=last), last
      yield Question(text, gold, query.query_type, *span, evidence=tuple(known))
    seen.add(query.query_id)


def _wording(query: _Query, right: Sequence[str]) -> tuple[str, str]:
  """Text and gold; choices have the letters of their places."""
  if query.query_type != _CHOICE:
    return query.question.strip(), '; '.join(right)
  plain = [
    m[2] if (m := _LETTER.match(a.content)) else a.content
    for a in query.answers
  ]
  pairs = zip(choices.LETTERS, query.answers, strict=False)
  letters = ', '.join(a for a, answer in pairs if answer.is_correct)
  return choices.question(query.question, plain), letters


def _episodes(config, split: str) -> list[Episode]:
  del split
  d = config.data
  root = pathlib.Path(d.root, SOURCE)
  folders = sorted(root.glob('persona_*/eval')) or [root]
  found = (e for folder in folders for e in load(folder, d.turns, d.turn_words))
  return numbered(found)


SOURCES = (
  Source(
    SOURCE,
    rule='f1',
    episodes=_episodes,
    splits=('test',),
    rules={_CHOICE: 'choice', _ENTITY: 'keywords'},
    judged=True,
    chats=True,
  ),
)
