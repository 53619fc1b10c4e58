"""Entries by their score alone, all of a memory side by side."""

from collections.abc import Sequence

import jax
import numpy as np

from mem_alpha_jax.memory.batch import Memories
from mem_alpha_jax.recall import budget as budget_lib
from mem_alpha_jax.recall import scores
from mem_alpha_jax.text import wrapping
from mem_alpha_jax.types import Note, Request

Texts = Sequence[Sequence[str]]  # of each memory
Found = list[list[list]]  # entries, best first, of each text of each memory


def find(
  score: scores.Score, vectors: bool, memories: Memories, texts: Texts,
  top: int, width: int,
) -> Found:  # fmt: skip
  """Looks up all texts, `width` padded ones of each memory at a time.

  Args:
    vectors: the score looks at vectors; they come from one call of `embed`.
    top: entries found for a text.
    width: Q of a search; a shape of its program.
  """
  starts = range(0, max(1, *map(len, texts)), width)
  rows = _vectors(texts, len(starts) * width, memories) if vectors else None
  found = []
  for start in starts:
    part = slice(start, start + width)
    ids = scores.encode_queries([row[part] for row in texts], width)
    part = None if rows is None else rows[:, part]
    found.append(scores.best(score, memories.bank, ids, part, top, overlap=1))
  slots, ok = zip(*jax.device_get(found), strict=True)
  slots = np.where(np.concatenate(ok, 1), np.concatenate(slots, 1), -1)
  return [
    [
      [state.by_slot[s] for s in places if s >= 0]
      for _, places in zip(row, rows, strict=False)
    ]
    for state, row, rows in zip(
      memories.states, texts, slots.tolist(), strict=True
    )
  ]


def _vectors(texts: Texts, width: int, memories: Memories):
  """Vectors of queries [N, width, E], zeros beyond those there are."""
  rows = memories.embed([wrapping.bare(t) for row in texts for t in row])
  out = np.zeros((len(texts), width, rows.shape[1]), np.float32)
  lengths = np.array([len(row) for row in texts])
  out[np.arange(width) < lengths[:, None]] = rows
  return out


def requests(
  score: scores.Score, vectors: bool, memories: Memories, questions: Texts,
  budget: int, width: int,
) -> list[list[Request]]:  # fmt: skip
  """The `reading.top_k` entries that score best, and the core.

  With reading.hops above 1 the question is looked up again together with what
  it is shown: "Where is the milk?" finds 'milk Mary', and both of them find
  'Mary kitchen'. With reading.kept it is together with the best so many, which
  stay; otherwise the last look-up alone counts.
  """
  config, texts = memories.config.reading, questions
  kept = [[[] for _ in row] for row in questions]
  for _ in range(config.hops):
    found = find(score, vectors, memories, texts, config.top_k, width)
    found = [
      [_joined(*both)[: config.top_k] for both in zip(*rows, strict=True)]
      for rows in zip(kept, found, strict=True)
    ]
    shown = [
      [
        budget_lib.within(
          Request(question, tuple(map(_note, entries)), state.core),
          budget,
          memories.count_tokens,
        )
        for question, entries in zip(row, best, strict=True)
      ]
      for state, row, best in zip(
        memories.states, questions, found, strict=True
      )
    ]
    if config.kept:
      kept = [[best[: config.kept] for best in row] for row in found]
    told = config.kept or None  # notes that are looked up; all
    texts = [
      [' '.join([r.question, *(n.text for n in r.notes[:told])]) for r in row]
      for row in shown
    ]
  return shown


def _joined(first: list, then: list) -> list:
  """The entries of both, without those of the second that stand before."""
  return [*first, *(entry for entry in then if entry not in first)]


def _note(entry) -> Note:
  return Note(entry.kind, entry.text, entry.step)
