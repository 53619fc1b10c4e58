"""Answer scoring: rules by name, the same for every method."""

from collections.abc import Sequence
from typing import NamedTuple

from mem_alpha_jax.reading import chat, registry
from mem_alpha_jax.reading import judge as judge_lib
from mem_alpha_jax.reward import rules
from mem_alpha_jax.types import UNANSWERABLE, Question

JUDGE = 'judge'  # the rule that is none of RULES
# Rules of long answers: summaries, lists of facts, a box after its reasons, an
# object of several lines. By the others the first line counts, for a small
# model goes on with new questions of its own.
WHOLE = ('keywords', 'comma_keywords', 'rouge_l', 'label', 'json')

RULES = {
  'exact': rules.exact,
  'substring': rules.substring,
  'contains': rules.contains,
  'keywords': rules.keywords,
  'comma_keywords': rules.comma_keywords,
  'label': rules.label,
  'json': rules.json_object,
  'f1': rules.f1,
  'stemmed_f1': rules.stemmed_f1,
  'list_f1': rules.list_f1,
  'rouge_l': rules.rouge_l,
  'choice': rules.choice,
  'abstention': rules.abstention,
}


class Asked(NamedTuple):
  """A question that was answered; `answer` as `score` takes it."""

  question: Question
  answer: str | None
  rule: str  # of RULES, or JUDGE


def rule_for(rule: str, reader: str, kind: str = '') -> str:
  """The rule of a source, as a reader's answers to a kind of question need it.

  A language model answers in a sentence: where the extractive reader must say
  the gold and no more, its sentence must hold the gold.
  """
  if kind.endswith(UNANSWERABLE):
    return 'abstention'
  sentences = registry.READERS[reader].sentences
  return 'substring' if sentences and rule == 'exact' else rule


def score(
  prediction: str | None, gold: str | Sequence[str], rule: str
) -> float | None:
  """Scores one prediction in [0, 1].

  Args:
    prediction: the reader's answer; '' is an abstention and scores 0 but by
      the rule 'abstention'; None is a reader that failed. Only what follows
      its thinking counts, and a thought without an end scores 0.
    gold: the gold answer, or several of which the best counts. If there is
      nothing in any of them the rule is 'abstention', whatever `rule` says.
    rule: key of RULES, usually `data.sources.rule_of` its source and reader.

  Returns:
    The score, or None for missing data, which callers exclude and count.

  Raises:
    ValueError: for an unknown rule, or that of a judge.
  """
  if rule == JUDGE:
    raise ValueError(f'rule {JUDGE!r} asks a judge; use score_all')
  if rule not in RULES:
    raise ValueError(f'unknown scoring rule {rule!r}; use one of {[*RULES]}')
  if prediction is None:
    return None
  said = chat.final_text(prediction)
  if said is None:
    return 0.0
  golds = [gold] if isinstance(gold, str) else gold
  golds = [g for g in golds if g.strip()]
  if rule not in WHOLE:
    said = chat.first_line(said)
  if not golds or rule == 'abstention':
    return rules.abstention(said, '')
  if not said.strip():
    return 0.0
  return max(RULES[rule](said, one) for one in golds)


def score_all(
  asked: Sequence[Asked], judge: judge_lib.AnswerJudge | None = None
) -> list[float | None]:
  """`score` of many answers; a judge gets all that are its in one call.

  A judge sees no answer that is empty: that one is right if its question has
  no answer. Nor one that failed or is a thought without an end.

  Raises:
    ValueError: for an unknown rule, or if there is no judge and one is asked.
  """
  marks, cases = [], {}
  for i, (question, answer, rule) in enumerate(asked):
    if rule != JUDGE or answer is None:
      golds = (question.answer, *question.others)
      marks.append(score(answer, golds, rule) if rule != JUDGE else None)
      continue
    said = chat.final_text(answer)
    if said is None or not said.strip():
      unknown = question.type.endswith(UNANSWERABLE)
      marks.append(float(said is not None and unknown))
      continue
    golds = '\n'.join((question.answer, *question.others))
    cases[i] = judge_lib.Case(question.text, golds, said, question.type)
    marks.append(None)
  if cases and judge is None:
    raise ValueError(
      f'rule {JUDGE!r} and no judge; give one, or use rule_of(judge=False)'
    )
  verdicts = judge([*cases.values()]) if cases else []
  for i, verdict in zip(cases, verdicts, strict=True):
    marks[i] = None if verdict is None else float(verdict)
  return marks
