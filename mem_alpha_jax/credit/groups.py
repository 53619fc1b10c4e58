"""Which rows are compared with which, and the statistics of a group."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

GROUP_BY = ('chunk', 'trajectory', 'episode')


class Keys(NamedTuple):
  """What tells the rows of a table apart, and what else some ask of them.

  A row is one response.

  Attributes:
    episode: its place in the batch.
    trajectory: which of the episode's G samples it belongs to; of a re-roll,
      a turn tried again from a memory that one of them had, -1, -2 and so on.
    turn: its place in the schedule of the episode.
    role: what the turn was for.
    state: the memory that it saw; equal for the samples of one memory.
    parent: the row whose memory that was; -1 at the start of an episode, or
      of a memory that no row wrote.
    value: of the value head at the start of the response; None without one.
    parts: weight and column of each part of the reward that counts, NaN where
      it is missing; None where only their sum is known.
  """

  episode: Int[np.ndarray, 'N']
  trajectory: Int[np.ndarray, 'N']
  turn: Int[np.ndarray, 'N']
  role: Int[np.ndarray, 'N']
  state: Int[np.ndarray, 'N']
  parent: Int[np.ndarray, 'N']
  value: Float[np.ndarray, 'N'] | None = None
  parts: Mapping[str, tuple[float, Float[np.ndarray, 'N']]] | None = None


class Stats(NamedTuple):
  """The groups of rows, one number a row each.

  Attributes:
    group: its number.
    gap: the row's score minus the mean of its group.
    std: population standard deviation of the group, 0 if nothing is known.
    count: known scores of the group.
  """

  group: Int[np.ndarray, 'N']
  gap: Float[np.ndarray, 'N']
  std: Float[np.ndarray, 'N']
  count: Int[np.ndarray, 'N']


def ids(*columns: Int[np.ndarray, 'N']) -> Int[np.ndarray, 'N']:
  """Numbers from 0 on, equal where all columns are, in their order.

  The columns are digits of one number, which is sorted 20 times as fast as
  they are. Where the next digit would not fit, what there is is numbered.
  """
  code, span = np.zeros(len(columns[0]), np.int64), 1
  for column in columns:
    low = int(column.min(initial=0))
    base = int(column.max(initial=0)) - low + 1
    if span * base > np.iinfo(np.int64).max:
      code, span = np.unique(code, return_inverse=True)[1], len(code)
    code, span = code * base + column - low, span * base
  return np.unique(code, return_inverse=True)[1].reshape(-1)


def compare(
  rewards: Float[np.ndarray, 'N'], keys: Keys, group_by: str
) -> Stats:
  """Statistics of the groups; what is NaN enters none.

  mean = sum(r) / n,  std = sqrt(sum((r - mean)^2) / n).

  Args:
    rewards: NaN where missing.
    keys: of the rows.
    group_by: 'chunk' compares the samples of one turn of an episode, also
      right where they start from the same memory; 'trajectory' the means of
      whole trajectories, each once; 'episode' all rows of an episode, as the
      reference implementation of Mem-alpha does. There a trajectory weighs as
      many times as it has rows: of two with 6 rows of reward 1 and 2 rows of
      reward 0 the mean is 0.75, not 0.5, and the short one's rows are pushed
      down three times as hard (0.75) as the long one's are pulled up (0.25).
      Roles are never compared.

  A re-roll is compared with those from its memory alone, and trajectories are
  as without any: LoGo-GRPO of Memory-R2, arXiv 2605.21768, equations 11 to 17
  (with 'chunk'). No weight mixes the two. Ours: re-rolls alone teach nothing
  (as released, their raw reward).
  """
  score = np.asarray(rewards, np.float64)
  counted = ~np.isnan(score)
  columns = (keys.episode, keys.role)
  if (again := keys.trajectory < 0).any():
    columns = (*columns, np.where(again, keys.state, -1))
  if group_by == 'trajectory':
    whole = ids(*columns, keys.trajectory)
    score = means(whole, score, counted)[whole]
    counted = _firsts(whole, counted)
  if group_by == 'chunk':
    columns = (*columns, keys.turn)
  group = ids(*columns)
  gap = score - means(group, score, counted)[group]
  variance = means(group, np.square(gap), counted)
  count = np.bincount(group, counted).astype(int)
  return Stats(group, gap, np.sqrt(variance)[group], count[group])


def means(group, values, counted: Bool[np.ndarray, 'N']) -> np.ndarray:
  """Mean of each group over the rows that count, 0 without any."""
  total = np.bincount(group, np.where(counted, values, 0.0))
  return total / np.maximum(np.bincount(group, counted), 1)


def _firsts(group, counted: Bool[np.ndarray, 'N']) -> Bool[np.ndarray, 'N']:
  """Of each group the first row that counts."""
  rows = np.flatnonzero(counted)
  _, first = np.unique(group[rows], return_index=True)
  found = np.zeros_like(counted)
  found[rows[first]] = True
  return found
