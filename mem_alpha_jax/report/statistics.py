"""Accuracies with intervals: over episodes by bootstrap, over seeds by t."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

LEVEL = 0.95  # coverage of intervals
Counts = dict[str, np.ndarray]  # type -> [episodes, 2]: correct, answered
# The average over sources s, their episodes i and questions q.
MACRO = 'macro = mean over s of (mean over i of (mean score over q))'


class Answer(NamedTuple):
  """One scored question; `correct` is None if no score could be had."""

  episode: int
  type: str
  correct: float | None


class Estimate(NamedTuple):
  """A mean and its interval; `count` is how many questions or seeds."""

  mean: float
  low: float
  high: float
  count: int


def count_answers(
  answers: Iterable[Answer], episodes: int
) -> tuple[Counts, int]:
  """Returns per type [episodes, 2] of correct and answered, and the missing.

  Questions without a score are missing data: they are in neither column.

  Raises:
    ValueError: an answer of an episode outside [0, episodes).
  """
  counts, missing = {}, 0
  for answer in answers:
    if not 0 <= answer.episode < episodes:
      raise ValueError(
        f'answer.episode {answer.episode} is not in [0, {episodes}); '
        'number the episodes of an evaluation from 0'
      )
    if answer.correct is None or np.isnan(answer.correct):
      missing += 1
      continue
    table = counts.setdefault(answer.type, np.zeros((episodes, 2)))
    table[answer.episode] += answer.correct, 1.0
  return counts, missing


def bootstrap(
  table: Float[np.ndarray, 'episodes 2'],
  resamples: int = 1000,
  seed: int = 0,
) -> Estimate:
  """Returns micro accuracy and its cluster-bootstrap percentile interval.

  The questions of an episode share one memory and are not independent, so
  whole episodes are drawn with replacement (Davison & Hinkley 1997, section
  3.8), and each resample's accuracy is sum correct / sum answered.

  Args:
    table: correct and answered questions of each episode; episodes without
      an answer are missing data.
    resamples: number of resamples; 0 gives an interval of the mean alone.
    seed: of the resampling; the same table and seed give the same interval.

  Returns:
    The estimate; NaN in all but `count` if nothing was answered.
  """
  table = _answered(table)
  correct, answered = table.sum(0)
  if not answered:
    return Estimate(np.nan, np.nan, np.nan, 0)
  mean = float(correct / answered)
  low, high = mean, mean
  if resamples and len(table) > 1:
    share = lambda correct, answered, axis: (
      correct.sum(axis) / answered.sum(axis)
    )
    low, high = _interval(table.T, share, resamples, seed, paired=True)
  return Estimate(mean, low, high, int(answered))


def _answered(table) -> Float[np.ndarray, 'episodes 2']:
  table = np.asarray(table, np.float64)
  return table[table[:, 1] > 0]


def _interval(samples, statistic, resamples, seed, paired) -> tuple:
  from scipy import stats  # a second, which a start need not take

  found = stats.bootstrap(
    tuple(samples),
    statistic,
    n_resamples=resamples,
    paired=paired,
    vectorized=True,
    confidence_level=LEVEL,
    method='percentile',
    rng=np.random.default_rng(seed),
  ).confidence_interval
  return float(found.low), float(found.high)


def by_type(
  counts: Mapping[str, Float[np.ndarray, 'episodes 2']],
  resamples: int = 1000,
  seed: int = 0,
) -> dict[str, Estimate]:
  """Returns the estimate of each question type, sorted by name."""
  return {
    name: bootstrap(counts[name], resamples, seed) for name in sorted(counts)
  }


def overall(
  counts: Mapping[str, Float[np.ndarray, 'episodes 2']],
  resamples: int = 1000,
  seed: int = 0,
) -> Estimate:
  """Returns the micro average: all scores over the number of answers."""
  if not counts:
    return Estimate(np.nan, np.nan, np.nan, 0)
  return bootstrap(sum(counts.values()), resamples, seed)


def macro(
  tables: Mapping[str, Float[np.ndarray, 'episodes 2']],
  resamples: int = 1000,
  seed: int = 0,
) -> Estimate:
  """Returns the MACRO average and its percentile interval.

  Each source counts the same, and so does each of its episodes. Episodes are
  drawn with replacement within each source. A source of one episode tells
  nothing of how episodes differ: then there is no interval (NaN).

  Args:
    tables: of each source, correct and answered questions of each episode;
      episodes without an answer are missing data.
    resamples: number of resamples.
    seed: of the resampling.

  Raises:
    ValueError: a source has no answer, so that the average would be another.
  """
  kept = {source: _answered(table) for source, table in tables.items()}
  for source, table in kept.items():
    if not len(table):
      raise ValueError(
        f'no answers for source {source!r}; leave it out for every system'
      )
  scores = [table[:, 0] / table[:, 1] for table in kept.values()]
  average = lambda *scores, axis: (
    sum(s.mean(axis) for s in scores) / len(scores)
  )
  low, high = np.nan, np.nan
  if resamples and min(map(len, scores)) > 1:
    low, high = _interval(scores, average, resamples, seed, paired=False)
  answered = int(sum(table[:, 1].sum() for table in kept.values()))
  return Estimate(float(average(*scores, axis=0)), low, high, answered)


def over_seeds(values: Sequence[float]) -> Estimate:
  """Returns mean +- t_{n-1} s / sqrt(n) over independent runs.

  The interval of Student's t: with three seeds the normal one is 2.2 times
  too narrow. One run has a mean and no interval (NaN).

  Raises:
    ValueError: there are no values.
  """
  from scipy import stats

  values = np.asarray(values, np.float64)
  if not values.size:
    raise ValueError('values is empty; give one number of each seed')
  mean, half = float(values.mean()), np.nan
  if values.size > 1:
    quantile = stats.t.ppf((1 + LEVEL) / 2, values.size - 1)
    half = float(quantile * stats.sem(values))
  return Estimate(mean, mean - half, mean + half, values.size)


def accuracies(
  counts: Mapping[str, Float[np.ndarray, 'episodes 2']],
  resamples: int,
  seed: int,
) -> dict:
  """Returns what results.json holds of answers: of all, and by type."""
  plain = lambda one: {
    'accuracy': one.mean,
    'interval': [one.low, one.high],
    'questions': one.count,
  }
  types = by_type(counts, resamples, seed)
  return {
    **plain(overall(counts, resamples, seed)),
    'by_type': {name: plain(one) for name, one in types.items()},
  }


def seeds_cell(values: Sequence[float]) -> dict:
  """Returns what results.json holds of one number: `over_seeds`, and each."""
  mean = over_seeds(values)
  return {
    'mean': mean.mean,
    'interval': [mean.low, mean.high],
    'seeds': list(values),
  }
