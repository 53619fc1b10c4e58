"""Long texts of evaluation sets into chunks, at the borders that they have."""

import re
from collections.abc import Callable, Sequence

from mem_alpha_jax.data import chunking

_LABEL = re.compile(r'\blabel\s*:', re.IGNORECASE)


def documents(text: str) -> list[str]:
  """Documents of a text 'Document 1:\\n...\\n\\nDocument 2:\\n...'.

  RULER (arXiv 2404.06654) numbers them so. A document may quote the heading
  of another one: only the next number begins a document.

  Raises:
    ValueError: the text does not begin with document 1.
  """
  text = text.strip()
  if not text.startswith(_heading(1)):
    raise ValueError(f"expected 'Document 1:' first, got {text[:30]!r}")
  starts = [0]
  while (at := text.find(f'\n{_heading(len(starts) + 1)}', starts[-1])) >= 0:
    starts.append(at + 1)
  ends = [*starts[1:], len(text)]
  return [
    text[start:end].strip() for start, end in zip(starts, ends, strict=True)
  ]


def examples(text: str) -> list[str]:
  """Labelled examples: lines up to and with one that says 'label:'."""
  found, lines = [], []
  for line in text.splitlines():
    if line.strip():
      lines.append(line.strip())
    if _LABEL.search(line):
      found.append('\n'.join(lines))
      lines = []
  if lines:
    found.append('\n'.join(lines))
  return found


def pack(
  pieces: Sequence[str],
  limit: int,
  count: Callable[[str], int],
  separator: str = '\n',
) -> list[str]:
  """The texts of `place`, which see."""
  placed = place(pieces, limit, count, separator)
  return [separator.join(text for _, text in chunk) for chunk in placed]


def place(
  pieces: Sequence[str],
  limit: int,
  count: Callable[[str], int],
  separator: str = '\n',
) -> list[list[tuple[int, str]]]:
  """Chunks of whole pieces; only one that is too long is split, at sentences.

  Args:
    pieces: turns, documents, examples or lines, in order.
    limit: tokens of a chunk.
    count: tokens of a text, by the tokenizer of the policy.
    separator: what stands between the pieces of a chunk.

  Returns:
    Chunks as lists of (index of a piece, its text or a part of it).

  Raises:
    ValueError: a character alone has more tokens than the limit.
  """
  parts, owners = [], []
  for i, piece in enumerate(pieces):
    found = [piece]
    if count(piece) > limit:
      found = chunking.pack(chunking.sentences(piece), limit, count)
    parts += found
    owners += [i] * len(found)
  placed = chunking.place(parts, limit, count, separator)
  return [[(owners[i], text) for i, text in chunk] for chunk in placed]


def _heading(number: int) -> str:
  return f'Document {number}:\n'
