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

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from flax import struct
from jaxtyping import Array, Bool, Float, Int

GIB = 2**30  # bytes
UNANSWERABLE = '_abs'  # ends a question type: nothing was said about it
ERRATUM = '_erratum'  # ends a question type: its gold is known to be wrong


class Question(NamedTuple):
  """A question and the span of the episode over which its gold is true.

  Attributes:
    text: the question, as the reader sees it. The writer never sees it.
    answer: the gold answer.
    type: question type, the key of every per-type table.
    first: index of the first chunk after which the gold holds.
    last: index of the last chunk after which the gold holds.
    asked: True if evaluation asks it (after chunk `last`); the others only
      serve dense credit during training.
    others: answers that are as good as `answer`; the best one counts.
  """

  text: str
  answer: str
  type: str
  first: int
  last: int
  asked: bool = True
  others: tuple[str, ...] = ()


class Episode(NamedTuple):
  """One stream to remember: chunks in order, and questions about them.

  Attributes:
    uid: of the episode in its source and split.
    source: name of the data set.
    chunks: texts in order.
    questions: about them.
    sessions: how many chunks each session has; () if each chunk is one.
  """

  uid: int
  source: str
  chunks: Sequence[str]
  questions: tuple[Question, ...]
  sessions: tuple[int, ...] = ()


class Turn(NamedTuple):
  """One thing to do with one memory, and all that a role may look at.

  A schedule gives the first five fields, the collector the others.

  Attributes:
    role: key of roles.registry.ROLES.
    text: what is read: a chunk of the stream, or the question to answer.
    episode: it belongs to.
    chunk: index of the chunk that is read, or of the newest before it.
    question: to answer; None where `text` is a chunk.
    live: False past the end of a schedule that is shorter than others.
    index: t, its place in the schedule.
    trajectory: of the memories of its episode that live side by side.
    clock: turns its memory has lived through.
    history: questions of earlier episodes that still hold, by their texts.
    state: the memory before it, a memory.state.MemoryState.
    view: the entries shown, memory.state.Entry or None each.
    limits: what the memory may hold, memory.state.Limits.
    tokens: length of `text`.
  """

  role: str
  text: str
  episode: Episode | None = None
  chunk: int = 0
  question: Question | None = None
  live: bool = True
  index: int = 0
  trajectory: int = 0
  clock: int = 0
  history: Mapping[str, Question] = {}
  state: Any = None
  view: tuple = ()
  limits: Any = None
  tokens: int = 0


class Written(NamedTuple):
  """What a writer says to one chunk.

  Attributes:
    ops: the operations it asks for that could be read.
    errors: calls that could not be read; memory.tools.FAILURES begin them.
    noop: True for a valid response that stores nothing.
    repairs: of each operation, memory.tools.REPAIRS without which it could
      not be read; () if nobody counted.
    text: the response.
    lost: True for a reply that could not be had or used.
  """

  ops: Sequence = ()
  errors: Sequence[str] = ()
  noop: bool = False
  repairs: Sequence[frozenset[str]] = ()
  text: str = ''
  lost: bool = False


class Outcome(NamedTuple):
  """What a response did.

  Attributes:
    state: the memory after it.
    ops: the operations it asked for that could be read.
    results: their results, one each.
    errors: calls that could not be read.
    noop: True for a valid response that stores nothing.
    answer: what it says, of a role that answers.
    gain: what the answers of a reader gain by it; NaN if one is missing.
    verdicts: a judge's mark of each operation, None where it failed; None
      without a judge.
    compression: of the whole trajectory, where that is what counts.
    repairs: as those of Written.
  """

  state: Any
  ops: tuple = ()
  results: tuple = ()
  errors: tuple[str, ...] = ()
  noop: bool = False
  answer: str = ''
  gain: float = float('nan')
  verdicts: tuple[float | None, ...] | None = None
  compression: float | None = None
  repairs: Sequence[frozenset[str]] = ()


class Note(NamedTuple):
  """A retrieved entry: kind 'core', 'semantic' or 'episodic', text, step."""

  kind: str
  text: str
  step: int


class Request(NamedTuple):
  """One question, and all that its reader may see.

  Attributes:
    question: the question as asked.
    notes: the retrieved entries, best first.
    core: the core text of the memory, '' if it has none.
  """

  question: str
  notes: tuple[Note, ...]
  core: str = ''


@runtime_checkable
class Tokenizer(Protocol):
  """Text to ids and back; hashable, for what depends on it is cached.

  Attributes:
    pad_id, bos_id, eos_id: special ids; eos ends a response.
    eos_ids: eos_id, and what else ends one.
    vocab_size: ids are below it.
    fingerprint: hash of all that decides ids.
    chat_template: text of a jinja2 template, None if the model has none.
  """

  pad_id: int
  bos_id: int
  eos_id: int
  eos_ids: tuple[int, ...]
  vocab_size: int
  fingerprint: str
  chat_template: str | None

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


@struct.dataclass
class TrainState:
  """Everything a step changes; all of it is checkpointed."""

  step: Int[Array, '']
  params: Any
  opt_state: Any
