"""What evaluation asks of every system that reads streams."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.reading import chat
from mem_alpha_jax.types import Episode, Request, Written


class Step(NamedTuple):
  """What a method did with one chunk."""

  written: Written
  results: Sequence[state_lib.OpResult]  # of its calls
  state: state_lib.MemoryState  # after them


class Method(Protocol):
  """N streams read side by side, each into something that is remembered.

  Every method reads the same chunks, never a question, and hands the same
  reader at most the same number of tokens; how it remembers is its own.
  """

  def observe(self, chunks: Sequence[str | None]) -> Sequence[Step] | None:
    """Reads the next chunk of each stream, None where one has ended.

    A step a stream; None of a method that calls no tools.
    """

  def requests(
    self, questions: Sequence[Sequence[str]]
  ) -> list[list[Request | None]]:
    """What the reader is asked, for the questions of each stream.

    None where there is nothing to show: that answer is missing data.
    """

  def memory_tokens(self) -> list[int]:
    """Tokens that are remembered of each stream."""

  def to_json(self) -> Any:
    """All that later steps depend on, JSON-able."""

  def restore(self, value: Any) -> None:
    """Takes up what `to_json` gave; the streams must be the same."""


class Parts(Protocol):
  """What methods need of a run; `run.build.Experiment` has it."""

  config: Any
  policy: Any
  eval_setup: Any  # rollout's Setup, greedy
  oracle_notes: Callable[[Episode], Sequence]  # facts of each chunk
  chat: chat.ChatModel | None  # of reader, judge and prompted writers


class Given(NamedTuple):
  """What a method is made of."""

  parts: Parts  # of the run
  config: Any  # of the method; the run's, or changed
  params: Any  # of the policy, for the methods that use it
  episodes: Sequence[Episode]  # of this process; only bounds look inside
  rows: Sequence[int]  # their places among those of all processes

  def count(self, text: str) -> int:
    return self.parts.eval_setup.tokenizer.count(text)

  def chat_model(self) -> chat.ChatModel:
    """The model at reading.url or in this process; ValueError without one."""
    if self.parts.chat:
      return self.parts.chat
    raise ValueError(
      f'config.reading.url={self.config.reading.url!r}: overwrite, '
      'inner_state and endpoint_writer ask a chat model; give the address of '
      'an OpenAI-compatible server and its reading.model, or '
      "reading.reader='lm'"
    )


Make = Callable[[Given], Method]
