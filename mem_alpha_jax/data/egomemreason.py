"""EgoMemReason: a week of first-person video, here as captions of yours.

arXiv 2605.09874, https://huggingface.co/datasets/Ted412/EgoMemReason. In
<root>/egomemreason: annotations_public.jsonl as published, and captions.jsonl,
a line each: {"identity": "A1_JAKE", "time": "DAY1, 11:09:43", "text": "..."}.
A person is an episode, a session a day, cut where questions are asked: each
after the captions before its time. The public file has no answers; the program
experiments/egomemreason writes those of a method as its publisher wants them.
"""

import bisect
import collections
import pathlib
import re
from collections.abc import Sequence
from typing import Annotated, NamedTuple

import pydantic

from mem_alpha_jax.data import rows, sessions
from mem_alpha_jax.data.source import Source
from mem_alpha_jax.reading import choices
from mem_alpha_jax.types import Episode, Question

SOURCE = 'egomemreason'
_PUBLISHER = 'https://huggingface.co/datasets/Ted412/EgoMemReason'
_TIME = re.compile(r'DAY(\d+), (\d\d:\d\d:\d\d)')
_Time = Annotated[str, pydantic.Field(pattern=rf'^{_TIME.pattern}$')]


class _Asked(rows.Row):
  example_id: int
  identity: str
  query_time: _Time
  question: str
  options: Annotated[dict[str, str], pydantic.Field(min_length=2)]
  query_type: str
  correct_answer: str = ''  # not in the public file

  @pydantic.field_validator('options')
  @classmethod
  def _lettered(cls, value: dict[str, str]) -> dict[str, str]:
    if ''.join(sorted(value)) != choices.LETTERS[: len(value)]:
      raise ValueError(f'expected letters from A on, got {[*value]}')
    return value


class _Caption(rows.Row):
  identity: str
  time: _Time
  text: str


class Person(NamedTuple):
  """An episode, and the ids of its questions as published."""

  episode: Episode
  ids: tuple[int, ...]


def load(root: str, turns: int = 0, words: int = 0) -> list[Person]:
  """Reads all people who have captions.

  Raises:
    FileNotFoundError: one of the two files is not there.
    ValueError: a line is not as above (names file, line and field).
  """
  folder = pathlib.Path(root, SOURCE)
  path, mine = folder / 'annotations_public.jsonl', folder / 'captions.jsonl'
  seen = collections.defaultdict(list)
  for _, caption in rows.json_lines(mine, _Caption, 'its author'):
    seen[caption.identity].append(caption)
  left, asked = collections.Counter(), collections.defaultdict(list)
  for _, question in rows.json_lines(path, _Asked, _PUBLISHER):
    before = _moment(question.query_time)
    if any(_moment(c.time) <= before for c in seen[question.identity]):
      asked[question.identity].append(question)
    else:
      left['questions before any caption'] += 1
  found = [
    _person(uid, seen[name], asked[name], (turns, words))
    for uid, name in enumerate(sorted(asked))
  ]
  count = sum(len(person.ids) for person in found)
  rows.report(str(path), f'{len(found)} people, {count} questions', left)
  return found


def _moment(time: str) -> tuple[int, str]:
  day, hour = _TIME.fullmatch(time).groups()
  return int(day), hour


def _person(
  uid: int, captions: Sequence[_Caption], asked: Sequence[_Asked], size
) -> Person:
  captions = sorted(captions, key=lambda caption: _moment(caption.time))
  asked = sorted(asked, key=lambda question: _moment(question.query_time))
  moments = [_moment(caption.time) for caption in captions]
  ends = [bisect.bisect(moments, _moment(q.query_time)) for q in asked]
  days = {i for i in range(len(moments)) if moments[i][0] > moments[i - 1][0]}
  said = zip(moments, captions, strict=True)
  laid, last = sessions.cut(
    [f'{hour} {caption.text}' for (_, hour), caption in said],
    days.union(ends),
    lambda i: f'Day {moments[i][0]}',
    *size,
  )
  questions = tuple(
    Question(_text(q), q.correct_answer, q.query_type, last[end], last[end])
    for q, end in zip(asked, ends, strict=True)
  )
  episode = Episode(uid, SOURCE, laid.chunks, questions, laid.sizes)
  return Person(episode, tuple(question.example_id for question in asked))


def _text(question: _Asked) -> str:
  text = f'[{question.query_time}] {question.question}'
  return choices.question(
    text, [c for _, c in sorted(question.options.items())]
  )


def _episodes(config, split: str) -> list[Episode]:
  del split
  d = config.data
  found = [p.episode for p in load(d.root, d.turns, d.turn_words)]
  if not all(q.answer for episode in found for q in episode.questions):
    raise ValueError(
      f'data.source={SOURCE}: the public questions have no answers to score; '
      'python -m experiments.egomemreason.run writes those of a method'
    )
  return found


SOURCES = (Source(SOURCE, rule='choice', episodes=_episodes, splits=('test',)),)
