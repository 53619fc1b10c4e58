"""Texts into chunks: packing to a token limit, the conversation.

Mem-alpha (arXiv 2509.25911, appendix B) packs what its sources say into
chunks of a random size and lets a user bring them up in a conversation, one
chunk a day.
"""

import datetime
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np

from mem_alpha_jax.text import english, words, wrapping

_Item = TypeVar('_Item')
DAY_ONE = datetime.date(2024, 1, 1)


def groups(items: Sequence[_Item], size: int) -> list[Sequence[_Item]]:
  """So many items each, the last perhaps fewer; 0 for all of them."""
  step = size or max(len(items), 1)
  return [items[i : i + step] for i in range(0, len(items), step)]


def by_words(text: str, most: int) -> list[str]:
  """Parts of at most so many words, after a sentence where one fits; 0: all."""
  count = lambda part: len(part.split())
  return pack(english.sentences(text), most or count(text) or 1, count)


def targets(rng: np.random.Generator, least: int, most: int) -> Iterator[int]:
  """Endless chunk sizes, in tokens, uniform from `least` to `most`."""
  if not 0 < least <= most:
    raise ValueError(f'chunk sizes from {least} to {most}: 0 < least <= most')
  return (int(rng.integers(least, most + 1)) for _ in itertools.count())


def pack(
  pieces: Iterable[str],
  limit: int | Iterator[int],
  count: Callable[[str], int],
  separator: str = ' ',
) -> list[str]:
  """The texts of `place`, which see."""
  placed = place(pieces, limit, count, separator)
  return [text(chunk, separator) for chunk in placed]


def text(chunk: Iterable[tuple[int, str]], separator: str = '\n') -> str:
  """What a chunk of `place` says."""
  return separator.join(part for _, part in chunk)


def place(
  pieces: Iterable[str],
  limit: int | Iterator[int],
  count: Callable[[str], int],
  separator: str = ' ',
) -> Iterator[list[tuple[int, str]]]:
  """Chunks as lists of (index of a piece, its text or a part of it).

  A chunk takes pieces until the next would make it too long. A piece that is
  longer than a chunk is split between words, and a word that is, between
  characters. Nothing but whitespace is lost; empty pieces are left out, and
  no more pieces are read than a chunk needs.

  Args:
    limit: tokens of a chunk, or one limit for every chunk (`targets`).
    count: tokens of a text, by the tokenizer of the policy.

  Raises:
    ValueError: a character alone has more tokens than the limit.
  """
  limits = itertools.repeat(limit) if isinstance(limit, int) else limit
  coming = ((i, p.strip()) for i, p in enumerate(pieces) if p.strip())
  rest = []  # what was taken from `coming` and has no chunk yet, last first
  for item in coming:
    rest.append(item)
    while rest:
      yield _fill(rest, coming, next(limits), count, separator)


def _fill(rest, coming, size, count, separator):
  """One chunk; takes its pieces from `rest`, then from `coming`."""
  chunk, used = [], 0
  while rest:
    piece = rest[-1][1]
    used += count(separator + piece if chunk else piece)
    if used > size:
      break
    chunk.append(rest.pop())
    if not rest:
      rest.extend(itertools.islice(coming, 1))
  # Tokens of a whole may be more than those of its parts, though rarely.
  while len(chunk) > 1 and count(text(chunk, separator)) > size:
    rest.append(chunk.pop())
  if not chunk:
    index, piece = rest.pop()
    head = words.first_words(piece, size, count)
    if not head:
      raise ValueError(
        f'a chunk of {size} tokens cannot hold {piece[:1]!r}; raise the limit'
      )
    chunk.append((index, head))
    tail = piece[len(head) :].strip()
    rest.extend([(index, tail)] if tail else [])
  return chunk


def converse(texts: Iterable[str], rng: np.random.Generator) -> tuple[str, ...]:
  """Each text, unchanged, as what a user tells the assistant on one day.

  The generator chooses what the user says before it and the assistant after
  it. Days are counted from DAY_ONE.
  """
  chunks = []
  for day, content in enumerate(texts):
    date = DAY_ONE + datetime.timedelta(days=day)
    opener, reply = (
      said[rng.integers(len(said))]
      for said in (wrapping.OPENERS, wrapping.ACKNOWLEDGEMENTS)
    )
    chunks.append(
      f'{wrapping.HEADER}{date.isoformat()}\n'
      f'User: {opener}\n{content}\nAssistant: {reply}'
    )
  return tuple(chunks)


def read_aloud(content: str, date: datetime.date) -> str:
  """The content as a passage of a book that the user reads on one day."""
  return f'{wrapping.READING}{date.isoformat()}\n{content}\n{wrapping.REMINDER}'
