"""Ways to recall, by the name of `reading.retrieval`."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from mem_alpha_jax.memory.batch import Memories
from mem_alpha_jax.recall import flat, scores
from mem_alpha_jax.types import Request


class Recall(NamedTuple):
  # (memories, questions of each, budget in tokens, width) -> what a reader is
  # to be asked; `width` questions are looked up in one call.
  requests: Callable[..., list[list[Request]]]
  # (memories, texts of each, top, width) -> entries of each text, best first.
  find: Callable[..., flat.Found]
  score: scores.Score  # of the program on the device that finds them
  vectors: bool  # it looks at vectors, so it needs `memory.embedder`


def _flat(score: scores.Score, vectors: bool) -> Recall:
  bind = lambda function: functools.partial(function, score, vectors)
  return Recall(bind(flat.requests), bind(flat.find), score, vectors)


RECALL = {
  'bm25': _flat(scores.bm25, vectors=False),
  'rank_bm25': _flat(scores.rank_bm25, vectors=False),
  'coverage': _flat(scores.coverage, vectors=False),
  'topic': _flat(scores.topic, vectors=False),
  'cosine': _flat(scores.cosine, vectors=True),
  'rrf': _flat(scores.rrf, vectors=True),
}


def check(config: Any) -> None:
  """Raises ValueError for a way that is unknown or lacks its vectors."""
  name = config.reading.retrieval
  if name not in RECALL:
    raise ValueError(
      f'config.reading.retrieval={name!r}: must be one of {list(RECALL)}'
    )
  if RECALL[name].vectors and config.memory.embedder == 'none':
    raise ValueError(
      f"config.memory.embedder='none': reading.retrieval={name!r} needs "
      'vectors; use hashed, minilm or policy, or bm25'
    )


def requests(
  memories: Memories, questions: Sequence[Sequence[str]], width: int
) -> list[list[Request]]:
  """What a reader is to be asked, by the way and budget of the config."""
  reading = memories.config.reading
  way = RECALL[reading.retrieval]
  return way.requests(memories, questions, reading.budget, width)
