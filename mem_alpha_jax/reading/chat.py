"""What every chat model is, here or behind a server, and what its text says."""

from collections.abc import Sequence
from typing import Protocol

Chat = Sequence[dict[str, str]]  # messages with 'role' and 'content'


class ChatModel(Protocol):
  """Replies to chats: a server, or a model in this process."""

  def complete(self, chats: Sequence[Chat], tokens: int) -> list[str | None]:
    """A greedy reply of at most `tokens` to each chat; None if it failed."""

  def take(self) -> dict[str, int]:
    """What was counted since the last call; nothing of a local model."""


def final_text(text: str) -> str | None:
  """What follows a model's thinking; None if it never stopped to think."""
  if '</think>' in text:
    return text.rpartition('</think>')[2]
  return None if '<think>' in text else text


def first_line(text: str) -> str:
  """The first line that is not empty, without spaces around it."""
  return text.strip().split('\n')[0].strip()
