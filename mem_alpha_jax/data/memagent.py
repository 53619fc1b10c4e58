"""MemAgent's evaluation files: HotpotQA questions among many documents.

Yu et al. 2025, arXiv 2507.02259; https://huggingface.co/datasets/
BytedTsinghua-SIA/hotpotqa. A JSON file is a list of items with `input` (the
question), `context` (documents, each headed 'Document <n>:'), `answers`,
`num_docs` and `index`.
"""

import pathlib
import re
from collections.abc import Iterator

from mem_alpha_jax.data import chunking, json_files
from mem_alpha_jax.types import Episode, Question

SOURCE = 'memagent'
_DOCUMENT = re.compile(r'(?m)^(?=Document \d+:)')


def load(
  path: str | pathlib.Path, limit: int, count: chunking.Count
) -> Iterator[Episode]:
  """Reads the episodes of a file; chunks end where documents end.

  Args:
    path: of the JSON file.
    limit: tokens of a chunk; a longer document is split at its words.
    count: tokens of a text.

  Raises:
    FileNotFoundError: there is no such file.
    ValueError: the file or an item is not as published; names both.
  """

  def make(index: int, item: dict) -> Episode:
    text = json_files.want(item['context'], str, 'context')
    documents = [d.strip() for d in _DOCUMENT.split(text) if d.strip()]
    if 'num_docs' in item and item['num_docs'] != len(documents):
      raise ValueError(
        f'num_docs is {item["num_docs"]}, and context has {len(documents)}'
      )
    golds = json_files.want(item['answers'], list, 'answers')
    if not golds:
      raise ValueError('answers is an empty list')
    golds = [json_files.want(gold, str, 'answers') for gold in golds]
    question = json_files.want(item['input'], str, 'input')
    chunks = tuple(chunking.pack(documents, limit, count, '\n\n'))
    end = len(chunks) - 1
    asked = Question(
      question, golds[0], SOURCE, end, end, others=tuple(golds[1:])
    )
    return Episode(index, SOURCE, chunks, (asked,))

  return json_files.items(path, make, 'question of MemAgent')
