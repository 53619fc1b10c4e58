"""Re-rolls: turns tried again from a memory that a trajectory had.

Memory-R2, arXiv 2605.21768: at a turn one trajectory of an episode is the
anchor, and a few more responses to its turn are sampled, graded at once and
never carried out. They are further rows of the table, which are compared with
each other alone (credit/groups.py). Ours: `rollout.rerolled` of the episodes
at every turn, where theirs is a coin each, so that shapes stay; and they are
graded as `reward.when=step` grades.
"""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Int

from mem_alpha_jax.rollout import samples as samples_lib
from mem_alpha_jax.system import multihost
from mem_alpha_jax.types import Turn

TRAJECTORY = -1  # of the turns that are tried again


def anchors(
  turns: Sequence[Turn], copies: int, config: Any, step: int
) -> Int[np.ndarray, 'K']:
  """The memories whose turns are tried again, one an episode.

  K is the same at all turns; episodes that are over come last.

  Args:
    turns: of all memories, those of an episode side by side.
    copies: memories of an episode.
    config: the run's config.
    step: of training, part of the random keys.
  """
  drawn = []
  for first in range(0, len(turns), copies):
    turn = turns[first]
    key = (config.seed, step, turn.episode.uid, turn.index, 7)
    rng = np.random.default_rng(key)
    drawn.append((not turn.live, rng.random(), first + rng.integers(copies)))
  count = round(config.rollout.rerolled * len(drawn))
  count = count if config.rollout.rerolls else 0
  return np.array([memory for *_, memory in sorted(drawn)[:count]], int)


def join(
  samples: samples_lib.Samples,
  played: Sequence[samples_lib.Played],
  memories: Sequence[Int[np.ndarray, 'K']],
  copies: int,
  config: Any,
) -> samples_lib.Samples:
  """The table of the trajectories with the re-rolls behind it.

  Args:
    samples: of the trajectories of all processes.
    played: the re-rolls of each turn, of this process.
    memories: their anchors among the memories of this process.
    copies: memories of an episode.
    config: the run's config.
  """
  again = samples_lib.gather(played, None, 1, config)
  mine = config.data.batch_episodes * copies // jax.process_count()
  at = np.stack(memories, 1) + jax.process_index() * mine
  at = multihost.gather(at)[again.keys.episode, again.keys.turn]
  keys = samples.keys
  row = np.zeros((at.max() + 1, keys.turn.max() + 1), int)
  memory = keys.episode * copies + keys.trajectory
  known = memory < len(row)
  row[memory[known], keys.turn[known]] = np.flatnonzero(known)
  anchor = row[at, again.keys.turn]
  number = again.keys.trajectory - config.rollout.rerolls
  keys = jax.tree.map(lambda x: x[anchor], keys)._replace(trajectory=number)
  return jax.tree.map(_joined, samples, again._replace(keys=keys))


def _joined(first: np.ndarray, second: np.ndarray) -> np.ndarray:
  """One behind the other, as wide as the wider."""
  if first.ndim > 1:
    wide = max(first.shape[1], second.shape[1])
    first, second = (
      np.pad(x, ((0, 0), (0, wide - x.shape[1]))) for x in (first, second)
    )
  return np.concatenate([first, second])
