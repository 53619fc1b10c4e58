"""SQuAD: paragraphs of Wikipedia with questions (arXiv 1606.05250, 1806.03822).

An episode is ten chunks of paragraphs and the questions about them, as in
Mem-alpha (arXiv 2509.25911), but that no model is asked them beforehand.
"""

import collections
import itertools
import pathlib
from collections.abc import Iterator
from typing import NamedTuple

from mem_alpha_jax.data import chunking, content, rows
from mem_alpha_jax.data.source import Built, Request, Source
from mem_alpha_jax.types import Episode, Question

_SIZES = (100, 2048)  # tokens of a chunk
_CHUNKS = 10  # of an episode; the last may have fewer
_LEAST, _MOST = 30, 100  # questions of an episode; one with fewer is left out
_ANSWER_WORDS = 4  # at most


class _Answer(rows.Row):
  text: str


class _Asked(rows.Row):
  question: str
  answers: list[_Answer]
  is_impossible: bool = False


class _Text(rows.Row):
  context: str
  qas: list[_Asked]


class _Article(rows.Row):
  title: str
  paragraphs: list[_Text]


class Paragraph(NamedTuple):
  """`questions` are pairs of text and answers, the first the gold."""

  title: str
  text: str
  questions: tuple[tuple[str, tuple[str, ...]], ...]


def load(root: str) -> list[Paragraph]:
  """Reads <root>/squad/train-v1.1.json or train-v2.0.json, whichever is there.

  Questions of version 2 without an answer are left out, and a paragraph that
  comes again.

  Raises:
    FileNotFoundError: there is none, or both.
    ValueError: the file is not SQuAD.
  """
  folder = pathlib.Path(root, 'squad')
  found = sorted(folder.glob('train-v*.json'))
  if len(found) != 1:
    raise FileNotFoundError(
      f'squad: {len(found)} files train-v*.json in {folder}, need one; get '
      'train-v1.1.json or train-v2.0.json of SQuAD or set data.root'
    )
  articles = rows.stream(found[0], _Article, 'SQuAD', 'data.item')
  left = collections.Counter()
  every = [p for _, a in articles for p in _paragraphs(a, left)]
  unique = list({content.digest(p.text): p for p in every}.values())
  left['paragraphs that come again'] = len(every) - len(unique)
  rows.report(str(found[0]), f'{len(unique)} paragraphs', left)
  return unique


def build(r: Request) -> list[Episode]:
  """Articles of a split, in random order, packed into episodes.

  An article is in a split (90/10) by its title. Where no episode would have
  _LEAST questions, those with fewer are taken.
  """
  return _build(r, _LEAST) or _build(r, 1)


def _build(r: Request, least: int) -> list[Episode]:
  rng = content.generator(r.seed, 'squad', r.split)
  every = load(r.root)
  titles = content.keys_of((p.title for p in every), r.split)
  mine = [p for p in every if p.title in titles]
  articles = [list(g) for _, g in itertools.groupby(mine, lambda p: p.title)]
  order = [p for article in content.shuffled(articles, rng) for p in article]
  sizes = chunking.targets(rng, *_SIZES)
  placed = chunking.place((p.text for p in order), sizes, r.count, '\n')
  made, left = [], collections.Counter()
  while len(made) < r.most and (group := [*itertools.islice(placed, _CHUNKS)]):
    asked = list(_asked(order, group, left))
    if len(asked) < least:
      left[f'questions in groups of fewer than {least}'] += len(asked)
      continue
    chosen = sorted(rng.permutation(len(asked))[:_MOST])
    left[f'questions above {_MOST} of an episode'] += len(asked) - len(chosen)
    texts = chunking.converse(map(chunking.text, group), rng)
    asked = tuple(asked[k] for k in chosen)
    made.append(Episode(len(made), 'squad', texts, asked))
  rows.report(f'squad {r.split}', f'{len(made)} episodes', left)
  return made


def _paragraphs(article: _Article, left) -> Iterator[Paragraph]:
  for paragraph in article.paragraphs:
    questions = []
    for qa in paragraph.qas:
      golds = dict.fromkeys(answer.text.strip() for answer in qa.answers)
      if not golds or qa.is_impossible:
        left['questions without an answer'] += 1
      else:
        questions.append((qa.question.strip(), tuple(golds)))
    text = ' '.join(paragraph.context.split())
    yield Paragraph(article.title, text, tuple(questions))


def _asked(order, group, left) -> Iterator[Question]:
  """Questions of the paragraphs that a group of chunks has as a whole."""
  where = collections.defaultdict(list)  # chunks of each paragraph
  for t, chunk in enumerate(group):
    for index, _ in chunk:
      where[index].append(t)
  whole = ''.join(text for chunk in group for _, text in chunk)
  whole = ''.join(whole.split())
  for index, told in where.items():
    if ''.join(order[index].text.split()) not in whole:
      # A part of it is in the episode before or after.
      left['questions of split paragraphs'] += len(order[index].questions)
      continue
    for text, (gold, *others) in order[index].questions:
      if len(gold.split()) <= _ANSWER_WORDS:
        span = told[-1], len(group) - 1
        yield Question(
          text, gold, 'squad', *span, others=tuple(others), evidence=(*told,)
        )
      else:
        left[f'answers of more than {_ANSWER_WORDS} words'] += 1


SOURCES = (
  Source('squad', rule='substring', built=Built(build, 0, 264, 30, 100)),
)
