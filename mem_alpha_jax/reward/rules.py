"""Rules that compare an answer with a gold answer: both texts, in [0, 1]."""

import collections
import re
import string
from collections.abc import Sequence

from mem_alpha_jax.reward import stemming

_ARTICLES = re.compile(r'\b(a|an|the)\b')
_PUNCTUATION = re.compile(r'[^\w\s]')
_ARTICLES_AND = re.compile(r'\b(a|an|the|and)\b')
_NO_PUNCTUATION = str.maketrans('', '', string.punctuation)
_BOX = re.compile(r'\\boxed\s*\{([^{}]*)(?:\}|\Z)')
# Ways to say that one does not know, matched in normalised text.
ABSTAINING = (
  'unknown', 'not known', 'not mentioned', 'not specified', 'not stated',
  'not provided', 'not enough information', 'insufficient information',
  'no information', 'cannot be determined', 'can not be determined',
  'cannot be answered', 'can not be answered', 'cannot answer',
  'unanswerable', 'do not know', 'don t know', 'does not say',
  'doesn t say', 'did not say', 'didn t say', 'did not mention',
  'didn t mention', 'does not mention', 'doesn t mention', 'not answerable',
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
  words = [w.strip().lower() for w in gold.split(';') if w.strip()]
  if not words:
    return 0.0
  return sum(w in prediction.lower() for w in words) / len(words)


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
  return [stemming.stem(w) for w in _ARTICLES_AND.sub(' ', plain).split()]


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
  """`keywords` of a gold that is separated by commas (book summaries)."""
  return keywords(prediction, gold.replace(',', ';'))


def label(prediction: str, gold: str) -> float:
  """1 if the label in the last \\boxed{}, or else the whole answer, is gold.

  A box that is not closed ends with the text. Numbers are compared as
  numbers, so '07' is '7'.
  """
  boxes = _BOX.findall(prediction)
  said, true = normalize(boxes[-1] if boxes else prediction), normalize(gold)
  if said.isdecimal() and true.isdecimal():
    return float(int(said) == int(true))
  return float(said == true)


def rouge_l(prediction: str, gold: str) -> float:
  """F1 of the longest common subsequence of normalised words.

  ROUGE-L with beta = 1: F = 2 P R / (P + R), P = LCS / |prediction|,
  R = LCS / |gold| (Lin 2004, https://aclanthology.org/W04-1013).
  """
  said, true = normalize(prediction).split(), normalize(gold).split()
  before = [0] * (len(true) + 1)
  for word in said:
    row = [0]
    for j, other in enumerate(true):
      same = before[j] + 1 if word == other else 0
      row.append(max(same, before[j + 1], row[j]))
    before = row
  common = before[-1]
  return 2 * common / (len(said) + len(true)) if common else 0.0


def abstention(prediction: str, gold: str) -> float:
  """1 if the answer is empty or says that it is not known (ABSTAINING)."""
  del gold
  said = f' {normalize(prediction)} '
  return float(not said.strip() or any(f' {w} ' in said for w in ABSTAINING))
