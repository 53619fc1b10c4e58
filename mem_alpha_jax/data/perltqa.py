"""PerLTQA: the long-term memory of made-up people (arXiv 2402.16288).

Files of github.com/Elvin-Yiming-Du/PerLTQA, Dataset/en_v2. A person is an
episode; a chunk is an event in brief and the dialogues about it. Gold are the
memory anchors of the answer that the chunk says, in place of the keywords
that Mem-alpha (arXiv 2509.25911) had a model choose.
"""

import collections
import html
import pathlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import pydantic

from mem_alpha_jax.data import content, rows
from mem_alpha_jax.data.source import Built, Request, Source
from mem_alpha_jax.types import Episode, Question

_PUBLISHER = 'github.com/Elvin-Yiming-Du/PerLTQA'
_ANCHOR_WORDS = 3  # at most
_LEAST, _MOST = 20, 100  # questions of an episode; one with fewer is left out
_CHUNKS = 30  # a person with more events is left out


class _Event(rows.Row):
  summary: str
  time: str = pydantic.Field(alias='Creation Time')


class _Dialogue(rows.Row):
  events: str  # the id of one
  contents: dict[str, list[str]]  # turns by time


class _Memory(rows.Row):
  events: dict[str, _Event]
  dialogues: dict[str, _Dialogue]


class _Row(rows.Row):
  text: str = pydantic.Field(alias='Question')
  anchors: list[dict[str, Any]] = pydantic.Field(alias='Memory Anchors')


class _Questions(rows.Row):
  """By events; of a dialogue '<event>#<number>'."""

  events: list[dict[str, list[_Row]]]
  dialogues: list[dict[str, list[_Row]]]


class Asked(NamedTuple):
  """A question about an event; `anchors` are what its answer rests on."""

  event: str
  text: str
  anchors: tuple[str, ...]


class Person(NamedTuple):
  """`events` are texts by id, in the order of the file."""

  name: str
  events: dict[str, str]
  questions: tuple[Asked, ...]


def load(root: str) -> list[Person]:
  """Reads the people in <root>/perltqa about whom there are questions.

  Questions about profiles and relations are left out: no event tells them.
  """
  folder, people = pathlib.Path(root, 'perltqa'), []
  path = folder / 'perltmem_en_v2.json'
  memory = rows.whole(path, dict[str, _Memory], _PUBLISHER)
  asked = folder / 'perltqa_en_v2.json'
  for entry in rows.whole(asked, list[dict[str, _Questions]], _PUBLISHER):
    for name, questions in entry.items():
      if name not in memory:
        raise ValueError(f'{path}: no person {name!r}, only in {asked.name}')
      events = _events(memory[name], f'{path}: {name}')
      people.append(Person(name, events, tuple(_asked(questions, events))))
  return people


def build(r: Request) -> list[Episode]:
  """One episode a person of the split (90/10 by name).

  Where none has _LEAST questions, those with fewer are taken.
  """
  return _build(r, _LEAST) or _build(r, 1)


def _build(r: Request, least: int) -> list[Episode]:
  rng = content.generator(r.seed, 'perltqa', r.split)
  every = load(r.root)
  names = content.keys_of((p.name for p in every), r.split)
  mine = [p for p in every if p.name in names]
  made, left = [], collections.Counter()
  for person in content.shuffled(mine, rng):
    asked = list(_questions(person))
    events = tuple(person.events.values())
    left['questions whose anchors no event says'] += len(
      person.questions
    ) - len(asked)
    left[f'people with fewer than {least} questions'] += len(asked) < least
    left[f'people with more than {_CHUNKS} events'] += len(events) > _CHUNKS
    if len(made) == r.most or len(asked) < least or len(events) > _CHUNKS:
      continue
    chosen = sorted(rng.permutation(len(asked))[:_MOST])
    asked = tuple(asked[i] for i in chosen)
    made.append(Episode(len(made), 'perltqa', events, asked))
  rows.report(f'perltqa {r.split}', f'{len(made)} episodes', left)
  return made


def _questions(person: Person) -> Iterator[Question]:
  order = list(person.events)
  for event, text, anchors in person.questions:
    said = f' {content.normalize(person.events[event])} '
    gold = [
      word
      for word in anchors
      if len(word.split()) <= _ANCHOR_WORDS
      and f' {content.normalize(word)} ' in said
    ]
    if answer := '; '.join(dict.fromkeys(gold)):
      first = order.index(event)
      yield Question(text, answer, 'perltqa', first, len(order) - 1)


def _events(memory: _Memory, where: str) -> dict[str, str]:
  """Texts by the event's id: when, what, and the dialogues about it."""
  texts = {
    key: [f'{event.time}: {event.summary}'.strip(': ')]
    for key, event in memory.events.items()
  }
  for dialogue in memory.dialogues.values():
    if dialogue.events not in texts:
      raise ValueError(f'{where}: a dialogue about no event, {dialogue.events}')
    for time, turns in dialogue.contents.items():
      texts[dialogue.events] += [f'Dialogue of {time}', *turns]
  return {key: '\n'.join(lines) for key, lines in texts.items()}


def _asked(questions: _Questions, events) -> Iterator[Asked]:
  for group in (*questions.events, *questions.dialogues):
    for key, found in group.items():
      event = key.partition('#')[0]
      for row in found if event in events else ():
        anchors = [html.unescape(word) for a in row.anchors for word in a]
        yield Asked(event, row.text.strip(), tuple(anchors))


SOURCES = (
  Source('perltqa', rule='keywords', built=Built(build, 2, 27, 4, 27)),
)
