"""Long texts as chunks, and chunks as turns of a conversation.

Sizes and the shape of the wrapping follow Mem-alpha (arXiv 2509.25911,
appendix B and its public data code); the words are ours.
"""

import datetime
import re
from collections.abc import Callable, Iterable, Sequence

import numpy as np

Count = Callable[[str], int]

_SENTENCE_END = re.compile(r'(?<=[.!?])["\')\]]*\s+|\n+')
FIRST_DAY = datetime.date(2024, 1, 1)  # of a stream; a chunk is a day
OPENERS = (
  'Here is something that I read today.',
  'Please keep this in mind for later.',
  'I would like you to have a look at this.',
  'This might come up again, so take note.',
  'Let me share what I found this morning.',
  'I came across this and thought of you.',
  'Can you go through this for me?',
  'The next part is below.',
)
CLOSERS = (
  'Thank you, I have read it.',
  'Understood, I will remember it.',
  'Noted. Ask me about it whenever you like.',
  'I have gone through it.',
  'All right, I have it.',
  'Thanks for sharing this.',
)


def sentences(text: str) -> list[str]:
  """Splits at sentence ends and line ends; nothing but spaces is lost."""
  parts, start = [], 0
  for match in _SENTENCE_END.finditer(text):
    closing = match.group().rstrip()  # quotes and brackets stay
    parts.append(text[start : match.start()] + closing)
    start = match.end()
  parts.append(text[start:])
  return [part.strip() for part in parts if part.strip()]


def pack(
  pieces: Iterable[str], limit: int | Iterable[int], count: Count, join='\n'
) -> list[str]:
  """Packs pieces in order into chunks of at most `limit` tokens.

  A piece that is longer is split at words, and a word that is longer stands
  by itself.

  Args:
    pieces: sentences, lines, documents.
    limit: tokens of every chunk, or of one after the other.
    count: tokens of a text.
    join: what stands between two pieces.
  """
  limits = iter(limit) if isinstance(limit, Iterable) else None
  following = lambda: limit if limits is None else next(limits)
  chunks, current, room = [], '', following()
  for piece in pieces:
    for part in _parts(piece, room, count):
      longer = f'{current}{join}{part}' if current else part
      if current and count(longer) > room:
        chunks.append(current)
        current, room = part, following()
      else:
        current = longer
  return [*chunks, current] if current else chunks


def _parts(piece: str, limit: int, count: Count) -> list[str]:
  if count(piece) <= limit:
    return [piece]
  parts, current = [], ''
  for word in piece.split():
    longer = f'{current} {word}' if current else word
    if current and count(longer) > limit:
      parts.append(current)
      current = word
    else:
      current = longer
  return [*parts, current]


def random_limits(
  rng: np.random.Generator, low: int, high: int
) -> Iterable[int]:
  """Endless chunk sizes, uniform in [low, high] tokens."""
  while True:
    yield int(rng.integers(low, high + 1))


def converse(content: str, rng: np.random.Generator, day: int) -> str:
  """A chunk as a dated exchange of a user and an assistant.

  Args:
    content: what the user shares.
    rng: draws the openers.
    day: days after FIRST_DAY, the index of the chunk.
  """
  before, after = (
    texts[int(rng.integers(len(texts)))] for texts in (OPENERS, CLOSERS)
  )
  lines = (_header(day), f'User: {before}', content, f'Assistant: {after}')
  return '\n'.join(lines)


def _header(day: int) -> str:
  date = FIRST_DAY + datetime.timedelta(days=day)
  return f'Conversation on {date.isoformat()}'


def wrapping(days: int) -> list[str]:
  """All lines that `converse` adds to the first chunks of streams."""
  said = [f'User: {text}' for text in OPENERS]
  said += [f'Assistant: {text}' for text in CLOSERS]
  return [*map(_header, range(days)), *said]


def stream(
  contents: Sequence[str], rng: np.random.Generator
) -> tuple[str, ...]:
  """`converse` of each content, a day apart."""
  return tuple(converse(c, rng, day) for day, c in enumerate(contents))
