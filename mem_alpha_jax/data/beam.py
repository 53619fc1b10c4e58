"""BEAM: chats of up to a million tokens, asked for ten abilities.

Tavakoli et al. 2025, arXiv 2510.27246. Folders chats/<tier>/<number> of
https://github.com/mohammadtavakoli78/BEAM as <root>/beam/<tier>/<number>, with
chat_trunecated.json, else chat.json, and probing_questions/
probing_questions.json. A batch is a session, and all is asked at the end. The
published score has a judge for each point of a rubric; here an answer is
compared with the published one. The tier of ten million has another layout.
"""

import collections
import pathlib
import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import pydantic

from mem_alpha_jax.data import rows, sessions
from mem_alpha_jax.data.source import Source
from mem_alpha_jax.types import Episode, Question

SOURCE = 'beam'
_PUBLISHER = 'https://github.com/mohammadtavakoli78/BEAM'
_QUESTIONS = pathlib.Path('probing_questions', 'probing_questions.json')
# Fields of a gold, by the ability that is asked for.
_GOLDS = (
  'answer', 'ideal_response', 'ideal_answer', 'ideal_summary',
  'expected_compliance',
)  # fmt: skip
_MARK = re.compile(r'\s*->->\s*[\d,]+\s*$')  # which the generator left


class _Message(rows.Row):
  id: int
  role: str
  content: str
  time_anchor: str | None = None


class _Batch(rows.Row):
  turns: list[list[_Message]]


class _Asked(rows.Row):
  question: str = pydantic.Field(pattern=r'\S')
  answer: str | None = None
  ideal_response: str | None = None
  ideal_answer: str | None = None
  ideal_summary: str | None = None
  expected_compliance: str | None = None
  source_chat_ids: Any = None  # numbers in lists, or in lists by name


def load(folder: pathlib.Path, uid: int, turns: int, words: int) -> Episode:
  """Reads the folder of a chat.

  Raises:
    FileNotFoundError: one of the two files is not there.
    ValueError: one is not of BEAM (names the field).
  """
  short = folder / 'chat_trunecated.json'  # as published
  path = short if short.is_file() else folder / 'chat.json'
  kind = Annotated[list[_Batch], pydantic.Field(min_length=1)]
  batches = [
    [message for turn in batch.turns for message in turn]
    for batch in rows.whole(path, kind, _PUBLISHER)
  ]
  laid = sessions.lay_out([*map(_session, batches)], turns, words)
  read = {
    message.id: at
    for batch, places in zip(batches, laid.read, strict=True)
    for message, at in zip(batch, places[:-1], strict=True)
  }
  path = folder / _QUESTIONS
  asked = rows.whole(path, dict[str, list[_Asked]], _PUBLISHER)
  left, last = collections.Counter(), len(laid.chunks) - 1
  questions = []
  for kind, several in asked.items():
    for one in several:
      gold = next((g for n in _GOLDS if (g := getattr(one, n))), '')
      if not gold:
        left['questions without a gold'] += 1
        continue
      known = [read[i] for i in _numbers(one.source_chat_ids) if i in read]
      first = max(known, default=last)
      questions.append(Question(one.question.strip(), gold, kind, first, last))
  rows.report(str(path), f'{len(questions)} questions', left)
  return Episode(uid, SOURCE, laid.chunks, tuple(questions), laid.sizes)


def _session(batch: Sequence[_Message]) -> sessions.Session:
  date = next((m.time_anchor for m in batch if m.time_anchor), '')
  return sessions.Session(
    sessions.heading(date) if date else '',
    [sessions.said(m.role, _MARK.sub('', m.content)) for m in batch],
  )


def _numbers(value: Any) -> Iterator[int]:
  """Ids of messages, however they are nested."""
  if isinstance(value, dict):
    value = [*value.values()]
  if isinstance(value, list):
    for item in value:
      yield from _numbers(item)
  elif isinstance(value, int):
    yield value


def _episodes(config, split: str) -> list[Episode]:
  del split
  d = config.data
  places = rows.files(d.root, SOURCE, f'*/*/{_QUESTIONS}', _PUBLISHER)
  folders = sorted(
    (path.parents[1] for path in places),
    key=lambda folder: (folder.parent.name, folder.name.zfill(4)),
  )
  return [
    load(folder, uid, d.turns, d.turn_words)
    for uid, folder in enumerate(folders)
  ]


SOURCES = (
  Source(
    SOURCE,
    rule='f1',
    episodes=_episodes,
    splits=('test',),
    rules={'abstention': 'abstention'},
    judged=True,
    chats=True,
  ),
)
