"""Parquet files of Mem-alpha and of the MemoryAgentBench it processed.

Mem-alpha (arXiv 2509.25911); on Hugging Face YuWangX/Memalpha and
YuWangX/Memalpha-Memoryagentbench. A row is an instance:

  instance_id            int64   number of the row within the split
  prompt                 string  task description; only baselines read it
  chunks                 string  JSON list of texts
  questions_and_answers  string  JSON list of {question, answer}; an answer is
                                 a text or a list of equally good ones
  data_source            string  squad, booksum, ruler_qa1_197K, ...
  metadata               string  JSON object
  num_chunks             int64
  num_questions          int64

Questions come after everything. What `write` has to keep and this schema has
no place for goes into the metadata: `question_types`, one a question,
`question_spans`, lists [first, last, asked], and `session_chunks`, counts.
"""

import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from mem_alpha_jax.data import rows as rows_lib
from mem_alpha_jax.system import files
from mem_alpha_jax.types import Episode, Question

COLUMNS = {
  'instance_id': 'int64',
  'prompt': 'string',
  'chunks': 'string',
  'questions_and_answers': 'string',
  'data_source': 'string',
  'metadata': 'string',
  'num_chunks': 'int64',
  'num_questions': 'int64',
}
_PUBLISHER = 'https://huggingface.co/datasets/YuWangX/Memalpha'


def load(path: str | pathlib.Path) -> list[Episode]:
  """Reads the instances of a file in its order.

  The type of a question is its entry of metadata.question_types, else
  metadata.sub_source, else the source.

  Raises:
    FileNotFoundError: the file is not there.
    ValueError: no parquet file, a missing column, or a malformed row; names
      file, row and column.
  """
  rows = rows_lib.from_parquet(path, list(COLUMNS), _PUBLISHER)
  return [_episode(row, where) for where, row in rows]


def write(
  path: str | pathlib.Path,
  episodes: Sequence[Episode],
  prompt: str = '',
  group: int = 100,
) -> None:
  """Writes episodes so that `load` gives them back equal; all or nothing.

  Args:
    path: of the file; replaced if it is there.
    episodes: what to write; uid and source become instance_id, data_source.
    prompt: task description of all rows.
    group: rows of a row group.

  Raises:
    ValueError: an episode has no chunk or no question, or there is none.
  """
  arrow, parquet = rows_lib.pyarrow()
  path = pathlib.Path(path)
  rows = [
    _row(episode, prompt, f'{path}: {episode.uid}') for episode in episodes
  ]
  if not rows:
    raise ValueError(f'{path}: no episode to write')
  schema = arrow.schema([(n, getattr(arrow, t)()) for n, t in COLUMNS.items()])
  with files.replacing(path) as part:
    table = arrow.Table.from_pylist(rows, schema=schema)
    parquet.write_table(table, part, row_group_size=group)


def _episode(row: Mapping[str, Any], where: str) -> Episode:
  uid = rows_lib.field(row, 'instance_id', int, where)
  source = rows_lib.field(row, 'data_source', str, where)
  rows_lib.field(row, 'prompt', str, where)
  chunks = rows_lib.texts(_json(row, 'chunks', where), f'{where}: chunks')
  column = f'{where}: questions_and_answers'
  pairs = rows_lib.objects(_json(row, 'questions_and_answers', where), column)
  if not pairs:
    raise ValueError(f'{column}: the list is empty')
  for name, found in (('num_chunks', chunks), ('num_questions', pairs)):
    if (stated := rows_lib.field(row, name, int, where)) != len(found):
      raise ValueError(f'{where}: {name}: {stated}, but there are {len(found)}')
  column, place = f'{where}: metadata', f'{column}[%d]'
  metadata = rows_lib.checked(_json(row, 'metadata', where), dict, column)
  types = _types(metadata, source, len(pairs), column)
  spans = _spans(metadata, len(chunks), len(pairs), column)
  sessions = _sessions(metadata, len(chunks), column)
  questions = []
  for i, pair in enumerate(pairs):
    text = rows_lib.field(pair, 'question', str, place % i)
    golds = rows_lib.field(pair, 'answer', None, place % i)
    answer, *others = rows_lib.golds(golds, f'{place % i}: answer')
    questions.append(
      Question(text, answer, types[i], *spans[i], others=tuple(others))
    )
  return Episode(uid, source, tuple(chunks), tuple(questions), sessions)


def _types(metadata, source, count, where):
  found = metadata.get('question_types')
  if found is None:
    finer = metadata.get('sub_source')
    return [finer if isinstance(finer, str) and finer else source] * count
  where = f'{where}: question_types'
  found = rows_lib.texts(found, where)
  if len(found) != count:
    raise ValueError(f'{where}: {len(found)} types of {count} questions')
  return found


def _spans(metadata, chunks, count, where):
  found = metadata.get('question_spans')
  if found is None:
    return [(chunks - 1, chunks - 1)] * count
  where = f'{where}: question_spans'
  if len(rows_lib.checked(found, list, where)) != count:
    raise ValueError(f'{where}: {len(found)} spans of {count} questions')
  for i, span in enumerate(found):
    match span:
      case [int(first), int(last), bool()] if 0 <= first <= last < chunks:
        continue
    raise ValueError(
      f'{where}[{i}]: expected [first, last, asked] with first <= last < '
      f'{chunks}, got {span!r}'
    )
  return found


def _sessions(metadata, chunks, where):
  found = metadata.get('session_chunks', [])
  where = f'{where}: session_chunks'
  counts = rows_lib.checked(found, list, where)
  whole = all(isinstance(n, int) and n > 0 for n in counts)
  if counts and (not whole or sum(counts) != chunks):
    raise ValueError(
      f'{where}: expected counts that add up to {chunks}, got {counts}'
    )
  return tuple(counts)


def _json(row: Mapping[str, Any], name: str, where: str) -> Any:
  text = rows_lib.field(row, name, str, where)
  try:
    return json.loads(text)
  except json.JSONDecodeError as error:
    raise ValueError(f'{where}: {name}: no JSON ({error})') from error


def _row(episode: Episode, prompt: str, where: str) -> dict[str, Any]:
  chunks, questions = list(episode.chunks), episode.questions
  if not chunks or not questions:
    raise ValueError(
      f'{where}: {len(chunks)} chunks and {len(questions)} questions; an '
      'episode needs both'
    )
  pairs = [
    {
      'question': q.text,
      'answer': [q.answer, *q.others] if q.others else q.answer,
    }
    for q in questions
  ]
  metadata = {}
  if any(q.type != episode.source for q in questions):
    metadata['question_types'] = [q.type for q in questions]
  spans = [[q.first, q.last, q.asked] for q in questions]
  if any(span != [len(chunks) - 1, len(chunks) - 1, True] for span in spans):
    metadata['question_spans'] = spans
  if episode.sessions:
    metadata['session_chunks'] = list(episode.sessions)
  return {
    'instance_id': episode.uid,
    'prompt': prompt,
    'chunks': json.dumps(chunks),
    'questions_and_answers': json.dumps(pairs),
    'data_source': episode.source,
    'metadata': json.dumps(metadata),
    'num_chunks': len(chunks),
    'num_questions': len(pairs),
  }
