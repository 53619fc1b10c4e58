"""What every chat model is, here or behind a server, and what its text says."""

import re
from collections.abc import Sequence
from typing import Protocol

_WORD = re.compile(r'\w')
_LEADS = re.compile(
  r':[\s*_]*$|^\W*(?:sure|certainly|of course|ok|okay)\W*$', re.IGNORECASE
)

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
  """The first line that says something, without spaces around it.

  A line that only leads to the next does not: 'Sure!', '**Answer:**', '```'.
  """
  lines = [line.strip() for line in text.strip().split('\n')]
  lines = [line for line in lines if _WORD.search(line)] or lines
  return next((line for line in lines if not _LEADS.search(line)), lines[0])
