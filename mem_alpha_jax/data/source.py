"""What others must know of a data set: one record a source."""

import dataclasses
import operator
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import ml_collections

from mem_alpha_jax.memory.state import MemoryState
from mem_alpha_jax.reading.protocol import Reader
from mem_alpha_jax.types import Episode, Question

SPLITS = ('train', 'validation', 'test')


class OracleNote(NamedTuple):
  """What a perfect writer keeps of a chunk; replaces the last of its key."""

  key: tuple[str, ...]  # what the note is about, lowercase
  kind: str  # the list that it belongs in, 'semantic' or 'episodic'
  text: str
  over: bool = False  # it has ended: what is kept of its key goes


class Grade(NamedTuple):
  """How a memory compares with the one that perfect writing ends with."""

  strict: bool  # it holds just that
  part: float  # of it, in [0, 1]


Notes = Sequence[Sequence[OracleNote]]  # of each chunk


class Request(NamedTuple):
  """What a build asks of a source."""

  root: str  # the folder of the raw files
  split: str  # 'train' or 'validation'; where there is one, 'test'
  seed: int  # of everything that is drawn
  count: Callable[[str], int]  # tokens of a text, as the policy reads it
  most: int  # episodes at most


class Built(NamedTuple):
  """What data.builders make of raw files (arXiv 2509.25911, tables 6 and 7)."""

  build: Callable[[Request], list[Episode]]  # with uids from 0 on
  block: int  # of no other source; decides the uids in a mixture
  train: int  # train episodes at most, of the source alone
  validation: int  # of the source, alone or in the mixture
  cap: int = 0  # of train episodes in the mixture; 0 if it is not in it
  tested: str = ''  # file below the root that the test split needs, if any


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
    check: config -> None; raises where it names files that are not there,
      before anything is built or written.
    rules: question type -> rule, where that is another.
    judged: a judge decides, where there is one, but of types in `rules`;
      `rule` is what can be had without, and another number.
    reader: (config, strict) -> reader by rules of its questions; None is the
      one of free text.
    oracle: episode -> notes of each chunk; None for texts that no rule reads,
      which have no ceiling by a perfect writer.
    grade: (episode, memory after its last chunk) -> Grade; None where no
      state is known to be right.
    alone: not joined with others in data.source.
    any_length: eval.lengths may ask for longer episodes.
    texts: (config, count) -> texts of `count` episodes for a tokenizer; None
      for the chunks of the train split.
    built: how it is made of raw files for training.
    held_out: suffix of its files, and what reads one, to keep what it says
      out of training.
    chats: greetings and the like are no overlap of training with it.
    examples: its lines and questions are labelled texts.
  """

  name: str
  rule: str
  episodes: Callable[..., Sequence[Episode]] | None = None
  splits: tuple[str, ...] = SPLITS
  check: Callable[[Any], None] = lambda config: None
  rules: Mapping[str, str] = dataclasses.field(default_factory=dict)
  judged: bool = False
  reader: Callable[[ml_collections.ConfigDict, bool], Reader] | None = None
  oracle: Callable[[Episode], Notes] | None = None
  grade: Callable[[Episode, MemoryState], Grade] | None = None
  alone: bool = False
  any_length: bool = False
  texts: Callable[[Any, int], Iterator[str]] | None = None
  built: Built | None = None
  held_out: tuple[str, Callable[[pathlib.Path], list[Episode]]] | None = None
  chats: bool = False
  examples: bool = False


def question(fields: Sequence) -> Question:
  """One that JSON has as a list, maybe of before it had all of its fields."""
  return Question(*(tuple(f) if isinstance(f, list) else f for f in fields))


def numbered(episodes: Iterable[Episode]) -> list[Episode]:
  """Those of several files, by uids from 0 on."""
  return [episode._replace(uid=uid) for uid, episode in enumerate(episodes)]


class Made(Sequence[Episode]):
  """Episodes by uid, made when they are asked for; by default without end."""

  def __init__(self, make: Callable[[int], Episode], length: int = 1 << 31):
    self._make, self._length = make, length  # a uid fits an int32

  def __len__(self) -> int:
    return self._length

  def __getitem__(self, index):
    if isinstance(index, slice):
      return [self[i] for i in range(*index.indices(len(self)))]
    i = operator.index(index)
    if not -len(self) <= i < len(self):
      raise IndexError(f'episode {i} of {len(self)}')
    return self._make(i % len(self))
