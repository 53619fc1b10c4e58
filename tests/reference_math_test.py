"""Estimators, losses and what selects samples, beside float64 of our own.

Nothing of the package's own arithmetic is used on the other side: loops over
rows and tokens, from the definitions. Shapes are random and ragged.
"""

import itertools
import math

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import pytest

from mem_alpha_jax.config import fields, validate
from mem_alpha_jax.credit import advantages, groups
from mem_alpha_jax.model import blockwise_softmax, distribution
from mem_alpha_jax.rl import losses
from mem_alpha_jax.rl import update as update_lib
from mem_alpha_jax.rollout import assemble, forced_calls
from mem_alpha_jax.types import RolloutRows

SEEDS = range(12)


# Estimators.


def ragged_keys(rng) -> groups.Keys:
  """A few episodes of 1 to 4 trajectories of 1 to 5 turns, of two roles."""
  rows = [
    (b, g, t, int(rng.random() < 0.3))
    for b in range(3)
    for g in range(rng.integers(1, 5))
    for t in range(rng.integers(1, 6))
  ]
  columns = np.array(rows).T
  order = rng.permutation(len(rows))
  zeros = np.zeros(len(rows), int)
  return groups.Keys(*columns[:, order], zeros, zeros)


def mean(values):
  return sum(values) / len(values) if values else 0.0


def reference_groups(rewards, keys, name, by, floor):
  """One row at a time, with the lists of what it is compared with."""
  rows, found = range(len(rewards)), []
  known = [n for n in rows if not math.isnan(rewards[n])]
  column = lambda n, *names: tuple(getattr(keys, name)[n] for name in names)
  for n in rows:
    if n not in known:
      found.append(0.0)
      continue
    peers = [
      m
      for m in known
      if column(m, 'episode', 'role') == column(n, 'episode', 'role')
    ]
    mine = rewards[n]
    if by == 'chunk':
      scores = [rewards[m] for m in peers if keys.turn[m] == keys.turn[n]]
    elif by == 'episode':
      scores = [rewards[m] for m in peers]
    else:
      whole = {}
      for m in peers:
        whole.setdefault(keys.trajectory[m], []).append(rewards[m])
      scores = [mean(values) for values in whole.values()]
      mine = mean(whole[keys.trajectory[n]])
    gap = mine - mean(scores)
    std = math.sqrt(mean([(s - mean(scores)) ** 2 for s in scores]))
    count = len(scores)
    found.append({
      'grpo': gap / max(std, floor),
      'dr_grpo': gap,
      'rloo': mine - (sum(scores) - mine) / (count - 1) if count > 1 else 0.0,
    }[name])  # fmt: skip
  return np.array(found)


@pytest.mark.parametrize('by', groups.GROUP_BY)
@pytest.mark.parametrize('name', ['grpo', 'dr_grpo', 'rloo'])
def test_group_estimators_are_their_definitions(name, by):
  config = ml_collections.ConfigDict(
    {'advantage': name, 'group_by': by, 'std_floor': 0.3}
  )
  for seed in SEEDS:
    rng = np.random.default_rng(seed)
    keys = ragged_keys(rng)
    rewards = rng.normal(size=len(keys.turn))
    rewards[rng.random(len(rewards)) < 0.2] = np.nan
    found = advantages.compute(rewards, keys, config)
    wanted = reference_groups(rewards, keys, name, by, 0.3)
    np.testing.assert_allclose(found.advantages, wanted, rtol=1e-5, atol=1e-6)


def reference_gae(rewards, values, gamma, lam):
  """A_t = sum_k (gamma lam)^k delta_{t+k} of one trajectory, to a gap."""
  found = []
  for t, reward in enumerate(rewards):
    total, factor = 0.0, 1.0
    for k in range(t, len(rewards)):
      if math.isnan(rewards[k]):
        break
      after = values[k + 1] if k + 1 < len(rewards) else 0.0
      total += factor * (rewards[k] + gamma * after - values[k])
      factor *= gamma * lam
    found.append(0.0 if math.isnan(reward) else total)
  return found


@pytest.mark.parametrize('gamma, lam', [(1, 1), (0.9, 0.8), (1, 0), (0, 0.5)])
def test_gae_is_its_definition(gamma, lam):
  config = ml_collections.ConfigDict(
    {'advantage': 'gae', 'gamma': gamma, 'lam': lam}
  )
  for seed in SEEDS:
    rng = np.random.default_rng(seed)
    keys = ragged_keys(rng)
    n = len(keys.turn)
    rewards, values = rng.normal(size=(2, n))
    rewards[rng.random(n) < 0.15] = np.nan
    found = advantages.compute(rewards, keys._replace(value=values), config)
    wanted = np.zeros(n)
    for b, g in {*zip(keys.episode, keys.trajectory, strict=True)}:
      rows = np.flatnonzero((keys.episode == b) & (keys.trajectory == g))
      rows = rows[np.argsort(keys.turn[rows])]
      wanted[rows] = reference_gae(rewards[rows], values[rows], gamma, lam)
    np.testing.assert_allclose(found.advantages, wanted, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(
      found.returns, wanted + values, rtol=1e-5, atol=1e-5
    )


def test_trial_long_trajectories_weigh_more_in_an_episode():
  # Six rows of reward 1, two of 0: mean 0.75. Their neighbors: one row each,
  # and whole trajectories compared, whatever their lengths.
  config = lambda by: ml_collections.ConfigDict(
    {'advantage': 'dr_grpo', 'group_by': by, 'std_floor': 0.02}
  )

  def of(lengths, by):
    rows = [(0, g, t, 0) for g, n in enumerate(lengths) for t in range(n)]
    zeros = np.zeros(len(rows), int)
    keys = groups.Keys(*np.array(rows).T, zeros, zeros)
    found = advantages.compute(1.0 - keys.trajectory, keys, config(by))
    return np.unique(found.advantages)[::-1].tolist()

  assert of((6, 2), 'episode') == [0.25, -0.75]
  assert of((1, 1), 'episode') == [0.5, -0.5]
  assert of((6, 2), 'trajectory') == [0.5, -0.5]


# Losses.


def rl(rng) -> ml_collections.ConfigDict:
  """A config of random options."""
  pick = lambda *options: options[rng.integers(len(options))]
  return ml_collections.ConfigDict({
    'advantage': pick('grpo', 'gae'),
    'clip_low': 0.2,
    'clip_high': pick(0.2, 0.28),
    'dual_clip': pick(0.0, 3.0),
    'ratio_level': pick('token', 'sequence'),
    'aggregate': pick('token_mean', 'sequence_mean', 'sequence_sum'),
    'kl_coef': pick(0.0, 0.1),
    'kl_kind': pick('k2', 'k3'),
    'entropy_coef': pick(0.0, 0.01),
    'importance_cap': pick(0.0, 2.0),
    'value_coef': 0.5,
    'max_row_gap': 0.0,
  })  # fmt: skip


def ragged_rows(rng) -> RolloutRows:
  """Rows of 1 to R tokens of which some weigh nothing or less than one.

  Of two sizes, so that an operation of JAX is compiled twice, not 40 times.
  """
  shape = m, g, r = ((4, 3, 4), (1, 1, 2))[rng.random() < 0.1]
  mask = np.arange(r) < rng.integers(1, r + 1, (m, g, 1))
  draw = lambda scale: np.float32(scale * rng.normal(size=shape) * mask)
  ids = np.zeros((m, 1), np.int32)
  own = np.ones((m, g), np.int32)
  return RolloutRows(
    prefix=ids, prefix_length=own[:, 0], own=own[..., None], own_length=own,
    response=np.zeros(shape, np.int32), response_mask=mask,
    rollout_logps=draw(0.5) - mask, advantages=draw(1.0),
    row_weight=np.float32(rng.choice([0, 0.25, 1], (m, g))),
    returns=draw(1.0), old_values=draw(1.0),
  )  # fmt: skip


def reference_loss(logps, entropy, values, rows, c, ref, old, horizon):
  """The weighted sum of all terms, by loops over rows and tokens."""
  sums, rows_there, tokens = {}, 0, 0
  add = lambda name, x: sums.update({name: sums.get(name, 0.0) + x})
  for i in np.ndindex(rows.row_weight.shape):
    w, real = float(rows.row_weight[i]), np.flatnonzero(rows.response_mask[i])
    if not w:
      continue
    rows_there, tokens, n = rows_there + 1, tokens + len(real), len(real)
    spread = {
      'token_mean': 1.0, 'sequence_mean': 1 / n, 'sequence_sum': 1 / horizon
    }[c.aggregate]  # fmt: skip
    base = (rows.rollout_logps if old is None else old)[i]
    gaps = {t: logps[i][t] - base[t] for t in real}
    for t in real:
      gap = gaps[t] if c.ratio_level == 'token' else sum(gaps.values()) / n
      ratio, a = math.exp(gap), float(rows.advantages[i][t])
      near = min(max(ratio, 1 - c.clip_low), 1 + c.clip_high)
      objective = min(ratio * a, near * a)
      if c.dual_clip and a < 0:
        objective = max(objective, c.dual_clip * a)
      weight = 1.0
      if c.importance_cap:
        weight = math.exp(base[t] - rows.rollout_logps[i][t])
        weight = min(weight, c.importance_cap)
      add('policy', -w * spread * objective * weight)
      x = logps[i][t] - ref[i][t]
      kl = {'k2': x * x / 2, 'k3': math.exp(-x) - 1 + x}[c.kl_kind]
      add('kl', c.kl_coef * w * spread * kl)
      add('entropy', -c.entropy_coef * w * spread * entropy[i][t])
    v, v0, goal = (
      float(x[i][0]) for x in (values, rows.old_values, rows.returns)
    )
    close = v0 + min(max(v - v0, -c.clip_low), c.clip_low)
    error = max((v - goal) ** 2, (close - goal) ** 2) / 2
    add('value', c.value_coef * w * error if c.advantage == 'gae' else 0.0)
  count = tokens if c.aggregate == 'token_mean' else rows_there
  value = sums.pop('value', 0.0) / max(rows_there, 1)
  return sum(sums.values()) / max(count, 1) + value


@pytest.mark.parametrize('seed', range(40))
def test_the_loss_and_its_gradient_are_their_definitions(seed):
  rng = np.random.default_rng(seed)
  c, rows = rl(rng), ragged_rows(rng)
  mask, shape = rows.response_mask, rows.response_mask.shape
  near = lambda scale: rows.rollout_logps + scale * rng.normal(size=shape)
  logps, ref = near(0.3), near(0.5)
  old = near(0.3) if rng.random() < 0.7 or c.importance_cap else None
  entropy, values = rng.random(shape), rng.normal(size=shape)
  counts = losses.counts(rows, c)

  def ours(logps, values):
    terms = losses.policy_loss(
      logps, jnp.float32(entropy), values, rows, c, jnp.float32(ref),
      None if old is None else jnp.float32(old), 7,
    )  # fmt: skip
    weights = losses.term_weights(c)
    for name in weights:
      np.testing.assert_allclose(terms.loss[name][1], counts[name])
    return sum(
      w * terms.loss[k][0] / jnp.maximum(counts[k], 1)
      for k, w in weights.items()
    )

  theirs = lambda logps, values: reference_loss(
    logps, entropy, values, rows, c, ref, old, 7
  )
  loss, grads = jax.value_and_grad(ours, (0, 1))(
    jnp.float32(logps), jnp.float32(values)
  )
  np.testing.assert_allclose(loss, theirs(logps, values), rtol=1e-4, atol=1e-5)
  step = 1e-5
  for which, at in itertools.product((0, 1), np.ndindex(shape)):
    if not mask[at]:
      assert grads[which][at] == 0
      continue
    move = np.zeros(shape)
    move[at] = step
    sides = [
      theirs(logps + sign * move * (1 - which), values + sign * move * which)
      for sign in (1, 0, -1)
    ]
    left, right = (a - b for a, b in itertools.pairwise(sides))
    if abs(left - right) < 1e-3 * step:  # no kink between
      slope = (left + right) / 2 / step
      np.testing.assert_allclose(grads[which][at], slope, rtol=1e-3, atol=1e-4)


def test_trial_rows_that_sampler_and_trainer_see_otherwise_are_left_out():
  rng = np.random.default_rng(0)
  limit = fields.FIELDS['rl.max_row_gap'].default
  mask = np.ones((3, 1, 4), bool)
  zeros = np.zeros(mask.shape, np.float32)
  rows = ragged_rows(rng).replace(
    response_mask=mask, rollout_logps=zeros, advantages=zeros, returns=zeros,
    old_values=zeros, row_weight=np.ones((3, 1), np.float32),
  )  # fmt: skip
  # 5 nats in one token, 5 nats spread over four, and as much noise as bfloat16
  # makes: the first two are out, and counted.
  old = zeros.copy()
  old[0, 0, 2], old[1, 0], old[2, 0] = -5, 1.25, [0.1, -0.2, 0.1, 0.3]
  kept, told = update_lib._agreed(rows, jnp.asarray(old), limit)
  assert kept.row_weight.ravel().tolist() == [0, 0, 1]
  assert told['row_gap_dropped'] == 2
  np.testing.assert_allclose(told['row_gap_max'], 5)
  kept, told = update_lib._agreed(rows, jnp.asarray(old), 0.0)
  assert kept.row_weight.all() and told['row_gap_dropped'] == 0
  assert update_lib._agreed(rows, None, limit) == (rows, {})
  old[2, 0, 0] = np.nan
  kept, _ = update_lib._agreed(rows, jnp.asarray(old), limit)
  assert not kept.row_weight.any()


# What each KL trains, by enumeration.

PI, REF = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.5, 0.3])
# Logits of a softmax: d log pi_a / d logit = e_a - pi.
SCORE = np.eye(3) - PI


def kl_gradient(first, second):
  """d KL / d logits of the policy, which is `first` or `second`."""
  if first is PI:
    return ((first * (np.log(first / second)))[:, None] * SCORE).sum(0)
  return -(first[:, None] * SCORE).sum(0)


@pytest.mark.parametrize(
  'kind, wanted',
  [('k2', kl_gradient(PI, REF)), ('k3', kl_gradient(REF, PI))],
)
def test_trial_which_kl_each_form_trains(kind, wanted):
  def term(logits, action):
    logps = jax.nn.log_softmax(logits)[action][None]
    ref = jnp.log(jnp.float32(REF))[action][None]
    return losses.kl_estimate(logps, ref, jnp.ones(1, bool), kind)[0]

  grads = [jax.grad(term)(jnp.log(jnp.float32(PI)), a) for a in range(3)]
  found = sum(p * np.asarray(g) for p, g in zip(PI, grads, strict=True))
  np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_trial_k1_trains_nothing_and_is_refused():
  # E[grad x] = E[grad log pi] = 0.
  np.testing.assert_allclose(PI @ SCORE, 0, atol=1e-12)
  mask = jnp.ones(1, bool)
  with pytest.raises(ValueError, match='rl.kl_kind'):
    losses.kl_estimate(jnp.zeros(1), jnp.zeros(1), mask, 'k1')
  config = fields.defaults()
  config.rl.kl_kind = 'k1'
  with pytest.raises(ValueError, match='rl.kl_kind=.k1.*k1 nothing'):
    validate.validate(config)
  for kind in ('k2', 'k3'):
    config.rl.kl_kind = kind
    validate.validate(config)


def test_trial_groups_without_variance_still_pull_by_kl():
  rows = ragged_rows(np.random.default_rng(3))
  flat = rows.replace(
    advantages=np.zeros_like(rows.advantages),
    row_weight=np.ones_like(rows.row_weight),
  )
  c = rl(np.random.default_rng(0))
  c.advantage, c.entropy_coef, c.importance_cap = 'grpo', 0.0, 0.0

  def pull(coef):
    c.kl_coef = coef

    def loss(logps):
      terms = losses.policy_loss(
        logps, 0 * logps, 0 * logps, flat, c, flat.rollout_logps - 1.0
      )
      weights = losses.term_weights(c)
      return sum(w * terms.loss[k][0] for k, w in weights.items())

    return np.abs(jax.grad(loss)(flat.rollout_logps)).max()

  assert pull(0.0) == 0 < pull(0.1)
  np.testing.assert_allclose(pull(0.2), 2 * pull(0.1), rtol=1e-5)


# Bandits: what selects samples, by enumeration of all groups.


def compositions(n, arms):
  """How often each arm may be drawn in n draws, and how many ways there are."""
  for counts in itertools.product(range(n + 1), repeat=arms):
    if sum(counts) == n:
      ways = math.factorial(n)
      for count in counts:
        ways //= math.factorial(count)
      yield np.array(counts), ways


def bandit_gradient(pi, reward, group, select):
  """E over groups of the mean over what `select` keeps of A grad log pi.

  `select`: advantages [1, G] -> (columns [1, n], factors [1, n]).
  """
  score, total = np.eye(len(pi)) - pi, 0.0
  for counts, ways in compositions(group, len(pi)):
    arms = np.repeat(np.arange(len(pi)), counts)
    gap = reward[arms] - reward[arms].mean()
    advantage = gap / max(gap.std(), 0.02)
    (columns,), (factors,) = select(np.abs(advantage)[None])
    pull = (factors * advantage[columns]) @ score[arms[columns]]
    total = total + ways * np.prod(pi**counts) * pull / len(columns)
  return total


class Grid:
  """A generator that says one number, for sums over a grid of them."""

  def __init__(self, value):
    self.value = value

  def random(self, shape):
    return np.full(shape, self.value)


def drawn(points):
  """`select` that is each of a grid of draws, all in one."""

  def select(pull):
    found = [assemble.selected(pull, 5, 'pull', Grid(u)) for u in points]
    columns, factors = (np.concatenate(x, 1) for x in zip(*found, strict=True))
    return columns, factors

  return select


ARMS = np.array([0.59, 0.18, 0.23])
REWARDS = np.array([0.77, 0.71, 0.34])


def test_trial_the_heaviest_samples_are_biased_and_drawn_ones_are_not():
  true = ARMS * (REWARDS - ARMS @ REWARDS)
  everything = lambda pull: (np.arange(8)[None], np.ones((1, 8)))
  whole = bandit_gradient(ARMS, REWARDS, 8, everything)
  heaviest = bandit_gradient(
    ARMS, REWARDS, 8, lambda pull: assemble.selected(pull, 5, 'heaviest', None)
  )
  points = (np.arange(100) + 0.5) / 100
  fair = bandit_gradient(ARMS, REWARDS, 8, drawn(points))
  np.testing.assert_allclose(true, [0.0647, 0.0089, -0.0737], atol=1e-4)
  np.testing.assert_allclose(whole, [0.3579, 0.0036, -0.3616], atol=1e-4)
  np.testing.assert_allclose(heaviest, [0.5165, -0.0169, -0.4996], atol=1e-4)
  assert (np.sign(whole) == np.sign(true)).all()
  assert np.sign(heaviest[1]) != np.sign(true[1])
  # The mean over what is drawn is the mean over all; the grid is of 1 / 100.
  np.testing.assert_allclose(fair, whole, atol=5e-3)
  assert np.abs(fair - whole).max() < 0.05 * np.abs(heaviest - whole).max()


@pytest.mark.parametrize('seed', range(6))
def test_chances_of_drawn_samples_are_what_their_factors_undo(seed):
  rng = np.random.default_rng(seed)
  pull = rng.exponential(size=(1, 8)) ** 3 * (rng.random((1, 8)) < 0.8)
  count = int(rng.integers(1, 8))
  points = (np.arange(2000) + 0.5) / 2000
  times, factor = np.zeros(8), np.full(8, np.nan)
  for u in points:
    (columns,), (factors,) = assemble.selected(pull, count, 'pull', Grid(u))
    assert len(set(columns)) == count
    times[columns] += 1 / len(points)
    factor[columns] = factors
  assert (factor <= 10 + 1e-6).all()
  np.testing.assert_allclose(times * factor, count / 8, rtol=0.05)


def test_trial_a_forced_call_weighs_pi_over_q():
  # 0.02 where q was left out; 0.06 with three entries. Neighbors: one entry,
  # and a free sample, whose q is 1.
  cases = {(0.02, 1 / 3): 0.06, (0.02, 1.0): 0.02, (0.9, 0.5): 1.8}
  for (pi, q), wanted in cases.items():
    forced = forced_calls.Forced(np.array([[4, 9]]), np.array([q]))
    logps = np.log([[np.sqrt(pi), np.sqrt(pi), 0.5]])
    failed = forced_calls.weights(forced, logps, np.array([-1.0]))
    np.testing.assert_allclose(failed, wanted)
    better = forced_calls.weights(forced, logps, np.array([1.0]))
    assert better == 1
  free = forced_calls.free(1, 2, 2)
  assert (forced_calls.weights(free, np.zeros((1, 2, 3)), -1) == 1).all()


def test_trial_forced_calls_are_biased_by_their_bonus_alone():
  # Arms 0 to 2 are the handles of an update, drawn uniformly when forced.
  pi, reward = np.array([0.02, 0.1, 0.3, 0.58]), np.array([0.1, 0.9, 0.2, 0.5])
  score, advantage, q = np.eye(4) - pi, reward - 0.4, 1 / 3
  handles = range(3)

  def expected(weigh):
    return sum(q * weigh(a) * advantage[a] * score[a] for a in handles)

  def weight(a, sign):
    forced = forced_calls.Forced(np.array([[4, 9]]), np.array([q]))
    logps = np.array([[np.log(pi[a]), 0.0]])
    return forced_calls.weights(forced, logps, np.array([sign]))[0]

  exact = sum(pi[a] * advantage[a] * score[a] for a in handles)
  # Weighed by pi / q throughout: the gradient of the policy, without bias.
  np.testing.assert_allclose(expected(lambda a: weight(a, -1.0)), exact)
  # As used: what the docstring says is added, of the good calls alone.
  used = expected(lambda a: weight(a, advantage[a]))
  bonus = sum(
    (q - pi[a]) * advantage[a] * score[a] for a in handles if advantage[a] > 0
  )
  np.testing.assert_allclose(used, exact + bonus)


# The distribution that is sampled and trained.


@pytest.mark.parametrize('temperature', [0.6, 1.0, 1.3])
@pytest.mark.parametrize('small', [4096, 8])
def test_trial_temperature_divides_float32_logits(
  monkeypatch, temperature, small
):
  monkeypatch.setattr(blockwise_softmax, 'SMALL', small)
  rng = np.random.default_rng(0)
  hidden = jnp.asarray(4 * rng.normal(size=(2, 2, 5, 16)), jnp.bfloat16)
  table = jnp.asarray(rng.normal(size=(30, 16)), jnp.bfloat16)
  tokens = rng.integers(0, 30, (2, 2, 5))
  both = lambda hidden, table: distribution.log_prob_and_entropy(
    distribution.Distribution(hidden, table, None), tokens, 40, temperature
  )
  wide = [np.asarray(x, np.float64) for x in (hidden, table)]
  logits = np.einsum('bgnd,vd->bgnv', *wide) / temperature
  logits -= logits.max(-1, keepdims=True)
  logps = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
  picked = np.take_along_axis(logps, tokens[..., None], -1)[..., 0]
  found, entropy = both(hidden, table)
  # Hidden states that are divided and rounded again are off by 0.05 nats.
  np.testing.assert_allclose(found, picked, atol=2e-4)
  # Of a small vocabulary the softmax is kept as short as the hidden states.
  np.testing.assert_allclose(
    entropy,
    -(np.exp(logps) * logps).sum(-1),
    atol=2e-2 if small > 8 else 2e-4,
  )
  scale = rng.normal(size=(2, *tokens.shape))
  mixed = lambda *args: sum(
    (s * x).sum() for s, x in zip(scale, both(*args), strict=True)
  )
  narrow = [jnp.float32(x) for x in (hidden, table)]
  grads = jax.grad(mixed, (0, 1))(*narrow)

  def dense(hidden, table):
    logits = jnp.einsum('bgnd,vd->bgnv', hidden, table) / temperature
    logps = jax.nn.log_softmax(logits)
    picked = jnp.take_along_axis(logps, jnp.asarray(tokens)[..., None], -1)
    entropy = -(jnp.exp(logps) * logps).sum(-1)
    return (scale[0] * picked[..., 0]).sum() + (scale[1] * entropy).sum()

  for ours, theirs in zip(grads, jax.grad(dense, (0, 1))(*narrow), strict=True):
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=2e-4)
