"""What others must know of a data set: one record a source."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import ml_collections

from mem_alpha_jax.reading.protocol import Reader
from mem_alpha_jax.types import Episode

SPLITS = ('train', 'validation', 'test')


class OracleNote(NamedTuple):
  """What a perfect writer keeps of a chunk, and what it is about.

  Attributes:
    key: what the note is about, lowercase; a later note of the same key
      replaces this one.
    kind: the list that it belongs in, 'semantic' or 'episodic'.
    text: the note itself.
  """

  key: tuple[str, ...]
  kind: str
  text: str


Notes = Sequence[Sequence[OracleNote]]  # of each chunk


def no_notes(episode: Episode) -> Notes:
  """Of a source whose texts nobody has read for the oracle."""
  return [()] * len(episode.chunks)


@dataclasses.dataclass(frozen=True)
class Source:
  """A data set: its episodes, and what is done with them.

  Attributes:
    name: `source` of its episodes, and an item of data.source; a pattern such
      as 'icl_*' for what comes within the files of others.
    rule: key of scoring.RULES for answers to its questions.
    episodes: (config, split) -> episodes by index, in a fixed order; with
      `any_length` (config, split, multiple of data.train_chunks). None for
      what comes within others.
    splits: that it has.
    rules: question type -> rule, where that is another.
    judged: a judge decides, where there is one; `rule` is what can be had
      without, and another number.
    reader: (config, strict) -> reader by rules of its questions; None is the
      one of free text.
    oracle: episode -> notes of each chunk.
    alone: not joined with others in data.source.
    any_length: eval.lengths may ask for longer episodes.
    texts: (config, count) -> texts of `count` episodes for a tokenizer; None
      for the chunks of the train split.
  """

  name: str
  rule: str
  episodes: Callable[..., Sequence[Episode]] | None = None
  splits: tuple[str, ...] = SPLITS
  rules: Mapping[str, str] = dataclasses.field(default_factory=dict)
  judged: bool = False
  reader: Callable[[ml_collections.ConfigDict, bool], Reader] | None = None
  oracle: Callable[[Episode], Notes] = no_notes
  alone: bool = False
  any_length: bool = False
  texts: Callable[[Any, int], Any] | None = None


class Endless(Sequence[Episode]):
  """Episodes by uid, made when they are asked for."""

  def __init__(self, make: Callable[[int], Episode]):
    self._make = make

  def __len__(self) -> int:
    return 1 << 31  # a uid fits an int32

  def __getitem__(self, index):
    if isinstance(index, slice):
      return [self[i] for i in range(*index.indices(len(self)))]
    return self._make(int(index))
