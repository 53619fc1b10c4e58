"""Accuracy against latency: the score LAFS of LongMemEval-V2."""

import math
from collections.abc import Iterable
from typing import NamedTuple

LOW, HIGH = 1.0, 200.0  # seconds, as published


class Point(NamedTuple):
  """A system, or one way to run it."""

  accuracy: float
  latency: float  # seconds from a question to its answer


def lafs(
  points: Iterable[Point], low: float = LOW, high: float = HIGH
) -> float:
  """Mean over latencies of the best accuracy that can be had within each.

    LAFS = 1 / ln(high / low) * integral from low to high of
           max {accuracy_i: latency_i <= T} d ln T

  0 where no system is as fast (arXiv 2605.12493). The integral is of steps,
  and exact.

  Raises:
    ValueError: unless 0 < low < high.
  """
  if not 0 < low < high:
    raise ValueError(f'latencies from {low} to {high}: 0 < low < high')
  area, best, at = 0.0, 0.0, low
  for accuracy, latency in sorted(points, key=lambda point: point.latency):
    until = min(max(latency, low), high)
    area += best * math.log(until / at)
    at, best = until, max(best, accuracy if latency <= high else best)
  return (area + best * math.log(high / at)) / math.log(high / low)
