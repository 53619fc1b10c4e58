"""Tests for intervals: against formulas and against other estimates."""

import math

import numpy as np
import pytest
from scipy import stats

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


def test_micro_is_over_answers_not_the_mean_of_episodes():
  found = statistics.micro(np.array([[9, 9], [0, 1]]))
  assert found.mean == pytest.approx(0.9)
  assert 0 <= found.low <= found.mean <= found.high <= 1


def test_micro_is_wilsons_interval_of_single_questions():
  rng = np.random.default_rng(0)
  correct = (rng.random(800) < 0.7).astype(float)
  found = statistics.micro(np.stack([correct, np.ones(800)], 1))
  wilson = stats.binomtest(int(correct.sum()), 800).proportion_ci(
    0.95, 'wilson'
  )
  assert found[1:3] == pytest.approx((wilson.low, wilson.high), abs=3e-4)


def test_micro_is_wider_where_an_episodes_questions_agree():
  rng = np.random.default_rng(0)
  ten = np.full(60, 10.0)
  width = lambda right: np.diff(
    statistics.micro(np.stack([right, ten], 1))[1:3]
  )
  tied = width((rng.random(60) < 0.5) * 10.0)
  assert tied > 2 * width(rng.binomial(10, 0.5, 60))


def test_micro_without_questions_or_a_second_episode():
  nothing = statistics.micro(np.zeros((3, 2)))
  assert math.isnan(nothing.mean) and nothing.count == 0
  assert math.isnan(statistics.overall({}).mean)
  alone = statistics.micro(np.array([[1, 2]]))
  assert alone.mean == 0.5 and math.isnan(alone.low) and alone.count == 2
  # 16 episodes of which all are right say something, and not all.
  right = statistics.micro(np.full((16, 2), 6.0))
  assert right.mean == right.high == 1 and 0.7 < right.low < 0.9


def drawn(rng, p, spread, seeds, runs=3, episodes=16):
  """[runs, episodes, 2] of a logistic model with effects of both."""
  logit = np.log(p / (1 - p)) + rng.normal(0, seeds, (runs, 1))
  logit = logit + rng.normal(0, spread, (1, episodes))
  answers = rng.integers(3, 10, episodes) * np.ones((runs, 1), int)
  right = rng.binomial(answers, 1 / (1 + np.exp(-logit)))
  return np.stack([right, answers], -1).astype(float)


@pytest.mark.parametrize(
  ('p', 'spread', 'seeds', 'runs'),
  [(0.8, 1, 0, 1), (0.95, 0, 0, 1), (0.8, 1, 0.3, 3), (0.95, 1, 0.2, 3)],
)
def test_trial_intervals_cover_what_they_claim(p, spread, seeds, runs):
  rng = np.random.default_rng(1)
  effect = math.hypot(spread, seeds)
  logit = np.log(p / (1 - p)) + rng.normal(0, 1, 10**5) * effect
  true = (1 / (1 + np.exp(-logit))).mean()
  trials, hits, alone = 200, 0, 0
  for _ in range(trials):
    tables = drawn(rng, p, spread, seeds, runs)
    found = statistics.micro(*tables)
    hits += found.low <= true <= found.high
    if runs > 1:
      over = statistics.over_seeds(
        tables[..., 0].sum(1) / tables[..., 1].sum(1)
      )
      alone += over.low <= true <= over.high
  assert hits / trials > 0.92  # 0.95, less two errors of 200 trials
  assert alone / trials < 0.92  # what an interval over seeds alone covers


def test_trial_runs_that_agree_still_have_an_interval():
  rng = np.random.default_rng(0)
  (one,) = drawn(rng, 0.7, 1, 0, runs=1)
  same = statistics.micro(one, one, one)
  width = lambda found: found.high - found.low
  assert width(same) == pytest.approx(width(statistics.micro(one)), rel=0.01)
  text = ' '.join(f'{c:g}/{a:g}' for c, a in one)
  cell = statistics.seeds_cell([0.7] * 3, [text] * 3)
  assert cell['interval'] == [same.low, same.high]
  assert statistics.seeds_cell([0.7] * 3)['interval'] == pytest.approx(
    [0.7] * 2
  )
  found = statistics.accuracies({'x': one}, ['a'] * 8 + ['b'] * 8)
  assert found['by_episode'] == text
  assert found['macro']['accuracy'] == pytest.approx(
    np.mean([(t[:, 0] / t[:, 1]).mean() for t in (one[:8], one[8:])])
  )


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
