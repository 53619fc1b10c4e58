"""What evaluation asks of every system that reads streams."""

from collections.abc import Sequence
from typing import Any, Protocol

from mem_alpha_jax.types import Request


class Method(Protocol):
  """N streams read side by side, each into something that is remembered.

  Every method reads the same chunks, never a question, and hands the same
  reader at most the same number of tokens; how it remembers is its own.
  """

  def observe(self, chunks: Sequence[str | None]) -> None:
    """Reads the next chunk of each stream; None where a stream has ended."""

  def requests(self, questions: Sequence[Sequence[str]]) -> list[list[Request]]:
    """What the reader is asked, for the questions of each stream."""

  def memory_tokens(self) -> list[int]:
    """Tokens that are remembered of each stream."""

  def to_json(self) -> Any:
    """All that later steps depend on, JSON-able."""

  def restore(self, value: Any) -> None:
    """Takes up what `to_json` gave; the streams must be the same."""
