"""RealMem: one person's long projects with an assistant (arXiv 2601.06966).

Files <name>_dialogues_256k.json of https://github.com/zhiyuan5986/RealMemBench,
a person each. Some turns of the user are queries, which an assistant can only
answer well from earlier sessions: they are asked when those before their own
have been read, as published. Golds are the memories that the published reply
makes use of, of which the best one counts without a judge.
"""

import collections
import pathlib
from collections.abc import Iterator, Sequence
from typing import Annotated

import pydantic

from mem_alpha_jax.data import longmemeval, rows, sessions
from mem_alpha_jax.data.source import Source, numbered
from mem_alpha_jax.types import Episode, Question

SOURCE = 'realmem'
_PUBLISHER = 'https://github.com/zhiyuan5986/RealMemBench'


class _Memory(rows.Row):
  session_uuid: str
  content: str


class _Turn(rows.Row):
  speaker: str
  content: str
  is_query: bool = False
  category_name: str = 'query'
  memory_used: list[_Memory] = []  # of a reply


class _Session(rows.Row):
  session_uuid: str
  current_time: Annotated[str, pydantic.Field(pattern=r'^\d{4}-\d\d-\d\d\b')]
  dialogue_turns: list[_Turn]


class _Person(rows.Row):
  dialogues: Annotated[list[_Session], pydantic.Field(min_length=1)]


def load(path: pathlib.Path, turns: int = 0, words: int = 0) -> list[Episode]:
  """Reads a file as one episode; chunks as of `sessions.lay_out`.

  Raises:
    FileNotFoundError: it is not there.
    ValueError: it is not RealMem (names the field).
  """
  history = rows.whole(path, _Person, _PUBLISHER).dialogues
  day = lambda session: longmemeval.moment(session.current_time)
  ordered = sorted(history, key=day)
  laid = sessions.lay_out(
    [
      sessions.Session(
        sessions.heading(s.current_time),
        [sessions.said(t.speaker, t.content) for t in s.dialogue_turns],
      )
      for s in ordered
    ],
    turns,
    words,
  )
  left = collections.Counter()
  left['sessions put into order'] = sum(
    a is not b for a, b in zip(history, ordered, strict=True)
  )
  asked = tuple(_questions(ordered, laid, left))
  kept = f'{len(history)} sessions, {len(asked)} questions'
  rows.report(str(path), kept, left)
  return [Episode(0, SOURCE, laid.chunks, asked, laid.sizes)]


def _questions(
  history: Sequence[_Session], laid: sessions.Layout, left
) -> Iterator[Question]:
  """Queries with the memories of earlier sessions that their replies use."""
  place = {session.session_uuid: i for i, session in enumerate(history)}
  for i, session in enumerate(history):
    said = session.dialogue_turns
    for k, turn in enumerate(said):
      if not turn.is_query:
        continue
      rest = said[k + 1 :]
      replies = (t.memory_used for t in rest if t.speaker == 'Assistant')
      used = next(replies, [])
      known = [m for m in used if place.get(m.session_uuid, i) < i]
      left['memories of no earlier session'] += len(used) - len(known)
      golds = list(dict.fromkeys(m.content.strip() for m in known))
      if not golds:
        left['questions without a memory of an earlier session'] += 1
        continue
      places = sorted({place[m.session_uuid] for m in known})
      told = [t for n in places for t in laid.session(n)]
      yield Question(
        longmemeval.dated(turn.content.strip(), session.current_time),
        golds[0],
        turn.category_name.lower().replace(' ', '_'),
        told[-1],
        laid.read[i - 1][-1],
        others=tuple(golds[1:]),
        evidence=tuple(told),
      )


def _episodes(config, split: str) -> list[Episode]:
  del split
  d = config.data
  paths = rows.files(d.root, SOURCE, '*.json', _PUBLISHER)
  return numbered(
    e for path in paths for e in load(path, d.turns, d.turn_words)
  )


SOURCES = (
  Source(
    SOURCE,
    rule='f1',
    episodes=_episodes,
    splits=('test',),
    judged=True,
    held_out=('.json', load),
    chats=True,
  ),
)
