"""Porter's stemmer: the part of an English word that its forms share.

M. F. Porter 1980, "An algorithm for suffix stripping", Program 14(3); written
from the rules of the paper. A stem is [C](VC)^m[V] in runs of consonants and
vowels; most rules ask for a measure m of what is left before the suffix.
"""

import functools
import re

# Steps 2 to 4: the longest suffix that a word ends in is the one that counts.
_STEP2 = dict(
  ational='ate', tional='tion', enci='ence', anci='ance', izer='ize',
  abli='able', alli='al', entli='ent', eli='e', ousli='ous', ization='ize',
  ation='ate', ator='ate', alism='al', iveness='ive', fulness='ful',
  ousness='ous', aliti='al', iviti='ive', biliti='ble',
)  # fmt: skip
_STEP3 = dict(
  icate='ic', ative='', alize='al', iciti='ic', ical='ic', ful='', ness=''
)  # fmt: skip
_STEP4 = dict.fromkeys(
  re.findall(
    r'\w+',
    'al ance ence er ic able ible ant ement ment ent ion ou ism ate iti ous '
    'ive ize',
  ),
  '',
)


@functools.lru_cache(1 << 16)
def stem(word: str) -> str:
  """Returns the stem of a lowercase word; words of one or two letters stay."""
  if len(word) < 3:
    return word
  word = _plurals(word)
  word = _past(word)
  if word.endswith('y') and 'v' in _kinds(word[:-1]):
    word = word[:-1] + 'i'
  for suffixes, least in ((_STEP2, 1), (_STEP3, 1), (_STEP4, 2)):
    word = _replaced(word, suffixes, least)
  return _tidied(word)


def _kinds(text: str) -> str:
  """'c' or 'v' of each letter; y after a consonant is a vowel."""
  kinds = ''
  for letter in text:
    vowel = letter in 'aeiou' or (letter == 'y' and kinds[-1:] == 'c')
    kinds += 'v' if vowel else 'c'
  return kinds


def _measure(text: str) -> int:
  return len(re.findall('v+c', _kinds(text)))


def _doubled(text: str) -> bool:
  return text[-1:] == text[-2:-1] and _kinds(text)[-1:] == 'c'


def _short(text: str) -> bool:
  """Ends in consonant, vowel, consonant, the last not w, x or y."""
  return _kinds(text).endswith('cvc') and text[-1] not in 'wxy'


def _plurals(word):
  for suffix, new in (('sses', 'ss'), ('ies', 'i'), ('ss', 'ss'), ('s', '')):
    if word.endswith(suffix):
      return word.removesuffix(suffix) + new
  return word


def _past(word):
  if word.endswith('eed'):
    return word[:-1] if _measure(word[:-3]) > 0 else word
  for suffix in ('ed', 'ing'):
    left = word.removesuffix(suffix)
    if left != word and 'v' in _kinds(left):
      if left.endswith(('at', 'bl', 'iz')):
        return left + 'e'
      if _doubled(left) and left[-1] not in 'lsz':
        return left[:-1]
      return left + 'e' if _measure(left) == 1 and _short(left) else left
  return word


def _replaced(word, suffixes, least):
  ends = [word[-n:] for n in range(7, 1, -1) if word[-n:] in suffixes]
  if not ends:
    return word
  left = word.removesuffix(ends[0])
  if ends[0] == 'ion' and not left.endswith(('s', 't')):
    return word
  return left + suffixes[ends[0]] if _measure(left) >= least else word


def _tidied(word):
  left = word.removesuffix('e')
  if left != word:
    m = _measure(left)
    if m > 1 or (m == 1 and not _short(left)):
      word = left
  if word.endswith('ll') and _measure(word) > 1:
    word = word[:-1]
  return word
