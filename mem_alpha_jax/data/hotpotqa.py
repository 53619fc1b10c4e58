"""HotpotQA: questions that take two articles of Wikipedia (arXiv 1809.09600).

An episode has the articles that hold the supporting facts of its questions
and no others, as in Mem-alpha (arXiv 2509.25911).
"""

import json
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from mem_alpha_jax.data import chunking, content
from mem_alpha_jax.data.source import Source
from mem_alpha_jax.types import Episode, Question

_SIZES = (100, 2048)  # tokens of a chunk


class Item(NamedTuple):
  """A question, and title and text of the articles that it takes."""

  question: str
  answer: str
  articles: tuple[tuple[str, str], ...]


def load(root: str) -> list[Item]:
  """Reads <root>/hotpotqa/hotpot_train_v1.1.json.

  Raises:
    FileNotFoundError: it is not there.
    ValueError: it is not HotpotQA; the row is named.
  """
  path = pathlib.Path(root) / 'hotpotqa' / 'hotpot_train_v1.1.json'
  if not path.is_file():
    raise FileNotFoundError(
      f'hotpotqa: no file {path}; get the training set of HotpotQA or set '
      'data.root'
    )
  try:
    rows = list(json.loads(path.read_text(encoding='utf-8')))
  except (TypeError, ValueError) as error:
    raise ValueError(f'{path}: no JSON list ({error})') from error
  return [_item(row, f'{path}: [{i}]') for i, row in enumerate(rows)]


def episodes(
  items: Sequence[Item],
  split: str,
  seed: int,
  *,
  count: Callable[[str], int],
  most: int,
  keep: Callable[[str, str], bool] = lambda question, answer: True,
  tokens: int = 10_000,
  least: int = 10,
  questions: int = 100,
  chunks: int = 20,
  uid0: int = 0,
) -> list[Episode]:
  """Questions of a split in random order, grouped until their articles fill
  an episode.

  An article is in a split (90/10) by its title; questions whose articles are
  in both are left out.

  Args:
    items: all of them; the split is taken here.
    split: 'train' or 'validation'.
    seed: of the order and the sizes of the chunks.
    count: tokens of a text.
    most: episodes at most.
    keep: of question and answer, whether the question is asked.
    tokens: of the articles of an episode, about.
    least: an episode with fewer questions is left out.
    questions: of an episode at most.
    chunks: of an episode at most, each of 100 to 2,048 tokens; one with more
      is left out.
    uid0: uid of the first episode.
  """
  rng = content.generator(seed, 'hotpotqa', split)
  mine = [
    item
    for item in items
    if all(content.belongs(title, split) for title, _ in item.articles)
    and keep(item.question, item.answer)
  ]
  order = (mine[k] for k in rng.permutation(len(mine)))
  made = []
  while len(made) < most:
    group, articles = _group(order, count, tokens, questions)
    if not group:
      break
    sizes = chunking.targets(rng, *_SIZES)
    placed = chunking.place(articles.values(), sizes, count, '\n')
    if len(group) < least or len(placed) > chunks:
      continue
    titles = list(articles)
    where = {titles[k]: t for t, chunk in enumerate(placed) for k, _ in chunk}
    asked = tuple(_question(item, where, len(placed) - 1) for item in group)
    texts = [
      chunking.converse('\n'.join(text for _, text in chunk), rng, day)
      for day, chunk in enumerate(placed)
    ]
    made.append(Episode(uid0 + len(made), 'hotpotqa', tuple(texts), asked))
  return made


def _group(order: Iterator[Item], count, tokens, most):
  """The next questions, and their articles by title, each once."""
  group, articles, used = [], {}, 0
  for item in order:
    group.append(item)
    for title, text in item.articles:
      if title not in articles:
        articles[title] = f'{title}: {text}'
        used += count(articles[title])
    if used >= tokens or len(group) == most:
      break
  return group, articles


def _question(item, where, last) -> Question:
  first = max(where[title] for title, _ in item.articles)
  return Question(item.question, item.answer, 'hotpotqa', first, last)


def _item(row, where: str) -> Item:
  try:
    texts = {title: ''.join(parts).strip() for title, parts in row['context']}
    titles = dict.fromkeys(title for title, _ in row['supporting_facts'])
    articles = tuple((title, texts[title]) for title in titles)
    item = Item(row['question'].strip(), row['answer'].strip(), articles)
  except (AttributeError, KeyError, TypeError, ValueError) as error:
    raise ValueError(f'{where}: not HotpotQA ({error!r})') from error
  if not articles or not all(text for _, text in articles):
    raise ValueError(f'{where}: a supporting article is missing or empty')
  return item


SOURCES = (Source('hotpotqa', rule='substring'),)
