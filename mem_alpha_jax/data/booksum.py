"""BookSum: chapters of books to be summarised (arXiv 2105.08209).

Files as in the cleaned edition, huggingface.co/datasets/ubaada/
booksum-complete-cleaned: one JSON object a line. Mem-alpha grades a summary
by keywords that a model chose from the gold summary (arXiv 2509.25911); they
are read from a file beside, if there is one.
"""

import collections
import datetime
import pathlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from mem_alpha_jax.data import chunking, content, rows
from mem_alpha_jax.data.source import Built, Request, Source
from mem_alpha_jax.text import english
from mem_alpha_jax.types import Episode, Question

_LIMIT = 2048  # tokens of a chunk, of whole sentences
_CHUNKS = (5, 20)  # of an episode; other chapters are left out
_DAYS = (1, 4)  # from one chunk to the next, the second not reached


class _Summary(rows.Row):
  text: str


class _Named(rows.Row):
  book_title: str
  chapter_id: Any

  @property
  def key(self) -> tuple[str, str]:
    return self.book_title.strip(), str(self.chapter_id)


class _Chapter(_Named):
  text: str
  summary: list[_Summary] | None  # of which the first counts


class _Keywords(_Named):
  keywords: str  # 'Ada; a lamp; the sea'


class Chapter(NamedTuple):
  """`keywords` are separated by ';', '' if there are none."""

  book: str
  text: str
  summary: str
  keywords: str


def load(root: str) -> list[Chapter]:
  """Reads <root>/booksum/chapters/train.jsonl and booksum/keywords.jsonl.

  The second may be missing; chapters without a summary are left out.
  """
  folder = pathlib.Path(root, 'booksum')
  extra, keywords = folder / 'keywords.jsonl', {}
  if extra.is_file():
    keywords = {row.key: row.keywords for row in _rows(extra, _Keywords)}
  path, chapters, missing = folder / 'chapters' / 'train.jsonl', [], 0
  for row in _rows(path, _Chapter):
    summary = row.summary[0].text.strip() if row.summary else ''
    missing += not summary
    if summary:
      words = keywords.get(row.key, '')
      chapters.append(Chapter(row.key[0], row.text.strip(), summary, words))
  left = {'chapters without a summary': missing}
  rows.report(str(path), f'{len(chapters)} chapters', left)
  return chapters


def _rows(path: pathlib.Path, kind: type[_Named]) -> Iterator[Any]:
  found = rows.json_lines(path, kind, 'huggingface.co/datasets/ubaada')
  return (row for _, row in found)


def build(r: Request) -> list[Episode]:
  """Chapters of a split, in random order: each an episode with one question.

  A book is in a split (90/10) by its title. The question's type is 'booksum'
  if its gold is keywords, 'booksum_summary' if it is the summary itself.
  """
  rng = content.generator(r.seed, 'booksum', r.split)
  every = load(r.root)
  books = content.keys_of((c.book for c in every), r.split)
  mine = [c for c in every if c.book in books]
  made, left = [], collections.Counter()
  for chapter in content.shuffled(mine, rng):
    if len(made) == r.most:
      break
    parts = chunking.pack(english.sentences(chapter.text), _LIMIT, r.count)
    if not _CHUNKS[0] <= len(parts) <= _CHUNKS[1]:
      few = len(parts) < _CHUNKS[0]
      left[f'chapters that are too {"short" if few else "long"}'] += 1
      continue
    days = rng.integers(*_DAYS, size=len(parts)).cumsum() - 1
    dates = [chunking.DAY_ONE + datetime.timedelta(int(d)) for d in days]
    texts = map(chunking.read_aloud, parts, dates)
    asked = _question(chapter, dates[0], dates[-1], len(parts) - 1)
    made.append(Episode(len(made), 'booksum', tuple(texts), (asked,)))
  rows.report(f'booksum {r.split}', f'{len(made)} episodes', left)
  return made


def _question(chapter, start, end, last) -> Question:
  text = f'Summarize what the user read in the book from {start} to {end}.'
  if chapter.keywords:
    return Question(text, chapter.keywords, 'booksum', last, last)
  return Question(text, chapter.summary, 'booksum_summary', last, last)


SOURCES = (
  Source(
    'booksum',
    rule='comma_keywords',
    rules={'booksum_summary': 'rouge_l'},
    built=Built(build, 7, 1387, 155, 100),
  ),
)
