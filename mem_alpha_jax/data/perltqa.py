"""PerLTQA: the long-term memory of made-up people (arXiv 2402.16288).

Files of github.com/Elvin-Yiming-Du/PerLTQA, Dataset/en_v2. A person is an
episode; a chunk is an event in brief and the dialogues about it. Gold are the
memory anchors of the answer that the chunk says, in place of the keywords
that Mem-alpha (arXiv 2509.25911) had a model choose.
"""

import html
import json
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from mem_alpha_jax.data import content
from mem_alpha_jax.data.source import Source
from mem_alpha_jax.types import Episode, Question

_MEMORY, _QUESTIONS = 'perltmem_en_v2.json', 'perltqa_en_v2.json'
_ANCHOR_WORDS = 3  # at most


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

  Raises:
    FileNotFoundError: one of the two files is not there.
    ValueError: a file is not PerLTQA; the person is named.
  """
  folder = pathlib.Path(root) / 'perltqa'
  memory, asked = (_json(folder / name) for name in (_MEMORY, _QUESTIONS))
  people, name = [], '(the file)'
  try:
    for entry in asked:
      for name, questions in entry.items():
        events = _events(memory[name])
        people.append(Person(name, events, tuple(_asked(questions, events))))
  except (AttributeError, KeyError, TypeError, ValueError) as error:
    raise ValueError(f'{folder}: {name}: not PerLTQA ({error!r})') from error
  return people


def episodes(
  people: Sequence[Person],
  split: str,
  seed: int,
  *,
  most: int,
  keep: Callable[[str, str], bool] = lambda question, answer: True,
  least: int = 20,
  questions: int = 100,
  chunks: int = 30,
  uid0: int = 0,
) -> list[Episode]:
  """One episode a person of the split (90/10 by name).

  Args:
    people: all of them; the split is taken here.
    split: 'train' or 'validation'.
    seed: of the order and the choice of questions.
    most: episodes at most.
    keep: of question and answer, whether the question is asked.
    least: a person with fewer questions is left out.
    questions: of an episode at most.
    chunks: a person with more events is left out.
    uid0: uid of the first episode.
  """
  rng = content.generator(seed, 'perltqa', split)
  mine = [p for p in people if content.belongs(p.name, split)]
  made = []
  for k in rng.permutation(len(mine)):
    asked = list(_questions(mine[k], keep))
    events = tuple(mine[k].events.values())
    if len(made) == most or len(asked) < least or len(events) > chunks:
      continue
    chosen = sorted(rng.permutation(len(asked))[:questions])
    asked = tuple(asked[i] for i in chosen)
    made.append(Episode(uid0 + len(made), 'perltqa', events, asked))
  return made


def _questions(person: Person, keep) -> Iterator[Question]:
  order = list(person.events)
  for event, text, anchors in person.questions:
    said = f' {content.normalize(person.events[event])} '
    gold = [
      word
      for word in anchors
      if len(word.split()) <= _ANCHOR_WORDS
      and f' {content.normalize(word)} ' in said
    ]
    answer = '; '.join(dict.fromkeys(gold))
    if answer and keep(text, answer):
      first = order.index(event)
      yield Question(text, answer, 'perltqa', first, len(order) - 1)


def _events(memory) -> dict[str, str]:
  """Texts by the event's id: when, what, and the dialogues about it."""
  texts = {
    key: [f'{event["Creation Time"]}: {event["summary"]}'.strip(': ')]
    for key, event in memory['events'].items()
  }
  for dialogue in memory['dialogues'].values():
    for time, turns in dialogue['contents'].items():
      texts[dialogue['events']] += [f'Dialogue of {time}', *turns]
  return {key: '\n'.join(lines) for key, lines in texts.items()}


def _asked(questions, events) -> Iterator[Asked]:
  for group in (*questions['events'], *questions['dialogues']):
    for key, rows in group.items():
      event = key.partition('#')[0]  # a dialogue is '<event>#<number>'
      for row in rows if event in events else ():
        anchors = [html.unescape(w) for a in row['Memory Anchors'] for w in a]
        yield Asked(event, row['Question'].strip(), tuple(anchors))


def _json(path: pathlib.Path):
  if not path.is_file():
    raise FileNotFoundError(
      f'perltqa: no file {path}; get Dataset/en_v2 of PerLTQA or set data.root'
    )
  try:
    return json.loads(path.read_text(encoding='utf-8'))
  except ValueError as error:
    raise ValueError(f'{path}: no JSON ({error})') from error


SOURCES = (Source('perltqa', rule='keywords'),)
