"""Golden numbers by hand from the papers' formulas, in the comments."""

import hypothesis
import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import pytest
from hypothesis import strategies as st

from mem_alpha_jax.rl import losses
from mem_alpha_jax.types import RolloutRows

FEW = hypothesis.settings(max_examples=30, deadline=None)


def rl(**changes):
  # Literal, so that no number here depends on what tiny.py is tuned to.
  fields = {
    'advantage': 'grpo',
    'group_by': 'chunk',
    'std_floor': 0.02,
    'microbatches': 1,
    'clip_low': 0.2,
    'clip_high': 0.28,
    'dual_clip': 3.0,
    'ratio_level': 'token',
    'aggregate': 'token_mean',
    'kl_coef': 0.0,
    'kl_kind': 'k3',
    'entropy_coef': 0.0,
    'importance_cap': 2.0,
    'value_coef': 0.5,
  }
  return ml_collections.ConfigDict(fields | changes)


def log(*probabilities):
  return jnp.log(jnp.array(probabilities, jnp.float32))


def test_token_ratio():
  # 0.5 / 0.25 = 2, 0.3 / 0.4 = 0.75; the masked token has ratio 1.
  mask = jnp.array([True, True, False])
  ratio = losses.importance_ratio(
    log(0.5, 0.3, 0.9), log(0.25, 0.4, 0.1), mask, 'token'
  )
  np.testing.assert_allclose(ratio, [2, 0.75, 1], rtol=1e-6)


def test_sequence_ratio_is_the_geometric_mean():
  # sqrt(2 * 0.75) = sqrt(1.5) = 1.2247449 over the two tokens.
  mask = jnp.array([True, True, False])
  ratio = losses.importance_ratio(
    log(0.5, 0.3, 0.9), log(0.25, 0.4, 0.1), mask, 'sequence'
  )
  np.testing.assert_allclose(ratio, [1.2247449, 1.2247449, 1], rtol=1e-6)


# Clips 0.2 and 0.28, dual clip 3. loss = -min(r A, clip(r, 0.8, 1.28) A).
@pytest.mark.parametrize(
  'ratio, advantage, expected',
  [
    (1.1, 2, -2.2),  # inside: -r A
    (1.5, 1, -1.28),  # -min(1.5, 1.28)
    (0.5, 1, -0.5),  # -min(0.5, 0.8): no clip from below for A > 0
    (0.5, -1, 0.8),  # -min(-0.5, -0.8)
    (1.5, -1, 1.5),  # -min(-1.5, -1.28)
    (4, -2, 6),  # -max(min(-8, -2.56), 3 * -2)
    (4, 0, 0),
  ],
)
def test_clipped_surrogate(ratio, advantage, expected):
  loss = losses.clipped_surrogate(
    jnp.float32(ratio), jnp.float32(advantage), 0.2, 0.28, 3.0
  )
  np.testing.assert_allclose(loss, expected, rtol=1e-6)


def test_dual_clip_off_leaves_negative_advantages_unbounded():
  loss = losses.clipped_surrogate(jnp.float32(4), jnp.float32(-2), 0.2, 0.28)
  assert loss == 8


def test_gradient_of_the_surrogate():
  # d(-r A)/d logp = -r A; zero where the clip is active.
  def loss(logps, advantages):
    mask = jnp.ones(3, bool)
    ratio = losses.importance_ratio(logps, log(0.5, 0.5, 0.5), mask, 'token')
    return losses.clipped_surrogate(ratio, advantages, 0.2, 0.28, 3.0).sum()

  grads = jax.grad(loss)(log(0.5, 0.6, 0.9), jnp.array([2.0, -1, 1]))
  np.testing.assert_allclose(grads, [-2, 1.2, 0], rtol=1e-6)


def test_huge_log_ratio_has_a_finite_gradient():
  def loss(logp):
    ratio = losses.importance_ratio(
      logp, jnp.full(1, -200.0), jnp.ones(1, bool), 'token'
    )
    return losses.clipped_surrogate(ratio, jnp.ones(1), 0.2, 0.28, 3.0).sum()

  np.testing.assert_array_equal(jax.grad(loss)(jnp.zeros(1)), 0)


# x = ln(0.5 / 0.25) = 0.6931472: k2 = x^2 / 2, k3 = 0.5 - 1 + x.
@pytest.mark.parametrize(
  'kind, expected', [('k2', 0.2402265), ('k3', 0.1931472)]
)
def test_kl_estimates(kind, expected):
  mask = jnp.array([True, False])
  kl = losses.kl_estimate(log(0.5, 0.1), log(0.25, 0.9), mask, kind)
  np.testing.assert_allclose(kl, [expected, 0], rtol=1e-6)


def test_the_kl_estimate_k3_is_unbiased():
  # KL = 0.5 ln 2.5 + 0.3 ln 0.6 + 0.2 ln(2 / 3) = 0.2238047.
  p, q = log(0.5, 0.3, 0.2), log(0.2, 0.5, 0.3)
  kl = losses.kl_estimate(p, q, jnp.ones(3, bool), 'k3')
  np.testing.assert_allclose((jnp.exp(p) * kl).sum(), 0.2238047, rtol=1e-5)


def test_rollout_correction_truncates():
  # 0.4 / 0.2 = 2 is cut to 1.5, 0.1 / 0.4 = 0.25 stays, the masked is 1.
  old, rollout = log(0.4, 0.1, 0.9), log(0.2, 0.4, 0.1)
  mask = jnp.array([True, True, False])
  weights = losses.rollout_correction(old, rollout, mask, 1.5)
  np.testing.assert_allclose(weights, [1.5, 0.25, 1], rtol=1e-6)
  off = losses.rollout_correction(old, rollout, mask, 0)
  np.testing.assert_array_equal(off, 1)


def test_value_loss_is_clipped():
  # (1 - 0)^2 against (0.7 - 0)^2; (0.6 - 1)^2 against (0.2 - 1)^2; inside.
  loss = losses.clipped_value_loss(
    jnp.array([1, 0.6, 0.1]),
    jnp.array([0.5, 0, 0]),
    jnp.array([0.0, 1, 1]),
    0.2,
  )
  np.testing.assert_allclose(loss, [0.5, 0.32, 0.405], rtol=1e-6)


# Rows 1 2 3 (w 1), 4 (w 0.5), a row of weight 0, a row without tokens.
# token_mean: 6 + 0.5 * 4 over 4 tokens; sequence_mean: 2 + 0.5 * 4 over 2
# rows; sequence_sum, horizon 4: 6 / 4 + 0.5 * 4 / 4 over 2 rows.
@pytest.mark.parametrize(
  'mode, total, count',
  [
    ('token_mean', 8, 4),
    ('sequence_mean', 4, 2),
    ('sequence_sum', 2, 2),
  ],
)
def test_aggregate(mode, total, count):
  nan = float('nan')
  x = jnp.array([[[1, 2, 3], [4, nan, nan], [nan] * 3, [nan] * 3]])
  mask = jnp.array([[[1, 1, 1], [1, 0, 0], [1, 1, 1], [0, 0, 0]]], bool)
  weight = jnp.array([[1, 0.5, 0, 1]])
  result = losses.aggregate(x, mask, weight, mode, horizon=4)
  np.testing.assert_allclose(result, (total, count), rtol=1e-6)


def two_rows():
  """A row of two tokens with advantage 1, a row of one with -1."""
  mask = jnp.array([[[True, True], [True, False]]])
  zeros = jnp.zeros((1, 2, 2))
  return RolloutRows(
    prefix=jnp.zeros((1, 1), jnp.int32),
    prefix_length=jnp.ones(1, jnp.int32),
    own=jnp.zeros((1, 2, 1), jnp.int32),
    own_length=jnp.ones((1, 2), jnp.int32),
    response=jnp.zeros((1, 2, 2), jnp.int32),
    response_mask=mask,
    rollout_logps=log(0.5, 0.5, 0.4, 1).reshape(1, 2, 2),
    advantages=jnp.array([[[1.0, 1], [-1, 0]]]),
    row_weight=jnp.ones((1, 2)),
    returns=zeros.at[0, 1, 0].set(1),
    old_values=zeros.at[0, 0, 0].set(0.5),
  )


LOGPS = log(0.6, 0.5, 0.2, 0.3).reshape(1, 2, 2)
ENTROPY = jnp.array([[[0.5, 0.7], [0.9, 9]]])
VALUES = jnp.array([[[1, 9], [0.6, 9]]])


def total(terms, config):
  weights = losses.term_weights(config)
  return sum(
    w * terms.loss[k][0] / terms.loss[k][1] for k, w in weights.items()
  )


def test_policy_loss_composes_all_terms():
  # Ratios 1.2, 1, 0.5: surrogate -1.2 - 1 + 0.8 = -1.4.
  # k2 with x = ln 2, 0, -ln 2: 2 * 0.2402265 = 0.4804530. Entropy 2.1.
  # Values: 0.5 (1 against 0.7, return 0) + 0.32 (0.6 against 0.2, return 1).
  # (-1.4 + 0.1 * 0.480453 - 0.01 * 2.1) / 3 + 0.5 * 0.82 / 2 = -0.2526516.
  config = rl(kl_coef=0.1, kl_kind='k2', entropy_coef=0.01, advantage='gae')
  ref = log(0.3, 0.5, 0.4, 0.9).reshape(1, 2, 2)
  terms = losses.policy_loss(LOGPS, ENTROPY, VALUES, two_rows(), config, ref)
  np.testing.assert_allclose(total(terms, config), -0.2526516, rtol=1e-5)
  counts = losses.counts(two_rows(), config)
  assert counts == {k: n for k, (_, n) in terms.loss.items()}


def test_gspo_is_sequence_ratio_with_sequence_mean():
  # s = sqrt(1.2) = 1.0954451 and 0.5: (-1.0954451 + 0.8) / 2.
  config = rl(ratio_level='sequence', aggregate='sequence_mean')
  terms = losses.policy_loss(LOGPS, ENTROPY, VALUES, two_rows(), config)
  np.testing.assert_allclose(total(terms, config), -0.1477226, rtol=1e-5)


def test_old_logps_bring_the_rollout_correction():
  # Old 0.6, 0.5, 0.1: ratios 1, 1, 2 (loss 2); weights 1.2, 1, 0.25.
  # (-1 * 1.2 - 1 * 1 + 2 * 0.25) / 3 = -1.7 / 3.
  old = log(0.6, 0.5, 0.1, 1).reshape(1, 2, 2)
  terms = losses.policy_loss(
    LOGPS, ENTROPY, VALUES, two_rows(), rl(), old_logps=old
  )
  np.testing.assert_allclose(total(terms, rl()), -1.7 / 3, rtol=1e-5)
  weight, count = terms.means['importance_weight']
  np.testing.assert_allclose(weight / count, 2.45 / 3, rtol=1e-5)


def test_metrics():
  # Ratios 1.2, 1, 0.5 with A = 1, 1, -1: one of three clipped from below.
  # approx_kl: r - 1 - ln r = 0.0176784 + 0 + 0.1931472 = 0.2108256.
  # Gaps: ln 1.2 = 0.1823216, 0, ln 2 = 0.6931472.
  terms = losses.policy_loss(LOGPS, ENTROPY, VALUES, two_rows(), rl())
  means = {k: float(s / n) for k, (s, n) in terms.means.items()}
  expected = {
    'entropy': 0.7,
    'clip_low': 1 / 3,
    'clip_high': 0,
    'clip_dual': 0,
    'approx_kl': 0.0702752,
    'importance_weight': 1,
    'logp_gap_abs_mean': 0.2918229,
  }
  assert means == pytest.approx(expected, rel=1e-5)
  assert terms.maxima['ratio_max'] == pytest.approx(1.2, rel=1e-6)
  assert terms.maxima['logp_gap_abs_max'] == pytest.approx(0.6931472)


@pytest.mark.parametrize(
  'changes, words',
  [
    ({'ratio_level': 'row'}, 'rl.ratio_level'),
    ({'aggregate': 'mean'}, 'rl.aggregate'),
    ({'kl_coef': 0.1}, 'ref_logps'),
    ({'kl_coef': 0.1, 'kl_kind': 'k4'}, 'rl.kl_kind'),
  ],
)
def test_errors_name_the_field(changes, words):
  ref = LOGPS if 'kl_kind' in changes else None
  with pytest.raises(ValueError, match=words):
    losses.policy_loss(LOGPS, ENTROPY, VALUES, two_rows(), rl(**changes), ref)


modes = st.sampled_from(['token_mean', 'sequence_mean', 'sequence_sum'])
seeds = st.integers(0, 2**32 - 1)
aggregate = jax.jit(losses.aggregate, static_argnames=('mode', 'horizon'))


def random_rows(seed):
  rng = np.random.default_rng(seed)
  x = rng.normal(size=(4, 2, 5)).astype(np.float32)
  mask = np.arange(5) < rng.integers(0, 6, (4, 2, 1))
  weight = rng.choice([0, 0.3, 1, 2], (4, 2)).astype(np.float32)
  return x, mask, weight


@FEW
@hypothesis.given(seeds, modes)
def test_aggregate_does_not_depend_on_order(seed, mode):
  rows = random_rows(seed)
  order = np.random.default_rng(seed).permutation(8)
  moved = [r.reshape(8, *r.shape[2:])[order].reshape(r.shape) for r in rows]
  np.testing.assert_allclose(
    aggregate(*moved, mode), aggregate(*rows, mode), rtol=1e-5, atol=1e-5
  )


@FEW
@hypothesis.given(seeds, modes, st.integers(1, 3))
def test_aggregate_of_parts_adds_up(seed, mode, cut):
  rows = random_rows(seed)
  parts = [
    aggregate(*(r[piece] for r in rows), mode)
    for piece in (slice(cut), slice(cut, None))
  ]
  np.testing.assert_allclose(
    np.sum(parts, axis=0), aggregate(*rows, mode), rtol=1e-5, atol=1e-5
  )


@FEW
@hypothesis.given(seeds, modes)
def test_aggregate_ignores_padding(seed, mode):
  x, mask, weight = random_rows(seed)
  padded = aggregate(
    np.pad(x, [(0, 2), (0, 0), (0, 3)], constant_values=np.nan),
    np.pad(mask, [(0, 2), (0, 0), (0, 3)]),
    np.pad(weight, [(0, 2), (0, 0)]),
    mode,
    horizon=5,
  )
  plain = aggregate(x, mask, weight, mode, horizon=5)
  np.testing.assert_allclose(padded, plain, rtol=1e-5, atol=1e-5)
