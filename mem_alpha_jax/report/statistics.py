"""Accuracies with intervals, over episodes and runs at once."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from mem_alpha_jax.types import ERRATUM

LEVEL = 0.95  # coverage of intervals
Table = Float[np.ndarray, 'episodes 2']  # score and answers of each episode
Counts = dict[str, Table]  # by type of question
# The average over sources s, their episodes i and questions q.
MACRO = 'macro = mean over s of (mean over i of (mean score over q))'
MICRO = 'micro = sum of all scores over the number of answers'


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


NOTHING = Estimate(np.nan, np.nan, np.nan, 0)


def count_answers(
  answers: Iterable[Answer], episodes: int
) -> tuple[Counts, int]:
  """Returns per type [episodes, 2] of correct and answered, and the missing.

  Questions without a score are missing data: they are in neither column.
  ValueError for an answer of an episode outside [0, episodes).
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


def micro(*runs: Table) -> Estimate:
  """Returns the MICRO average and its interval, over episodes and runs.

  The questions of an episode share one memory and are not independent: an
  episode i of a run r counts with z_ri = p + (c_ri - p a_ri) / mean(a), of c
  right among a answers, the linearized ratio p (Cochran 1977, section 6.3).

  Args:
    *runs: each of the same episodes in the same order. Runs whose episodes
      are others may stand side by side, too: then nothing that their columns
      share is found, and what is left is the interval over runs.
  """
  runs = _common(runs)
  correct, answered = runs[..., 0], runs[..., 1]
  if not answered.sum():
    return NOTHING
  mean = correct.sum() / answered.sum()
  z = mean + (correct - mean * answered) / answered.mean()
  return _wilson(mean, [_crossed(z)], runs)


def macro(*runs: Mapping[str, Table]) -> Estimate:
  """Returns the MACRO average and its interval, over episodes and runs.

  Each source counts the same, and so does each of its episodes. A source of
  one episode tells nothing of how episodes differ: then there is no interval
  (NaN).

  Args:
    *runs: source -> table; as of `micro`.

  Raises:
    ValueError: a source has no answer, so that the average would be another.
  """
  tables = {s: _common([run[s] for run in runs]) for s in runs[0]}
  for source, table in tables.items():
    if not table.shape[1]:
      raise ValueError(
        f'no answers for source {source!r}; leave it out for every system'
      )
  scores = [t[..., 0] / t[..., 1] for t in tables.values()]
  mean = sum(z.mean() for z in scores) / len(scores)
  parts = [(var / len(scores) ** 2, df) for var, df in map(_crossed, scores)]
  whole = np.concatenate([*tables.values()], axis=1)
  return _wilson(mean, parts, whole)


def _common(runs: Sequence[Table]) -> Float[np.ndarray, 'runs episodes 2']:
  """Episodes that all runs have answered."""
  least = min(map(len, runs))
  stacked = np.stack([np.asarray(r, np.float64)[:least] for r in runs])
  return stacked[:, (stacked[..., 1] > 0).all(0)]


def _crossed(z: Float[np.ndarray, 'runs episodes']) -> tuple[float, float]:
  """Variance of the mean of z and its degrees of freedom.

  Runs R and episodes E are crossed, both drawn from many:

    var = (MS_R + MS_E - MS_RE) / (R E)

  (Searle, Casella, McCulloch 1992, section 4.3; freedom by Satterthwaite).
  MS_RE counts no more than the smaller of the others, so that noise cannot
  make the variance vanish. Of one run it is that of the mean of E episodes.
  """
  runs, episodes = z.shape
  if episodes < 2:
    return np.nan, 1.0
  by_episode = runs * z.mean(0).var(ddof=1)
  if runs == 1:
    return by_episode / episodes, episodes - 1.0
  by_run = episodes * z.mean(1).var(ddof=1)
  rest = z - z.mean(0) - z.mean(1)[:, None] + z.mean()
  rest = (rest**2).sum() / ((runs - 1) * (episodes - 1))
  total = by_run + by_episode - min(rest, by_run, by_episode)
  bound = by_run**2 / (runs - 1) + by_episode**2 / (episodes - 1)
  df = total**2 / bound if bound else episodes - 1.0
  return total / (runs * episodes), df


def _wilson(
  mean: float, parts: Sequence[tuple[float, float]], runs: np.ndarray
) -> Estimate:
  """Wilson's interval at the effective number n of answers, with t.

    n = p (1 - p) / var,    (p + t^2 / 2n +- t sqrt(p (1 - p) / n +
    t^2 / 4n^2)) / (1 + t^2 / n)

  (Dean & Pagano 2015, J. Survey Stat. Methodol. 3(4); at most the number of
  answers, and that of episodes where all agree). Of 16 episodes near p = 0.95
  it covers 0.97, bootstraps 0.73 to 0.94, and the plain t interval 0.75 to
  0.93 (BUILD.md). It stays within [0, 1].

  Args:
    mean: p.
    parts: variances that add up to that of the mean, with their freedom.
    runs: [runs, episodes, 2], for the counts.
  """
  from scipy import stats  # a second, which a start need not take

  answers = runs[..., 1].sum()
  var = sum(part for part, _ in parts)
  if np.isnan(var):
    return Estimate(float(mean), np.nan, np.nan, int(answers))
  bound = sum(part**2 / df for part, df in parts)
  df = var**2 / bound if bound else runs.shape[1] - len(parts)
  n = min(mean * (1 - mean) / var, answers) if var > 1e-12 else runs.shape[1]
  t2 = stats.t.ppf((1 + LEVEL) / 2, max(df, 1.0)) ** 2 / max(n, 1e-9)
  center = (mean + t2 / 2) / (1 + t2)
  half = np.sqrt(t2 * max(mean * (1 - mean), 0.0) + t2**2 / 4) / (1 + t2)
  low, high = max(center - half, 0.0), min(center + half, 1.0)
  return Estimate(float(mean), float(low), float(high), int(answers))


def by_type(counts: Mapping[str, Table]) -> dict[str, Estimate]:
  """Returns the estimate of each question type, sorted by name."""
  return {name: micro(counts[name]) for name in sorted(counts)}


def overall(counts: Mapping[str, Table]) -> Estimate:
  """Returns the micro average of all types."""
  return micro(sum(counts.values())) if counts else NOTHING


def over_seeds(values: Sequence[float]) -> Estimate:
  """Returns mean +- t_{n-1} s / sqrt(n) over independent runs.

  The interval of Student's t: with three seeds the normal one is 2.2 times
  too narrow. One run has a mean and no interval (NaN). Where runs share their
  test episodes it says nothing of other episodes; see `micro`. ValueError
  without values.
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


def accuracies(counts: Counts, sources: Sequence[str]) -> dict[str, Any]:
  """Returns what results.json holds of answers: of all, macro, and by type.

  Returns:
    'accuracy', 'interval' and 'questions' of all, of 'macro' and 'by_type';
    'by_episode' is 'score/answers' of each. 'without_errata' is of all but
    golds that are known to be wrong, where there are some.
  """
  plain = lambda one: {
    'accuracy': one.mean,
    'interval': [one.low, one.high],
    'questions': one.count,
  }
  each = sum(counts.values(), np.zeros((len(sources), 2)))
  parts = {
    s: each[[one == s for one in sources]] for s in dict.fromkeys(sources)
  }
  answered = {s: table for s, table in parts.items() if table[:, 1].any()}
  right = {n: one for n, one in counts.items() if not n.endswith(ERRATUM)}
  return {
    **plain(micro(each)),
    'macro': plain(macro(answered) if answered else NOTHING),
    'by_type': {name: plain(one) for name, one in by_type(counts).items()},
    'by_episode': ' '.join(f'{c:.6g}/{a:.0f}' for c, a in each),
    **(
      {'without_errata': plain(overall(right))}
      if len(right) < len(counts)
      else {}
    ),
  }


def seeds_cell(
  values: Sequence[float], episodes: Sequence[str] = ()
) -> dict[str, Any]:
  """Returns what results.json holds of one number of several runs.

  Args:
    values: one a seed.
    episodes: `by_episode` of each seed, of a number that is a micro average:
      the interval is then of runs and episodes, else of runs alone.
  """
  found = mean = over_seeds(values)
  if episodes:
    split = ([one.split('/') for one in text.split()] for text in episodes)
    found = micro(*(np.array(run, np.float64) for run in split))
  return {
    'mean': mean.mean,
    'interval': [found.low, found.high],
    'seeds': list(values),
  }
