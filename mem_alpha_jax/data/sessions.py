"""Sessions of turns as chunks: what readers of chats share."""

from collections.abc import Callable, Iterable, Sequence
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

  def session(self, i: int) -> range:
    """The chunks of a session."""
    end = self.read[i][-1] + 1
    return range(end - self.sizes[i], end)


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


def cut(
  said: Sequence[str],
  bounds: Iterable[int],
  heading: Callable[[int], str],
  turns: int,
  words: int,
) -> tuple[Layout, dict[int, int]]:
  """One history as sessions that end where it is asked about.

  Args:
    said: its turns.
    bounds: numbers of turns after which a session ends.
    heading: the first turn of a session -> its heading.
    turns: as of `lay_out`, and so is `words`.

  Returns:
    The chunks, and of each bound the chunk with which so much has been read.
  """
  ends = sorted({len(said), *bounds} - {0})
  starts = [0, *ends[:-1]]
  parts = [
    Session(heading(a), said[a:b]) for a, b in zip(starts, ends, strict=True)
  ]
  laid = lay_out(parts, turns, words)
  return laid, {b: read[-1] for b, read in zip(ends, laid.read, strict=True)}


def heading(date: str) -> str:
  """Of a session with a date; text.wrapping knows it."""
  return f'Chat on {date}'


def said(role: str, content: str) -> str:
  """'User: Where was I?'"""
  return f'{role.capitalize()}: {content.strip()}'
