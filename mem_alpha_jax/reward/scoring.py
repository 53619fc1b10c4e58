"""Answer scoring: one table source -> rule, the same for every method."""

import fnmatch
from collections.abc import Sequence

from mem_alpha_jax.reward import rules
from mem_alpha_jax.types import UNANSWERABLE

RULES = {
  'exact': rules.exact,
  'substring': rules.substring,
  'contains': rules.contains,
  'keywords': rules.keywords,
  'comma_keywords': rules.comma_keywords,
  'label': rules.label,
  'f1': rules.f1,
  'stemmed_f1': rules.stemmed_f1,
  'list_f1': rules.list_f1,
  'rouge_l': rules.rouge_l,
  'abstention': rules.abstention,
}
# Source, or a pattern of sources -> rule. The first that matches counts.
SOURCE_RULES = {
  'synthetic': 'exact',
  'babi': 'exact',
  'squad': 'substring',
  'hotpotqa': 'substring',
  'memagent': 'substring',
  'perltqa': 'keywords',
  'pubmed-rct': 'label',
  'ttl_train': 'label',
  'icl_*': 'label',
  'banking77': 'label',
  'pubmed_rct': 'label',
  'clinc150*': 'label',
  'trec_*': 'label',
  'nlu': 'label',
  'booksum': 'comma_keywords',
  'infbench_sum*': 'comma_keywords',
  'infbench_qa*': 'contains',
  'ruler_*': 'contains',
  'locomo': 'stemmed_f1',
  'lme_train': 'contains',
  'longmemeval*': 'contains',
}
# Question types that have a rule of their own.
TYPE_RULES = {
  ('locomo', 'multi_hop'): 'list_f1',
  ('locomo', 'adversarial'): 'abstention',
  ('booksum', 'booksum_summary'): 'rouge_l',
}
# What a judge decides where there is one (reading/judge.py); the rule above is
# what can be had without, and another number.
JUDGED = ('lme_train', 'longmemeval*')


def rule_of(
  source: str, reader: str, kind: str = '', judge: bool = False
) -> str:
  """The rule for the answers of a reader (`reading.reader`) to a source.

  A language model answers in a sentence: where the extractive reader must say
  the gold and no more, its sentence must hold the gold.

  Args:
    source: of the episode.
    reader: `reading.reader`.
    kind: type of the question.
    judge: whether a judge is at hand; the rule may then be 'judge'.

  Raises:
    ValueError: for a source without a rule.
  """
  if judge and _matches(source, JUDGED):
    return 'judge'
  if kind.endswith(UNANSWERABLE):
    return 'abstention'
  rule = TYPE_RULES.get((source, kind)) or _source_rule(source)
  sentences = reader in ('lm', 'remote')
  return 'substring' if sentences and rule == 'exact' else rule


def _matches(source: str, patterns: Sequence[str]) -> bool:
  return any(fnmatch.fnmatchcase(source, pattern) for pattern in patterns)


def _source_rule(source: str) -> str:
  for pattern, rule in SOURCE_RULES.items():
    if fnmatch.fnmatchcase(source, pattern):
      return rule
  raise ValueError(
    f'no scoring rule for source {source!r}; add it to SOURCE_RULES of '
    'reward/scoring.py'
  )


def final_text(answer: str) -> str | None:
  """What follows a model's thinking; None if it never stopped to think."""
  if '</think>' in answer:
    return answer.rpartition('</think>')[2]
  return None if '<think>' in answer else answer


def score(
  prediction: str | None, gold: str | Sequence[str], rule: str
) -> float | None:
  """Scores one prediction in [0, 1].

  Args:
    prediction: the reader's answer; '' is an abstention and scores 0 but by
      the rule 'abstention'; None is a reader that failed.
    gold: the gold answer, or several of which the best counts.
    rule: key of RULES, usually `rule_of` its source and reader.

  Returns:
    The score, or None for missing data, which callers exclude and count.
  """
  if rule not in RULES:
    raise ValueError(f'unknown scoring rule {rule!r}; use one of {[*RULES]}')
  if prediction is None:
    return None
  said = final_text(prediction)
  if said is None:
    return 0.0
  if not said.strip() and rule != 'abstention':
    return 0.0
  golds = [gold] if isinstance(gold, str) else gold
  return max(RULES[rule](said, one) for one in golds)
