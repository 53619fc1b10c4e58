"""Accuracies with intervals: over episodes by bootstrap, over seeds by t."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import special

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
  level: float = 0.95,
) -> Estimate:
  """Returns micro accuracy and its cluster-bootstrap percentile interval.

  The questions of an episode share one memory and are not independent, so
  whole episodes are drawn with replacement (Davison & Hinkley 1997, section
  3.8) and each resample's accuracy is sum correct / sum answered.

  Args:
    table: correct and answered questions of each episode.
    resamples: number of resamples; 0 gives an interval of the mean alone.
    seed: of the resampling; the same table and seed give the same interval.
    level: coverage of the interval.

  Returns:
    The estimate; NaN in all but `count` if nothing was answered.
  """
  table = np.asarray(table, np.float64)
  correct, answered = table.sum(0)
  if not answered:
    return Estimate(np.nan, np.nan, np.nan, 0)
  mean = float(correct / answered)
  if not resamples:
    return Estimate(mean, mean, mean, int(answered))
  rng = np.random.default_rng(seed)
  share = np.full(len(table), 1 / len(table))
  # How often each episode was drawn, [resamples, episodes].
  drawn = rng.multinomial(len(table), share, size=resamples)
  sums = drawn @ table
  sums = sums[sums[:, 1] > 0]  # resamples in which nothing was asked
  tail = (1 - level) / 2
  low, high = np.quantile(sums[:, 0] / sums[:, 1], (tail, 1 - tail))
  return Estimate(mean, float(low), float(high), int(answered))


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
  level: float = 0.95,
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
    level: coverage of the interval.

  Raises:
    ValueError: a source has no answer, so that the average would be another.
  """
  rng = np.random.default_rng(seed)
  means, drawn, alone = [], np.zeros(resamples), False
  for source, table in tables.items():
    table = np.asarray(table, np.float64)
    table = table[table[:, 1] > 0]
    if not len(table):
      raise ValueError(
        f'no answers for source {source!r}; leave it out for every system'
      )
    scores = table[:, 0] / table[:, 1]
    means.append(scores.mean())
    alone |= len(scores) == 1
    rows = rng.integers(0, len(scores), (resamples, len(scores)))
    drawn += scores[rows].mean(1) / len(tables)
  low, high = np.nan, np.nan
  if resamples and not alone:
    tail = (1 - level) / 2
    low, high = np.quantile(drawn, (tail, 1 - tail))
  answered = sum(float(np.asarray(t)[:, 1].sum()) for t in tables.values())
  return Estimate(float(np.mean(means)), float(low), float(high), int(answered))


def over_seeds(values: Sequence[float], level: float = 0.95) -> Estimate:
  """Returns mean +- t_{n-1} s / sqrt(n) over independent runs.

  The interval of Student's t: with three seeds the normal one is 2.2 times
  too narrow. One run has a mean and no interval (NaN).

  Raises:
    ValueError: there are no values.
  """
  values = np.asarray(values, np.float64)
  if not values.size:
    raise ValueError('values is empty; give one number of each seed')
  mean = float(values.mean())
  if values.size == 1:
    return Estimate(mean, np.nan, np.nan, 1)
  quantile = special.stdtrit(values.size - 1, (1 + level) / 2)
  half = float(quantile * values.std(ddof=1) / np.sqrt(values.size))
  return Estimate(mean, mean - half, mean + half, values.size)


def seeds_cell(values: Sequence[float]) -> dict:
  """Returns what results.json holds of one number: `over_seeds`, and each."""
  mean = over_seeds(values)
  return {
    'mean': mean.mean,
    'interval': [mean.low, mean.high],
    'seeds': list(values),
  }
