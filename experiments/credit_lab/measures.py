"""How far an estimate of a gradient is from the exact one."""

from typing import Any

import numpy as np
from jaxtyping import Float

RESAMPLES = 200


def compare(
  found: Float[np.ndarray, 'R P'], exact: Float[np.ndarray, 'P']
) -> dict[str, str]:
  """'value low high' of each measure, 95% over resampled replicates.

  Of estimates g with mean m and exact gradient e:

    cosine     mean of cos(g, e), of one update
    direction  cos(m, e): 1 where only the scale is biased
    bias       |m - e| / |e|, scale included
    noise      E|g - m|^2 / |m|^2
    error      min_c E|c g - e|^2 / |e|^2 = 1 - (m . e)^2 / (E|g|^2 |e|^2)

  |m|^2 and |m - e|^2 are without the noise of the mean over replicates.
  """
  rng, count = np.random.default_rng(0), len(found)
  uniform = np.full((1, count), 1 / count)
  resampled = rng.multinomial(count, uniform[0], RESAMPLES) / count
  values = {
    name: np.concatenate([x, y])
    for (name, x), y in zip(
      _measures(found, exact, uniform).items(),
      _measures(found, exact, resampled).values(),
      strict=True,
    )
  }
  return {
    name: ' '.join(
      f'{v:.4f}' for v in (x[0], *np.quantile(x[1:], [0.025, 0.975]))
    )
    for name, x in values.items()
  }


def numbers(text: str) -> list[float]:
  """Value, low and high again."""
  return [float(word) for word in text.split()]


def _measures(found, exact, share) -> dict[str, Any]:
  """Of each way to weigh the replicates, rows of `share`."""
  count = len(found)
  length = np.linalg.norm(found, axis=1)
  size = np.linalg.norm(exact)
  dot = found @ exact
  cosine = np.divide(dot, length * size, out=0 * dot, where=length > 0)
  mean, square = share @ found, share @ length**2
  # A resampled mean differs from the real one as that from the expectation:
  # its noise counts twice.
  twice = 1 if len(share) == 1 else 2
  noise = np.maximum(square - (mean**2).sum(1), 0) * count / (count - 1)
  clean = lambda x: np.maximum(x - twice * noise / count, 1e-12)
  of_mean = clean((mean**2).sum(1))
  gap = clean(((mean - exact) ** 2).sum(1))
  along = mean @ exact
  return {
    'cosine': share @ cosine,
    'direction': np.clip(along / np.sqrt(of_mean) / size, -1, 1),
    'bias': np.sqrt(gap) / size,
    'noise': noise / of_mean,
    'error': 1 - along**2 / (square * size**2),
  }
