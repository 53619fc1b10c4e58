"""Shared values and the legend of dimension letters. No logic lives here.

B  prompts of a batch            G  samples of a group (one prompt)
T  chunks of an episode          M  groups of rows in a training batch
P  prefix tokens (shared)        C  own context tokens of one sample
R  response tokens               L  tokens of a row, L = C + R
V  vocabulary                    D  model width
H  query heads                   K  key/value heads     Hd  head size
N  memories                      S  slots of a memory   W  terms of a slot
Q  questions                     E  embedding size      k  retrieved slots
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from flax import struct
from jaxtyping import Array, Bool, Float, Int

GIB = 2**30  # bytes
UNANSWERABLE = '_abs'  # ends a question type: nothing was said about it
ERRATUM = '_erratum'  # ends a question type: its gold is known to be wrong


class Question(NamedTuple):
  """A question and the span of the episode over which its gold is true."""

  text: str  # as the reader sees it; the writer never does
  answer: str  # the gold
  type: str  # the key of every per-type table
  first: int  # index of the first chunk after which the gold holds
  last: int  # index of the last chunk after which the gold holds
  # Evaluation asks it after chunk `last`; others serve dense credit alone.
  asked: bool = True
  others: tuple[str, ...] = ()  # as good as `answer`; the best one counts
  # Indices of the chunks that hold what the answer takes; () where unknown.
  evidence: tuple[int, ...] = ()


class Note(NamedTuple):
  """An entry as a reader sees it: 'core', 'semantic' or 'episodic', text."""

  kind: str
  text: str
  step: int


class Episode(NamedTuple):
  """One stream to remember: chunks in order, and questions about them."""

  uid: int  # in its source and split
  source: str  # name of the data set
  chunks: Sequence[str]  # in order
  questions: tuple[Question, ...]
  sessions: tuple[int, ...] = ()  # chunks of each; () if each chunk is one
  start: tuple[Note, ...] = ()  # entries that its memory begins with


class Turn(NamedTuple):
  """One thing to do with one memory, and all that a role may look at.

  A schedule gives the first five fields, the collector the others.
  """

  role: str  # key of roles.registry.ROLES
  text: str  # what is read: a chunk of the stream, or the question to answer
  episode: Episode | None = None  # it belongs to
  chunk: int = 0  # index of the chunk that is read, or of the newest before it
  question: Question | None = None  # to answer; None where `text` is a chunk
  live: bool = True  # False past the end of a schedule shorter than others
  index: int = 0  # t, its place in the schedule
  # Of the memories of its episode that live side by side; -1 of a re-roll.
  trajectory: int = 0
  clock: int = 0  # turns its memory has lived through
  history: Mapping[str, Question] = {}  # by text, earlier ones that still hold
  state: Any = None  # the memory before it, a memory.state.MemoryState
  view: tuple = ()  # the entries shown, memory.state.Entry or None each
  limits: Any = None  # what the memory may hold, memory.state.Limits
  # The operations of a perfect writer; None where reward.gold does not ask.
  gold: tuple | None = None
  tokens: int = 0  # length of `text`


class Written(NamedTuple):
  """What a writer says to one chunk."""

  ops: Sequence = ()  # the operations it asks for that could be read
  errors: Sequence[str] = ()  # the others; memory.tools.FAILURES begin them
  noop: bool = False  # True for a valid response that stores nothing
  # memory.tools.REPAIRS that reading each operation took; () if not counted.
  repairs: Sequence[frozenset[str]] = ()
  text: str = ''  # the response
  view: Sequence = ()  # the entries shown, as Turn.view; () if not kept
  # -> text and log-prob of each token of it, made for what is traced alone.
  tokens: Callable[[], Sequence] = tuple
  lost: bool = False  # True for a reply that could not be had or used
  cut: bool = False  # True for a response that has no end


class Outcome(NamedTuple):
  """What a response did."""

  state: Any  # the memory after it
  ops: tuple = ()  # the operations it asked for that could be read
  results: tuple = ()  # their results, one each
  errors: tuple[str, ...] = ()  # calls that could not be read
  noop: bool = False  # True for a valid response that stores nothing
  answer: str = ''  # what it says, of a role that answers
  mark: float = float('nan')  # of that answer, by its question's rule
  gain: float = float('nan')  # of a reader's answers; NaN if one is missing
  # A judge's mark of each operation, None where it failed, or without a judge.
  verdicts: tuple[float | None, ...] | None = None
  compression: float | None = None  # of the trajectory, where that counts
  repairs: Sequence[frozenset[str]] = ()  # as those of Written


class Request(NamedTuple):
  """One question, and all that its reader may see."""

  question: str
  notes: tuple[Note, ...]  # the retrieved entries, best first
  core: str = ''  # core text of the memory


@runtime_checkable
class Tokenizer(Protocol):
  """Text to ids and back; hashable, for what depends on it is cached."""

  pad_id: int
  bos_id: int
  eos_id: int  # ends a response
  eos_ids: tuple[int, ...]  # eos_id, and what else ends one
  vocab_size: int  # ids are below it
  fingerprint: str  # hash of all that decides ids
  chat_template: str | None  # text of a jinja2 template

  def encode(self, text: str) -> list[int]:
    """Ids of trusted text: special tokens in it become their ids."""

  def encode_text(self, text: str) -> list[int]:
    """Ids of data: special tokens in it are spelled like other text."""

  def decode(self, ids: Iterable[int]) -> str:
    """Text of ids, without special ones."""

  def symbol(self, name: str) -> int:
    """Id of a control symbol or special token."""

  def count(self, text: str) -> int:
    """Tokens of a note or chunk."""

  def pieces(self) -> list[bytes | None]:
    """The bytes of each id's text, None of special tokens and symbols."""


@struct.dataclass
class RolloutRows:
  """What training sees: M groups of G sampled responses, padded.

  A row of the policy is prefix + own + response; the prefix is shared by the
  G rows of its group. Padding groups and rows have `row_weight` 0.
  """

  prefix: Int[Array, 'M P']
  prefix_length: Int[Array, 'M']
  own: Int[Array, 'M G C']  # context tokens of one sample, at least one
  own_length: Int[Array, 'M G']
  response: Int[Array, 'M G R']  # exactly the sampled ids, EOS included
  response_mask: Bool[Array, 'M G R']
  rollout_logps: Float[Array, 'M G R']  # nats, 0 where masked
  advantages: Float[Array, 'M G R']
  row_weight: Float[Array, 'M G']
  returns: Float[Array, 'M G R']  # targets of the value head, else 0
  old_values: Float[Array, 'M G R']  # value head at sampling time, else 0
  # Where the own tokens of each device's groups stand in packed rows, one
  # sample after the other; -1: nothing does. None: each sample is a row.
  places: Int[Array, 'batches rows L'] | None = None
  # What a grammar lets a response name, flat; None: sampled without a grammar.
  targets: Int[Array, 'M G targets'] | None = None


@struct.dataclass
class TrainState:
  """Everything a step changes; all of it is checkpointed."""

  step: Int[Array, '']
  params: Any
  opt_state: Any
