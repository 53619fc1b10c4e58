"""PrefEval: what a user likes, and questions whose best answer respects it.

Zhao et al. 2025, arXiv 2502.09597; the folder benchmark_dataset of
https://github.com/amazon-science/PrefEval, of which mcq_options/<topic>.json
is read: a preference, a question and four choices a row, the first of which
is right. Its conversations, thousands of turns of other people, are not at
hand: an episode is a user with one preference of each topic here, and each
question has to find its own among them. The choices are shuffled by topic and
row, the same in every run.
"""

import collections
from typing import Annotated, NamedTuple

import pydantic

from mem_alpha_jax.data import content, errata, rows, sessions
from mem_alpha_jax.data.source import Source
from mem_alpha_jax.reading import choices
from mem_alpha_jax.types import ERRATUM, Episode, Question

SOURCE = 'prefeval'
_PUBLISHER = 'https://github.com/amazon-science/PrefEval'
_Text = Annotated[str, pydantic.Field(pattern=r'\S')]


class _Row(rows.Row):
  preference: _Text
  question: _Text
  classification_task_options: Annotated[
    list[_Text], pydantic.Field(min_length=2, max_length=len(choices.LETTERS))
  ]


class Stated(NamedTuple):
  """A preference, and a question about it."""

  preference: str
  question: str  # with its choices
  letter: str  # of the right one
  kind: str  # its topic, marked if the gold is wrong


def load(root: str) -> list[Episode]:
  """Reads <root>/prefeval/mcq_options: user i has row i of every topic.

  Raises:
    FileNotFoundError: there is no topic.
    ValueError: a row is not of PrefEval (names file, row and field).
  """
  paths = rows.files(root, f'{SOURCE}/mcq_options', '*.json', _PUBLISHER)
  users, left = collections.defaultdict(list), collections.Counter()
  seen = set()
  for path in paths:
    for i, (_, row) in enumerate(rows.stream(path, _Row, _PUBLISHER)):
      key = content.digest(f'{row.preference}\n{row.question}')
      offered = row.classification_task_options
      if key in seen:
        left['questions that come again'] += 1
      elif offered.count(offered[0]) > 1:
        left['questions whose right choice comes again'] += 1
      else:
        users[i].append(_stated(row, path.stem, i))
        left[errata.MARKED] += users[i][-1].kind.endswith(ERRATUM)
      seen.add(key)
  found = [_episode(uid, users[i]) for uid, i in enumerate(sorted(users))]
  asked = sum(len(episode.questions) for episode in found)
  rows.report(str(paths[0].parent), f'{asked} questions', left)
  return found


def _stated(row: _Row, topic: str, index: int) -> Stated:
  rng = content.generator(0, SOURCE, topic, index)
  right, *others = row.classification_task_options
  offered = content.shuffled([right, *others], rng)
  letter = choices.LETTERS[offered.index(right)]
  text = choices.question(row.question, offered)
  kind = errata.marked(SOURCE, f'{topic}/{index}', right, topic)
  return Stated(row.preference.strip(), text, letter, kind)


def _episode(uid: int, stated: list[Stated]) -> Episode:
  order = content.shuffled(stated, content.generator(0, SOURCE, uid))
  last = len(order) - 1
  asked = tuple(
    Question(s.question, s.letter, s.kind, t, last) for t, s in enumerate(order)
  )
  chunks = tuple(sessions.said('user', s.preference) for s in order)
  return Episode(uid, SOURCE, chunks, asked)


SOURCES = (
  Source(
    SOURCE,
    rule='choice',
    episodes=lambda config, split: load(config.data.root),
    splits=('test',),
  ),
)
