"""MemAgent's questions about many documents, made of HotpotQA.

Yu et al. 2025, arXiv 2507.02259; BytedTsinghua-SIA/hotpotqa on Hugging Face.
A context is 'Document 1:\\n...\\n\\nDocument 2:\\n...': the paragraphs that a
question of HotpotQA needs among others, shuffled.

  eval_50.json ...        input, context, answers, num_docs, index
  hotpotqa_train.parquet  prompt [{role, content}], context, data_source,
                          reward_model {style, ground_truth},
                          extra_info {index, question, num_docs}

Files of more than 10,000 documents hold numbers of documents in place of the
context and cannot be read by themselves.
"""

import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mem_alpha_jax.data import passages
from mem_alpha_jax.data import rows as rows_lib
from mem_alpha_jax.types import Episode, Question

SOURCE = 'memagent'
_PUBLISHER = 'https://huggingface.co/datasets/BytedTsinghua-SIA/hotpotqa'
_COLUMNS = ('prompt', 'context', 'reward_model', 'extra_info')


def load(
  path: str | pathlib.Path, limit: int, count: Callable[[str], int]
) -> list[Episode]:
  """Reads a file, .json or .parquet, as one episode a question.

  The uid is the index that the question has in all files, so that contexts of
  several lengths can be compared. Nothing says where the evidence is: `first`
  and `last` are the last chunk.

  Args:
    path: the file.
    limit: tokens of a chunk at most; it has whole documents that fit.
    count: tokens of a text, by the tokenizer of the policy.

  Raises:
    FileNotFoundError: the file is not there.
    ValueError: another suffix, or a broken file; names row and field.
  """
  return list(episodes(path, limit, count))


def episodes(
  path: str | pathlib.Path, limit: int, count: Callable[[str], int]
) -> Iterator[Episode]:
  """As `load`, one by one: a file may have gigabytes."""
  suffix = pathlib.Path(path).suffix
  if suffix not in _READERS:
    raise ValueError(f'{path}: expected one of {list(_READERS)}')
  rows, parse = _READERS[suffix]
  for where, row in rows(path):
    uid, question, golds = parse(row, where)
    context = rows_lib.field(row, 'context', str, where)
    try:
      chunks = passages.pack(passages.documents(context), limit, count, '\n\n')
    except ValueError as error:
      raise ValueError(f'{where}: context: {error}') from error
    last, (answer, *others) = len(chunks) - 1, golds
    asked = Question(question, answer, SOURCE, last, last, others=tuple(others))
    yield Episode(uid, SOURCE, tuple(chunks), (asked,))


def _evaluation(
  row: Mapping[str, Any], where: str
) -> tuple[int, str, tuple[str, ...]]:
  """Index, question and golds of a row of an evaluation file."""
  uid = rows_lib.field(row, 'index', int, where)
  question = rows_lib.field(row, 'input', str, where)
  golds = rows_lib.field(row, 'answers', list, where)
  return uid, question, rows_lib.golds(golds, f'{where}: answers')


def _training(
  row: Mapping[str, Any], where: str
) -> tuple[int, str, tuple[str, ...]]:
  """Index, question and golds of a row of a training file."""
  extra = rows_lib.field(row, 'extra_info', dict, where)
  uid = rows_lib.field(extra, 'index', int, f'{where}: extra_info')
  prompt = rows_lib.objects(row['prompt'], f'{where}: prompt')
  if not prompt:
    raise ValueError(f'{where}: prompt: the list is empty')
  question = rows_lib.field(prompt[0], 'content', str, f'{where}: prompt[0]')
  model = rows_lib.field(row, 'reward_model', dict, where)
  where = f'{where}: reward_model'
  golds = rows_lib.field(model, 'ground_truth', None, where)
  return uid, question, rows_lib.golds(golds, f'{where}: ground_truth')


_READERS = {
  '.json': (lambda path: rows_lib.from_json(path, _PUBLISHER), _evaluation),
  '.parquet': (
    lambda path: rows_lib.from_parquet(path, _COLUMNS, _PUBLISHER),
    _training,
  ),
}
