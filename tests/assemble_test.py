"""From a graded table to rows: advantages, weights, groups; no device."""

import numpy as np
import pytest
import tiny_config
from small_rollouts import TRAJECTORY, places, table

from mem_alpha_jax.credit.groups import Keys
from mem_alpha_jax.reward import parts as parts_lib
from mem_alpha_jax.rollout import assemble
from mem_alpha_jax.rollout import samples as samples_lib


def graded(samples, config):
  """The table with the weighted sums of its parts as they are now."""
  return samples._replace(reward=parts_lib.total(samples.parts, config.reward))


@pytest.mark.parametrize(
  ('arg', 'pooled'),
  [
    ('', lambda b, g, t: (b, t)),
    (TRAJECTORY, lambda b, g, t: b),
    (TRAJECTORY + 'rl.group_by=episode', lambda b, g, t: b),
  ],
)
def test_advantages_are_taken_by_group_and_spread_over_tokens(arg, pooled):
  config = tiny_config.get_config(f'{arg},rl.min_gap=0')
  samples = table((4, 2))
  samples.parts['answers'][6] = np.nan
  samples = graded(samples, config)
  reward, keys = samples.reward.copy(), samples.keys
  counted = ~np.isnan(reward)
  at = list(zip(keys.episode, keys.trajectory, keys.turn, strict=True))
  if config.rl.group_by == 'trajectory':  # means over turns come first
    for b, g in {place[:2] for place in at}:
      own = (keys.episode == b) & (keys.trajectory == g)
      reward[own] = samples.reward[own & counted].mean()
  members = {}
  for n in np.flatnonzero(counted):
    by = at[n][1] if config.rl.group_by == 'trajectory' else n
    members.setdefault(pooled(*at[n]), {})[by] = reward[n]
  rows, credit = assemble.to_rows(samples, config)
  found = places(samples, 'trajectory' if arg else 'state')
  assert rows.row_weight.size == len(found) == len(at)
  for (row, column), n in found.items():
    mask = rows.response_mask[row, column]
    got = rows.advantages[row, column]
    if not counted[n]:
      assert rows.row_weight[row, column] == 0 and not got.any()
      continue
    some = np.array(list(members[pooled(*at[n])].values()))
    wanted = (reward[n] - some.mean()) / max(some.std(), config.rl.std_floor)
    np.testing.assert_allclose(got[mask], wanted, rtol=2e-4, atol=1e-5)
    assert not got[~mask].any()
    # Only a forced sample that failed is weighed down.
    likely = np.exp(samples.logps[n][:2].sum()) if wanted < 0 else 1.0
    weight = likely if keys.trajectory[n] == 0 else 1.0
    assert rows.row_weight[row, column] == pytest.approx(weight, rel=1e-5)
  assert credit['rl/missing_rewards'] == pytest.approx(1 / len(at))


@pytest.mark.parametrize('groups', ['state', 'trajectory'])
def test_rows_are_what_was_sampled(groups):
  arg = '' if groups == 'state' else TRAJECTORY
  config = tiny_config.get_config(f'{arg},rl.min_gap=0')
  samples = table((4, 2))
  rows, _ = assemble.to_rows(samples, config)
  for (row, column), n in places(samples, groups).items():
    np.testing.assert_array_equal(rows.prefix[row], samples.prompts.prefix[n])
    assert rows.prefix_length[row] == samples.prompts.prefix_length[n]
    at = row, column
    np.testing.assert_array_equal(rows.own[at], samples.prompts.own[n])
    assert rows.own_length[at] == samples.prompts.own_length[n]
    np.testing.assert_array_equal(rows.response[at], samples.response[n])
    np.testing.assert_array_equal(rows.response_mask[at], samples.mask[n])
    np.testing.assert_array_equal(rows.rollout_logps[at], samples.logps[n])


def test_the_rows_that_pull_most_are_kept():
  arg = 'rl.min_gap=0,rl.train_samples='
  samples = graded(table((4, 2)), tiny_config.get_config(arg + '0'))
  rows, _ = assemble.to_rows(samples, tiny_config.get_config(arg + '0'))
  some, _ = assemble.to_rows(samples, tiny_config.get_config(arg + '2'))
  pull = lambda x: -np.sort(-x.row_weight * np.abs(x.advantages[..., 0]))
  np.testing.assert_array_equal(pull(rows)[:, :2], pull(some))


@pytest.mark.parametrize('shared', [True, False])
def test_rerolls_are_groups_of_their_own(shared):
  samples = table((4, 2))
  keys = samples.keys
  # Two re-rolls of turn 1 of the first episode, from its trajectory 2.
  anchor = np.flatnonzero((keys.trajectory == 2) & (keys.turn == 1))[:1]
  again = [np.repeat(column[anchor], 2) for column in keys[:6]]
  keys = Keys(*map(np.append, keys[:6], again))
  keys.trajectory[-2:] = -2, -1
  index = assemble.grouped(keys, shared)
  if not shared:
    np.testing.assert_array_equal(index, np.arange(20)[:, None])
    return
  assert index.shape == (7, 3)
  np.testing.assert_array_equal(index[-1], [18, 19, -1])
  np.testing.assert_array_equal(
    index[:-1], assemble.grouped(samples.keys, True)
  )


def test_turns_that_trajectories_share_are_narrower_groups():
  # Two memories at turn 0 that become two each: rows by (trajectory, turn).
  trajectory, turn = np.array(
    [(0, 0), (0, 1), (1, 1), (2, 0), (2, 1), (3, 1)]
  ).T
  zeros = np.zeros(6, int)
  keys = Keys(zeros, trajectory, turn, zeros, zeros, zeros)
  index = assemble.grouped(keys, True)
  np.testing.assert_array_equal(index, [[0, 3, -1, -1], [1, 2, 4, 5]])


def test_responses_that_were_cut_are_kept_or_masked():
  arg = 'rl.min_gap=0,rl.train_samples=0,rl.cut_responses='
  samples = graded(table((4, 2)), tiny_config.get_config(arg + 'keep'))
  place = samples_lib.count_names().index('cut_responses')
  samples.counts[[3, 8], place] = 1
  kept, told = assemble.to_rows(samples, tiny_config.get_config(arg + 'keep'))
  rows, credit = assemble.to_rows(samples, tiny_config.get_config(arg + 'mask'))
  found = places(samples, 'state')
  for at, n in found.items():
    wanted = 0 if n in (3, 8) else kept.row_weight[at]
    assert rows.row_weight[at] == wanted
  # They are compared with the others as ever.
  np.testing.assert_array_equal(rows.advantages, kept.advantages)
  lost = samples.mask[[3, 8]].sum()
  assert told['rl/trained_tokens'] - credit['rl/trained_tokens'] == lost
  assert told['rl/sampled_tokens'] == samples.mask.sum()


def test_drawn_rows_are_those_of_their_step_and_weighed_by_their_chance():
  arg = 'rl.min_gap=0,rl.train_draw=pull,rl.train_samples='
  samples = graded(table((4, 2)), tiny_config.get_config(arg + '2'))
  rows = lambda step: assemble.to_rows(
    samples, tiny_config.get_config(arg + '2'), step=step
  )[0]
  all_rows, _ = assemble.to_rows(samples, tiny_config.get_config(arg + '0'))
  first, again = rows(1), rows(1)
  assert first.row_weight.shape == (6, 2)
  np.testing.assert_array_equal(first.row_weight, again.row_weight)
  others = [rows(step).row_weight for step in range(2, 8)]
  assert any((first.row_weight != other).any() for other in others)
  # In the mean over steps, 2 / 3 of the sum over all.
  total = lambda r: (r.row_weight * np.abs(r.advantages[..., 0])).sum()
  found = np.mean([total(rows(step)) for step in range(200)])
  assert found == pytest.approx(2 / 3 * total(all_rows), rel=0.05)


def test_groups_of_equal_rewards_are_left_out():
  config = tiny_config.get_config('rl.min_gap=0.02')
  samples = table((4, 2))
  keys, parts = samples.keys, samples.parts
  for column in parts.values():
    column[(keys.episode == 0) & (keys.turn == 1)] = 0.5
  rows, credit = assemble.to_rows(graded(samples, config), config)
  assert rows.row_weight.shape == (5, 3)
  assert credit['rl/degenerate_groups'] == pytest.approx(1 / 6)
  for column in parts.values():
    column[:] = 0.5  # nothing to learn from: one batch is still made
  rows, _ = assemble.to_rows(graded(samples, config), config)
  assert len(rows.row_weight) and not rows.advantages.any()
  parts['answers'][5] = np.nan  # what is missing is no difference
  kept, _ = assemble.to_rows(graded(samples, config), config)
  assert kept.row_weight.shape == rows.row_weight.shape
  parts['answers'][:] = np.nan  # no reader answered: nothing counts
  rows, credit = assemble.to_rows(graded(samples, config), config)
  assert len(rows.row_weight) and not rows.row_weight.any()
  assert credit['rl/missing_rewards'] == 1


@pytest.mark.parametrize('size', [4, 32])
def test_trial_values_of_turns_find_their_places_in_one_shape(size):
  config = tiny_config.get_config(
    f'{TRAJECTORY}rl.advantage=gae,model.value_head=True,rl.minibatch_rows={size}'
  )
  lengths = (4, 2)
  samples = graded(table(lengths), config)
  shapes, reward, prompts = set(), samples.reward, samples.prompts

  def value_fn(rows):
    shapes.add(rows.response.shape)
    value = rows.prefix[:, :1, None] / 10 + rows.own[..., :1] / 100
    return value.repeat(5, -1)

  rows, _ = assemble.to_rows(samples, config, value_fn)
  assert shapes == {(size, 1, 5)}
  values = prompts.prefix[:, 0] / 10 + prompts.own[:, 0] / 100
  for (row, _), n in places(samples, 'trajectory').items():
    wanted, end = 0.0, lengths[samples.keys.episode[n]]
    for s in reversed(range(n, n + end - samples.keys.turn[n])):
      last = samples.keys.turn[s] + 1 == end
      after = 0.0 if last else values[s + 1]
      delta = reward[s] + config.rl.gamma * after - values[s]
      wanted = delta + config.rl.gamma * config.rl.lam * wanted
    first = rows.advantages[row, 0, 0]
    assert first == pytest.approx(wanted, rel=1e-4, abs=1e-5)
    assert rows.old_values[row, 0, 0] == pytest.approx(values[n], rel=1e-5)
    assert rows.returns[row, 0, 0] == pytest.approx(
      wanted + values[n], rel=1e-4
    )
    assert not rows.returns[row, 0, 1:].any()


def test_gdpo_is_given_the_parts_that_count():
  config = tiny_config.get_config('rl.advantage=gdpo,rl.min_gap=0')
  samples = graded(table((4, 2)), config)
  rows, _ = assemble.to_rows(samples, config)
  keys, weights = samples.keys, config.reward
  total = np.zeros(len(samples.reward))
  for name, part in samples.parts.items():
    for b, t in {*zip(keys.episode, keys.turn, strict=True)}:
      own = (keys.episode == b) & (keys.turn == t)
      gap = part[own] - part[own].mean()
      spread = max(part[own].std(), config.rl.std_floor)
      total[own] += weights[name] * gap / spread
  wanted = (total - total.mean()) / total.std()
  for at, n in places(samples, 'state').items():
    np.testing.assert_allclose(
      rows.advantages[at][0], wanted[n], rtol=1e-3, atol=1e-5
    )
