"""Answer scoring, one rule a source, the same for every method."""

import collections
import re
import string
from collections.abc import Sequence

from mem_alpha_jax.reward import stemming

_ARTICLES = re.compile(r'\b(a|an|the)\b')
_PUNCTUATION = re.compile(r'[^\w\s]')
_ARTICLES_AND = re.compile(r'\b(a|an|the|and)\b')
_NO_PUNCTUATION = str.maketrans('', '', string.punctuation)


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


RULES = {
  'exact': exact,
  'substring': substring,
  'keywords': keywords,
  'f1': f1,
  'stemmed_f1': stemmed_f1,
  'list_f1': list_f1,
}
SOURCE_RULES = {
  'synthetic': 'exact',
  'babi': 'exact',
  'squad': 'substring',
  'hotpotqa': 'substring',
  'perltqa': 'keywords',
}


def rule_of(source: str, reader: str) -> str:
  """The rule for the answers of a reader (`reading.reader`) to a source.

  A language model answers in a sentence: where the extractive reader must say
  the gold and no more, its sentence must hold the gold.
  """
  rule = SOURCE_RULES[source]
  sentences = reader in ('lm', 'remote')
  return 'substring' if sentences and rule == 'exact' else rule


def score(prediction: str | None, gold: str, rule: str) -> float | None:
  """Scores one prediction in [0, 1].

  Args:
    prediction: the reader's answer; '' is an abstention and scores 0; None is
      a reader that failed.
    gold: the gold answer.
    rule: key of RULES, usually `rule_of` its source and reader.

  Returns:
    The score, or None for missing data, which callers exclude and count.
  """
  if rule not in RULES:
    raise ValueError(f'unknown scoring rule {rule!r}; use one of {[*RULES]}')
  if prediction is None:
    return None
  if not prediction.strip():
    return 0.0
  return RULES[rule](prediction, gold)
