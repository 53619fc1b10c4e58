"""Golds, answers and abstentions that were scored wrong, and neighbors."""

import nltk.stem.porter
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mem_alpha_jax.reward import rules, scoring


@pytest.mark.parametrize(
  ('prediction', 'gold', 'rule', 'expected'),
  [
    # Golds made of articles.
    ('\\boxed{}', 'A', 'label', 0),
    ('?', 'A', 'exact', 0),
    ('the', 'A', 'contains', 0),
    ('Vitamin B', 'Vitamin A', 'contains', 0),
    ('A', 'A', 'f1', 1),
    ('The answer is A', 'A', 'contains', 1),
    ('\\boxed{a}', 'A', 'label', 1),
    ('Vitamin A is good for you', 'Vitamin A', 'contains', 1),
    ('I saw a dog', 'A', 'contains', 0),
    ('Theft Of A Nation', 'theft of a nation', 'exact', 1),
    ('banana', 'A', 'substring', 0),
    # Golds made of punctuation, and what ends in it.
    ('?', '!', 'exact', 0),
    ('I write C#', 'C++', 'contains', 0),
    ('I write C++ code', 'C++', 'contains', 1),
    # Numbers.
    ('-1', '1', 'label', 0),
    ('\u22121', '-1', 'label', 1),
    ('07', '7.0', 'label', 1),
    ('-1', '1', 'exact', 0),
    ('10-1', '1', 'contains', 1),
    ('1000', '1,000', 'contains', 1),
    ('It cost 12,345,678 dollars.', '12345678', 'substring', 1),
    ('1,000; Ann', '1000;Ann', 'keywords', 1),
    ('我住在北京', '北京；南京', 'keywords', 0.5),
    ('我住在北京', '北京、南京，东京', 'comma_keywords', 1 / 3),
    ('3.5', '5', 'contains', 0),
    # What an abstention says is no answer.
    ('I do not know', 'no', 'substring', 0),
    ('There is no information about it.', 'no', 'contains', 0),
    ('He knows', 'no', 'substring', 0),
    ('No.', 'no', 'substring', 1),
    ('I do not know the year. It was Oslo.', 'Oslo', 'substring', 1),
    ('Not mentioned', 'not mentioned', 'contains', 1),
    # The first line that says something.
    ('Sure:\nParis', 'Paris', 'exact', 1),
    ('**Answer:**\n\nParis', 'Paris', 'exact', 1),
    ('Of course!\n```\nParis\n```', 'Paris', 'exact', 1),
    ('Sure', 'Sure', 'exact', 1),
    # Any script, however it is written down.
    ('cafe\u0301', 'caf\u00e9', 'exact', 1),
    ('Strasse', 'Stra\u00dfe', 'exact', 1),
    ('\uff21\uff22\uff23', 'abc', 'contains', 1),
    ('我住在北京市', '北京市', 'contains', 1),
    ('我住在北京市。', '南京市', 'contains', 0),
    ('北京市', '北京', 'f1', 0.8),
    ('나는 서울에 산다', '서울', 'contains', 1),
    ('मैं दिल्ली में', 'दिल्ली', 'contains', 1),
    ('दिल्ला', 'दिल्ली', 'exact', 0),
    ('北京市', '北京', 'rouge_l', 0.8),
  ],
)
def test_trial_scores(prediction, gold, rule, expected):
  assert scoring.score(prediction, gold, rule) == pytest.approx(expected)


@pytest.mark.parametrize(
  'said',
  [
    'I have no memory of that.',
    'There is nothing about it in the notes.',
    'I have no idea',
    'N/A',
    'It is unknown.',
    'Unknown. She never said.',
    "It's unclear.",
    'None of the notes say.',
    "I couldn't find any information.",
    "The notes don't tell.",
    'I cannot recall.',
    'It is not explicitly stated.',
    "I don't have any information about that.",
  ],
)
def test_trial_abstentions(said):
  assert scoring.score(said, '', 'abstention') == 1


@pytest.mark.parametrize(
  'said',
  [
    'The Unknown Soldier',
    'Unknown Pleasures',
    'An unknown man from Oslo',
    'National Archives',
    'He has no car',
    'Nothing but the truth',
    'They found nothing',
    'No Country for Old Men',
  ],
)
def test_trial_what_is_no_abstention(said):
  assert scoring.score(said, '', 'abstention') == 0


@settings(deadline=None)
@given(st.text(), st.text(min_size=1))
def test_trial_every_rule_is_at_home_in_any_text(prediction, gold):
  for name in scoring.RULES:
    assert 0 <= scoring.score(prediction, gold, name) <= 1
  plain = rules.normalize(gold)
  if plain.strip():
    assert rules.exact(gold, gold) == rules.contains(gold, gold) == 1
    assert rules.f1(gold, gold) == 1


# As task_eval/evaluation.py of LoCoMo has it, with NLTK's stemmer as it comes.
WORDS = 'dying skies flies enjoyed happily running the and Ada generously as'


@settings(deadline=None)
@given(*[st.lists(st.sampled_from(WORDS.split()), max_size=5)] * 2)
def test_trial_stems_are_those_of_locomos_scorer(said, true):
  stem = nltk.stem.porter.PorterStemmer().stem
  left = lambda words: [stem(w) for w in words if w not in ('the', 'and')]
  said_stems, true_stems = left(said), left(true)
  rest = list(true_stems)
  common = sum(w in rest and not rest.remove(w) for w in said_stems)
  expected = 0.0
  if common:
    precision, recall = common / len(said_stems), common / len(true_stems)
    expected = 2 * precision * recall / (precision + recall)
  found = rules.stemmed_f1(' '.join(said), ' '.join(true))
  assert found == pytest.approx(expected)
