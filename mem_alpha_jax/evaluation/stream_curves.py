"""Curves of a memory that is asked while it grows.

The protocol is evaluate-while-constructing (MedMemoryBench, arXiv 2605.11814):
sessions arrive in order and questions are asked in between. Definitions here
are ours where that paper gives no formula.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from mem_alpha_jax.report import statistics
from mem_alpha_jax.report.statistics import Estimate


class Ask(NamedTuple):
  """One question asked at one checkpoint.

  Attributes:
    stream: index of the stream.
    sessions: that were read by then.
    question: index in the stream.
    lag: sessions read after the one that completed its evidence.
    type: of the question.
    score: in [0, 1]; None if the reader failed.
  """

  stream: int
  sessions: int
  question: int
  lag: int
  type: str
  score: float | None


Curve = dict[int, Estimate]


def by_sessions(asks: Iterable[Ask], streams: int, resamples: int) -> Curve:
  """Accuracy over all that was asked at each checkpoint."""
  return _curve(asks, lambda ask: ask.sessions, streams, resamples)


def retention(
  asks: Iterable[Ask], every: int, streams: int, resamples: int
) -> Curve:
  """Accuracy by lag, in bins of `every` sessions named by their first.

  The same question is asked at every checkpoint while its answer holds, so
  later bins hold the questions of earlier ones that still hold.
  """
  return _curve(asks, lambda ask: ask.lag // every * every, streams, resamples)


def fixed_lag(
  asks: Iterable[Ask], lag: int, every: int, streams: int, resamples: int
) -> Curve:
  """Accuracy at each checkpoint of questions of lag in [lag, lag + every).

  All points are equally far from their evidence: what falls here falls for
  what the memory holds, not because later questions look back further.
  """
  kept = (ask for ask in asks if lag <= ask.lag < lag + every)
  return _curve(kept, lambda ask: ask.sessions, streams, resamples)


def saturation(curve: Mapping[int, Estimate], drop: float) -> int | None:
  """Returns the first checkpoint from which a curve stays below its best.

  That is the first t with a(t') < max_{s <= t'} a(s) - drop for all t' >= t;
  None if the last point is not that low.

  Args:
    curve: accuracy by sessions read.
    drop: smallest fall that counts, accuracy.
  """
  found, best = None, 0.0
  for sessions in sorted(curve):
    best = max(best, curve[sessions].mean)
    if curve[sessions].mean >= best - drop:
      found = None
    elif found is None:
      found = sessions
  return found


def _curve(
  asks: Iterable[Ask], key: Callable[[Ask], int], streams: int, resamples: int
) -> Curve:
  points = {}
  for ask in asks:
    answer = statistics.Answer(ask.stream, ask.type, ask.score)
    points.setdefault(key(ask), []).append(answer)
  return {
    at: statistics.overall(
      statistics.count_answers(points[at], streams)[0], resamples
    )
    for at in sorted(points)
  }
