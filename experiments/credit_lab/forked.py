"""Arms that spend turns on re-rolls of a memory and on branches."""

import numpy as np

from experiments.credit_lab import arms
from experiments.credit_lab import world as world_lib
from experiments.credit_lab.arms import BUDGET, Rows, Task, options
from experiments.credit_lab.world import FILLER, KEYS
from mem_alpha_jax.credit import advantages, forks, groups

ANCHORS = 0.5  # of the turns are rolled again, by Memory-R2
REROLLS = 4
TREES = ((8, 3), (4, 7))  # branches of the first and the second half


def _both(a, b):
  return np.concatenate([a, b])


def logo(task: Task) -> dict[str, Rows]:
  """Memory-R2: fewer trajectories, and turns that are rolled again."""
  flat = arms.play_flat(task, BUDGET - round(ANCHORS * REROLLS))
  rng, (b, length) = task.rng(1), task.kinds.shape
  episodes = task.replicates * b
  before = flat.played.before.reshape(episodes, -1, length)
  episode, turn = np.nonzero(rng.random((episodes, length)) < ANCHORS)
  anchor = rng.integers(0, before.shape[1], len(turn))
  state = np.repeat(before[episode, anchor, turn], REROLLS)
  site = np.repeat(np.arange(len(turn)), REROLLS)
  episode, turn = episode[site], turn[site]
  seen, action, own, so_far = _tried(task, episode % b, turn, state, rng)
  k, none = flat.keys, np.full_like(turn, -1)
  again = np.tile(np.arange(-REROLLS, 0), len(turn) // REROLLS)
  columns = episode, again, turn, 0 * turn, len(k.turn) + site, none
  keys = groups.Keys(*map(_both, k[:6], columns))
  rows = flat.rows(None)
  weight = np.full(len(turn), rows.weight[0])
  added = episode // b, seen, action, weight
  columns = rows.replicate, rows.seen, rows.action, rows.weight
  replicate, seen, action, weight = map(_both, columns, added)
  rows = Rows(replicate, seen, action, None, weight)
  mine, end = arms.own_question(flat).ravel(), flat.spread(arms.ends(flat))
  pays = {
    'logo': (mine, own),
    'logo, questions so far': (mine, so_far),
    'logo, end and so far': (end, so_far),
  }
  credit = lambda pay: advantages.grpo(_both(*pay), keys, options())
  return {name: rows._replace(advantage=credit(p)) for name, p in pays.items()}


def _tried(task: Task, stream, turn, state, rng):
  """What is done to memories, and the answers right after it.

  Returns what was seen, the action, whether the question of the chunk is
  answered (0 of a filler), and the share of all questions so far.
  """
  kind = task.kinds[stream, turn]
  seen = task.world.seen[kind, state]
  action = world_lib.draw(world_lib.softmax(task.logits), seen, rng)
  right = task.world.right[task.world.after[kind, action, state]]
  told = task.stated[stream, turn]
  own = right[np.arange(len(kind)), np.minimum(kind, KEYS - 1)]
  so_far = (right * told).sum(1) / told.sum(1)
  return seen, action, np.where(kind == FILLER, 0.0, own), so_far


def same_state(task: Task) -> dict[str, Rows]:
  """One trajectory a stream, BUDGET responses to each memory it reaches.

  All are drawn apart from the one that is carried out, which changes nothing
  in the mean.
  """
  flat, b = arms.play_flat(task, 1), len(task.kinds)
  row = np.repeat(np.arange(len(flat.keys.turn)), BUDGET)
  keys = groups.Keys(*(column[row] for column in flat.keys[:6]))
  sample = np.tile(np.arange(BUDGET), len(flat.keys.turn))
  keys = keys._replace(trajectory=sample)
  state = flat.played.before.ravel()[row]
  seen, action, _, so_far = _tried(
    task, keys.episode % b, keys.turn, state, task.rng(2)
  )
  found = advantages.grpo(so_far, keys, options())
  weight = np.full(len(row), 1 / (b * BUDGET))
  rows = Rows(keys.episode // b, seen, action, found, weight)
  return {'same state, at once': rows}


def trees(task: Task, first: int, second: int) -> dict[str, Rows]:
  """Branches of the first half that each go on as branches of the second."""
  (b, length), half = task.kinds.shape, task.kinds.shape[1] // 2
  of = np.tile(np.repeat(np.arange(b), first), task.replicates)
  again, rng = np.repeat(np.arange(len(of)), second), task.rng(3)
  trunk = world_lib.play(task.world, task.kinds[of, :half], task.logits, rng)
  leaves = world_lib.play(
    task.world, task.kinds[of[again], half:], task.logits, rng,
    world_lib.Played(*(x[again] for x in trunk)),
  )  # fmt: skip
  keys = _tree_keys(task.replicates * b, first, second, half, length - half)
  reward = np.full(len(keys.turn), np.nan)
  reward[keys.turn == length - 1] = task.last[of[again], leaves.after]
  seen, action = (
    _both(getattr(trunk, name).ravel(), getattr(leaves, name).ravel())
    for name in ('seen', 'action')
  )
  branches = np.where(keys.turn < half, first, first * second)
  rows = Rows(keys.episode // b, seen, action, None, 1 / (b * branches))
  config, name = options(), f'{first}x{second}'
  found = {
    f'siblings {name}{label}': forks.siblings(reward, keys, config, base)
    for label, base in (
      ('', advantages.grpo),
      (', rloo', advantages.rloo),
      (', mean', advantages.dr_grpo),
    )
  }
  found[f'mem_t {name}'] = forks.mem_t(reward, keys, config)
  paths = np.full(len(keys.turn), 1 / (b * first))  # one a branch is trained
  path = Rows(rows.replicate, seen, action, None, paths)
  return {k: rows._replace(advantage=a) for k, a in found.items()} | {
    f'tree {name}': path._replace(advantage=forks.tree(reward, keys, config))
  }


def _tree_keys(many: int, first: int, second: int, half: int, rest: int):
  """Rows of all first halves, then of all second ones."""
  episode, branch, turn = np.indices((many, first, half)).reshape(3, -1)
  e, path, t = np.indices((many, first * second, rest)).reshape(3, -1)
  row, late = np.arange(len(turn)), len(turn) + np.arange(len(t))
  trunk = np.repeat(np.arange(many * first), second * rest)
  fork = (trunk + 1) * half - 1
  parent = _both(
    np.where(turn > 0, row - 1, -1), np.where(t > 0, late - 1, fork)
  )
  rows = _both(row, late)
  turns = _both(turn, half + t)
  return groups.Keys(
    _both(episode, e), _both(branch, path), turns, 0 * rows, rows, parent
  )
