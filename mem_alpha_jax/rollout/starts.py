"""The memory that an episode of training begins with."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.types import Episode, Question


class Start(NamedTuple):
  """The memory an episode begins with."""

  state: state_lib.MemoryState
  read: int  # tokens its stream has shown so far
  chain: int  # episodes it has lived through
  history: dict[str, Question]  # by text: those that still hold
  clock: int = 0  # turns it has lived through, of episodes of any lengths


def empty() -> Start:
  return Start(state_lib.empty(), 0, 0, {})


def given(
  starts: Sequence[Start],
  episodes: Sequence[Episode],
  count: Callable[[str], int],
) -> list[Start]:
  """The starts; of an episode with a memory of its own, that."""
  return [
    Start(state_lib.holding(e.start, count), 0, 0, {}) if e.start else start
    for start, e in zip(starts, episodes, strict=True)
  ]


def next_starts(
  ends: Sequence[Start], config, step: int, first: int = 0
) -> list[Start]:
  """Own-memory starts: most streams go on with the memory they wrote.

  A memory that has lived through `rollout.chain` episodes is dropped, so
  no training memory is older than chain + 1 episodes. `first` is the place
  of the first in the batch of all processes.
  """
  starts = []
  for i, end in enumerate(ends, first):
    rng = np.random.default_rng((config.seed, step, i, 1))
    kept = rng.random() < config.rollout.own_memory
    fits = end.chain <= config.rollout.chain
    starts.append(end if kept and fits and end.chain else empty())
  return starts
