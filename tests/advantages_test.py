"""Golden numbers by hand from the papers' formulas, in the comments."""

import hypothesis
import ml_collections
import numpy as np
import pytest
from hypothesis import strategies as st

from mem_alpha_jax.credit import advantages, groups

NAN = float('nan')
FEW = hypothesis.settings(max_examples=50, deadline=None)


def rl(**changes):
  fields = {
    'advantage': 'grpo',
    'group_by': 'chunk',
    'std_floor': 0.02,
    'gamma': 0.9,
    'lam': 0.8,
  }
  return ml_collections.ConfigDict(fields | changes)


def compute(rewards, config, valid=None, values=None):
  """Of rewards [B, G, T]; rows that are not valid do not exist."""
  rewards = np.asarray(rewards, float)
  valid = np.ones(rewards.shape, bool) if valid is None else valid
  episode, sample, turn = np.nonzero(valid)
  zeros = np.zeros_like(turn)
  keys = groups.Keys(episode, sample, turn, zeros, zeros, zeros)
  if values is not None:
    keys = keys._replace(value=values[valid])
  advantages.check(config)
  found = advantages.compute(rewards[valid], keys, config)
  spread = []
  for column in found[:2]:
    spread.append(np.zeros(rewards.shape, column.dtype))
    spread[-1][valid] = column
  return advantages.Advantages(*spread, found.degenerate_share)


# Two samples of two chunks, r = [[1, 2], [3, 6]].
# chunk:      means (2, 4), population stds (1, 2).
# trajectory: scores 1.5 and 4.5, mean 3, std 1.5.
# episode:    mean 3, deviations -2 -1 0 3, variance 14 / 4, std 1.8708287.
# RLOO is n / (n - 1) times the deviation: 2 for n = 2, 4 / 3 for n = 4.
GOLDEN = {
  ('grpo', 'chunk'): [[-1, -1], [1, 1]],
  ('grpo', 'trajectory'): [[-1, -1], [1, 1]],
  ('grpo', 'episode'): [[-1.0690450, -0.5345225], [0, 1.6035675]],
  ('dr_grpo', 'chunk'): [[-1, -2], [1, 2]],
  ('dr_grpo', 'trajectory'): [[-1.5, -1.5], [1.5, 1.5]],
  ('dr_grpo', 'episode'): [[-2, -1], [0, 3]],
  ('rloo', 'chunk'): [[-2, -4], [2, 4]],
  ('rloo', 'trajectory'): [[-3, -3], [3, 3]],
  ('rloo', 'episode'): [[-2.6666667, -1.3333333], [0, 4]],
}


@pytest.mark.parametrize('name, group_by', GOLDEN)
def test_group_advantages_are_the_papers(name, group_by):
  result = compute(
    np.array([[[1.0, 2], [3, 6]]]), rl(advantage=name, group_by=group_by)
  )
  np.testing.assert_allclose(
    result.advantages[0], GOLDEN[name, group_by], rtol=1e-6
  )
  assert result.advantages.dtype == np.float32
  assert result.degenerate_share == 0


def test_failed_rewards_enter_no_statistic():
  # Of 1 NaN 3 (100) 5 the valid are 1 3 5: mean 3, std sqrt(8 / 3) = 1.6329932.
  rewards = np.array([1, NAN, 3, 100, 5]).reshape(1, 5, 1)
  valid = np.array([True, True, True, False, True]).reshape(1, 5, 1)
  result = compute(rewards, rl(), valid)
  expected = [-1.2247449, 0, 0, 0, 1.2247449]
  np.testing.assert_allclose(
    result.advantages[0, :, 0], expected, rtol=1e-6, atol=1e-12
  )


def test_trajectory_scores_are_means_of_valid_chunks():
  # Scores 1 and 4, mean 2.5; the third trajectory failed as a whole.
  rewards = np.array([[[1, NAN], [3, 5], [NAN, NAN]]])
  result = compute(rewards, rl(advantage='dr_grpo', group_by='trajectory'))
  np.testing.assert_allclose(
    result.advantages[0], [[-1.5, 0], [1.5, 1.5], [0, 0]]
  )


def test_floor_bounds_almost_equal_rewards_and_marks_the_group():
  # Mean 0.505, std 0.005 below the floor of 0.02: -+0.005 / 0.02. The second
  # group is fine, the third has no valid reward and is not counted.
  rewards = np.array([[[0.5], [0.51]], [[0], [1]], [[NAN], [NAN]]])
  result = compute(rewards, rl())
  expected = [[-0.25, 0.25], [-1, 1], [0, 0]]
  np.testing.assert_allclose(result.advantages[..., 0], expected, rtol=1e-6)
  assert result.degenerate_share == 0.5


def test_one_sample_has_no_leave_one_out_baseline():
  result = compute(np.ones((1, 1, 3)), rl(advantage='rloo'))
  np.testing.assert_array_equal(result.advantages, 0)


def test_gae_golden():
  # gamma 0.9, lam 0.8, r = 1 0 2, V = 0.5 1 0.25, V after the end 0:
  # delta_2 = 2 - 0.25 = 1.75,            A_2 = 1.75
  # delta_1 = 0 + 0.225 - 1 = -0.775,     A_1 = -0.775 + 0.72 * 1.75 = 0.485
  # delta_0 = 1 + 0.9 - 0.5 = 1.4,        A_0 = 1.4 + 0.72 * 0.485 = 1.7492
  values = np.array([[[0.5, 1, 0.25]]])
  result = compute(
    np.array([[[1.0, 0, 2]]]), rl(advantage='gae'), values=values
  )
  np.testing.assert_allclose(
    result.advantages[0, 0], [1.7492, 0.485, 1.75], rtol=1e-6
  )
  np.testing.assert_allclose(
    result.returns[0, 0], [2.2492, 1.485, 2.0], rtol=1e-6
  )


@pytest.mark.parametrize(
  'rewards, returns',
  [
    ([0, 0, 0, 1], [1, 1, 1, 1]),  # 4, 3, 2, 1 where each turn was paid it
    ([0, 1], [1, 1]),
    ([0.5, 0, 1], [1.5, 1, 1]),
  ],
)
def test_trial_returns_of_what_is_paid_at_the_end(rewards, returns):
  config = rl(advantage='gae', gamma=1.0, lam=1.0)
  rewards = np.array([[rewards]], float)
  result = compute(rewards, config, values=np.zeros(rewards.shape))
  np.testing.assert_allclose(result.returns[0, 0], returns)


def test_roles_are_never_compared():
  # Means (1, 5) of two roles; pooled it would be 3.
  keys = groups.Keys(*np.array([[0] * 4, [0, 0, 1, 1], [0, 1] * 2, [0, 1] * 2,
                                [0] * 4, [0] * 4]))  # fmt: skip
  config = rl(advantage='dr_grpo', group_by='episode')
  result = advantages.compute(np.array([0.0, 4, 2, 6]), keys, config)
  np.testing.assert_allclose(result.advantages, [-1, -1, 1, 1])


def test_gae_of_trajectories_of_different_lengths():
  # As above without its last chunk, beside a whole one.
  values = np.array([[[0.5, 1, 0.25], [0.5, 1, 0.25]]])
  rewards = np.array([[[1.0, 0, 9], [1.0, 0, 2]]])
  valid = np.array([[[True, True, False], [True] * 3]])
  result = compute(rewards, rl(advantage='gae'), valid, values)
  # delta_1 = 0 - 1 = -1 = A_1,  A_0 = 1.4 - 0.72 = 0.68
  np.testing.assert_allclose(
    result.advantages[0], [[0.68, -1, 0], [1.7492, 0.485, 1.75]], rtol=1e-6
  )


def test_gae_cuts_its_trace_at_a_missing_reward():
  # A_0 = delta_0 = 1.4 alone; the missing chunk keeps its value as return.
  values = np.array([[[0.5, 1, 0.25]]])
  result = compute(
    np.array([[[1, NAN, 2]]]), rl(advantage='gae'), values=values
  )
  np.testing.assert_allclose(result.advantages[0, 0], [1.4, 0, 1.75], rtol=1e-6)
  np.testing.assert_allclose(result.returns[0, 0], [1.9, 1, 2], rtol=1e-6)


@pytest.mark.parametrize(
  'changes, words',
  [
    ({'advantage': 'ppo'}, 'rl.advantage'),
    ({'group_by': 'batch'}, 'rl.group_by'),
    ({'std_floor': 0.0}, 'rl.std_floor'),
  ],
)
def test_errors_name_the_field(changes, words):
  with pytest.raises(ValueError, match=words):
    compute(np.ones((1, 2, 1)), rl(**changes))


rewards_and_missing = st.integers(0, 2**32 - 1).map(
  lambda seed: (
    np.random.default_rng(seed).normal(size=(2, 5, 3)),
    np.random.default_rng(seed + 1).random((2, 5, 3)) < 0.7,
    np.random.default_rng(seed + 2).permutation(5),
  )
)
group_modes = st.sampled_from(sorted(GOLDEN))


@FEW
@hypothesis.given(rewards_and_missing, group_modes)
def test_order_of_samples_does_not_matter(data, mode):
  rewards, valid, order = data
  config = rl(advantage=mode[0], group_by=mode[1])
  result = compute(rewards, config, valid).advantages
  moved = compute(rewards[:, order], config, valid[:, order])
  np.testing.assert_allclose(moved.advantages, result[:, order], atol=1e-6)


@FEW
@hypothesis.given(rewards_and_missing, group_modes)
def test_a_failed_sample_is_as_if_never_drawn(data, mode):
  rewards, valid, _ = data
  config = rl(advantage=mode[0], group_by=mode[1])
  without = compute(rewards[:, :4], config, valid[:, :4])
  rewards, valid = rewards.copy(), valid.copy()
  rewards[:, 4], valid[:, 4] = NAN, True
  result = compute(rewards, config, valid)
  np.testing.assert_allclose(
    result.advantages[:, :4], without.advantages, atol=1e-6
  )
  np.testing.assert_array_equal(result.advantages[:, 4], 0)


@FEW
@hypothesis.given(rewards_and_missing)
def test_gae_without_discount_returns_the_reward_to_go(data):
  rewards, _, _ = data
  values = np.cumsum(rewards, axis=1)
  config = rl(advantage='gae', gamma=1.0, lam=1.0)
  result = compute(rewards, config, values=values)
  to_go = np.cumsum(rewards[..., ::-1], axis=-1)[..., ::-1]
  np.testing.assert_allclose(result.returns, to_go, atol=1e-5)
