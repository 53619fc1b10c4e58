"""Parquet files of Memalpha and of the processed MemoryAgentBench.

One row an instance; lists and dicts are JSON texts. The columns are those of
the files that Mem-alpha (arXiv 2509.25911) released. Needs the extra 'paper'
(pyarrow).
"""

import json
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from mem_alpha_jax.data import json_files, parquet_files
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


class Instance(NamedTuple):
  """One row: the episode, and what only some systems use.

  Attributes:
    episode: its uid is the instance_id, its source the data_source; all
      questions are asked after the last chunk.
    prompt: task description, which the reference shows to baselines alone.
    metadata: what else the builder left.
  """

  episode: Episode
  prompt: str
  metadata: Mapping[str, Any]


def load(path: str | pathlib.Path) -> Iterator[Instance]:
  """Reads the instances of a file, a few rows at a time.

  Raises:
    FileNotFoundError: there is no such file.
    ValueError: it is no parquet file, a column is missing or of another type,
      or a row is malformed; names file, row (from 0) and column.
  """
  return parquet_files.items(path, COLUMNS, _instance)


def write(path: str | pathlib.Path, instances: Sequence[Instance]) -> None:
  """Writes a file of the same columns, which `load` reads back equal.

  Types and spans of questions are not in this format: a question comes back
  with the source as its type and as asked after the last chunk.
  """
  parquet_files.write(path, COLUMNS, map(_row, instances))


def _instance(row: dict[str, Any]) -> Instance:
  for name in COLUMNS:
    if row[name] is None and name not in ('prompt', 'metadata'):
      raise ValueError(f'{name} is null')
  chunks = _json(row, 'chunks', list)
  if not chunks:
    raise ValueError('chunks is an empty list')
  for i, chunk in enumerate(chunks):
    json_files.want(chunk, str, f'chunks[{i}]')
  pairs = _json(row, 'questions_and_answers', list)
  for name, held in (('num_chunks', chunks), ('num_questions', pairs)):
    if row[name] != len(held):
      raise ValueError(f'{name} is {row[name]}, and there are {len(held)}')
  source, end = row['data_source'], len(chunks) - 1
  questions = tuple(
    _question(pair, f'questions_and_answers[{i}]', source, end)
    for i, pair in enumerate(pairs)
  )
  episode = Episode(row['instance_id'], source, tuple(chunks), questions)
  metadata = _json(row, 'metadata', dict) if row['metadata'] else {}
  return Instance(episode, row['prompt'] or '', metadata)


def _json(row: dict, name: str, kind: type) -> Any:
  try:
    value = json.loads(row[name])
  except ValueError as error:
    raise ValueError(f'{name} is not JSON ({error})') from None
  return json_files.want(value, kind, name)


def _question(pair: Any, where: str, source: str, end: int) -> Question:
  json_files.want(pair, dict, where)
  for name in ('question', 'answer'):
    if name not in pair:
      raise ValueError(f'{where} has no {name!r}')
  text = json_files.want(pair['question'], str, f'{where}.question')
  answer = json_files.want(pair['answer'], (str, list), f'{where}.answer')
  golds = [answer] if isinstance(answer, str) else answer
  if not golds:
    raise ValueError(f'{where}.answer is an empty list')
  for gold in golds:
    json_files.want(gold, str, f'{where}.answer')
  return Question(text, golds[0], source, end, end, others=tuple(golds[1:]))


def _row(instance: Instance) -> dict[str, Any]:
  episode = instance.episode
  pairs = [
    {
      'question': q.text,
      'answer': [q.answer, *q.others] if q.others else q.answer,
    }
    for q in episode.questions
  ]
  text = lambda value: json.dumps(value, ensure_ascii=False)
  return {
    'instance_id': episode.uid,
    'prompt': instance.prompt,
    'chunks': text(list(episode.chunks)),
    'questions_and_answers': text(pairs),
    'data_source': episode.source,
    'metadata': text(dict(instance.metadata)),
    'num_chunks': len(episode.chunks),
    'num_questions': len(pairs),
  }
