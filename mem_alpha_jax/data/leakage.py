"""Nothing that is evaluated may be trained on: overlap by content.

Chunks are compared by their samples and sentences, because the same paragraph
may be packed and wrapped otherwise. A question may be anywhere on the other
side: a labelled sample of training that is asked about later is a leak, too.
"""

import collections
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from mem_alpha_jax.data import chunking, content, labelled
from mem_alpha_jax.types import Episode

SHORTEST = 5  # words of a sentence that counts; shorter ones are anyone's
SHOWN = 5  # overlaps that an error lists


class Overlap(NamedTuple):
  """One text on both sides."""

  kind: str  # in training: question | sentence
  there: str  # the same on the held-out side
  train: str  # source of the training episode
  held_out: str  # source of the evaluated one
  uid: int  # of the training episode
  text: str


def overlaps(
  train: Iterable[Episode],
  held_out: Iterable[Episode],
  shared: Iterable[str] = (),
) -> Iterator[Overlap]:
  """What of the held-out episodes is in the training episodes.

  Args:
    train: episodes that are trained on.
    held_out: episodes that are evaluated.
    shared: texts that both may have: wrapping of conversations.
  """
  allowed = {content.digest(s) for text in shared for s in _sentences(text)}
  known = {}  # digest -> (kind, source)
  for episode in held_out:
    for kind, text in _texts(episode):
      known.setdefault(content.digest(text), (kind, episode.source))
  for episode in train:
    for kind, text in _texts(episode):
      digest = content.digest(text)
      if digest in known and digest not in allowed:
        there, source = known[digest]
        yield Overlap(kind, there, episode.source, source, episode.uid, text)


def check(
  train: Iterable[Episode],
  held_out: Iterable[Episode],
  shared: Iterable[str] = (),
) -> None:
  """Refuses training episodes that hold what is evaluated.

  Raises:
    ValueError: counts the overlaps and names the first.
  """
  found = list(overlaps(train, held_out, shared))
  if not found:
    return
  lines = [
    f'  {o.kind} of {o.train} {o.uid} is a {o.there} of {o.held_out}: '
    f'{o.text[:80]!r}'
    for o in found[:SHOWN]
  ]
  raise ValueError(
    f'{len(found)} texts of training are evaluated too; take them out of one '
    'side:\n' + '\n'.join(lines)
  )


def by_source(found: Iterable[Overlap]) -> Mapping[tuple[str, str], int]:
  """Overlaps counted by (training source, held-out source)."""
  return collections.Counter((o.train, o.held_out) for o in found)


def _texts(episode: Episode) -> Iterator[tuple[str, str]]:
  for question in episode.questions:
    yield 'question', labelled.bare(question.text)
  for chunk in episode.chunks:
    for sentence in _sentences(chunk):
      yield 'sentence', sentence


def _sentences(text: str) -> Iterator[str]:
  for line in text.splitlines():
    sample = labelled.bare(line)
    parts = chunking.sentences(line) if sample == line else [sample]
    for part in parts:
      if len(content.normalize(part).split()) >= SHORTEST:
        yield part
