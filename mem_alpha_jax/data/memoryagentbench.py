"""MemoryAgentBench as published: one long context, many questions about it.

Hu et al. 2025, arXiv 2507.05257; ai-hyz/MemoryAgentBench on Hugging Face. A
parquet file for each ability (Accurate_Retrieval, Test_Time_Learning,
Long_Range_Understanding, Conflict_Resolution) with the columns

  context    text; of the longmemeval sources a Python list in text, 'Chat
             Time: <date>' and turns {role, content, has_answer} by turns
  questions  texts
  answers    a list of golds for each question
  metadata   source; of the longmemeval sources also question_types,
             question_ids and question_dates, one a question

The flags has_answer mark the evidence and are never shown. Two fields are not
used: `demo`, examples for the prompt, and `keypoints`, which a judge of
summaries reads.
"""

import ast
import pathlib
from collections.abc import Callable, Collection, Mapping
from typing import Any

from mem_alpha_jax.data import longmemeval, passages
from mem_alpha_jax.data import rows as rows_lib
from mem_alpha_jax.data.source import Source
from mem_alpha_jax.types import Episode, Question

# Its answers are ranked lists for Recall@5, not golds that are equally good.
LEFT_OUT = ('recsys_redial_full',)
_PUBLISHER = 'https://huggingface.co/datasets/ai-hyz/MemoryAgentBench'
_COLUMNS = ('context', 'questions', 'answers', 'metadata')
_CHATS = 'longmemeval'
_CHAT_TIME = 'Chat Time:'
# Beginning of a source -> pieces that are not split if they fit a chunk, and
# what stands between them; of others lines.
_PIECES = {
  'ruler_qa': (passages.documents, '\n\n'),
  'icl_': (passages.examples, '\n'),
}


def load(
  path: str | pathlib.Path,
  limit: int,
  count: Callable[[str], int],
  sources: Collection[str] = (),
) -> list[Episode]:
  """Reads a file as one episode a row; uids are the numbers of the rows.

  Questions come after everything. The type of a question is the source, for
  the longmemeval sources that of LongMemEval.

  Args:
    path: the file.
    limit: tokens of a chunk at most; Mem-alpha took 1,024 for test-time
      learning, else 2,048.
    count: tokens of a text, by the tokenizer of the policy.
    sources: values of metadata.source to read; without any all but LEFT_OUT.

  Raises:
    FileNotFoundError: the file is not there.
    ValueError: a source of LEFT_OUT is wanted or a wanted one is not there; a
      broken file, names row and column.
  """
  wanted = set(sources)
  if wrong := sorted(wanted.intersection(LEFT_OUT)):
    raise ValueError(f'{wrong} cannot be read: the answers are ranked lists')
  episodes, seen = [], set()
  rows = rows_lib.from_parquet(path, _COLUMNS, _PUBLISHER)
  for uid, (where, row) in enumerate(rows):
    metadata = rows_lib.field(row, 'metadata', dict, where)
    source = rows_lib.field(metadata, 'source', str, f'{where}: metadata')
    seen.add(source)
    if source not in LEFT_OUT and (not wanted or source in wanted):
      episodes.append(_episode(row, uid, source, limit, count, where))
  if missing := sorted(wanted - seen):
    raise ValueError(f'{path}: no source {missing}, only {sorted(seen)}')
  return episodes


def _episode(row, uid, source, limit, count, where) -> Episode:
  context = rows_lib.field(row, 'context', str, where)
  questions = rows_lib.texts(row['questions'], f'{where}: questions')
  answers = rows_lib.checked(row['answers'], list, f'{where}: answers')
  if len(questions) != len(answers):
    raise ValueError(
      f'{where}: {len(questions)} questions and {len(answers)} answers'
    )
  types = [source] * len(questions)
  try:
    if source.startswith(_CHATS):
      chunks = _chat_chunks(context, limit, count)
      questions, types = _of_chats(row['metadata'], questions)
    else:
      chunks = _text_chunks(context, source, limit, count)
  except ValueError as error:
    raise ValueError(f'{where}: {error}') from error
  last, asked = len(chunks) - 1, []
  for i, (text, golds, kind) in enumerate(
    zip(questions, answers, types, strict=True)
  ):
    golds = rows_lib.golds(golds, f'{where}: answers[{i}]')
    answer, *others = dict.fromkeys(golds)
    asked.append(Question(text, answer, kind, last, last, others=tuple(others)))
  return Episode(uid, source, tuple(chunks), tuple(asked))


def _text_chunks(context, source, limit, count) -> list[str]:
  pieces, separator = str.splitlines, '\n'
  for prefix, found in _PIECES.items():
    if source.startswith(prefix):
      pieces, separator = found
  try:
    chunks = passages.pack(pieces(context), limit, count, separator)
  except ValueError as error:
    raise ValueError(f'context: {error}') from error
  if not chunks:
    raise ValueError('context: the text is empty')
  return chunks


def _chat_chunks(context, limit, count) -> list[str]:
  try:
    items = ast.literal_eval(context)
  except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
    raise ValueError(f'context: no list of chats ({error})') from error
  if not rows_lib.checked(items, list, 'context') or len(items) % 2:
    raise ValueError(f'context: {len(items)} items, expected times and chats')
  chunks = []
  for i in range(0, len(items), 2):
    time = rows_lib.checked(items[i], str, f'context[{i}]')
    date = time.removeprefix(_CHAT_TIME).strip()
    turns = longmemeval.turns_of(items[i + 1], f'context[{i + 1}]')
    chunks += longmemeval.session_chunks(date, turns, limit, count)[0]
  return chunks


def _of_chats(
  metadata: Mapping[str, Any], questions: list[str]
) -> tuple[list[str], list[str]]:
  """Questions with their dates, and their types."""
  columns = []
  for name in ('question_types', 'question_ids', 'question_dates'):
    place = f'metadata: {name}'
    values = rows_lib.texts(metadata.get(name), place)
    if len(values) != len(questions):
      raise ValueError(f'{place}: {len(values)} of {len(questions)} questions')
    columns.append(values)
  kinds, ids, dates = columns
  types = [
    longmemeval.type_of(kind, key, f'metadata: question_types[{i}]')
    for i, (kind, key) in enumerate(zip(kinds, ids, strict=True))
  ]
  texts = map(longmemeval.dated, questions, dates)
  return list(texts), types


SOURCES = (
  Source('icl_*', rule='label'),
  Source('ruler_*', rule='contains'),
  Source('infbench_sum*', rule='comma_keywords'),
  Source('infbench_qa*', rule='contains'),
)
