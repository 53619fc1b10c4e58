"""Rules that compare an answer with a gold answer: both texts, in [0, 1].

Texts of any script are compared after NFKC and case folding. A letter of a
script that has no spaces (and of Hangul, as in KorQuAD) is a word by itself.
"""

import collections
import decimal
import functools
import json
import string
import unicodedata
from collections.abc import Sequence

import regex

from mem_alpha_jax.text import english
from mem_alpha_jax.text import words as words_lib

ARTICLES = ('a', 'an', 'the')
_LETTER = regex.compile(rf'(?V1)[{words_lib.SPACELESS}\p{{Hangul}}]\p{{M}}*')
_WORD = regex.compile(
  rf'{_LETTER.pattern}|[\w--{words_lib.SPACELESS}--\p{{Hangul}}]+'
)
_THOUSANDS = regex.compile(r'(?<![\d.,])\d{1,3}(?:,\d{3})+(?!,?\d)')
# All but letters, marks, digits and _; the sign of -1, the point of 3.5 and the
# end of C++ stay.
_PUNCTUATION = regex.compile(
  r'(?!(?<![\w)])-\d)(?!(?<=\d)\.\d)(?!(?<=\p{L}[+#]*)[+#]+(?!\w))'
  r'[^\p{L}\p{M}\p{N}_\s]'
)
# An article where it names something: 'vitamin A is', 'it is a.'
_NAME = regex.compile(
  r'(?<=\w[\s(]+)A(?!\w)|\b(?:[Aa]n?|[Tt]he)\b(?=\W*$|[^\w\s])'
)
_INVISIBLE = regex.compile(r'\p{Cf}')
_NUMBER = regex.compile(r'-?\d+(?:\.\d+)?')
_ARTICLES_AND = regex.compile(r'\b(a|an|the|and)\b')
_NO_PUNCTUATION = str.maketrans('', '', string.punctuation)
_CAPITAL = regex.compile('[A-J]')
_BOX = regex.compile(r'\\boxed\s*\{')
_MARKUP = regex.compile(r'\\(?:text|math)\w*\s*\{([^{}]*)\}|\$')
_BETWEEN = regex.compile('[,;、]')  # of a folded text: not the comma of 1,000
_NOT = regex.compile(r"n['’]t\b")
_NOTES = (
  r'(?:notes?|memory|memories|texts?|context|conversations?|dialogues?|'
  r'passages?|documents?|entries)'
)
# A letter that names a choice; 'A cat' and 'I am' have none.
_LETTER_OF = r"\(?\b(?:[B-HJ]|[AI](?! [a-z]))\b(?!['’])\)?"
_CHOSEN = regex.compile(
  r'(?:^|(?i:\b(?:answer|choice|option)s?\b(?: (?:is|are))?))\W*'
  rf'({_LETTER_OF}(?:(?:,|,? and| &) ?{_LETTER_OF})*)'
)
# Ways to say that one does not know, in a normalized sentence in which "isn't"
# has become "is not" and "cannot" is "can not".
_ABSTAINING = regex.compile(
  r'\b(?:'
  # What is not known.
  r'not (?:\w+ly )?(?:known|mentioned|specified|stated|given|provided|recorded|'
  rf'discussed|answerable|sure|(?:found |available )?in (?:\w+ )?{_NOTES})|'
  r'never mentioned|'
  r'(?:not enough|insufficient) (?:information|context|details)|'
  r'(?:^|(?:is|s|are|was|were|remains?|answer) )(?:still )?(?:unknown|unclear|'
  r'unanswerable|unspecified|undetermined)(?=$| (?:from|in|to me|based|because|'
  r'as|since|according|given)\b)|'
  # What there is not.
  r'no (?:such |relevant |specific |further )?(?:information|mention|records?|'
  r'details|notes?|memory of|memories of|recollection)|'
  r'(?:^|i (?:\w+ly )?have )no (?:idea|clue)|'
  rf'none of (?:\w+ )?{_NOTES}|'
  r'(?:^|(?:is|s|was|know|knows|have|has|find|found|see|say|says|hold|holds|'
  r'contain|contains) )nothing (?:is |was )?(?:about|on|regarding|known|said|'
  rf'mentioned|recorded|stated|in (?:\w+ )?{_NOTES})|'
  # Who can not say.
  r'do(?:es)? not (?:know|say|mention)|did not (?:say|mention)|'
  rf'{_NOTES} (?:do|does|did) not \w+|'
  r'do not have (?:\w+ )?(?:information|memory|memories|records?|notes?|'
  r'details|recollection)|'
  r'can not (?:answer|be answered|be determined|determine|tell|say)|'
  r'could not (?:be determined|be answered|determine)|'
  r'i (?:do|did|can|could) not (?:remember|recall|find)|'
  r'(?:unable|impossible|not able|not possible) to (?:answer|determine|find|'
  r'tell|say|know)|'
  # All that is said.
  r'^(?:n a|na|not applicable|not available|not found|no answer|no memory)$'
  r')(?!\w)'
)


def _compatible(text: str) -> str:
  """NFKC, without what only joins or separates letters."""
  return _INVISIBLE.sub('', unicodedata.normalize('NFKC', text))


@functools.lru_cache(1 << 15)
def _fold(text: str) -> str:
  """NFKC of the case-folded text, 1,000 as 1000."""
  folded = _compatible(_compatible(text).casefold()).replace('\u2212', '-')
  return _THOUSANDS.sub(lambda match: match[0].replace(',', ''), folded)


@functools.lru_cache(1 << 15)
def normalize(text: str) -> str:
  """Folded, without punctuation and articles, single spaces.

  The last word is never an article: of 'vitamin A' and of 'A' it is the name.
  What has no words at all stays as it is.
  """
  plain = _LETTER.sub(r' \g<0> ', _PUNCTUATION.sub(' ', _fold(text)))
  *words, last = plain.split() or _fold(text).split() or ['']
  return ' '.join([*(w for w in words if w not in ARTICLES), last])


def exact(prediction: str, gold: str) -> float:
  """1 if the normalized texts are equal (SQuAD's EM, arXiv:1606.05250)."""
  return float(normalize(prediction) == normalize(gold))


def substring(prediction: str, gold: str) -> float:
  """1 if the folded prediction contains the folded gold: SubEM.

  This is the rule of Mem-alpha's SQuAD and HotpotQA reward; it does not
  normalize, and a prediction that lists everything scores 1. A gold of one
  letter, 'yes' and 'no' are in too many words: they must be one; and what an
  abstention says is no answer ('I do not know' has no 'no').
  """
  wanted = _fold(gold).strip()
  if wanted in ('yes', 'no', *ARTICLES) or wanted.isalpha() and len(wanted) < 2:
    return contains(prediction, gold)
  return float(wanted in _fold(_answering(prediction, gold)))


def _answering(prediction: str, gold: str) -> str:
  """The prediction without what abstains, unless that is the gold."""
  if not abstains(prediction) or abstains(gold):
    return prediction
  sentences = ((part, _plain(part)) for part in english.sentences(prediction))
  return ' '.join(
    _ABSTAINING.sub(' ', plain) if _ABSTAINING.search(plain) else part
    for part, plain in sentences
  )


def keywords(prediction: str, gold: str) -> float:
  """Share of the gold's ';'-separated keywords that the prediction holds.

  Both sides are folded; Mem-alpha's code leaves the prediction as it is, so
  that capitals cost score there.
  """
  return _hits(prediction, gold, _fold(gold).split(';'))


def comma_keywords(prediction: str, gold: str) -> float:
  """`keywords` of a gold with commas between them (book summaries)."""
  return _hits(prediction, gold, _BETWEEN.split(_fold(gold)))


def _hits(prediction: str, gold: str, words: Sequence[str]) -> float:
  """Share of the words that a text holds; 0 of none."""
  wanted = [w.strip() for w in words if w.strip()]
  if not wanted:
    return 0.0
  said = _fold(_answering(prediction, gold))
  return sum(w in said for w in wanted) / len(wanted)


def f1(prediction: str, gold: str) -> float:
  """Token F1 = 2 p r / (p + r) over normalised words (arXiv:1606.05250)."""
  return _overlap(normalize(prediction).split(), normalize(gold).split())


def stemmed_f1(prediction: str, gold: str) -> float:
  """Token F1 as LoCoMo's code has it (arXiv:2402.17753, task_eval).

  Punctuation is deleted, not made a space, 'and' is left out like the
  articles, and words are compared by the stems of NLTK's Porter.
  """
  return _overlap(_stems(prediction), _stems(gold))


def list_f1(prediction: str, gold: str) -> float:
  """LoCoMo's F1 of answers that are lists, its category 1.

  Both sides are split at commas; mean over the gold's parts of the best
  `stemmed_f1` among the prediction's parts.
  """
  said, true = prediction.split(','), gold.split(',')
  best = [max(stemmed_f1(one, part) for one in said) for part in true]
  return sum(best) / len(best)


def _stems(text: str) -> list[str]:
  plain = unicodedata.normalize('NFKC', text).lower().translate(_NO_PUNCTUATION)
  return [english.stem(w) for w in _ARTICLES_AND.sub(' ', plain).split()]


def _overlap(said: Sequence[str], true: Sequence[str]) -> float:
  """F1 of two lists of words; repeated words count as often as in both."""
  common = sum((collections.Counter(said) & collections.Counter(true)).values())
  if not common:
    return 0.0
  precision, recall = common / len(said), common / len(true)
  return 2 * precision * recall / (precision + recall)


def contains(prediction: str, gold: str) -> float:
  """1 if the gold's words stand in the prediction, side by side.

  Normalized, and whole words: '5' is not in 'boxed15'. The reference compares
  substrings of the prediction's first line for its baselines alone. Where the
  gold ends in an article, one that names something must stand there.
  """
  said, wanted = _answering(prediction, gold), normalize(gold).split()
  if wanted[-1:] and wanted[-1] in ARTICLES:
    said = _LETTER.sub(r' \g<0> ', _compatible(said))
    said, wanted[-1] = _NAME.sub(r'\g<0>_', said), f'{wanted[-1]}_'
  # Articles that name something may stand between the words of a gold.
  words = ' (?:(?:an?|the)_ )*'.join(map(regex.escape, wanted))
  return float(bool(regex.search(f' {words} ', f' {normalize(said)} ')))


def label(prediction: str, gold: str) -> float:
  """1 if the label in the last \\boxed{}, or else the whole answer, is gold.

  Numbers are compared as numbers, so '07' is '7'; in names '_' is a space.
  """
  box = boxed(prediction)
  said = _label(prediction if box is None else box)
  return float(said == _label(gold))


def boxed(text: str) -> str | None:
  """What the last \\boxed{} of a text holds, None if there is none.

  Braces inside belong to it, and \\text{} around a name is dropped. A box
  that is not closed ends with its line.
  """
  starts = [match.end() for match in _BOX.finditer(text)]
  if not starts:
    return None
  inside, depth = '', 1
  for char in text[starts[-1] :].split('\n')[0]:
    depth += (char == '{') - (char == '}')
    if not depth:
      break
    inside += char
  return _MARKUP.sub(r'\1', inside).strip()


def _label(text: str) -> str | decimal.Decimal:
  plain = normalize(text.replace('_', ' '))
  return decimal.Decimal(plain) if _NUMBER.fullmatch(plain) else plain


def choice(prediction: str, gold: str) -> float:
  """1 if the letters that are chosen are those of the gold, 'B' or 'B, D'."""
  return float(chosen(prediction) == set(_CAPITAL.findall(gold)))


def chosen(prediction: str) -> set[str]:
  """Letters that the answer begins with, 'B. Rome' or '(b)'.

  Or else those that it says last of an answer, choice or option.
  """
  box = boxed(prediction)
  said = prediction if box is None else box
  if len(said.strip(' .()')) == 1:
    said = said.upper()
  found = [(m.start(), m[1]) for m in _CHOSEN.finditer(said.strip())]
  letters = found[0 if found[0][0] == 0 else -1][1] if found else ''
  return set(_CAPITAL.findall(letters))


def json_object(prediction: str, gold: str) -> float:
  """1 if the answer is a JSON object that equals the gold, and nothing else.

  Types count (1 is not true, nor '1'); the order of names does not.
  """
  try:
    said, true = (json.loads(text) for text in (prediction, gold))
  except ValueError:
    return 0.0
  plain = lambda value: json.dumps(value, sort_keys=True)
  return float(isinstance(said, dict) and plain(said) == plain(true))


def rouge_l(prediction: str, gold: str) -> float:
  """F1 of the longest common subsequence of folded words: ROUGE-L.

  F = 2 P R / (P + R), P = LCS / |prediction|, R = LCS / |gold| (Lin 2004,
  https://aclanthology.org/W04-1013, with beta = 1, no stemming). Articles
  count.
  """
  said, true = (
    _WORD.findall(unicodedata.normalize('NFKC', text.casefold()))
    for text in (prediction, gold)
  )
  before = [0] * (len(true) + 1)
  for word in said:
    row = [0]
    for j, other in enumerate(true):
      longest = max(before[j + 1], row[j])
      row.append(before[j] + 1 if word == other else longest)
    before = row
  common = before[-1]
  return 2 * common / (len(said) + len(true)) if common else 0.0


def abstention(prediction: str, gold: str) -> float:
  """1 if the answer is empty or says, in English, that it is not known."""
  del gold
  return float(not prediction.strip() or abstains(prediction))


def abstains(text: str) -> bool:
  """Whether a sentence of a text says that something is not known."""
  return any(_ABSTAINING.search(_plain(s)) for s in english.sentences(text))


def _plain(sentence: str) -> str:
  """Normalized, with "n't" as a word."""
  plain = normalize(_NOT.sub(' not', sentence)).replace('cannot', 'can not')
  return f' {plain} '.replace(' ca not ', ' can not ').strip()
