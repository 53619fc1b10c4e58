"""Answer scoring, one rule a source, the same for every method."""

import collections
import re

_ARTICLES = re.compile(r'\b(a|an|the)\b')
_PUNCTUATION = re.compile(r'[^\w\s]')


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
  said = normalize(prediction).split()
  true = normalize(gold).split()
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
}
SOURCE_RULES = {
  'synthetic': 'exact',
  'babi': 'exact',
  'squad': 'substring',
  'hotpotqa': 'substring',
  'perltqa': 'keywords',
}


def score(prediction: str | None, gold: str, rule: str) -> float | None:
  """Scores one prediction in [0, 1].

  Args:
    prediction: the reader's answer; '' is an abstention and scores 0; None is
      a reader that failed.
    gold: the gold answer.
    rule: key of RULES, usually SOURCE_RULES[episode.source].

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
