"""What is compared: rollouts of equal cost, and their advantages.

An arm is rows with advantages, of which `gradients` makes an estimate a
replicate. R replicates, B streams each, L turns; the budget of a stream is
BUDGET trajectories of L turns, whatever they are spent on. Here are the arms
of whole trajectories that are paid by the answers at their end.
"""

import types
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from experiments.credit_lab import world as world_lib
from experiments.credit_lab.world import FILLER, KEYS
from mem_alpha_jax.credit import advantages, groups, shares

BUDGET = 16


class Rows(NamedTuple):
  """Responses that are trained; `weight` makes their sum a mean of rollouts."""

  replicate: Int[np.ndarray, 'N']
  seen: Int[np.ndarray, 'N']
  action: Int[np.ndarray, 'N']
  advantage: Float[np.ndarray, 'N']
  weight: Float[np.ndarray, 'N']


class Task(NamedTuple):
  """What all arms of a cell share."""

  world: world_lib.World
  kinds: Int[np.ndarray, 'B L']
  logits: Float[np.ndarray, 'obs 3']
  replicates: int
  seed: int

  @property
  def stated(self) -> Float[np.ndarray, 'B L keys']:
    """Whether a key was stated by each turn."""
    told = self.kinds[..., None] == np.arange(KEYS)
    return np.maximum.accumulate(told, 1).astype(float)

  @property
  def last(self) -> Float[np.ndarray, 'B S']:
    """The answers that each memory gives at the end."""
    told = self.stated[:, -1]
    return told @ self.world.right.T / told.sum(1, keepdims=True)

  def rng(self, stream: int) -> np.random.Generator:
    return np.random.default_rng((self.seed, stream))


def options(group_by='chunk', std_floor=0.02, lam=1.0):
  """The fields of config.rl that estimators read."""
  return types.SimpleNamespace(
    group_by=group_by, std_floor=std_floor, gamma=1.0, lam=lam
  )


def gradients(
  rows: Rows, logits: Float[np.ndarray, 'obs 3'], replicates: int
) -> Float[np.ndarray, 'R P']:
  """sum_i w_i A_i dlog pi(a_i | o_i) of each replicate; dlog pi = e_a - pi."""
  pull = rows.weight * rows.advantage
  obs, actions = logits.shape
  at = rows.replicate * obs + rows.seen
  seen = np.bincount(at, pull, replicates * obs).reshape(-1, obs, 1)
  taken = np.bincount(
    at * actions + rows.action, pull, replicates * obs * actions
  ).reshape(-1, obs, actions)
  return (taken - seen * world_lib.softmax(logits)).reshape(replicates, -1)


class Flat(NamedTuple):
  """G whole trajectories a stream, as a table of rows."""

  task: Task
  played: world_lib.Played  # R B G trajectories
  stream: Int[np.ndarray, 'RBG']
  keys: groups.Keys

  def spread(self, column) -> np.ndarray:
    """One number a trajectory to its rows."""
    return np.repeat(column, self.task.kinds.shape[1])

  def rows(self, advantage) -> Rows:
    played, b = self.played, len(self.task.kinds)
    many = len(self.stream) // self.task.replicates
    replicate = self.keys.episode // b
    weight = np.full(len(replicate), 1 / many)
    seen, action = played.seen.ravel(), played.action.ravel()
    return Rows(replicate, seen, action, advantage, weight)


def play_flat(task: Task, many: int) -> Flat:
  shape = (task.replicates, *task.kinds.shape[:1], many)
  b, length = task.kinds.shape
  of = np.broadcast_to(np.arange(b)[:, None], shape).ravel()
  played = world_lib.play(task.world, task.kinds[of], task.logits, task.rng(0))
  episode, trajectory, turn = np.indices(
    (task.replicates * b, many, length)
  ).reshape(3, -1)
  row = np.arange(len(turn))
  parent = np.where(turn > 0, row - 1, -1)
  keys = groups.Keys(episode, trajectory, turn, 0 * row, row, parent)
  return Flat(task, played, of, keys)


def ends(flat: Flat) -> Float[np.ndarray, 'RBG']:
  """The answers at the end of each trajectory."""
  return flat.task.last[flat.stream, flat.played.after]


def broadcast(flat: Flat) -> dict[str, np.ndarray]:
  """Advantages of estimators that know the end alone."""
  reward, keys = flat.spread(ends(flat)), flat.keys
  once = np.where(keys.turn == keys.turn.max(), reward, 0.0)
  task = flat.task
  values = np.stack([
    world_lib.exact(task.world, kinds, task.logits, last).values
    for kinds, last in zip(task.kinds, task.last, strict=True)
  ])  # fmt: skip
  value = values[flat.stream[:, None], np.arange(values.shape[1]),
                 flat.played.before].ravel()  # fmt: skip
  known = keys._replace(value=value)
  grpo = advantages.grpo(reward, keys, options())
  kind, uses = _kinds_used(flat)
  return {
    'grpo': grpo,
    'dr_grpo': advantages.dr_grpo(reward, keys, options()),
    'rloo': advantages.rloo(reward, keys, options()),
    'gae, exact critic, lambda 1': advantages.gae(once, known, options()),
    'gae, exact critic, lambda 0': advantages.gae(
      once, known, options(lam=0.0)
    ),
    # What Mem-T's deviations do to early turns, without its trees.
    'grpo, first half by half': grpo
    * np.where(keys.turn < task.kinds.shape[1] // 2, 0.5, 1.0),
    'most used, alpha 4': grpo * shares.most_used(kind, uses, 4.0),
  }


def _kinds_used(flat: Flat):
  """Kind of memory each turn writes (keys 0 and 2, key 1), and its use."""
  kinds = flat.task.kinds[flat.stream]
  kind = np.where(kinds == FILLER, -1, kinds % 2).ravel()
  about = flat.task.world.shown[flat.played.after]  # [RBG, keys]
  uses = np.stack([about[:, ::2].sum(1), about[:, 1::2].sum(1)], 1)
  return kind, np.repeat(uses, kinds.shape[1], 0)


def redistributed(flat: Flat) -> dict[str, np.ndarray]:
  """Advantages of the end's reward shared by evidence."""
  task, played = flat.task, flat.played
  told = task.stated[:, -1][flat.stream] > 0
  scores = np.where(told, task.world.right[played.after], np.nan)
  entry = task.world.entries[played.after][:, None]  # [N, 1, C]
  key = np.arange(KEYS)[:, None]
  about = (entry == 1 + key) | (entry == 1 + KEYS + key)
  found = {}
  for name, beta, writer in (
    ('evidence, beta 0.5', 0.5, played.newest),
    ('evidence, beta 0.5, first writer', 0.5, played.first),
    ('evidence, beta 1', 1.0, played.newest),
  ):
    written = np.where(about, writer[:, None], -1)
    reward = shares.evidence(scores, written, task.kinds.shape[1], beta)
    found[name] = advantages.grpo(reward.ravel(), flat.keys, options())
  return found


def by_turn(flat: Flat) -> dict[str, np.ndarray]:
  """Rewards of the end's questions about each turn; a filler has none."""
  own = own_question(flat)
  kinds = flat.task.kinds[flat.stream]
  told = kinds != FILLER
  later = lambda x: np.cumsum(x[:, ::-1], 1)[:, ::-1]
  to_come = later(own * told) / np.maximum(later(told), 1)
  return {
    name: advantages.grpo(reward.ravel(), flat.keys, options())
    for name, reward in (('own question', own), ('questions to come', to_come))
  }


def own_question(flat: Flat) -> Float[np.ndarray, 'RBG L']:
  kinds = flat.task.kinds[flat.stream]
  right = flat.task.world.right[flat.played.after]
  found = np.take_along_axis(right, np.minimum(kinds, KEYS - 1), 1)
  return np.where(kinds == FILLER, 0.0, found)
