"""Parquet files of Mem-alpha and of the MemoryAgentBench it processed.

Mem-alpha (arXiv 2509.25911); on Hugging Face YuWangX/Memalpha and
YuWangX/Memalpha-Memoryagentbench. A row is an instance, whose questions come
after everything; three of its columns are JSON.
"""

import collections
import pathlib

import pydantic

from mem_alpha_jax.data import content, rows
from mem_alpha_jax.data.source import Source
from mem_alpha_jax.types import Episode, Question

_PUBLISHER = 'https://huggingface.co/datasets/YuWangX/Memalpha'

_FOLDER = 'memalpha'


class _Pair(rows.Row):
  question: str
  answer: rows.Golds


class _Metadata(rows.Row):
  sub_source: str | None = None


class _Instance(rows.Row):
  instance_id: int  # number of the row within the split
  chunks: pydantic.Json[rows.Texts]
  questions_and_answers: pydantic.Json[list[_Pair]]
  data_source: str  # squad, booksum, ruler_qa1_197K, ...
  metadata: pydantic.Json[_Metadata]
  num_chunks: int
  num_questions: int

  @pydantic.model_validator(mode='after')
  def _counts(self):
    stated = self.num_chunks, self.num_questions
    found = len(self.chunks), len(self.questions_and_answers)
    if stated != found or not found[1]:
      raise ValueError(
        f'num_chunks, num_questions: {stated}, but there are {found}'
      )
    return self


def load(path: pathlib.Path) -> list[Episode]:
  """Reads the instances of a file in its order.

  The type of a question is metadata.sub_source, else the source.
  """
  return [_episode(r) for _, r in rows.parquet(path, _Instance, _PUBLISHER)]


def _episode(row: _Instance) -> Episode:
  last, kind = len(row.chunks) - 1, row.metadata.sub_source or row.data_source
  asked = tuple(
    Question(q.question, answer, kind, last, last, others=tuple(others))
    for q in row.questions_and_answers
    for answer, *others in [q.answer]
  )
  return Episode(row.instance_id, row.data_source, tuple(row.chunks), asked)


def _check(config) -> None:
  folder = pathlib.Path(config.data.root, _FOLDER)
  for name in ('train', 'test'):
    rows.present(folder / f'{name}.parquet', _PUBLISHER)


def _released(config, split: str) -> list[Episode]:
  """Part of the train file is validation.

  The released files share questions and passages between training and test.
  With data.clean training leaves out what validation, test.parquet and the
  MemoryAgentBench files beside it hold (`leakage.find`).
  """
  root = pathlib.Path(config.data.root)
  path = root / _FOLDER / 'test.parquet'
  if split == 'test':
    return load(path)
  every = load(root / _FOLDER / 'train.parquet')
  firsts = content.keys_of((e.chunks[0] for e in every), split)
  mine = [episode for episode in every if episode.chunks[0] in firsts]
  if split == 'validation' or not config.data.clean:
    return mine
  from mem_alpha_jax.data import leakage  # which knows all sources

  others = [e for e in every if e.chunks[0] not in firsts]
  held_out = {'validation': others}
  for file in (path, root / 'memoryagentbench' / 'test.parquet'):
    if file.is_file():
      held_out[str(file)] = load(file)
  overlaps = leakage.find(mine, held_out)
  kept = leakage.without(mine, overlaps)
  left = collections.Counter(
    f'left out for a {o.kind} of {o.source} in {o.held_out}' for o in overlaps
  )
  rows.report('memalpha train', f'{len(kept)} of {len(mine)} episodes', left)
  if not kept:
    raise ValueError(
      'data.source=memalpha: every train episode shares text with what is held '
      'out; use another test file, or data.clean=False'
    )
  return kept


SOURCES = (
  Source(
    'memalpha',
    rule='contains',  # an episode has the rule of its own source
    episodes=_released,
    check=_check,
    held_out=('.parquet', load),
  ),
  Source('pubmed-rct', rule='label'),
  Source('ttl_train', rule='label'),
  Source('trec*', rule='label'),
  Source('clinc150*', rule='label'),
)
