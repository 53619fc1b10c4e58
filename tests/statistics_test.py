"""Tests for intervals: against formulas and against other estimates."""

import math

import numpy as np
import pytest

from mem_alpha_jax.report import statistics
from mem_alpha_jax.report.statistics import Answer


def test_count_answers_by_episode_and_type_without_missing_ones():
  answers = [
    Answer(0, 'who', 1.0),
    Answer(0, 'who', 0.0),
    Answer(1, 'who', 0.5),
    Answer(2, 'when', 1.0),
    Answer(2, 'when', None),
    Answer(2, 'when', math.nan),
  ]
  counts, missing = statistics.count_answers(answers, 3)
  assert missing == 2 and sorted(counts) == ['when', 'who']
  np.testing.assert_array_equal(counts['who'], [[1, 2], [0.5, 1], [0, 0]])
  np.testing.assert_array_equal(counts['when'], [[0, 0], [0, 0], [1, 1]])
  assert statistics.overall(counts).mean == pytest.approx(2.5 / 4)
  assert statistics.overall(counts).count == 4
  assert list(statistics.by_type(counts)) == ['when', 'who']


@pytest.mark.parametrize('episode', [-1, 3])
def test_count_answers_rejects_an_unknown_episode(episode):
  with pytest.raises(ValueError, match='answer.episode'):
    statistics.count_answers([Answer(episode, 'who', 1.0)], 3)


def test_bootstrap_is_micro_accuracy_not_the_mean_of_episodes():
  found = statistics.bootstrap(np.array([[9, 9], [0, 1]]))
  assert found.mean == pytest.approx(0.9)
  assert found.low <= found.mean <= found.high


def test_bootstrap_agrees_with_the_normal_interval_of_single_questions():
  rng = np.random.default_rng(0)
  correct = (rng.random(800) < 0.7).astype(float)
  table = np.stack([correct, np.ones(800)], 1)
  found = statistics.bootstrap(table, 4000, seed=1)
  half = 1.96 * math.sqrt(correct.mean() * (1 - correct.mean()) / 800)
  assert found.low == pytest.approx(found.mean - half, abs=0.006)
  assert found.high == pytest.approx(found.mean + half, abs=0.006)


def test_bootstrap_is_wider_where_an_episodes_questions_agree():
  rng = np.random.default_rng(0)
  whole = (rng.random(60) < 0.5) * 10.0
  ten = np.full(60, 10.0)
  tied = statistics.bootstrap(np.stack([whole, ten], 1))
  mixed = statistics.bootstrap(np.stack([np.full(60, 5.0), ten], 1))
  assert tied.high - tied.low > 0.15
  assert mixed.high == pytest.approx(mixed.low)


def test_bootstrap_depends_on_its_seed_alone():
  table = np.stack([np.arange(20) % 3 == 0, np.ones(20)], 1)
  first, again = (statistics.bootstrap(table, 200, seed=3) for _ in range(2))
  assert first == again
  assert first != statistics.bootstrap(table, 200, seed=4)


def test_bootstrap_without_questions_or_resamples():
  nothing = statistics.bootstrap(np.zeros((3, 2)))
  assert math.isnan(nothing.mean) and nothing.count == 0
  assert math.isnan(statistics.overall({}).mean)
  alone = statistics.bootstrap(np.array([[1, 2]]), resamples=0)
  assert alone == (0.5, 0.5, 0.5, 2)
  # Most resamples of this table ask nothing; those that do are all right.
  rare = np.zeros((50, 2))
  rare[0] = 1
  assert statistics.bootstrap(rare)[:3] == (1.0, 1.0, 1.0)


def test_over_seeds_is_students_t():
  found = statistics.over_seeds([0.90, 0.94, 0.92])
  half = 4.302653 * 0.02 / math.sqrt(3)  # t of 2 degrees of freedom, 97.5%
  assert found.mean == pytest.approx(0.92)
  assert found.high - found.mean == pytest.approx(half, rel=1e-5)
  assert found.mean - found.low == pytest.approx(half, rel=1e-5)
  assert found.count == 3


def test_over_seeds_of_one_and_of_none():
  assert math.isnan(statistics.over_seeds([0.5]).low)
  with pytest.raises(ValueError, match='values is empty'):
    statistics.over_seeds([])
