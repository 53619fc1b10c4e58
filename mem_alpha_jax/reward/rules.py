"""Rules that compare an answer with a gold answer: both texts, in [0, 1]."""

import collections
import re
import string
from collections.abc import Sequence

from mem_alpha_jax.text import english

_ARTICLES = re.compile(r'\b(a|an|the)\b')
_PUNCTUATION = re.compile(r'[^\w\s]')
_ARTICLES_AND = re.compile(r'\b(a|an|the|and)\b')
_NO_PUNCTUATION = str.maketrans('', '', string.punctuation)
_BOX = re.compile(r'\\boxed\s*\{')
_MARKUP = re.compile(r'\\(?:text|math)\w*\s*\{([^{}]*)\}|\$')
_WORD = re.compile(r'\w+')
# Commas and semicolons, but not the comma of 1,000.
_BETWEEN = re.compile(r';|(?<!\d),|,(?!\d)')
_NOT = re.compile(r"n['’]t\b")
# Ways to say that one does not know, as whole words of normalised text in
# which "isn't" has become "is not" and "cannot" is "can not".
ABSTAINING = (
  'unknown', 'unanswerable', 'not known', 'not mentioned', 'not specified',
  'not stated', 'not given', 'not provided', 'not recorded', 'not discussed',
  'not answerable', 'not sure', 'not enough information', 'no information',
  'no mention', 'no record', 'insufficient information', 'do not know',
  'does not know', 'does not say', 'do not say', 'did not say',
  'do not mention', 'does not mention', 'did not mention', 'never mentioned',
  'can not answer', 'can not be answered', 'can not be determined',
  'can not determine', 'can not tell', 'can not say',
)  # fmt: skip


def normalize(text: str) -> str:
  """Lowercase, without punctuation and articles, single spaces."""
  text = _PUNCTUATION.sub(' ', text.lower())
  return ' '.join(_ARTICLES.sub(' ', text).split())


def exact(prediction: str, gold: str) -> float:
  """1 if the normalised texts are equal (SQuAD's EM, arXiv:1606.05250)."""
  return float(normalize(prediction) == normalize(gold))


def substring(prediction: str, gold: str) -> float:
  """1 if the lowercase prediction contains the lowercase gold: SubEM.

  This is the rule of Mem-alpha's SQuAD and HotpotQA reward; it does not
  normalise, and a prediction that lists everything scores 1.
  """
  return float(gold.lower().strip() in prediction.lower())


def keywords(prediction: str, gold: str) -> float:
  """Share of the gold's ';'-separated keywords that the prediction holds.

  Both sides are lowercased; Mem-alpha's code leaves the prediction as it is,
  so that capitals cost score there.
  """
  return _hits(prediction, gold.split(';'))


def _hits(prediction: str, words: Sequence[str]) -> float:
  """Share of the words that a text holds; 0 of none."""
  wanted = [w.strip().lower() for w in words if w.strip()]
  if not wanted:
    return 0.0
  return sum(w in prediction.lower() for w in wanted) / len(wanted)


def f1(prediction: str, gold: str) -> float:
  """Token F1 = 2 p r / (p + r) over normalised words (arXiv:1606.05250)."""
  return _overlap(normalize(prediction).split(), normalize(gold).split())


def stemmed_f1(prediction: str, gold: str) -> float:
  """Token F1 as LoCoMo's code has it (arXiv:2402.17753, task_eval).

  Punctuation is deleted, not made a space, 'and' is left out like the
  articles, and words are compared by their stems. The stems are Porter's of
  1980; NLTK's, used there, differ in a few words, on both sides alike.
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
  plain = text.lower().translate(_NO_PUNCTUATION)
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

  Normalised, and whole words: '5' is not in 'boxed15'. The reference compares
  substrings of the prediction's first line for its baselines alone.
  """
  return float(f' {normalize(gold)} ' in f' {normalize(prediction)} ')


def comma_keywords(prediction: str, gold: str) -> float:
  """`keywords` of a gold with commas between them (book summaries)."""
  return _hits(prediction, _BETWEEN.split(gold))


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


def _label(text: str) -> str | int:
  plain = normalize(text.replace('_', ' '))
  return int(plain) if plain.isdecimal() else plain


def rouge_l(prediction: str, gold: str) -> float:
  """F1 of the longest common subsequence of lowercase words: ROUGE-L.

  F = 2 P R / (P + R), P = LCS / |prediction|, R = LCS / |gold| (Lin 2004,
  https://aclanthology.org/W04-1013, with beta = 1, no stemming). Articles
  count.
  """
  said, true = _WORD.findall(prediction.lower()), _WORD.findall(gold.lower())
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
  """1 if the answer is empty or says that it is not known (ABSTAINING)."""
  del gold
  plain = normalize(_NOT.sub(' not', prediction)).replace('cannot', 'can not')
  # "can't" has lost its n.
  said = f' {plain} '.replace(' ca not ', ' can not ')
  return float(not plain or any(f' {phrase} ' in said for phrase in ABSTAINING))
