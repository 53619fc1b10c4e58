"""What is peculiar to English: ends of sentences, stems, months."""

import functools
import re

MONTHS = (
  'January', 'February', 'March', 'April', 'May', 'June', 'July', 'August',
  'September', 'October', 'November', 'December',
)  # fmt: skip
_END = re.compile(r'(?<=[.!?])\s+|\n+')


def sentences(text: str) -> list[str]:
  """Parts that end in . ! or ? before a space, or at a line break."""
  return [part for part in _END.split(text) if part.strip()]


@functools.lru_cache(1 << 16)
def stem(word: str) -> str:
  """The stem of a lowercase word.

  M. F. Porter 1980, "An algorithm for suffix stripping", Program 14(3), with
  NLTK's extensions, which are those of LoCoMo's scorer.
  """
  return _porter().stem(word, to_lowercase=False)


@functools.cache
def _porter():
  from nltk.stem import porter  # 3 s, that most runs save

  return porter.PorterStemmer()
