"""Curves of a memory that is asked while it grows.

The protocol is evaluate-while-constructing (MedMemoryBench, arXiv 2605.11814):
sessions arrive in order and questions are asked in between. Definitions here
are ours where that paper gives no formula.
"""

import collections
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

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


class Checkpoint(NamedTuple):
  """What is measured of a stream when its questions are asked."""

  stream: int
  sessions: int
  memory_tokens: int
  seconds: float  # of reading one session since the last one


Curve = dict[int, Estimate]


def curves(
  asks: Sequence[Ask],
  taken: Sequence[Checkpoint],
  streams: int,
  options: Any,
) -> dict[str, Any]:
  """The curves and what was counted, as plain values; see stream.Options."""
  n, every = options.resamples, options.every
  overall = by_sessions(asks, streams, n)
  fixed = fixed_lag(asks, options.lag, every, streams, n)
  plain = lambda curve: {str(at): list(e) for at, e in curve.items()}
  rows = collections.defaultdict(list)
  for checkpoint in sorted(taken, key=lambda c: c.sessions):
    rows[checkpoint.sessions].append(checkpoint)
  shared = {at for at, row in rows.items() if len(row) == streams}
  falls = lambda curve: saturation(
    {at: e for at, e in curve.items() if at in shared}, options.drop
  )
  mean = lambda field: {
    str(at): sum(getattr(c, field) for c in row) / len(row)
    for at, row in rows.items()
  }
  by_type = collections.defaultdict(list)
  for ask in asks:
    by_type[ask.type].append(ask)
  return {
    'options': options._asdict(),
    'asked': len(asks),
    'missing': sum(ask.score is None for ask in asks),
    'accuracy': plain(overall),
    'by_type': {
      kind: plain(by_sessions(by_type[kind], streams, n))
      for kind in sorted(by_type)
    },
    'retention': plain(retention(asks, every, streams, n)),
    'fixed_lag': plain(fixed),
    'saturation': falls(overall),
    'fixed_lag_saturation': falls(fixed),
    'memory_tokens': mean('memory_tokens'),
    'time': mean('seconds'),
  }


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
