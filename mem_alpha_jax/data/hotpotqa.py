"""HotpotQA: questions that take two articles of Wikipedia (arXiv 1809.09600).

An episode has the articles that hold the supporting facts of its questions
and no others, as in Mem-alpha (arXiv 2509.25911).
"""

import collections
import pathlib
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, NamedTuple

import pydantic

from mem_alpha_jax.data import chunking, content, rows
from mem_alpha_jax.data.source import Built, Request, Source
from mem_alpha_jax.types import Episode, Question

_SIZES = (100, 2048)  # tokens of a chunk
_TOKENS = 10_000  # of the articles of an episode, about
_LEAST, _MOST = 10, 100  # questions of an episode; one with fewer is left out
_CHUNKS = 20  # of an episode at most; one with more is left out
_Loose = pydantic.Strict(False)  # JSON has lists for tuples


class _Row(rows.Row):
  question: str
  answer: str
  supporting_facts: list[Annotated[tuple[str, Any], _Loose]]
  context: list[Annotated[tuple[str, list[str]], _Loose]]


class Item(NamedTuple):
  """A question, and title and text of the articles that it takes."""

  question: str
  answer: str
  articles: tuple[tuple[str, str], ...]


def load(root: str) -> Iterator[Item]:
  """Reads <root>/hotpotqa/hotpot_train_v1.1.json."""
  path = pathlib.Path(root, 'hotpotqa', 'hotpot_train_v1.1.json')
  for where, row in rows.stream(path, _Row, 'https://hotpotqa.github.io'):
    texts = {title: ''.join(parts).strip() for title, parts in row.context}
    titles = dict.fromkeys(title for title, _ in row.supporting_facts)
    articles = tuple((title, texts.get(title)) for title in titles)
    if not articles or not all(text for _, text in articles):
      raise ValueError(
        f'{where}: a supporting article of {[*titles]} is missing or empty'
      )
    yield Item(row.question.strip(), row.answer.strip(), articles)


def build(r: Request) -> list[Episode]:
  """Questions of a split in random order, grouped until their articles fill
  an episode.

  A question is in a split (90/10) by its text; training leaves out those that
  share an article with validation. By the articles alone nearly all of
  validation were lost: both must be in its tenth. Where no episode would have
  _LEAST questions, those with fewer are taken.
  """
  return _build(r, _LEAST) or _build(r, 1)


def _split(items: Sequence[Item], split: str) -> list[Item]:
  chosen = content.keys_of((item.question for item in items), 'validation')
  held_out = [item for item in items if item.question in chosen]
  if split == 'validation':
    return held_out
  titles = {title for item in held_out for title, _ in item.articles}
  return [
    item for item in items if titles.isdisjoint(t for t, _ in item.articles)
  ]


def _build(r: Request, least: int) -> list[Episode]:
  rng = content.generator(r.seed, 'hotpotqa', r.split)
  every = list(load(r.root))
  mine, left = _split(every, r.split), collections.Counter()
  held_out = len(_split(every, 'validation'))
  if r.split == 'train':
    shared = len(every) - held_out - len(mine)
    left['questions that share an article with validation'] = shared
  order = iter(content.shuffled(mine, rng))
  made = []
  while len(made) < r.most:
    group, articles = _group(order, r.count)
    if not group:
      break
    sizes = chunking.targets(rng, *_SIZES)
    placed = list(chunking.place(articles.values(), sizes, r.count, '\n'))
    if len(group) < least or len(placed) > _CHUNKS:
      many = len(placed) > _CHUNKS
      why = f'more than {_CHUNKS} chunks' if many else f'fewer than {least}'
      left[f'questions in groups of {why}'] += len(group)
      continue
    titles, where = list(articles), collections.defaultdict(list)
    for t, chunk in enumerate(placed):
      for k, _ in chunk:
        where[titles[k]].append(t)
    asked = tuple(_question(item, where, len(placed) - 1) for item in group)
    texts = chunking.converse(map(chunking.text, placed), rng)
    made.append(Episode(len(made), 'hotpotqa', texts, asked))
  rows.report(f'hotpotqa {r.split}', f'{len(made)} episodes', left)
  return made


def _group(order: Iterator[Item], count):
  """The next questions, and their articles by title, each once."""
  group, articles, used = [], {}, 0
  for item in order:
    group.append(item)
    for title, text in item.articles:
      if title not in articles:
        articles[title] = f'{title}: {text}'
        used += count(articles[title])
    if used >= _TOKENS or len(group) == _MOST:
      break
  return group, articles


def _question(item, where, last) -> Question:
  told = tuple(sorted({t for title, _ in item.articles for t in where[title]}))
  return Question(
    item.question, item.answer, 'hotpotqa', told[-1], last, evidence=told
  )


SOURCES = (
  Source('hotpotqa', rule='substring', built=Built(build, 1, 1966, 219, 100)),
)
