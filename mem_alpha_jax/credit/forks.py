"""Credit of rows that fork: trees of turns.

Keys.parent makes a tree of the rows of an episode; a row whose parent has no
other child goes on with its branch. As in advantages.py, which has them by
name, NaN is missing and a group of one teaches nothing.
"""

import types
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from mem_alpha_jax.credit import groups

Column = Float[np.ndarray, 'N']


def siblings(
  rewards: Column, keys: groups.Keys, config: Any, estimator: Callable
) -> Column:
  """Branches of one row compared, each worth the mean of its leaves. Ours.

  A_i = estimator(V_i; children of the same parent) where a branch begins, and
  that of its beginning further on. With rloo it is unbiased; a mean that the
  branch is part of (dr_grpo, grpo) shrinks b siblings by (b - 1) / b, so it
  turns the sum over depths unless all branch alike.

  Args:
    rewards: those of rows without children count.
    keys: parent is a row of this table.
    config: config.rl.
    estimator: of advantages.py; compares a state's responses.
  """
  worth = values(rewards, keys)
  apart = keys._replace(role=groups.ids(keys.parent, keys.role))
  by = types.SimpleNamespace(group_by='chunk', std_floor=config.std_floor)
  return np.nan_to_num(estimator(worth, apart, by))[begins(keys)]


def tree(rewards: Column, keys: groups.Keys, config: Any) -> Column:
  """One path of each tree compared, each row worth the mean of its leaves.

  A_i = z(V_i; the rows of the same turn and role on one path a tree), 0 off
  the paths. TreeMem, arXiv 2605.04811: a builder's output is worth the mean
  over all answers that follow; its groups are G builders, not siblings. Ours:
  the path of first children, since children are drawn alike; the length
  penalty on the builder is a reward part's job.
  """
  worth = np.where(_on_first(keys), values(rewards, keys), np.nan)
  stats = groups.compare(worth, keys, 'chunk')
  return np.nan_to_num(stats.gap / np.maximum(stats.std, config.std_floor))


def mem_t(rewards: Column, keys: groups.Keys, config: Any) -> Column:
  """Branches compared within their tree, plus within all trees.

  A_i = z(V_i; branches of its tree) + z(V_i; branches of the episode), where
  V of a row is the mean over its children, not over its leaves: they differ
  where branching is uneven. MoT-GRPO of Mem-T, arXiv 2601.23014. One tree
  doubles its advantages. Ours: a branch of several turns is one node, and the
  evidence that an inner node has found is left to a reward part.
  """
  beginning = begins(keys)
  nodes = beginning == np.arange(len(beginning))
  worth = np.where(nodes, values(rewards, keys, by_leaf=False), np.nan)
  root = _since(keys, keys.parent < 0)
  found = 0.0
  for apart in (groups.ids(root, keys.role), keys.role):
    stats = groups.compare(worth, keys._replace(role=apart), 'episode')
    found += stats.gap / np.maximum(stats.std, config.std_floor)
  return np.nan_to_num(found)[beginning]


def values(rewards: Column, keys: groups.Keys, by_leaf: bool = True) -> Column:
  """What each row of a tree is worth, NaN above missing leaves alone.

  V = r of a row without children, else the mean over the leaves below it, or
  over its children if not `by_leaf`.
  """
  rewards = np.asarray(rewards, np.float64)
  known = ~np.isnan(rewards)
  known[keys.parent[keys.parent >= 0]] = False
  total, count = np.where(known, rewards, 0.0), known.astype(np.float64)
  for t in reversed(range(keys.turn.max() + 1)):
    below = (keys.turn == t) & (keys.parent >= 0) & (count > 0)
    rows = np.flatnonzero(below)
    weight = count[rows] if by_leaf else np.ones(len(rows))
    np.add.at(total, keys.parent[rows], weight * total[rows] / count[rows])
    np.add.at(count, keys.parent[rows], weight)
  found = np.full(len(rewards), np.nan)
  return np.divide(total, count, out=found, where=count > 0)


def paths(keys: groups.Keys, one: bool) -> Int[np.ndarray, 'N']:
  """How many paths through each row are trained: all, or `one` a tree."""
  count = _on_first(keys).astype(int) if one else np.ones_like(keys.parent)
  count[keys.parent[keys.parent >= 0]] = 0
  for t in reversed(range(1, keys.turn.max() + 1)):
    rows = np.flatnonzero(keys.turn == t)
    np.add.at(count, keys.parent[rows], count[rows])
  return count


def begins(keys: groups.Keys) -> Int[np.ndarray, 'N']:
  """The row where each row's branch begins: one with siblings, or a root."""
  inner = keys.parent >= 0
  children = np.bincount(keys.parent[inner], minlength=len(keys.parent))
  return _since(keys, ~inner | (children[keys.parent] > 1))


def _on_first(keys: groups.Keys) -> Bool[np.ndarray, 'N']:
  """Whether each row is on the path of first children."""
  inner = keys.parent >= 0
  _, first = np.unique(keys.parent[inner], return_index=True)
  later = inner.copy()
  later[np.flatnonzero(inner)[first]] = False
  return ~later[_since(keys, later | ~inner)]


def _since(
  keys: groups.Keys, marked: Bool[np.ndarray, 'N']
) -> Int[np.ndarray, 'N']:
  """Of each row the nearest marked one on its way up, itself included."""
  found = np.arange(len(marked))
  for t in range(keys.turn.max() + 1):
    rows = np.flatnonzero((keys.turn == t) & ~marked)
    found[rows] = found[keys.parent[rows]]
  return found
