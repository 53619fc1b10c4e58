"""MemoryBank: ten days of chats of a user with a companion (arXiv 2305.10250).

Files memory_bank_<language>.json and probing_questions_<language>.jsonl of
https://github.com/zhongwanjun/MemoryBank-SiliconFriend. The questions come
without golds, which people graded; golds of yours are read from
probing_answers_<language>.jsonl, lines like those of the questions, with null
for none: {"Emily": ["Inception", null]}.
"""

import collections
import pathlib
from collections.abc import Iterator
from typing import Annotated, Any

import pydantic

from mem_alpha_jax.data import rows, sessions
from mem_alpha_jax.data.source import Source, numbered
from mem_alpha_jax.types import Episode, Question

SOURCE = 'memorybank'
_PUBLISHER = 'https://github.com/zhongwanjun/MemoryBank-SiliconFriend'
_BANK, _ASKED, _GOLDS = 'memory_bank_', 'probing_questions_', 'probing_answers_'
_Date = Annotated[str, pydantic.Field(pattern=r'^\d{4}-\d\d-\d\d$')]


class _Pair(rows.Row):
  query: str
  response: str


class _User(rows.Row):
  history: Annotated[dict[_Date, list[_Pair]], pydantic.Field(min_length=1)]


def load(path: pathlib.Path, turns: int = 0, words: int = 0) -> list[Episode]:
  """Reads a memory bank, an episode a user; a day is a session.

  Questions without a gold are left out, and users may be left without any.

  Raises:
    FileNotFoundError: it, or its file of questions, is not there.
    ValueError: one is not of MemoryBank, or is of users that another lacks.
  """
  users = {
    name.strip(): user
    for name, user in rows.whole(path, dict[str, _User], _PUBLISHER).items()
  }
  asked = _by_user(_beside(path, _ASKED), str)
  mine = _beside(path, _GOLDS)
  golds = _by_user(mine, str | None) if mine.is_file() else {}
  for name in {**asked, **golds}:
    if name not in users:
      raise ValueError(f'{path}: no user {name!r}, of whom questions are asked')
  for name, answers in golds.items():
    if len(answers) != len(asked.get(name, ())):
      raise ValueError(
        f'{mine}: {len(answers)} answers to the {len(asked.get(name, ()))} '
        f'questions of {name!r}'
      )
  left, found = collections.Counter(), []
  for uid, (name, user) in enumerate(users.items()):
    laid = sessions.lay_out([*_days(user, left)], turns, words)
    texts = asked.get(name, [])
    answers = golds.get(name) or [None] * len(texts)
    last = len(laid.chunks) - 1
    questions = tuple(
      Question(text.strip(), gold, SOURCE, last, last)
      for text, gold in zip(texts, answers, strict=True)
      if gold and gold.strip()
    )
    left['questions without a gold'] += len(texts) - len(questions)
    found.append(Episode(uid, SOURCE, laid.chunks, questions, laid.sizes))
  rows.report(str(path), f'{len(found)} users', left)
  return found


def _days(user: _User, left) -> Iterator[sessions.Session]:
  left['days put into order'] += list(user.history) != sorted(user.history)
  left['days without a chat'] += sum(not day for day in user.history.values())
  for date, pairs in sorted(user.history.items()):
    if not pairs:
      continue
    yield sessions.Session(
      sessions.heading(date),
      [
        sessions.said(role, text)
        for pair in pairs
        for role, text in (('user', pair.query), ('assistant', pair.response))
      ],
    )


def _beside(path: pathlib.Path, name: str) -> pathlib.Path:
  language = path.stem.removeprefix(_BANK)
  return path.with_name(f'{name}{language}.jsonl')


def _by_user(path: pathlib.Path, kind: Any) -> dict[str, list]:
  """Lists of a kind by user, of lines with a user each."""
  found = {}
  for _, row in rows.json_lines(path, dict[str, list[kind]], _PUBLISHER):
    found |= {user.strip(): several for user, several in row.items()}
  return found


def _episodes(config, split: str) -> list[Episode]:
  del split
  d = config.data
  paths = rows.files(d.root, SOURCE, f'{_BANK}*.json', _PUBLISHER)
  found = [e for path in paths for e in load(path, d.turns, d.turn_words)]
  if not any(episode.questions for episode in found):
    raise ValueError(
      f'{paths[0]}: its questions have no golds; write yours into '
      f'{_beside(paths[0], _GOLDS).name}, as data/memorybank.py says'
    )
  return numbered(found)


SOURCES = (
  Source(
    SOURCE,
    rule='contains',
    episodes=_episodes,
    splits=('test',),
    judged=True,
    held_out=('.json', load),
    chats=True,
  ),
)
