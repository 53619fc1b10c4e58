"""SQuAD: paragraphs of Wikipedia with questions (arXiv 1606.05250, 1806.03822).

An episode is ten chunks of paragraphs and the questions about them, as in
Mem-alpha (arXiv 2509.25911). Questions are not asked of a model beforehand:
`keep` may do that.
"""

import itertools
import json
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from mem_alpha_jax.data import chunking, content
from mem_alpha_jax.data.source import Source
from mem_alpha_jax.types import Episode, Question

_SIZES = (100, 2048)  # tokens of a chunk
_ANSWER_WORDS = 4  # at most


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
  folder = pathlib.Path(root) / 'squad'
  found = sorted(folder.glob('train-v*.json'))
  if len(found) != 1:
    raise FileNotFoundError(
      f'squad: {len(found)} files train-v*.json in {folder}, need one; get '
      'train-v1.1.json or train-v2.0.json of SQuAD or set data.root'
    )
  (path,) = found
  try:
    articles = json.loads(path.read_text(encoding='utf-8'))['data']
    unique = {content.digest(p.text): p for p in _paragraphs(articles)}
  except (KeyError, TypeError, ValueError) as error:
    raise ValueError(f'{path}: not a file of SQuAD ({error!r})') from error
  return list(unique.values())


def episodes(
  paragraphs: Sequence[Paragraph],
  split: str,
  seed: int,
  *,
  count: Callable[[str], int],
  most: int,
  keep: Callable[[str, str], bool] = lambda question, answer: True,
  chunks: int = 10,
  least: int = 30,
  questions: int = 100,
  uid0: int = 0,
) -> list[Episode]:
  """Articles of a split, in random order, packed into episodes.

  An article is in a split (90/10) by its title. The last episode may have
  fewer chunks.

  Args:
    paragraphs: all of them; the split is taken here.
    split: 'train' or 'validation'.
    seed: of the order, the sizes of the chunks and the choice of questions.
    count: tokens of a text.
    most: episodes at most.
    keep: of question and answer, whether the question is asked.
    chunks: chunks of an episode, each of 100 to 2,048 tokens.
    least: an episode with fewer questions is left out.
    questions: of an episode at most.
    uid0: uid of the first episode.
  """
  rng = content.generator(seed, 'squad', split)
  mine = [p for p in paragraphs if content.belongs(p.title, split)]
  articles = [list(g) for _, g in itertools.groupby(mine, lambda p: p.title)]
  order = [p for k in rng.permutation(len(articles)) for p in articles[k]]
  sizes = chunking.targets(rng, *_SIZES)
  placed = chunking.stream((p.text for p in order), sizes, count, '\n')
  made = []
  while len(made) < most and (group := list(itertools.islice(placed, chunks))):
    asked = list(_asked(order, group, keep))
    if len(asked) < least:
      continue
    chosen = sorted(rng.permutation(len(asked))[:questions])
    texts = [
      chunking.converse('\n'.join(text for _, text in chunk), rng, day)
      for day, chunk in enumerate(group)
    ]
    uid = uid0 + len(made)
    asked = tuple(asked[k] for k in chosen)
    made.append(Episode(uid, 'squad', tuple(texts), asked))
  return made


def _paragraphs(articles) -> Iterator[Paragraph]:
  for article in articles:
    for paragraph in article['paragraphs']:
      questions = []
      for qa in paragraph['qas']:
        golds = dict.fromkeys(a['text'].strip() for a in qa['answers'])
        if golds and not qa.get('is_impossible'):
          questions.append((qa['question'].strip(), tuple(golds)))
      text = ' '.join(paragraph['context'].split())
      yield Paragraph(article['title'], text, tuple(questions))


def _asked(order, group, keep) -> Iterator[Question]:
  """Questions of the paragraphs that a group of chunks has as a whole."""
  where = {index: t for t, chunk in enumerate(group) for index, _ in chunk}
  whole = ''.join(text for chunk in group for _, text in chunk)
  whole = ''.join(whole.split())
  for index, t in where.items():
    if ''.join(order[index].text.split()) not in whole:
      continue  # a part of it is in the episode before or after
    for text, (gold, *others) in order[index].questions:
      if len(gold.split()) <= _ANSWER_WORDS and keep(text, gold):
        last = len(group) - 1
        yield Question(text, gold, 'squad', t, last, others=tuple(others))


SOURCES = (Source('squad', rule='substring'),)
