"""Passages with questions about them, as streams: SQuAD and HotpotQA.

  squad     Rajpurkar et al. 2016 (arXiv 1606.05250): squad/train-v1.1.json or
            -v2.0.json
  hotpotqa  Yang et al. 2018 (arXiv 1809.09600): hotpotqa/hotpot_train_v1.1.json

An instance is built as Mem-alpha's training data is (arXiv 2509.25911): whole
passages in the order of the file fill chunks of random size, each chunk is a
dated exchange, and short questions about the passages follow the last one.
"""

import pathlib
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from mem_alpha_jax.data import chunking, content, json_files
from mem_alpha_jax.types import Episode, Question


class Asked(NamedTuple):
  """A question and its golds, the first of which is the answer."""

  text: str
  golds: tuple[str, ...]


class Passage(NamedTuple):
  """Text, its questions, and what decides its split."""

  text: str
  questions: tuple[Asked, ...]
  key: str


class Shape(NamedTuple):
  """How large an instance is (Mem-alpha, appendix B).

  Attributes:
    chunks: of an instance.
    low: smallest chunk that is aimed at, tokens.
    high: largest, tokens; a longer passage is split.
    questions: most of an instance.
    fewest: questions; an instance with fewer is left out.
    answer_words: longest gold.
  """

  chunks: int = 10
  low: int = 100
  high: int = 2048
  questions: int = 100
  fewest: int = 30
  answer_words: int = 4


def load(root: str, name: str) -> list[Passage]:
  """Reads the passages of a set, in the order of the file.

  Raises:
    FileNotFoundError: none of the set's files is there.
    ValueError: for an unknown set or a file that is not as published.
  """
  if name not in FILES:
    raise ValueError(f'no set of passages {name!r}; use one of {list(FILES)}')
  files, read = FILES[name]
  paths = [pathlib.Path(root, name, file) for file in files]
  path = next((path for path in paths if path.exists()), None)
  if path is None:
    raise FileNotFoundError(
      f'data.root={root!r}: no file {paths[0]}; download {name} there'
    )
  return list(read(path))


def episodes(
  passages: Iterable[Passage],
  name: str,
  split: str,
  shape: Shape,
  seed: int,
  count: chunking.Count,
  keep: Callable[[Asked], bool] = lambda question: True,
) -> Iterator[Episode]:
  """Instances of a split, from its own passages alone.

  Args:
    passages: of the whole set; which split one is in is decided by its key.
    name: source of the episodes.
    split: train, validation or test.
    shape: of an instance.
    seed: of sizes, wrapping and the choice of questions.
    count: tokens of a text, by the policy's tokenizer.
    keep: questions that may be asked; Mem-alpha leaves out those that a
      large model answers without the text.
  """
  order = list(content.SPLITS).index(split)
  mine = [p for p in passages if content.split_of(p.key) == split]
  uid = start = 0
  while start < len(mine):
    rng = np.random.default_rng((seed, order, uid))
    contents, asked, start = _fill(mine, start, shape, rng, count, keep)
    chosen = sorted(rng.permutation(len(asked))[: shape.questions])
    if len(contents) == shape.chunks and len(chosen) >= shape.fewest:
      end = len(contents) - 1
      questions = tuple(
        Question(q.text, q.golds[0], name, t, end, others=q.golds[1:])
        for t, q in (asked[i] for i in chosen)
      )
      chunks = chunking.stream(contents, rng)
      yield Episode(uid, name, chunks, questions)
    uid += 1


def _fill(passages, start, shape: Shape, rng, count, keep):
  """Contents of the next chunks, (chunk, question) pairs, and what is next."""
  limits = chunking.random_limits(rng, shape.low, shape.high)
  contents, asked, current, limit = [], [], '', next(limits)
  for i in range(start, len(passages)):
    parts = chunking.pack([passages[i].text], shape.high, count)
    for part in parts:
      longer = f'{current}\n\n{part}' if current else part
      if current and count(longer) > limit:
        contents.append(current)
        current, limit = part, next(limits)
        if len(contents) == shape.chunks:
          # This passage begins the next instance, unless it alone filled it.
          return contents, asked, max(i, start + 1)
      else:
        current = longer
    asked += [
      (len(contents), q)
      for q in passages[i].questions
      if _short(q, shape) and keep(q)
    ]
  contents += [current] if current else []
  return contents, asked, len(passages)


def _short(question: Asked, shape: Shape) -> bool:
  return len(question.golds[0].split()) <= shape.answer_words


def _squad(path: pathlib.Path) -> Iterator[Passage]:
  data = json_files.want(json_files.read(path), dict, str(path))
  for i, article in enumerate(data.get('data', [])):
    try:
      for paragraph in article['paragraphs']:
        text = json_files.want(paragraph['context'], str, 'context').strip()
        yield Passage(text, tuple(_squad_questions(paragraph)), text)
    except (KeyError, TypeError, ValueError) as error:
      raise ValueError(f'{path}: article {i}: {error!r}') from None
  if not data.get('data'):
    raise ValueError(f"{path}: no 'data'; get train-v1.1.json again")


def _squad_questions(paragraph) -> Iterator[Asked]:
  for qa in paragraph['qas']:
    golds = dict.fromkeys(answer['text'] for answer in qa['answers'])
    if golds:  # version 2.0 has questions without an answer
      yield Asked(qa['question'].strip(), tuple(golds))


def _hotpotqa(path: pathlib.Path) -> Iterator[Passage]:
  """The articles that support a question, and no others.

  An article belongs to the split of its title: a question whose articles are
  in several splits would carry text from one to the other, and is left out.
  """

  def make(index: int, item: dict) -> Passage | None:
    del index
    articles = dict(item['context'])
    titles = list(dict.fromkeys(title for title, _ in item['supporting_facts']))
    texts = [f'{title}\n{"".join(articles[title]).strip()}' for title in titles]
    asked = Asked(item['question'], (item['answer'],))
    if len({content.split_of(title) for title in titles}) > 1:
      return None
    return Passage('\n\n'.join(texts), (asked,), titles[0])

  found = json_files.items(path, make, 'question of HotpotQA')
  yield from (passage for passage in found if passage)


FILES = {
  'squad': (('train-v1.1.json', 'train-v2.0.json'), _squad),
  'hotpotqa': (('hotpot_train_v1.1.json',), _hotpotqa),
}
