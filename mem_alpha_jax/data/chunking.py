"""Texts into chunks: sentences, packing to a token limit, the conversation.

Mem-alpha (arXiv 2509.25911, appendix B) packs what its sources say into
chunks of a random size and lets a user bring them up in a conversation, one
chunk a day.
"""

import bisect
import datetime
import itertools
import re
from collections.abc import Callable, Iterable, Iterator

import numpy as np

DAY_ONE = datetime.date(2024, 1, 1)
OPENERS = (
  'I came across the following and want you to remember it.',
  'Please keep this in mind, I will ask about it one day.',
  'Here is something that I read this morning.',
  'Let me share a few notes with you.',
  'This may be of use to us later.',
  'Could you store what this says?',
  'I would like to go through this text with you.',
  'Today I learned about the following.',
  'Take a look at this, there is much in it.',
  'I have copied this out for you.',
)
ACKNOWLEDGEMENTS = (
  'Thank you, I have read it and will remember it.',
  'Noted. Ask me about it at any time.',
  'I have gone through all of it.',
  'Good to know, I keep it in mind.',
  'Understood, that is stored.',
  'Thanks for sharing, I took it all in.',
  'That is clear, I wrote down what matters.',
  'Very well, I will come back to it when you need it.',
  'I see. It is in my notes now.',
  'All right, I am ready for more.',
)
_HEADER = 'Conversation of the user and the assistant, '
_READING = 'The user goes on reading a book, '
_REMINDER = 'Assistant: I follow the story and keep a summary of it.'
_AROUND = frozenset(
  [f'User: {text}' for text in OPENERS]
  + [f'Assistant: {text}' for text in ACKNOWLEDGEMENTS]
  + [_REMINDER]
)
_BREAK = re.compile(
  r'[.!?]["\')\]\u201d\u2019]*(\s+)(?=["\'(\[\u201c\u2018]*[A-Z0-9])|(\n\s*)'
)
_ABBREVIATION = re.compile(
  r'(?:^|[\s(])(?:[A-Z]|Mr|Mrs|Ms|Dr|Prof|St|Sr|Jr|vs|No|Fig|[a-z](?:\.[a-z])+'
  r'|[A-Z](?:\.[A-Z])+)\.$'
)


def sentences(text: str) -> list[str]:
  """Sentences of a text in order, without the spaces between them.

  A sentence ends at a line break, or at . ! or ? before a space and a capital
  or digit, but not after an initial or a usual abbreviation. Nothing but
  whitespace is lost.
  """
  found, start = [], 0
  for match in _BREAK.finditer(text):
    space = match.start(1) if match[1] is not None else match.start(2)
    before = text[max(0, space - 12) : space]
    if '\n' not in match[0] and _ABBREVIATION.search(before):
      continue
    found.append(text[start:space].strip())
    start = match.end()
  return [part for part in (*found, text[start:].strip()) if part]


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
    pieces: texts, for instance sentences or paragraphs.
    limit: tokens of a chunk, or one limit for every chunk (`targets`).
    count: tokens of a text, by the tokenizer of the policy.
    separator: what stands between the pieces of a chunk.

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
    head, tail = _cut(piece, size, count)
    chunk.append((index, head))
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
    opener = OPENERS[rng.integers(len(OPENERS))]
    reply = ACKNOWLEDGEMENTS[rng.integers(len(ACKNOWLEDGEMENTS))]
    chunks.append(
      f'{_HEADER}{date.isoformat()}\n'
      f'User: {opener}\n{content}\nAssistant: {reply}'
    )
  return tuple(chunks)


def read_aloud(content: str, date: datetime.date) -> str:
  """The content as a passage of a book that the user reads on one day."""
  return f'{_READING}{date.isoformat()}\n{content}\n{_REMINDER}'


def body(chunk: str) -> list[str]:
  """Lines of a chunk without those that this module has put around them."""
  return [
    line
    for line in chunk.split('\n')
    if line not in _AROUND and not line.startswith((_HEADER, _READING))
  ]


def _cut(text, size, count):
  """The longest beginning of at most `size` tokens, and what is left."""
  ends = [match.start() for match in re.finditer(r'\s+', text)] + [len(text)]
  end = _longest(text, ends, size, count)
  if not end:
    end = _longest(text, range(1, ends[0] + 1), size, count)
  if not end:
    raise ValueError(
      f'a chunk of {size} tokens cannot hold {text[:1]!r}; raise the limit'
    )
  return text[:end], text[end:].strip()


def _longest(text, ends, size, count):
  fits = bisect.bisect_right(ends, size, key=lambda end: count(text[:end]))
  return ends[fits - 1] if fits else 0
