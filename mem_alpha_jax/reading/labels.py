"""A reader of labelled examples: the label of the notes most like a text.

Nearest neighbours by shared words (k-NN with cosine on sets of words), for
runs without a language model. A line of a note is an example; its label is the
last number in it.
"""

import functools
import math
import re
from collections.abc import Sequence

from mem_alpha_jax.reading import protocol
from mem_alpha_jax.text import words as words_lib
from mem_alpha_jax.types import Note, Request

_NUMBER = re.compile(r'\d+')


def answer(text: str, notes: Sequence[Note], core: str, strict: bool) -> str:
  """The label of a text by the notes, '' if none shares a word with it.

  Args:
    core: lines of it are examples, too.
    strict: if True, labels that are equally near make the reader abstain;
      else the newest of them wins.
  """
  wanted = _words(text)
  near: dict[str, float] = {}
  newest: dict[str, int] = {}
  for step, line in _lines(notes, core):
    numbers = _NUMBER.findall(line)
    words = _words(line).difference(numbers[-1:])
    shared = len(wanted & words)
    if numbers and shared:
      label = str(int(numbers[-1]))
      closeness = shared / math.sqrt(len(wanted) * len(words))
      near[label] = near.get(label, 0.0) + closeness
      newest[label] = max(newest.get(label, -1), step)
  if not near:
    return ''
  most = max(near.values())
  best = [label for label, x in near.items() if math.isclose(x, most)]
  if strict and len(best) > 1:
    return ''
  return max(best, key=newest.get)


def make_reader(
  prefix: str, otherwise: protocol.Reader, strict: bool
) -> protocol.Reader:
  """Returns a reader of questions that are `prefix` and a text to label."""

  def read(requests: Sequence[Request]) -> list[str | None]:
    others = [r for r in requests if not r.question.startswith(prefix)]
    said = iter(otherwise(others) if others else ())
    return [
      answer(r.question.removeprefix(prefix), r.notes, r.core, strict)
      if r.question.startswith(prefix)
      else next(said)
      for r in requests
    ]

  return read


def _words(text: str) -> frozenset[str]:
  # Chunks of thousands of tokens are read once, and would fill memory.
  return _kept(text) if len(text) < 1000 else _kept.__wrapped__(text)


@functools.lru_cache(1 << 14)
def _kept(text: str) -> frozenset[str]:
  return frozenset(words_lib.terms(text))


def _lines(notes: Sequence[Note], core: str):
  for line in core.splitlines():
    yield -1, line
  for note in notes:
    for line in note.text.splitlines():
      yield note.step, line
