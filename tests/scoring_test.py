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


@pytest.mark.parametrize('rule', [*scoring.RULES])
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
