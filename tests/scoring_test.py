import pytest

from mem_alpha_jax.reward import scoring


@pytest.mark.parametrize(
  ('prediction', 'gold', 'rule', 'expected'),
  [
    ('the  Baker.', 'baker', 'exact', 1.0),
    ('3 may', '3 May', 'exact', 1.0),
    ('bakers', 'baker', 'exact', 0.0),
    ('a', 'the', 'exact', 1.0),  # nothing but articles on both sides
    ('She is a BAKER now', 'baker', 'substring', 1.0),
    ('boxed15', '5', 'substring', 1.0),  # SubEM as the reference has it
    ('She is a pilot', 'baker', 'substring', 0.0),
    ('Paris in MAY', 'paris; may; tom; ', 'keywords', 2 / 3),
    ('anything', ' ; ', 'keywords', 0.0),
    ('the red house', 'a red car', 'f1', 0.5),
    ('red red', 'red', 'f1', 2 / 3),
    ('blue', 'red', 'f1', 0.0),
    ('Tom and Ada, painting', 'They painted', 'stemmed_f1', 0.4),
    ('a self-portrait', 'self portraits', 'stemmed_f1', 0.0),
    ("Ada's the one", 'adas', 'stemmed_f1', 2 / 3),
    ('7 May, 2023', '7 May 2023', 'stemmed_f1', 1.0),
    ('a, the', 'and', 'stemmed_f1', 0.0),
    # Best parts: hiking 1, 'golf' nothing, of swim and yoga half.
    ('hiking, swim and yoga', 'yoga, golf, hikes', 'list_f1', (2 / 3 + 1) / 3),
    ('hiking', 'hiking', 'list_f1', 1.0),
  ],
)
def test_rules(prediction, gold, rule, expected):
  assert scoring.score(prediction, gold, rule) == pytest.approx(expected)


# What the reference gets wrong (its scorers and why: BUILD.md), and what is
# right.
@pytest.mark.parametrize(
  ('prediction', 'gold', 'rule', 'expected'),
  [
    # Its keyword rule leaves capitals in the prediction, so PARIS misses.
    ('PARIS, in May', 'paris;may', 'keywords', 1.0),
    # Baselines are matched by substring: 'boxed15' holds 5.
    ('\\boxed{15}', '5', 'label', 0.0),
    ('boxed15', '5', 'contains', 0.0),
    ('The answer is \\boxed{5}.', '5', 'label', 1.0),
    # Digits only: a label that has a name scores 0 there.
    ('\\boxed{Card arrival}', 'card arrival', 'label', 1.0),
    ('\\boxed{05}', '5', 'label', 1.0),
    ('First \\boxed{3}, no: \\boxed{4}', '4', 'label', 1.0),
    ('\\boxed{4', '4', 'label', 1.0),
    ('4', '4', 'label', 1.0),
    ('It is 4', '4', 'label', 0.0),
    # Only the first gold is looked at for its baselines.
    ('It was the River Thames.', ('Isis', 'the Thames'), 'contains', 1.0),
    ('thameside', ('Isis', 'Thames'), 'contains', 0.0),
    # An unclosed thought is graded as the word Empty there.
    ('<think>baker, or is it', 'empty', 'substring', 0.0),
    ('<think>a pilot?</think> A baker.', 'baker', 'exact', 1.0),
    ('<think>a pilot?</think> A baker.', 'pilot', 'substring', 0.0),
    ('Ahab, a whale', 'ahab, whale, Starbuck', 'comma_keywords', 2 / 3),
  ],
)
def test_golden_cases(prediction, gold, rule, expected):
  assert scoring.score(prediction, gold, rule) == pytest.approx(expected)


def test_rouge_l_by_hand():
  # Longest common subsequence 'police killed gunman': 3 of 4 and 3 of 4.
  said, gold = 'police kill killed gunman', 'police then killed gunman'
  assert scoring.score(said, gold, 'rouge_l') == pytest.approx(3 / 4)
  assert scoring.score('gunman killed', 'killed gunman', 'rouge_l') == 0.5
  assert scoring.score('x', 'y', 'rouge_l') == 0.0


@pytest.mark.parametrize(
  ('said', 'expected'),
  [
    ('', 1.0),
    ('I do not know.', 1.0),
    ("That wasn't mentioned; it is not mentioned anywhere.", 1.0),
    ('She knows a nobleman.', 0.0),
    ('<think>unknown', 0.0),
    ('<think>Rome?</think>Unknown', 1.0),
  ],
)
def test_abstaining_is_right_where_nothing_was_said(said, expected):
  assert scoring.score(said, '', 'abstention') == expected
  assert scoring.rule_of('longmemeval', 'lm', 'user_abs') == 'abstention'
  assert scoring.rule_of('locomo', 'lm', 'adversarial') == 'abstention'


def test_sources_by_pattern_and_type():
  assert scoring.rule_of('icl_nlu_8296shot_balance', 'lm') == 'label'
  assert scoring.rule_of('locomo', 'lm', 'multi_hop') == 'list_f1'
  assert scoring.rule_of('locomo', 'lm', 'temporal') == 'stemmed_f1'
  assert scoring.rule_of('longmemeval_s*', 'lm', judge=True) == 'judge'
  assert scoring.rule_of('squad', 'lm', judge=True) == 'substring'
  with pytest.raises(ValueError, match="no scoring rule for source 'quac'"):
    scoring.rule_of('quac', 'lm')


@pytest.mark.parametrize(
  'rule', [r for r in scoring.RULES if r != 'abstention']
)
def test_abstention_is_zero_and_failure_is_missing(rule):
  assert scoring.score('', 'gold', rule) == 0.0
  assert scoring.score(' ', '', rule) == 0.0
  assert scoring.score(None, 'gold', rule) is None
  assert scoring.score('gold', 'gold', rule) == 1.0


def test_every_source_has_a_rule():
  assert set(scoring.SOURCE_RULES.values()) <= set(scoring.RULES)
  assert scoring.SOURCE_RULES['synthetic'] == 'exact'
  assert scoring.SOURCE_RULES['babi'] == 'exact'


def test_sentences_of_a_language_model_must_hold_the_gold():
  assert scoring.rule_of('babi', 'extractive') == 'exact'
  assert scoring.rule_of('babi', 'lm') == 'substring'
  assert scoring.rule_of('babi', 'remote') == 'substring'
  assert scoring.rule_of('perltqa', 'lm') == 'keywords'


def test_unknown_rule_is_named():
  with pytest.raises(ValueError, match='bleu.*exact'):
    scoring.score('a', 'a', 'bleu')
