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
  """One question asked at one checkpoint."""

  stream: int  # index of the stream
  sessions: int  # that were read by then
  lag: int  # sessions read after the one that completed its evidence
  type: str  # of the question
  score: float | None  # in [0, 1]; None if the reader failed


class Checkpoint(NamedTuple):
  """What is measured of a stream when its questions are asked."""

  sessions: int
  memory_tokens: int
  seconds: float  # of reading one session since the last one
  answering: float  # seconds, of one of the questions that are asked together


Curve = dict[int, Estimate]


def curves(
  asks: Sequence[Ask], taken: Iterable[Checkpoint], streams: int, options: Any
) -> dict[str, Any]:
  """The curves and what was counted, as plain values.

  'retention' is over lags, in bins of `every` sessions named by their first:
  the same question is asked at every checkpoint while its answer holds, so
  later bins hold the questions of earlier ones that still hold.

  All points of 'fixed_lag' are of questions of a lag in [lag, lag + every),
  equally far from their evidence: what falls here falls for what the memory
  holds, not because later questions look back further.

  'time' has seconds of reading a session, and of answering a question.
  """
  every, lag = options.every, options.lag
  curve = lambda some, key=lambda ask: ask.sessions: accuracy(
    some, key, streams
  )
  overall = curve(asks)
  fixed = curve([ask for ask in asks if lag <= ask.lag < lag + every])
  plain = lambda found: {str(at): list(e) for at, e in found.items()}
  by_type, rows = collections.defaultdict(list), collections.defaultdict(list)
  for ask in asks:
    by_type[ask.type].append(ask)
  for checkpoint in sorted(taken, key=lambda one: one.sessions):
    rows[checkpoint.sessions].append(checkpoint)
  shared = {at for at, row in rows.items() if len(row) == streams}
  falls = lambda found: saturation(
    {at: e for at, e in found.items() if at in shared}, options.drop
  )
  mean = lambda field: {
    str(at): sum(getattr(one, field) for one in row) / len(row)
    for at, row in rows.items()
  }
  reading, answering = mean('seconds'), mean('answering')
  return {
    'options': options._asdict(),
    'asked': len(asks),
    'missing': sum(ask.score is None for ask in asks),
    'accuracy': plain(overall),
    'by_type': {kind: plain(curve(by_type[kind])) for kind in sorted(by_type)},
    'retention': plain(curve(asks, lambda ask: ask.lag // every * every)),
    'fixed_lag': plain(fixed),
    'saturation': falls(overall),
    'fixed_lag_saturation': falls(fixed),
    'memory_tokens': mean('memory_tokens'),
    'time': {at: [reading[at], answering[at]] for at in reading},
  }


def accuracy(
  asks: Iterable[Ask], key: Callable[[Ask], int], streams: int
) -> Curve:
  """Accuracy over all that was asked, by the key, ascending."""
  points = collections.defaultdict(list)
  for ask in asks:
    points[key(ask)].append(statistics.Answer(ask.stream, ask.type, ask.score))
  return {
    at: statistics.overall(statistics.count_answers(points[at], streams)[0])
    for at in sorted(points)
  }


def saturation(curve: Mapping[int, Estimate], drop: float) -> int | None:
  """Returns the first checkpoint from which a curve stays below its best.

  That is the first t with a(t') < max_{s <= t'} a(s) - drop for all t' >= t;
  None if the last point is not that low.
  """
  found, best = None, 0.0
  for sessions in sorted(curve):
    best = max(best, curve[sessions].mean)
    if curve[sessions].mean >= best - drop:
      found = None
    elif found is None:
      found = sessions
  return found
