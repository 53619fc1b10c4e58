"""Credit of entries through what they were made of."""

import collections
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

Parents = Sequence[Sequence[int]]  # of each entry, those it was made of


def depths(
  parents: Parents, entry: int, replaced: Mapping[int, int]
) -> dict[int, int]:
  """The entry and its ancestors, each with its shortest distance.

  Args:
    parents: older entries each; one that was deleted stays.
    entry: where the walk begins, at 0.
    replaced: entry -> the one that it took the place of, at no distance.
  """
  found, queue = {}, collections.deque([(0, entry)])
  while queue:
    depth, one = queue.popleft()
    if one in found:
      continue
    found[one] = depth
    if one in replaced:
      queue.appendleft((depth, replaced[one]))
    queue.extend((depth + 1, parent) for parent in parents[one])
  return found


def memq(
  q: Float[np.ndarray, 'N'],
  parents: Parents,
  used: Sequence[int],
  made: int | None,
  reward: float,
  rate: float,
  gamma: float,
  lam: float,
  replaced: Mapping[int, int] | None = None,
) -> Float[np.ndarray, 'N']:
  """Q of the entries after a task that used some and made one, or none.

  delta(u) = R + gamma Q(made) - Q(u) of each entry u used, and each ancestor m
  of u, at distance d, u itself at 0, changes by
  dQ(m) = rate (gamma lam)^d delta(u), summed over u and then added.
  MemQ, arXiv 2605.08374. lam = 0 is the one-step update, gamma = 0 also
  MemRL's. Ours: an entry that was updated has its predecessor at no distance
  (`replaced`), and one that was deleted still hands credit on.
  """
  change = np.zeros_like(q)
  after = 0.0 if made is None else gamma * q[made]
  for entry in used:
    delta = reward + after - q[entry]
    for one, depth in depths(parents, entry, replaced or {}).items():
      change[one] += rate * (gamma * lam) ** depth * delta
  return q + change
