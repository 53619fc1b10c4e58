"""Words of a text in any script: what is looked up, and how many fit.

Words are runs of letters, marks and digits (the \\p classes of Unicode
Technical Standard 18), compared in NFKC and without case. Han, Kana, Thai,
Lao, Khmer and Myanmar put no spaces between words; there a word is each pair
of neighboring characters, with their marks, as Lucene's CJKAnalyzer has it.
"""

import functools
import re
import unicodedata
from collections.abc import Callable

import regex

# Words that say nothing about what a text is about; 'i' and 'my' do.
STOP = frozenset(
  """a an and are at did do does for go have in is it of on s the to was went
  what when where which who with""".split()  # noqa: SIM905
)
# A character of a script without spaces, for regex.VERSION1.
SPACELESS = (
  r'[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}'
  r'\u30fc--[\p{P}\p{N}\p{M}]]'
)
_ASCII_WORD = re.compile(r'\w+')  # faster than regex
_RUN = regex.compile(
  rf'(?P<pairs>(?:{SPACELESS}\p{{M}}*)+)'
  rf'|[[\p{{L}}\p{{M}}\p{{N}}\p{{Pc}}]--{SPACELESS}]+',
  regex.VERSION1,
)
_SPACELESS = regex.compile(SPACELESS, regex.VERSION1)
_CHARACTER = regex.compile(r'.\p{M}*', regex.VERSION1 | regex.DOTALL)
# What a cut leaves whole: words and, without spaces, characters.
_UNIT, _PIECE = (
  regex.compile(
    rf'{before}(?:{SPACELESS}\p{{M}}*|[\S--{SPACELESS}]+)', regex.VERSION1
  )
  for before in ('', r'\s*')
)
# Soft hyphen, joiners and the like show nothing and part no word.
_IGNORED = dict.fromkeys((0xAD, 0x200C, 0x200D, 0x2060, 0xFEFF))


def terms(text: str) -> list[str]:
  """The words of a text in order, in NFKC and without case."""
  if text.isascii():
    return _ASCII_WORD.findall(text.lower())
  text = unicodedata.normalize('NFKC', text.translate(_IGNORED)).casefold()
  found = []
  for match in _RUN.finditer(text):
    if match['pairs']:
      run = _CHARACTER.findall(match[0])
      found += map(''.join, zip(run, run[1:])) if run[1:] else run  # noqa: B905
    else:
      found.append(match[0])
  return found


def content(text: str) -> tuple[str, ...]:
  """The distinct words of a text in order, without STOP."""
  return _content(text) if len(text) < 1000 else _content.__wrapped__(text)


@functools.lru_cache(1 << 16)
def _content(text: str) -> tuple[str, ...]:
  return tuple(w for w in dict.fromkeys(terms(text)) if w not in STOP)


def is_spaceless(text: str) -> bool:
  """Whether a text begins in a script without spaces."""
  return bool(_SPACELESS.match(text))


def pieces(text: str) -> list[str]:
  """A text cut at each word, with the spaces before it, case and all."""
  return [match[0] for match in _PIECE.finditer(text)]


def telling(text: str) -> list[str]:
  """The words that say something, as written, without punctuation around.

  Those that a space precedes begin with one.
  """
  found = []
  for piece in pieces(text):
    word = piece.strip(' .,;:!?"')
    if content(word):
      found.append(' ' * piece[0].isspace() + word)
  return found


def first_words(text: str, tokens: int, count: Callable[[str], int]) -> str:
  """The longest beginning of at most `tokens` that ends with a word.

  Of a word that is longer than that, its first characters; a script without
  spaces is cut between any two. Empty only if no character fits.
  """
  return _cut(text, tokens, count, lambda t, at: t[: at[1]], 1)


def last_words(text: str, tokens: int, count: Callable[[str], int]) -> str:
  """The longest ending of at most `tokens`, cut as `first_words` are."""
  return _cut(text, tokens, count, lambda t, at: t[at[0] :], -1)


def _cut(text, tokens, count, part, direction) -> str:
  if count(text) <= tokens:
    return text
  for unit in (_UNIT, _CHARACTER):
    spans = [match.span() for match in unit.finditer(text)][::direction]
    # Bisection: n units fit for n <= low and do not for n >= high.
    low, high = 0, len(spans) + 1
    while high - low > 1:
      middle = (low + high) // 2
      if count(part(text, spans[middle - 1]).strip()) <= tokens:
        low = middle
      else:
        high = middle
    if low:
      return part(text, spans[low - 1]).strip()
  return ''
