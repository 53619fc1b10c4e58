"""Trees: trajectories of an episode that are one until they branch.

At the turns `rollout.forks` each memory becomes `rollout.branches` that go on
by themselves. What is played is kept as if all trajectories had been there
from the start, side by side, and made a tree when the table is whole.
"""

from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Int

from mem_alpha_jax.config import sizes
from mem_alpha_jax.credit import groups
from mem_alpha_jax.memory import batch as batch_lib
from mem_alpha_jax.rollout import samples as samples_lib


def branched(memories: batch_lib.Memories, count: int) -> batch_lib.Memories:
  """So many memories, equal ones side by side."""
  have = len(memories.states)
  if count == have:
    return memories
  return memories.some(np.repeat(np.arange(have), count // have))


def spread(played: samples_lib.Played, times: int) -> samples_lib.Played:
  """What so many memories did that did the same."""
  if times == 1:
    return played
  rows = np.repeat(np.arange(len(played.turns)), times)
  each = lambda some: [some[i] for i in rows]
  return samples_lib.Played(
    turns=each(played.turns),
    cut=each(played.cut),
    prompts=_rows(played.prompts, rows),
    forced=_rows(played.forced, rows),
    sampled=_rows(played.sampled, rows),
    outcomes=each(played.outcomes),
    chosen=played.chosen[rows],
  )


def merged(samples: samples_lib.Samples, config: Any) -> samples_lib.Samples:
  """The table with the turns that trajectories share once.

  A trajectory earns the mean of its rows, as where whole ones are compared
  (credit.groups.compare), and a row the mean of the trajectories through it.
  """
  keys = samples.keys
  below = [
    sizes.leaves_below(config.rollout, t)
    for t in range(keys.turn.max(initial=0) + 1)
  ]
  first = keys.trajectory - keys.trajectory % np.array(below)[keys.turn]
  node = groups.ids(keys.episode, first, keys.turn)
  kept = np.flatnonzero(keys.trajectory == first)
  number = np.zeros(len(kept), int)
  number[node[kept]] = np.arange(len(kept))
  parent = np.where(keys.parent < 0, -1, number[node[keys.parent]])
  whole = groups.ids(keys.episode, keys.trajectory)
  found = samples._replace(
    keys=keys._replace(parent=parent),
    parts={k: _means(node, column) for k, column in samples.parts.items()},
    reward=_means(node, _means(whole, samples.reward)),
  )
  return _rows(found, kept)


def _rows(tree: Any, rows: Int[np.ndarray, 'K']) -> Any:
  return jax.tree.map(lambda x: x[rows], tree)


def _means(
  group: Int[np.ndarray, 'N'], values: Float[np.ndarray, 'N']
) -> Float[np.ndarray, 'N']:
  """Of each row the mean of its group, NaN if nothing of it is known."""
  known = ~np.isnan(values)
  found = groups.means(group, values, known)
  return np.float32(np.where(np.bincount(group, known), found, np.nan)[group])
