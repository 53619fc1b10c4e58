"""LAFS: the published points, by an integral made another way."""

import numpy as np
import pytest

from mem_alpha_jax.report.frontier import Point, lafs

# Of the paper's main table, tiers small and medium: accuracy %, seconds.
PUBLISHED = {
  'small': [(51.0, 0.2), (69.9, 177.2), (58.6, 26.9), (74.9, 108.3)],
  'medium': [(45.9, 0.3), (68.7, 185.8), (57.0, 25.8), (70.1, 139.9)],
}


def _by_intervals(points, low, high):
  """The same over every interval between latencies, by masks and a dot."""
  accuracy, latency = np.array(points, np.float64).reshape(-1, 2).T
  inside = latency[(latency > low) & (latency < high)]
  edges = np.unique(np.concatenate([[low], inside, [high]]))
  middles = np.sqrt(edges[1:] * edges[:-1])
  had = np.where(latency <= middles[:, None], accuracy, 0)
  best = had.max(axis=1, initial=0)
  return best @ np.diff(np.log(edges)) / np.log(high / low)


@pytest.mark.parametrize('tier', PUBLISHED)
def test_lafs_of_the_published_points(tier):
  points = PUBLISHED[tier]
  wanted = _by_intervals(points, 1, 200)
  assert lafs(Point(*p) for p in points) == pytest.approx(wanted, abs=1e-9)
  faster, slower = [*points, (62.0, 15.0)], [*points, (70.0, 150.0)]
  assert lafs(Point(*p) for p in faster) > wanted
  if tier == 'small':  # which another point has as good and sooner
    assert lafs(Point(*p) for p in slower) == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize('seed', range(20))
def test_lafs_of_any_points(seed):
  rng = np.random.default_rng(seed)
  count = int(rng.integers(0, 9))
  latency = np.exp(rng.uniform(np.log(0.01), np.log(2000), count))
  latency[: count // 2] = rng.choice([1.0, 200.0, 0.5, 7.0], count // 2)
  points = [*zip(rng.random(count), latency, strict=True)]
  for low, high in ((1, 200), (0.01, 3)):
    found = lafs([Point(*p) for p in points], low, high)
    assert found == pytest.approx(_by_intervals(points, low, high), abs=1e-9)


def test_bounds():
  assert lafs([]) == 0 and lafs([Point(0.7, 201.0)]) == 0
  assert lafs([Point(0.7, 0.1), Point(0.9, 200.0)]) == pytest.approx(0.7)
  for low, high in ((0, 1), (2, 2), (3, 2)):
    with pytest.raises(ValueError, match='0 < low < high'):
      lafs([], low, high)
