"""BookSum: chapters of books to be summarised (arXiv 2105.08209).

Files as in the cleaned edition, huggingface.co/datasets/ubaada/
booksum-complete-cleaned: one JSON object a line. Mem-alpha grades a summary
by keywords that a model chose from the gold summary (arXiv 2509.25911); they
are read from a file beside, if there is one.
"""

import datetime
import json
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from mem_alpha_jax.data import chunking, content
from mem_alpha_jax.data.source import Source
from mem_alpha_jax.types import Episode, Question

_LIMIT = 2048  # tokens of a chunk
_DAYS = (1, 4)  # from one chunk to the next, the second not reached


class Chapter(NamedTuple):
  """`keywords` are separated by ';', '' if there are none."""

  book: str
  id: str
  text: str
  summary: str
  keywords: str = ''


def load(root: str) -> list[Chapter]:
  """Reads <root>/booksum/chapters/train.jsonl and booksum/keywords.jsonl.

  A chapter is an object with book_title, chapter_id, text and summary, a list
  of objects with `text`, of which the first counts; chapters without one are
  left out. Keywords, which may be missing, are objects with book_title,
  chapter_id and keywords, 'Ada; a lamp; the sea'.

  Raises:
    FileNotFoundError: there is no file of chapters.
    ValueError: for a broken row (file:line).
  """
  folder = pathlib.Path(root) / 'booksum'
  path = folder / 'chapters' / 'train.jsonl'
  if not path.is_file():
    raise FileNotFoundError(
      f'booksum: no file {path}; get the chapters of BookSum or set data.root'
    )
  keywords = {}
  if (folder / 'keywords.jsonl').is_file():
    keywords = dict(_rows(folder / 'keywords.jsonl', _keywords))
  chapters = (c for c in _rows(path, _chapter) if c.summary)
  return [
    c._replace(keywords=keywords.get((c.book, c.id), '')) for c in chapters
  ]


def episodes(
  chapters: Sequence[Chapter],
  split: str,
  seed: int,
  *,
  count: Callable[[str], int],
  most: int,
  chunks: tuple[int, int] = (5, 20),
  uid0: int = 0,
) -> list[Episode]:
  """Chapters of a split, in random order: each an episode with one question.

  A book is in a split (90/10) by its title. The question's type is 'booksum'
  if its gold is keywords, 'booksum_summary' if it is the summary itself.

  Args:
    chapters: all of them; the split is taken here.
    split: 'train' or 'validation'.
    seed: of the order and of the days on which the book is read.
    count: tokens of a text.
    most: episodes at most.
    chunks: least and most chunks, of up to 2,048 tokens of whole sentences;
      other chapters are left out.
    uid0: uid of the first episode.
  """
  rng = content.generator(seed, 'booksum', split)
  mine = [c for c in chapters if content.belongs(c.book, split)]
  made = []
  for k in rng.permutation(len(mine)):
    if len(made) == most:
      break
    parts = chunking.pack(chunking.sentences(mine[k].text), _LIMIT, count)
    if not chunks[0] <= len(parts) <= chunks[1]:
      continue
    days = rng.integers(*_DAYS, size=len(parts)).cumsum() - 1
    dates = [chunking.DAY_ONE + datetime.timedelta(int(d)) for d in days]
    texts = map(chunking.read_aloud, parts, dates)
    asked = _question(mine[k], dates[0], dates[-1], len(parts) - 1)
    episode = Episode(uid0 + len(made), 'booksum', tuple(texts), (asked,))
    made.append(episode)
  return made


def _question(chapter, start, end, last) -> Question:
  text = f'Summarize what the user read in the book from {start} to {end}.'
  if chapter.keywords:
    return Question(text, chapter.keywords, 'booksum', last, last)
  return Question(text, chapter.summary, 'booksum_summary', last, last)


def _rows(path: pathlib.Path, parse: Callable[[Any], Any]) -> Iterator[Any]:
  with path.open(encoding='utf-8') as file:
    for i, line in enumerate(file, start=1):
      if not line.strip():
        continue
      try:
        yield parse(json.loads(line))
      except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f'{path}:{i}: not BookSum ({error!r})') from error


def _chapter(row) -> Chapter:
  summary = row['summary'][0]['text'].strip() if row['summary'] else ''
  title, text = row['book_title'].strip(), row['text'].strip()
  return Chapter(title, str(row['chapter_id']), text, summary)


def _keywords(row):
  return (row['book_title'].strip(), str(row['chapter_id'])), row['keywords']


SOURCES = (
  Source(
    'booksum', rule='comma_keywords', rules={'booksum_summary': 'rouge_l'}
  ),
)
