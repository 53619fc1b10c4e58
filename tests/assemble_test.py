"""From a graded grid to rows: rewards, advantages, weights; no device."""

import numpy as np
import pytest
import tiny_config
from small_rollouts import TRAJECTORY, places

from mem_alpha_jax.rollout import assemble, collector


def make_grid(lengths, groups=3, chunks=4, width=5, seed=0):
  """A grid of random numbers; episode b has lengths[b] chunks."""
  rng = np.random.default_rng(seed)
  shape = (len(lengths), groups, chunks)
  draw = lambda *more: rng.integers(3, 9, (*shape, *more)).astype(np.int32)
  mask = np.arange(width) < rng.integers(1, width + 1, shape)[..., None]
  valid = np.arange(chunks) < np.array(lengths)[:, None, None]
  forced = np.full((*shape, 2), -1, np.int32)
  forced[:, 0] = 5
  return collector.Grid(
    prefix=draw(6), prefix_length=draw(), own=draw(1),
    own_length=np.ones(shape, np.int32), response=draw(width), mask=mask,
    logps=np.where(mask, -rng.random(mask.shape), 0).astype(np.float32),
    forced=forced, parts=rng.random((*shape, 4)).astype(np.float32),
    valid=np.broadcast_to(valid, shape), counts=draw(8),
  )  # fmt: skip


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
  grid = make_grid((4, 2))
  grid.parts[0, 1, 2, 0] = np.nan
  weights = [config.reward[name] for name in collector.PARTS]
  reward = (grid.parts * np.float32(weights)).sum(-1)
  counted = grid.valid & ~np.isnan(reward)
  places_ = [tuple(place) for place in np.argwhere(counted)]
  if config.rl.group_by == 'trajectory':  # means over chunks come first
    for b, g in np.ndindex(*reward.shape[:2]):
      reward[b, g] = np.mean(reward[b, g][counted[b, g]])
  members = {}
  for place in places_:
    key = pooled(*place)
    one = members.setdefault(key, {})
    by = place[1] if config.rl.group_by == 'trajectory' else place
    one[by] = reward[place]
  groups = 'trajectory' if arg else 'state'
  rows, credit = assemble.to_rows(grid, config)
  found = places(grid, groups)
  assert rows.row_weight.size == len(found) == grid.valid.sum()
  for (row, column), place in found.items():
    mask = rows.response_mask[row, column]
    got = rows.advantages[row, column]
    if not counted[place]:
      assert rows.row_weight[row, column] == 0 and not got.any()
      continue
    some = np.array(list(members[pooled(*place)].values()))
    wanted = (reward[place] - some.mean()) / max(
      some.std(), config.rl.std_floor
    )
    np.testing.assert_allclose(got[mask], wanted, rtol=2e-4, atol=1e-5)
    assert not got[~mask].any()
    # Only a forced sample that failed is weighed down.
    likely = np.exp(grid.logps[place][:2].sum()) if wanted < 0 else 1.0
    weight = likely if place[1] == 0 else 1.0
    assert rows.row_weight[row, column] == pytest.approx(weight, rel=1e-5)
  assert credit['rl/missing_rewards'] == pytest.approx(1 / grid.valid.sum())


def test_groups_of_equal_rewards_are_left_out():
  config = tiny_config.get_config('rl.min_gap=0.02')
  grid = make_grid((4, 2))
  grid.parts[0, :, 1] = 0.5
  rows, credit = assemble.to_rows(grid, config)
  assert rows.row_weight.shape == (5, 3)
  assert credit['rl/degenerate_groups'] == pytest.approx(1 / 6)
  grid.parts[:] = 0.5  # nothing to learn from: one batch is still made
  rows, _ = assemble.to_rows(grid, config)
  assert len(rows.row_weight) and not rows.advantages.any()
  grid.parts[0, 1, 1, 0] = np.nan  # what is missing is no difference
  kept, _ = assemble.to_rows(grid, config)
  assert kept.row_weight.shape == rows.row_weight.shape
  grid.parts[..., 0] = np.nan  # no reader answered: nothing counts
  rows, credit = assemble.to_rows(grid, config)
  assert len(rows.row_weight) and not rows.row_weight.any()
  assert credit['rl/missing_rewards'] == 1


def test_values_of_steps_find_their_places():
  config = tiny_config.get_config(
    TRAJECTORY + 'rl.advantage=gae,model.value_head=True'
  )
  grid = make_grid((4, 2))
  value_of = lambda rows: rows.prefix[:, :1, None] / 10 + rows.own / 100
  rows, _ = assemble.to_rows(
    grid, config, lambda rows: value_of(rows).repeat(5, -1)
  )
  reward = assemble.rewards(grid, config)
  for (row, _), (b, g, t) in places(grid, 'trajectory').items():
    wanted = carry = 0.0
    for s in reversed(range(t, (4, 2)[b])):
      value = grid.prefix[b, g, s, 0] / 10 + grid.own[b, g, s, 0] / 100
      after = 0.0
      if s + 1 < (4, 2)[b]:
        after = grid.prefix[b, g, s + 1, 0] / 10
        after += grid.own[b, g, s + 1, 0] / 100
      delta = reward[b, g, s] + config.rl.gamma * after - value
      carry = delta + config.rl.gamma * config.rl.lam * carry
      wanted = carry
    first = rows.advantages[row, 0, 0]
    assert first == pytest.approx(wanted, rel=1e-4, abs=1e-5)
    assert rows.old_values[row, 0, 0] == pytest.approx(value, rel=1e-5)
    assert rows.returns[row, 0, 0] == pytest.approx(wanted + value, rel=1e-4)
    assert not rows.returns[row, 0, 1:].any()
