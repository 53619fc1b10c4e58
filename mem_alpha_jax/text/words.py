"""Words of a text: what is looked up, and how many fit."""

import re
from collections.abc import Callable

# Words that say nothing about what a text is about; 'i' and 'my' do.
STOP = frozenset(
  """a an and are at did do does for go have in is it of on s the to was went
  what when where which who with""".split()  # noqa: SIM905
)
_WORD = re.compile(r'\w+')


def terms(text: str) -> list[str]:
  r"""Returns the words of a text: lowercase runs of \w, in order."""
  return _WORD.findall(text.lower())


def first_words(text: str, tokens: int, count: Callable[[str], int]) -> str:
  """The most leading words of a text that are at most `tokens`."""
  return _most_words(text, tokens, count, lambda words, n: words[:n])


def last_words(text: str, tokens: int, count: Callable[[str], int]) -> str:
  """The most trailing words of a text that are at most `tokens`."""
  last = lambda words, n: words[len(words) - n :]
  return _most_words(text, tokens, count, last)


def _most_words(text, tokens, count, take) -> str:
  if count(text) <= tokens:
    return text
  words = text.split()
  # Bisection: n words fit for n <= low and do not for n >= high.
  low, high = 0, len(words)
  while high - low > 1:
    middle = (low + high) // 2
    if count(' '.join(take(words, middle))) <= tokens:
      low = middle
    else:
      high = middle
  return ' '.join(take(words, low))
