"""MemoryAgentBench as published: one long context, many questions about it.

Hu et al. 2025, arXiv 2507.05257; ai-hyz/MemoryAgentBench on Hugging Face. A
parquet file for each ability, or the same columns as JSON. Questions of rows
with one context, as the two of each size of FactConsolidation, are asked of one
memory. Training is compared with these files: a context is one chunk then, or
one a chat. Runs read test.parquet as Mem-alpha cut it (parquet_sets.py); where
it is not there a chunk is data.turns lines of a context.
"""

import ast
import collections
import pathlib
from typing import Annotated, Any

import pydantic

from mem_alpha_jax.data import (
  chunking,
  longmemeval,
  parquet_sets,
  rows,
  sessions,
)
from mem_alpha_jax.data.source import Source, numbered
from mem_alpha_jax.types import Episode, Question

_PUBLISHER = 'https://huggingface.co/datasets/ai-hyz/MemoryAgentBench'
# Its answers are ranked lists for Recall@5, not golds that are equally good.
_LEFT_OUT = 'recsys_redial_full'
_CHATS = 'longmemeval'  # begins the sources whose contexts are chats
_SUFFIXES = '.parquet', '.json'
_CHAT_TIME = 'Chat Time:'


class _Metadata(rows.Row):
  """Lists have an item a question, and are there of chats alone."""

  source: str
  question_types: list[longmemeval.Type] | None = None
  question_ids: rows.Texts | None = None
  question_dates: rows.Texts | None = None


class _Row(rows.Row):
  context: Annotated[str, pydantic.Field(pattern=r'\S')]
  questions: rows.Texts
  answers: list[rows.Golds]
  metadata: _Metadata

  @pydantic.model_validator(mode='after')
  def _counts(self):
    lists = {'answers': self.answers}
    if self.metadata.source.startswith(_CHATS):
      names = 'question_types', 'question_ids', 'question_dates'
      lists |= {name: getattr(self.metadata, name) or () for name in names}
    for name, found in lists.items():
      if len(found) != len(self.questions):
        raise ValueError(
          f'{name}: {len(found)} of {len(self.questions)} questions'
        )
    return self


def load(path: pathlib.Path, size: int = 0) -> list[Episode]:
  """Reads a file as one episode a context; uids number the first rows.

  Questions come after everything. The type of a question is the source, for
  the longmemeval sources that of LongMemEval.

  Args:
    path: of a parquet or JSON file.
    size: lines of a chunk; 0: all of a context.
  """
  read = rows.stream if path.suffix == '.json' else rows.parquet
  found: dict[str, Episode] = {}
  left = collections.Counter()
  for uid, (where, row) in enumerate(read(path, _Row, _PUBLISHER)):
    if row.metadata.source == _LEFT_OUT:
      left[f'rows of {_LEFT_OUT}, which are ranked'] += 1
    elif row.context in found:
      first = found[row.context]
      asked = _questions(row, len(first.chunks) - 1)
      found[row.context] = first._replace(questions=first.questions + asked)
      left['rows whose context is an earlier one'] += 1
    else:
      found[row.context] = _episode(row, uid, where, size)
  rows.report(str(path), f'{len(found)} contexts', left)
  return [*found.values()]


def _episode(row: _Row, uid: int, where: str, size: int) -> Episode:
  if row.metadata.source.startswith(_CHATS):
    chunks = tuple(_chats(row.context, f'{where}: context'))
  else:
    lines = chunking.groups(row.context.splitlines(), size)
    chunks = tuple(c for c in map('\n'.join, lines) if c.strip())
  asked = _questions(row, len(chunks) - 1)
  return Episode(uid, row.metadata.source, chunks, asked)


def _questions(row: _Row, last: int) -> tuple[Question, ...]:
  m, texts = row.metadata, row.questions
  types = [m.source] * len(texts)
  if m.source.startswith(_CHATS):
    texts = map(longmemeval.dated, texts, m.question_dates)
    types = map(longmemeval.type_of, m.question_types, m.question_ids)
  return tuple(
    Question(text, answer, kind, last, last, others=tuple(others))
    for text, golds, kind in zip(texts, row.answers, types, strict=True)
    for answer, *others in [dict.fromkeys(golds)]
  )


def _chats(context: str, where: str):
  """Chunks of a Python list in text: 'Chat Time: <date>', turns, by turns."""
  try:
    items = ast.literal_eval(context)
  except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
    raise ValueError(f'{where}: no list of chats ({error})') from error
  items = rows.check(list[Any], items, where)
  if not items or len(items) % 2:
    raise ValueError(f'{where}: {len(items)} items, expected times and chats')
  for i in range(0, len(items), 2):
    time = rows.check(str, items[i], f'{where}[{i}]')
    place = f'{where}[{i + 1}]'
    turns = rows.check(list[longmemeval.Turn], items[i + 1], place)
    head = sessions.heading(time.removeprefix(_CHAT_TIME).strip())
    yield '\n'.join((head, *map(longmemeval.line, turns)))


def _episodes(config, split: str) -> list[Episode]:
  """As Mem-alpha cut it, else the published files."""
  folder = pathlib.Path(config.data.root, 'memoryagentbench')
  path = folder / f'{split}.parquet'
  files = [f for f in sorted(folder.glob('*')) if f.suffix in _SUFFIXES]
  if path.is_file() or not files:
    return parquet_sets.load(path)
  found = (e for file in files for e in load(file, config.data.turns))
  return numbered(found)


SOURCES = (
  Source(
    'memoryagentbench',
    rule='contains',  # an episode has the rule of its own source
    episodes=_episodes,
    splits=('test',),
    held_out=('.parquet', load),
  ),
  Source('icl_*', rule='label', examples=True),
  Source('ruler_*', rule='contains'),
  Source('factconsolidation*', rule='contains'),
  Source('eventqa*', rule='contains'),
  Source('infbench_sum*', rule='comma_keywords'),
  Source('infbench_qa*', rule='contains'),
)
