"""MemoryAgentBench as published: one long context, many questions about it.

Hu et al. 2025, arXiv 2507.05257; ai-hyz/MemoryAgentBench on Hugging Face. A
parquet file for each ability. Training is compared with it: a context is one
chunk here, or one a chat. Runs read it as Mem-alpha cut it (parquet_sets.py).
"""

import ast
import pathlib
from typing import Annotated, Any

import pydantic

from mem_alpha_jax.data import longmemeval, parquet_sets, rows
from mem_alpha_jax.data.source import Source
from mem_alpha_jax.types import Episode, Question

_PUBLISHER = 'https://huggingface.co/datasets/ai-hyz/MemoryAgentBench'
# Its answers are ranked lists for Recall@5, not golds that are equally good.
_LEFT_OUT = 'recsys_redial_full'
_CHATS = 'longmemeval'  # begins the sources whose contexts are chats
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


def load(path: pathlib.Path) -> list[Episode]:
  """Reads a file as one episode a row; uids are the numbers of the rows.

  Questions come after everything. The type of a question is the source, for
  the longmemeval sources that of LongMemEval.
  """
  return [
    _episode(row, uid, where)
    for uid, (where, row) in enumerate(rows.parquet(path, _Row, _PUBLISHER))
    if row.metadata.source != _LEFT_OUT
  ]


def _episode(row: _Row, uid: int, where: str) -> Episode:
  source, texts = row.metadata.source, row.questions
  chunks, types = ['\n'.join(row.context.splitlines())], [source] * len(texts)
  if source.startswith(_CHATS):
    m = row.metadata
    chunks = list(_chats(row.context, f'{where}: context'))
    texts = map(longmemeval.dated, texts, m.question_dates)
    types = map(longmemeval.type_of, m.question_types, m.question_ids)
  last, asked = len(chunks) - 1, []
  for text, golds, kind in zip(texts, row.answers, types, strict=True):
    answer, *others = dict.fromkeys(golds)
    asked.append(Question(text, answer, kind, last, last, others=tuple(others)))
  return Episode(uid, source, tuple(chunks), tuple(asked))


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
    head = longmemeval.heading(time.removeprefix(_CHAT_TIME).strip())
    yield head + '\n'.join(map(longmemeval.line, turns))


def _processed(config, split: str) -> list[Episode]:
  """As Mem-alpha cut it."""
  folder = pathlib.Path(config.data.root, 'memoryagentbench')
  return parquet_sets.load(folder / f'{split}.parquet')


SOURCES = (
  Source(
    'memoryagentbench',
    rule='contains',  # an episode has the rule of its own source
    episodes=_processed,
    splits=('test',),
    held_out=('.parquet', load),
  ),
  Source('icl_*', rule='label', examples=True),
  Source('ruler_*', rule='contains'),
  Source('infbench_sum*', rule='comma_keywords'),
  Source('infbench_qa*', rule='contains'),
)
