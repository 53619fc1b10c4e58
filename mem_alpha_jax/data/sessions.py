"""Sessions of turns as chunks: what readers of chats share."""

from collections.abc import Sequence
from typing import NamedTuple

from mem_alpha_jax.data import chunking


class Session(NamedTuple):
  """One chat, or one trace of an agent."""

  heading: str  # first line of each of its chunks; '' for none
  turns: Sequence[str]


class Layout(NamedTuple):
  """Chunks of a history, none of which is of two sessions."""

  chunks: tuple[str, ...]
  sizes: tuple[int, ...]  # chunks of each session
  # Of each session the chunk with which each of its turns has been read, and
  # last the one with which all of it has.
  read: tuple[tuple[int, ...], ...]


def lay_out(sessions: Sequence[Session], turns: int, words: int = 0) -> Layout:
  """Chunks of so many turns each, an empty session is one of its heading.

  Args:
    turns: of a chunk, as data.turns; 0: a session is a chunk.
    words: a longer turn counts as several, as data.turn_words; 0: no limit.
  """
  chunks, sizes, read = [], [], []
  for heading, said in sessions:
    pieces = [
      (i, piece)
      for i, turn in enumerate(said)
      for piece in (chunking.by_words(turn, words) if words else ()) or [turn]
    ]
    groups = chunking.groups(pieces, turns) or [()]
    at = {
      i: len(chunks) + k for k, group in enumerate(groups) for i, _ in group
    }
    for group in groups:
      lines = heading, *(piece for _, piece in group)
      chunks.append('\n'.join(lines).strip())
    sizes.append(len(groups))
    read.append((*at.values(), len(chunks) - 1))
  return Layout(tuple(chunks), tuple(sizes), tuple(read))


def heading(date: str) -> str:
  """Of a session with a date; text.wrapping knows it."""
  return f'Chat on {date}'


def said(role: str, content: str) -> str:
  """'User: Where was I?'"""
  return f'{role.capitalize()}: {content.strip()}'
