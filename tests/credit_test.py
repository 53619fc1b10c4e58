"""Golden numbers by hand of the estimators that need more than one reward."""

import ml_collections
import numpy as np
import pytest

from mem_alpha_jax.credit import advantages, groups

NAN = float('nan')


def rl(**changes):
  fields = {'advantage': 'grpo', 'group_by': 'chunk', 'std_floor': 1e-9}
  return ml_collections.ConfigDict(fields | changes)


def keys_of(episode, trajectory, turn=0, role=0, state=0, parent=-1):
  columns = np.broadcast_arrays(episode, trajectory, turn, role, state, parent)
  return groups.Keys(*map(np.array, columns))


def decoupled(parts, config):
  """Of parts name -> (weight, [B, G] rewards) by gdpo and their sum by grpo."""
  shape = np.shape(next(iter(parts.values()))[1])
  episode, trajectory = np.indices(shape).reshape(2, -1)
  parts = {k: (w, np.ravel(r).astype(float)) for k, (w, r) in parts.items()}
  keys = keys_of(episode, trajectory)._replace(parts=parts)
  total = sum(w * r for w, r in parts.values())
  found = [
    advantages.compute(total, keys, config.copy_and_resolve_references())
    for config in (rl(**config, advantage='gdpo'), rl(**config))
  ]
  return [x.advantages.reshape(shape) for x in found]


def test_gdpo_tells_apart_what_grpo_pools():
  # Two groups of two, parts (0, 0) (0, 1) and (0, 0) (1, 1). By part, with
  # population deviations: s = -1 1 and -2 2; over the batch mean 0, variance
  # 10 / 4, std 1.5811388. The sums 0 1 and 0 2 have std 0.5 and 1: -1 1 twice.
  parts = {'a': (1.0, [[0, 0], [0, 1]]), 'b': (1.0, [[0, 1], [0, 1]])}
  ours, pooled = decoupled(parts, {})
  np.testing.assert_allclose(
    ours, [[-0.6324555, 0.6324555], [-1.2649111, 1.2649111]], rtol=1e-6
  )
  np.testing.assert_allclose(pooled, [[-1, 1], [-1, 1]], rtol=1e-6)


def test_weights_of_gdpo_come_after_its_deviations():
  # a = 0 10 and b = 1 0: z(a) = -1 1, z(b) = 1 -1, s = +-(3 - 1): -1 1.
  # Weights before would vanish in the deviation: s = 0.
  parts = {'a': (3.0, [[0, 10]]), 'b': (1.0, [[1, 0]])}
  ours, _ = decoupled(parts, {})
  np.testing.assert_allclose(ours, [[-1, 1]], rtol=1e-6)


def test_gdpo_of_one_part_and_group_is_grpo():
  parts = {'a': (0.3, [[0.0, 1, 5, 2]])}
  ours, pooled = decoupled(parts, {'std_floor': 1e-3})
  np.testing.assert_allclose(ours, pooled, rtol=1e-6)


def test_gdpo_of_constant_and_missing_parts():
  # The constant part adds nothing. Of the other the third response is missing:
  # the known 0 4 have z = -1 1, mean 0, std 1.
  parts = {'a': (1.0, [[2, 2, 2]]), 'b': (1.0, [[0, 4, NAN]])}
  ours, _ = decoupled(parts, {})
  np.testing.assert_allclose(ours, [[-1, 1, 0]], rtol=1e-6)
  for value in (1, NAN):  # nothing to learn from, nothing known
    flat, _ = decoupled({'a': (1.0, [[value] * 3])}, {})
    np.testing.assert_array_equal(flat, 0)


def test_a_part_that_a_role_does_not_earn_adds_nothing():
  # Turns of role 0 earn a and b, of role 1 only a: s = -2 2 and -1 1.
  a, b = np.array([0.0, 0, 1, 1]), np.array([0.0, NAN, 1, NAN])
  keys = keys_of(0, [0, 0, 1, 1], [0, 1, 0, 1], [0, 1, 0, 1])
  keys = keys._replace(parts={'a': (1.0, a), 'b': (1.0, b)})
  found = advantages.compute(a + np.nan_to_num(b), keys, rl(advantage='gdpo'))
  wanted = np.array([-2, -1, 2, 1]) / np.sqrt(2.5)
  np.testing.assert_allclose(found.advantages, wanted, rtol=1e-6)


@pytest.mark.parametrize('name', ['grpo', 'dr_grpo', 'rloo'])
def test_parts_change_nothing_for_who_looks_at_the_sum(name):
  rewards = np.random.default_rng(0).normal(size=12)
  keys = keys_of(*np.indices((3, 4)).reshape(2, -1))
  plain = advantages.compute(rewards, keys, rl(advantage=name))
  parts = keys._replace(parts={'a': (1.0, rewards)})
  with_parts = advantages.compute(rewards, parts, rl(advantage=name))
  np.testing.assert_array_equal(plain.advantages, with_parts.advantages)
