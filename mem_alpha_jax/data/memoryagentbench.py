"""MemoryAgentBench as published: one long context, many questions about it.

Hu et al. 2025, arXiv 2507.05257; https://huggingface.co/datasets/ai-hyz/
MemoryAgentBench. A parquet file a split, with `context`, `questions`,
`answers` (a list of golds for each question) and `metadata`, of which `source`
and `question_types` are read. Needs the extra 'paper' (pyarrow).
"""

import itertools
import pathlib
from collections.abc import Iterator

from mem_alpha_jax.data import chunking, parquet_files
from mem_alpha_jax.types import UNANSWERABLE, Episode, Question

COLUMNS = {
  'context': 'string',
  'questions': 'list',
  'answers': 'list',
  'metadata': 'struct',
}


def load(
  path: str | pathlib.Path, limit: int, count: chunking.Count
) -> Iterator[Episode]:
  """Reads the episodes of a file; chunks end at sentence or line ends.

  All questions are asked after the last chunk. The uid is the row.

  Args:
    path: of the parquet file.
    limit: tokens of a chunk.
    count: tokens of a text.

  Raises:
    FileNotFoundError: there is no such file.
    ValueError: file or row are not as published; names both and the column.
  """
  uids = itertools.count()
  make = lambda row: _episode(row, next(uids), limit, count)
  return parquet_files.items(path, COLUMNS, make)


def _episode(row: dict, uid: int, limit: int, count) -> Episode:
  for name in COLUMNS:
    if not row[name]:
      raise ValueError(f'{name} is empty')
  source = row['metadata'].get('source')
  if not source:
    raise ValueError('metadata has no source')
  questions, answers = row['questions'], row['answers']
  if len(questions) != len(answers):
    raise ValueError(
      f'there are {len(questions)} questions and {len(answers)} answers'
    )
  pieces = chunking.sentences(row['context'])
  chunks = tuple(chunking.pack(pieces, limit, count))
  end = len(chunks) - 1
  kinds = row['metadata'].get('question_types') or [source] * len(questions)
  ids = row['metadata'].get('question_ids') or [''] * len(questions)
  if not len(kinds) == len(ids) == len(questions):
    raise ValueError(
      f'metadata: question_types or question_ids are not {len(questions)}'
    )
  asked = []
  for i, (text, golds) in enumerate(zip(questions, answers, strict=True)):
    if not text or not golds or None in golds:
      raise ValueError(f'question {i} has no text or no answer')
    kind, golds = kinds[i], list(dict.fromkeys(golds))
    if ids[i].endswith(UNANSWERABLE):  # those of LongMemEval
      kind, golds = kind + UNANSWERABLE, ['']
    asked.append(
      Question(text, golds[0], kind, end, end, others=tuple(golds[1:]))
    )
  return Episode(uid, source, chunks, tuple(asked))
