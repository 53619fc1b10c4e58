"""What is peculiar to English: ends of sentences and clauses, stems, months."""

import functools
import re

MONTHS = (
  'January', 'February', 'March', 'April', 'May', 'June', 'July', 'August',
  'September', 'October', 'November', 'December',
)  # fmt: skip
_END = re.compile(
  r'[.!?](?:["\')\]\u201d\u2019]+(?!\s+[a-z]))?(\s+)'
  r'|[\u3002\uff01\uff1f\u0964][\u300d\u300f\u201d\u2019\uff09]*(\s*)(?=.)|(\n\s*)'
)
_SEMICOLON = re.compile(r'(?<=[;؛])\s+|(?<=；)\s*(?=[^\s」』”’）])')
_ABBREVIATION = re.compile(
  r'(?:^|[\s(])(?:[A-HJ-Z]|Mr|Mrs|Ms|Dr|Prof|St|Sr|Jr|vs|No|Fig|[a-z](?:\.[a-z])+'
  r'|[A-Z](?:\.[A-Z])+)\.$'
)


def sentences(text: str) -> list[str]:
  """Sentences of a text in order, without the spaces between them.

  A sentence ends at a line break, at . ! or ? before a space (after closing
  quotes not before a lowercase letter: '"Go!" he said'), but not after an
  initial or a usual abbreviation, and at the full stop of Chinese, Japanese
  and Hindi. Nothing but whitespace is lost.
  """
  found, start = [], 0
  for match in _END.finditer(text):
    space = match.start(match.lastindex)
    before = text[max(0, space - 12) : space]
    if '\n' not in match[0] and _ABBREVIATION.search(before):
      continue
    found.append(text[start:space].strip())
    start = match.end()
  return [part for part in (*found, text[start:].strip()) if part]


def clauses(text: str) -> list[str]:
  """Sentences, cut once more after ； and, before a space, ; and ؛."""
  return [part for one in sentences(text) for part in _SEMICOLON.split(one)]


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
