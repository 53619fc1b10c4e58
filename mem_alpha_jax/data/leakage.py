"""Keeps what evaluation sets hold out of training, by hashes of content.

Three kinds of things are compared, normalised (`content.normalize`):

  question   its text together with a gold answer: a question that is asked
             of two stories, such as 'Where is Ada?', may have two answers
  sample     the text in 'Sample: <text>; Label: ...', or of the icl sources
             of MemoryAgentBench, '<text>\\nlabel: ...', shown or asked
  paragraph  in lines of the chunks: runs of 24 words, of the held-out text
             one behind the other, of training at every word, so that a shared
             passage of 47 words is found however chunks cut it; shorter lines
             of 8 words and more, as they are. With and without who says it,
             as 'Ada: '. Of chats the runs alone: 'Here are some tips to get
             you started:' is said in many of them
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from mem_alpha_jax.data import content, sources
from mem_alpha_jax.data.source import Source
from mem_alpha_jax.text import wrapping
from mem_alpha_jax.types import Episode

KINDS = ('question', 'sample', 'paragraph')
_RUN = 24  # words
_LINE = 8  # words
_NAMED = 5  # overlaps in an error
_SPEAKER = re.compile(r'[^:]{1,40}: ')
_SAMPLE = re.compile(r'Sample: (.*?)(?:; Label: [^;\n]*)?$', re.MULTILINE)
_AROUND = re.compile(
  r'^\s*(?:question|sample)\s*:|\blabel\s*:.*$', re.IGNORECASE | re.DOTALL
)


class Overlap(NamedTuple):
  """What an episode of training shares with a held-out set."""

  kind: str
  source: str
  uid: int
  held_out: str
  text: str


def find(
  train: Iterable[Episode], held_out: Mapping[str, Iterable[Episode]]
) -> list[Overlap]:
  """All overlaps, the first of each kind of an episode and a held-out set."""
  known = {}
  for name, episodes in held_out.items():
    for episode in episodes:
      for kind, _, key in _things(episode, _RUN):
        known.setdefault((kind, key), name)
  found = {}
  for episode in train:
    for kind, text, key in _things(episode, 1):
      name = known.get((kind, key))
      if name is not None:
        found.setdefault(
          (kind, episode.source, episode.uid, name),
          Overlap(kind, episode.source, episode.uid, name, text),
        )
  return list(found.values())


def refuse(overlaps: Sequence[Overlap]) -> None:
  """Raises ValueError if there are any: how many, and the first of them."""
  if not overlaps:
    return
  named = '; '.join(
    f'{o.kind} of {o.source} episode {o.uid} in {o.held_out}: {o.text[:60]!r}'
    for o in overlaps[:_NAMED]
  )
  raise ValueError(
    f'{len(overlaps)} overlaps of training with held-out data ({named}); '
    'leave these episodes out of training (a build does so with --drop)'
  )


def without(
  train: Iterable[Episode], overlaps: Iterable[Overlap]
) -> list[Episode]:
  """The episodes that no overlap names."""
  named = {(overlap.source, overlap.uid) for overlap in overlaps}
  return [e for e in train if (e.source, e.uid) not in named]


def _things(episode: Episode, stride: int) -> Iterator[tuple[str, str, bytes]]:
  """(kind, text, key) of all that may leak; runs start every `stride` words."""
  source = sources.find(episode.source)
  for question in episode.questions:
    if sample := _sample(source, question.text):
      yield 'sample', sample, content.digest(sample)
      continue
    for answer in (question.answer, *question.others):
      key = content.digest(f'{question.text}\n{answer}')
      yield 'question', question.text, key
  for chunk in episode.chunks:
    for line in wrapping.body(chunk):
      if sample := _sample(source, line):
        yield 'sample', sample, content.digest(sample)
        continue
      for text in _said(line):
        yield from _runs(
          text, stride, _RUN if source and source.chats else _LINE
        )


def _sample(source: Source | None, text: str) -> str:
  """The labelled text in a line or a question; '' if there is none."""
  if found := _SAMPLE.search(text):
    return found[1]
  return _AROUND.sub('', text).strip() if source and source.examples else ''


def _said(line: str) -> list[str]:
  """A line, and it without who says it: sets name speakers in their own way."""
  speaker = _SPEAKER.match(line)
  return [line, line[speaker.end() :]] if speaker else [line]


def _runs(
  line: str, stride: int, least: int
) -> Iterator[tuple[str, str, bytes]]:
  words = content.normalize(line).split()
  if len(words) < least:
    return
  for start in range(0, max(1, len(words) - _RUN + 1), stride):
    text = ' '.join(words[start : start + _RUN])
    yield 'paragraph', text, hashlib.sha256(text.encode()).digest()[:16]
