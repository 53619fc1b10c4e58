"""Golden numbers by hand of the estimators that need more than one reward."""

import itertools

import jax
import ml_collections
import numpy as np
import pytest

from mem_alpha_jax.credit import (
  advantages,
  forks,
  groups,
  provenance,
  shares,
)

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


def test_a_response_without_its_reward_is_in_no_part():
  # Of a = 0 1 2 (9) and b = 0 4 0 (missing) the first three count. a: mean 1,
  # std 0.8164966; b: mean 4 / 3, std 1.8856181; s = -1.9318517 1.4142136
  # 0.5176381, mean 0, variance 2.
  parts = {'a': (1.0, [[0, 1, 2, 9]]), 'b': (1.0, [[0, 4, 0, NAN]])}
  ours, _ = decoupled(parts, {})
  np.testing.assert_allclose(ours, [[-1.3660254, 1, 0.3660254, 0]], rtol=1e-6)


def test_gdpo_centers_the_rows_of_long_trajectories():
  # Trajectories of one turn and three, 0 and 1: s = -1 1 1 1, mean 0.5, std
  # 0.8660254.
  keys = keys_of(0, [0, 1, 1, 1], [0, 0, 1, 2])
  rewards = np.array([0.0, 1, 1, 1])
  keys = keys._replace(parts={'a': (1.0, rewards)})
  config = rl(advantage='gdpo', group_by='trajectory')
  found = advantages.compute(rewards, keys, config).advantages
  np.testing.assert_allclose(found, [-1.7320508, *[0.5773503] * 3], rtol=1e-6)


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


# Forks.

ROOT2 = 1.2247449  # z of 1 and 5 beside 3: 2 / sqrt(8 / 3)


@pytest.mark.parametrize('by', groups.GROUP_BY)
@pytest.mark.parametrize('name', ['grpo', 'dr_grpo', 'rloo'])
def test_trajectories_are_to_the_bit_what_they_are_without_rerolls(name, by):
  rewards = np.random.default_rng(0).normal(size=32)
  rewards[5] = NAN
  whole = np.indices((2, 4, 3)).reshape(3, -1)
  again = (
    [0, 0, 1, 1, 1, 1, 1, 1],
    np.tile([-2, -1], 4),
    [1, 1, 0, 0, 1, 1, 2, 2],
  )
  episode, trajectory, turn = np.concatenate([whole, again], 1)
  state = np.concatenate([np.arange(24), [4, 4, 15, 15, 13, 13, 17, 17]])
  keys = keys_of(episode, trajectory, turn, state=state)
  alone = jax.tree.map(lambda x: x[:24], keys)
  estimator = advantages.ESTIMATORS[name]
  found = estimator(rewards, keys, rl(group_by=by))
  np.testing.assert_array_equal(
    found[:24], estimator(rewards[:24], alone, rl(group_by=by))
  )
  # Two re-rolls of a memory: gaps to their mean, whatever is compared else.
  np.testing.assert_allclose(found[24::2], -found[25::2])
  if name == 'grpo':
    np.testing.assert_allclose(np.abs(found[24:]), 1)


@pytest.mark.parametrize('by', ['chunk', 'trajectory'])
def test_rerolls_of_a_memory_are_compared_with_each_other_alone(by):
  # Turn 0 of two trajectories: 0 2. Three re-rolls of the first's memory 7:
  # 1 3 5. One of another memory: alone. Re-rolls of turn 1: 4 and missing.
  keys = keys_of(
    0, [0, 1, -3, -2, -1, -1, -2, -1], [0] * 6 + [1] * 2,
    state=[7, 8, 7, 7, 7, 8, 9, 9],
  )  # fmt: skip
  rewards = np.array([0, 2, 1, 3, 5, 9, 4, NAN])
  found = advantages.compute(rewards, keys, rl(group_by=by)).advantages
  np.testing.assert_allclose(
    found, [-1, 1, -ROOT2, 0, ROOT2, 0, 0, 0], rtol=1e-6
  )


# A tree of depth 3 in one episode, number: parent, reward of a leaf.
#   0 ── 1 ── 3 (1)     5 ── 6 ── 7 (2)
#   │    └─── 4 (3)     (a branch of three turns, then one leaf)
#   └─── 2 ── 8 (8)
PARENT = np.array([-1, 0, 0, 1, 1, -1, 5, 6, 2])
TURN = np.array([0, 1, 1, 2, 2, 0, 1, 2, 2])
LEAVES = np.array([NAN, NAN, NAN, 1, 3, NAN, NAN, 2, 8])
TREE = keys_of(0, 0, TURN, 0, np.arange(9), PARENT)


def test_a_row_is_worth_the_mean_of_its_leaves():
  # Leaves of 0: 1 3 8, mean 4; of 1: 1 3; a chain hands its leaf up.
  np.testing.assert_allclose(
    forks.values(LEAVES, TREE), [4, 2, 8, 1, 3, 2, 2, 2, 8]
  )
  # Over children: (2 + 8) / 2.
  np.testing.assert_allclose(
    forks.values(LEAVES, TREE, by_leaf=False), [5, 2, 8, 1, 3, 2, 2, 2, 8]
  )


def test_a_missing_leaf_is_no_leaf():
  leaves = np.where(np.arange(9) == 4, NAN, LEAVES)
  leaves[7] = NAN
  np.testing.assert_allclose(
    forks.values(leaves, TREE), [4.5, 1, 8, 1, NAN, NAN, NAN, NAN, 8]
  )


def test_siblings_are_compared_and_their_branches_follow():
  # Roots 4 2, children of 0: 2 8, children of 1: 1 3; 8 goes on from 2, 6 and
  # 7 from 5. Without a deviation: gaps to 3, 5, 2.
  found = forks.siblings(LEAVES, TREE, rl(), advantages.dr_grpo)
  np.testing.assert_allclose(found, [1, -3, 3, -1, 1, -1, -1, -1, 3])
  found = forks.siblings(LEAVES, TREE, rl(), advantages.grpo)
  np.testing.assert_allclose(found, [1, -1, 1, -1, 1, -1, -1, -1, 1])
  found = forks.siblings(LEAVES, TREE, rl(), advantages.rloo)
  np.testing.assert_allclose(found, [2, -6, 6, -2, 2, -2, -2, -2, 6])


def random_tree(seed):
  """Branches of 1 to 3 children, four turns deep."""
  rng = np.random.default_rng(seed)
  parent, turn = [-1] * 3, [0] * 3
  for row in range(40):
    if row < len(turn) and turn[row] < 3:
      children = rng.integers(1, 4)
      parent += [row] * children
      turn += [turn[row] + 1] * children
  keys = keys_of(0, 0, turn, 0, np.arange(len(turn)), parent)
  return keys, rng.normal(size=len(turn))


@pytest.mark.parametrize('seed', range(5))
def test_identities_of_trees(seed):
  keys, rewards = random_tree(seed)
  worth = forks.values(rewards, keys)
  leaves = np.setdiff1d(np.arange(len(worth)), keys.parent)

  def top(row):
    return row if keys.parent[row] < 0 else top(keys.parent[row])

  for root in np.flatnonzero(keys.parent < 0):
    below = [rewards[leaf] for leaf in leaves if top(leaf) == root]
    np.testing.assert_allclose(worth[root], np.mean(below))
  found = forks.siblings(rewards, keys, rl(), advantages.dr_grpo)
  begins = forks.begins(keys) == np.arange(len(worth))
  for parent in {*keys.parent[begins]}:
    among = found[begins & (keys.parent == parent)]
    np.testing.assert_allclose(among.sum(), 0, atol=1e-12)


def test_siblings_of_equal_worth_and_only_children_learn_nothing():
  keys = keys_of(0, 0, [0, 1, 1], 0, [0, 1, 2], [-1, 0, 0])
  siblings = advantages.ESTIMATORS['siblings']
  np.testing.assert_array_equal(siblings([0, 2, 2], keys, rl()), 0)
  chain = keys_of(0, 0, [0, 1, 2], 0, [0, 1, 2], [-1, 0, 1])
  for of in (siblings, forks.tree, forks.mem_t):
    np.testing.assert_array_equal(of([0, 0, 5], chain, rl()), 0)


def expected(first, second, estimator):
  """E over all trees of the gradient, beside the exact one, of two steps.

  Step one has 3 actions, step two 2, whatever the first was.
  """
  rng = np.random.default_rng(1)
  reward, one, two = rng.normal(size=(3, 2)), *rng.dirichlet([2] * 3, 2)[:, :3]
  two = two[:2] / two[:2].sum()
  gap = reward - (one @ reward @ two)
  exact = np.concatenate([
    one * (reward @ two - one @ reward @ two), two * (one @ gap)
  ])  # fmt: skip
  trunks = itertools.product(range(3), repeat=first)
  total, columns = np.zeros(5), first * second
  parent = np.repeat(np.arange(first), second)
  keys = keys_of(
    0, 0, [0] * first + [1] * columns, 0, 0, [-1] * first + parent.tolist()
  )
  for a in map(list, trunks):
    for b in map(list, itertools.product(range(2), repeat=columns)):
      leaves = reward[np.array(a)[parent], b]
      table = np.concatenate([np.zeros(first), leaves])
      found = forks.siblings(table, keys, rl(), estimator)
      pull = np.concatenate([
        found[:first] @ (np.eye(3)[a] - one) / first,
        found[first:] @ (np.eye(2)[b] - two) / columns,
      ])  # fmt: skip
      total += one[a].prod() * two[b].prod() * pull
  return total, exact


def test_siblings_are_unbiased_by_leave_one_out_alone():
  found, exact = expected(2, 3, advantages.rloo)
  np.testing.assert_allclose(found, exact, atol=1e-12)
  # A mean that includes the branch shrinks two roots by 1 / 2 and three leaves
  # by 2 / 3: the steps no longer weigh alike.
  found, exact = expected(2, 3, advantages.dr_grpo)
  shrunk = exact * np.repeat([1 / 2, 2 / 3], [3, 2])
  np.testing.assert_allclose(found, shrunk, atol=1e-12)


def test_tree_compares_one_path_a_builder():
  # Worth 4 2 8 ... as above. The path of the first children: 0 1 3 and 5 6 7.
  # Turn 0: 4 2, turn 1: 2 2, turn 2: 1 2; the rest is off the paths.
  found = forks.tree(LEAVES, TREE, rl())
  np.testing.assert_allclose(found, [1, 0, 0, -1, 0, -1, 0, 1, 0])


def test_paths_through_a_row():
  # Leaves below, of 0: 3 4 8. One a tree: 0 1 3 and 5 6 7.
  found = forks.paths(TREE, one=False)
  np.testing.assert_array_equal(found, [3, 2, 1, 1, 1, 1, 1, 1, 1])
  found = forks.paths(TREE, one=True)
  np.testing.assert_array_equal(found, [1, 1, 0, 1, 0, 1, 1, 1, 0])


def test_tree_without_branches_is_grpo_of_each_turn():
  rewards = np.repeat([1.0, 4, 2], 3)
  row = np.arange(9)
  keys = keys_of(0, row // 3, row % 3, 0, row, np.where(row % 3, row - 1, -1))
  np.testing.assert_allclose(
    forks.tree(rewards, keys, rl()), advantages.grpo(rewards, keys, rl())
  )


def test_mem_t_golden():
  # Nodes where branches begin: 0 1 2 3 4 of one tree, by children 5 2 8 1 3:
  # mean 3.8, variance (1.44 + 3.24 + 17.64 + 7.84 + 0.64) / 5 = 6.16, std
  # 2.4819347. Alone in its tree: 5, worth 2. All six: mean 3.5, variance
  # (2.25 + 2.25 + 20.25 + 6.25 + 0.25 + 2.25) / 6 = 5.5833333, std 2.3629078.
  worth = np.array([5, 2, 8, 1, 3])
  inner = (worth - 3.8) / 2.4819347
  outer = (worth - 3.5) / 2.3629078
  both, alone = inner + outer, (2 - 3.5) / 2.3629078
  found = forks.mem_t(LEAVES, TREE, rl())
  np.testing.assert_allclose(found[:5], both, rtol=1e-6)
  np.testing.assert_allclose(found[5:8], alone, rtol=1e-6)
  np.testing.assert_allclose(found[8], both[2], rtol=1e-6)


def test_one_tree_doubles_mem_t():
  keys = keys_of(0, 0, [0, 1, 1], 0, [0, 1, 2], [-1, 0, 0])
  # 1 0 2: mean 1, std sqrt(2 / 3).
  found = forks.mem_t([NAN, 0, 2], keys, rl())
  np.testing.assert_allclose(found, [0, -2 * ROOT2, 2 * ROOT2], rtol=1e-6)


# Shares.


def test_evidence_golden():
  # Scores 1 0.5, T = 4, beta 0.5, mean 0.75. Shown for the first: turns 0 0 2,
  # for the second: turn 2. By evidence: turn 0 has 1 / 2 * 2 / 3 = 1 / 3, turn
  # 2 has 1 / 2 * 1 / 3 + 0.25 = 5 / 12. Even: 0.1875 each.
  found = shares.evidence(
    np.array([[1, 0.5]]), np.array([[[0, 0, 2], [2, -1, -1]]]), 4, 0.5
  )
  wanted = 0.5 * 0.1875 + 0.5 * np.array([1 / 3, 0, 5 / 12, 0])
  np.testing.assert_allclose(found[0], wanted)


@pytest.mark.parametrize('beta', [0.0, 0.5, 1.0])
def test_redistributed_rewards_sum_to_the_global_one(beta):
  rng = np.random.default_rng(0)
  scores = rng.random((6, 5))
  scores[rng.random((6, 5)) < 0.2] = NAN
  scores[5] = NAN  # nothing known
  written = rng.integers(-1, 7, (6, 5, 3))
  written[0, 0] = -1  # answered without any entry
  found = shares.evidence(scores, written, 7, beta)
  np.testing.assert_allclose(found[:5].sum(1), np.nanmean(scores[:5], 1))
  np.testing.assert_array_equal(found[5], 0)
  if beta == 0:
    np.testing.assert_allclose(found, found[:, :1].repeat(7, 1))
  order = rng.permutation(7)
  moved = np.where(written < 0, -1, order[written])
  again = shares.evidence(scores, moved, 7, beta)
  np.testing.assert_allclose(again[:, order], found)


def test_ndcg_golden():
  # Gains 1 0 0. Ordered alike: 1. The gain second: 1 / log2(3) = 0.6309298.
  # All tied: (1 + 0.6309298 + 0.5) / 3 = 0.7103099.
  right = np.array([[1.0, 0, 0]])
  local = np.array([[[3, 2, 1], [2, 3, 1], [5, 5, 5]]])
  value = np.exp([1, 0.6309298, 0.7103099])
  found = shares.agree(local, right)
  np.testing.assert_allclose(found[0], value / value.sum(), rtol=1e-6)
  cold = shares.agree(local, right, temperature=0.1)
  np.testing.assert_allclose(cold[0], value**10 / (value**10).sum(), rtol=1e-5)


def test_gains_of_ndcg_are_counted_from_the_lowest():
  # 1 2 are gains of 0 1: in the wrong order 1 / log2(3).
  found = shares.agree(np.array([[[2.0, 1], [1, 2]]]), np.array([[1.0, 2]]))
  value = np.exp([0.6309298, 1])
  np.testing.assert_allclose(found[0], value / value.sum(), rtol=1e-6)


def test_tied_ranks_are_their_mean():
  # Ranks 2.5 2.5 1 0 and 3 2 1 0: gaps 1 1 -0.5 -1.5 and 1.5 0.5 -0.5 -1.5,
  # correlation 4.5 / sqrt(4.5 * 5) = 0.9486833; and 1.
  local = np.array([[[1.0, 1, 2, 3], [1, 2, 3, 4]]])
  found = shares.agree(local, np.array([[1.0, 2, 3, 4]]), 'spearman')
  value = np.exp([0.9486833, 1])
  np.testing.assert_allclose(found[0], value / value.sum(), rtol=1e-6)


def test_spearman_golden():
  # Ranks 0 1 2 and 0 2 1: correlation 1 - 6 * 2 / (3 * 8) = 0.5; turned
  # around -1, so 0; a constant 0.
  local = np.array([[[1, 3, 2], [9, 5, 1], [4, 4, 4]]])
  value = np.exp([0.5, 0, 0])
  found = shares.agree(local, np.array([[1.0, 2, 3]]), 'spearman')
  np.testing.assert_allclose(found[0], value / value.sum(), rtol=1e-6)


@pytest.mark.parametrize('rule', ['ndcg', 'spearman'])
def test_identities_of_agreement(rule):
  rng = np.random.default_rng(0)
  local, shared = rng.normal(size=(9, 3, 6)), rng.integers(0, 3, (9, 6)) / 2
  shared[0] = 0.7
  found = shares.agree(local, shared, rule)
  np.testing.assert_allclose(found.sum(1), 1)
  np.testing.assert_allclose(found[0], 1 / 3)  # a constant global reward
  assert found.min() > 0.155 and found.max() < 0.577  # of three in [0, 1]
  order = rng.permutation(6)
  moved = shares.agree(local[..., order], shared[:, order], rule)
  np.testing.assert_allclose(moved, found)
  # Tied trajectories may change places, missing ones are not there.
  tied = np.where(np.arange(6) < 2, 1.0, local)
  swapped = shared[:, [1, 0, 2, 3, 4, 5]]
  np.testing.assert_allclose(
    shares.agree(tied, shared, rule), shares.agree(tied, swapped, rule)
  )
  missing = np.where(np.arange(6) == 2, NAN, shared)
  np.testing.assert_allclose(
    shares.agree(local, missing, rule),
    shares.agree(np.delete(local, 2, 2), np.delete(shared, 2, 1), rule),
  )
  np.testing.assert_allclose(shares.agree(local, 0 * shared + NAN, rule), 1 / 3)


def test_most_used_kind_pulls_harder():
  kind = np.array([0, 1, -1, 1, 0])
  uses = np.array([[3, 1], [3, 1], [3, 1], [2, 2], [0, 0]])
  np.testing.assert_array_equal(
    shares.most_used(kind, uses, 4.0), [4, 1, 1, 4, 1]
  )
  # alpha 1 is GRPO.
  np.testing.assert_array_equal(shares.most_used(kind, uses, 1.0), 1)


def uma_table(answers):
  """Trajectories of two writing turns, then questions: answers [N, M].

  A writer is paid the mean of the answers that there are.
  """
  n, m = np.shape(answers)
  trajectory, turn = np.indices((n, 2 + m)).reshape(2, -1)
  known = [[x for x in row if x == x] for row in answers]
  mean = [[np.mean(row) if row else NAN] * 2 for row in known]
  rewards = np.concatenate([mean, answers], 1).ravel()
  return rewards, keys_of(0, trajectory, turn, (turn >= 2).astype(int))


def uma(rewards, keys):
  found = advantages.compute(rewards, keys, rl(advantage='uma'))
  return found.advantages


def test_uma_golden():
  # Answers 1 0 and 0 0 : the writers' 0.5 and 0 are 1 and -1, question 0 has
  # 1 and -1, question 1 is a tie.
  found = uma(*uma_table([[1, 0], [0, 0]]))
  np.testing.assert_allclose(
    found.reshape(2, 4), [[1, 1, 1, 0], [-1, -1, -1, 0]]
  )
  # Of three writers the last has no answer that is known: it is out.
  found = uma(*uma_table([[1, NAN], [0, 0], [NAN, NAN]]))
  np.testing.assert_allclose(
    found.reshape(3, 4), [[1, 1, 1, 0], [-1, -1, -1, 0], [0, 0, 0, 0]]
  )


def test_a_constant_at_one_question_changes_nothing_of_uma():
  answers = np.random.default_rng(0).random((4, 3))
  found = uma(*uma_table(answers))
  more = uma(*uma_table(answers + [0, 5, 0]))
  np.testing.assert_allclose(found, more, rtol=1e-6)
  order = uma(*uma_table(answers[:, [2, 0, 1]]))
  np.testing.assert_allclose(
    found.reshape(4, 5)[:, :2], order.reshape(4, 5)[:, :2]
  )


def agree(local, answers, rule='ndcg'):
  """Advantages [N, 2] of trajectories of a writer and one answer."""
  trajectory, role = np.indices(np.shape(local)).reshape(2, -1)
  local, answers = np.ravel(local), np.repeat(answers, 2)
  parts = {'answers': (2.0, answers), 'content': (0.5, local)}
  keys = keys_of(0, trajectory, role, role)._replace(parts=parts)
  rewards = 2 * answers + 0.5 * local
  return advantages.agree(rewards, keys, rl(), rule).reshape(-1, 2)


def test_agree_golden():
  # Answers 1 0 0, weight 2. The writer's own rewards 3 2 1 have NDCG 1, the
  # answerer's 2 3 1 have 1 / log2(3) = 0.6309298: weights 0.591234, 0.408766.
  # Writer: 1.5 + 1.182468, 1, 0.5; answerer: 1 + 0.817532, 1.5, 0.5.
  found = agree([[3, 2], [2, 3], [1, 1]], [1, 0, 0])
  writer, answerer = [2.682468, 1, 0.5], [1.817532, 1.5, 0.5]
  for column, row in zip(found.T, (writer, answerer), strict=True):
    wanted = (row - np.mean(row)) / np.std(row)
    np.testing.assert_allclose(column, wanted, rtol=1e-5)
  # Ranks of answers 2 0.5 0.5; of the writer's 2 1 0, which correlate by
  # 1.5 / sqrt(2 * 1.5) = sqrt(3) / 2, of the answerer's 1 2 0, by 0.
  found = agree([[3, 2], [2, 3], [1, 1]], [1, 0, 0], 'spearman')
  share = np.exp(3**0.5 / 2) / (1 + np.exp(3**0.5 / 2))
  row = np.array([1.5 + 2 * share, 1, 0.5])
  np.testing.assert_allclose(found[:, 0], (row - row.mean()) / row.std())


def test_answers_of_a_constant_reward_are_shared_evenly():
  local = np.random.default_rng(0).random((4, 2))
  gap = 0.5 * (local - local.mean(0))
  np.testing.assert_allclose(agree(local, [0.7] * 4), gap / gap.std(0))
  missing = agree(local, [0.7, 0.7, 0.7, NAN])[:3]
  gap = 0.5 * (local[:3] - local[:3].mean(0))
  np.testing.assert_allclose(missing, gap / gap.std(0))


# Provenance.

FIELDS = dict(reward=1.0, rate=0.5, gamma=0.8, lam=0.5)  # gamma lam = 0.4


def test_memq_of_a_chain():
  # 2 is made of 1, and 1 of 0; a task uses 2: delta 1 gives 0.5, 0.2, 0.08.
  parents = [(), (0,), (1,), (2,)]
  found = provenance.memq(np.zeros(4), parents, [2], 3, **FIELDS)
  np.testing.assert_allclose(found, [0.08, 0.2, 0.5, 0])
  # What was made is worth 0.5 already, 2 is worth 1: delta = 1 + 0.4 - 1.
  q = np.array([0, 0, 1, 0.5])
  found = provenance.memq(q, parents, [2], 3, **FIELDS)
  np.testing.assert_allclose(found - q, [0.032, 0.08, 0.2, 0])


def test_memq_of_a_diamond():
  # 3 made of 1 and 2, both of 0: 0 is two steps away, and counted once.
  parents = [(), (0,), (0,), (1, 2), ()]
  found = provenance.memq(np.zeros(5), parents, [3], 4, **FIELDS)
  np.testing.assert_allclose(found, [0.08, 0.2, 0.2, 0.5, 0])
  # 2 also made of 1: the short way to 1 and to 0 counts.
  parents[2] = (0, 1)
  assert provenance.depths(parents, 3, {}) == {3: 0, 1: 1, 2: 1, 0: 2}
  # A task that uses 1 and 2 pays 0 through both.
  parents = [(), (0,), (0,), (1, 2)]
  found = provenance.memq(
    np.array([0, 0, 1.0, 0]), parents, [1, 2], 3, **FIELDS
  )
  np.testing.assert_allclose(found, [0.2, 0.5, 1, 0])  # delta 1 and 0


@pytest.mark.parametrize('gamma', [0.0, 0.8])
def test_memq_without_traces_is_one_step(gamma):
  parents, q = [(), (0,), (1,), ()], np.array([0.3, 0.2, 0.1, 0.5])
  fields = FIELDS | {'lam': 0.0, 'gamma': gamma}
  found = provenance.memq(q, parents, [2], 3, **fields)
  step = 0.5 * (1 + gamma * 0.5 - 0.1)
  np.testing.assert_allclose(found - q, [0, 0, step, 0], atol=1e-12)


def test_memq_reaches_what_was_replaced():
  # 1 took the place of 0 (ours): no distance; 2 is made of 1.
  found = provenance.memq(
    np.zeros(4), [(), (), (1,), ()], [2], 3, **FIELDS, replaced={1: 0}
  )
  np.testing.assert_allclose(found, [0.2, 0.2, 0.5, 0])


def test_rows_are_numbered_however_large_their_keys_are():
  rng = np.random.default_rng(0)
  large = np.array([0, 1, 2**20, 2**40])
  columns = [large[rng.integers(0, 4, 200)] for _ in range(4)]
  _, expected = np.unique(np.stack(columns), axis=1, return_inverse=True)
  np.testing.assert_array_equal(groups.ids(*columns), expected.reshape(-1))
