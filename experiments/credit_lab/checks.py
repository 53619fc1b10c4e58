"""Single claims of the papers, each measured by itself."""

import numpy as np

from experiments.credit_lab import arms
from experiments.credit_lab import world as world_lib
from mem_alpha_jax.credit import provenance, shares


def builder_variance(task: arms.Task) -> dict[str, float]:
  """Variance of what a first half is worth, by continuations of it.

  Within a stream, beside a fit of between + within / J.
  """
  found, (b, length) = {}, task.kinds.shape
  half, replicates = length // 2, task.replicates
  of = np.tile(np.arange(b), replicates)
  rng = task.rng(5)
  trunk = world_lib.play(task.world, task.kinds[of, :half], task.logits, rng)
  most = 8
  again = np.repeat(np.arange(len(of)), most)
  leaves = world_lib.play(
    task.world, task.kinds[of[again], half:], task.logits, rng,
    world_lib.Played(*(x[again] for x in trunk)),
  )  # fmt: skip
  ends = task.last[of[again], leaves.after].reshape(replicates, b, most)
  for many in (1, 2, 4, 8):
    found[str(many)] = float(ends[..., :many].mean(2).var(0, ddof=1).mean())
  within = float(ends.var(2, ddof=1).mean())
  found['within'], found['between'] = within, found['8'] - within / 8
  return found


def weights_of_roles(seed: int, size: int) -> dict[str, list[float]]:
  """Weights of three roles of groups of `size`, means of 2,000 groups.

  The global reward is right or wrong; one role's own reward is it, one is it
  with noise, one is a decoy, drawn apart.
  """
  rng = np.random.default_rng(seed)
  right = (rng.random((2000, size)) < 0.5).astype(float)
  noisy = right + rng.normal(0, 1, right.shape)
  local = np.stack([right, noisy, rng.random(right.shape)], 1)
  some = right.std(1) > 0
  found = {}
  for rule in ('ndcg', 'spearman'):
    for temperature in (1.0, 0.1):
      w = shares.agree(local[some], right[some], rule, temperature)
      found[f'{rule}, temperature {temperature:g}'] = [
        *w.mean(0).tolist(), float(w.min()), float(w.max())
      ]  # fmt: skip
  return found


def ranks(depth: int, lam: float, seed: int) -> dict[str, float]:
  """AUC of Q: good sources above poor ones, and above what came along.

  20 sources are good, 20 poor, 40 of no use. A task is a chain of `depth`
  steps: the first uses a good or a poor source, each later one what the step
  before it made, and all also an entry of no use. The last step is rewarded,
  9 of 10 times from a good source and 1 of 10 from a poor one.
  """
  rng, kinds = np.random.default_rng((seed, depth)), 20
  parents, q = [()] * (4 * kinds), np.zeros(4 * kinds + 150 * depth)
  for _ in range(150):
    source = used = int(rng.integers(0, 2 * kinds))
    for step in range(depth):
      other = int(rng.integers(2 * kinds, 4 * kinds))
      parents.append((used, other))
      made = len(parents) - 1
      chance = (0.9 if source < kinds else 0.1) if step == depth - 1 else 0.0
      reward = float(rng.random() < chance)
      q = provenance.memq(
        q, parents, [used, other], made, reward, rate=0.2, gamma=0.8, lam=lam
      )
      used = made
  good = q[:kinds, None]
  above = lambda rest: float(((good > rest) + 0.5 * (good == rest)).mean())
  return {
    'beside poor': above(q[kinds : 2 * kinds]),
    'beside useless': above(q[2 * kinds : 4 * kinds]),
  }
