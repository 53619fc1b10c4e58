"""Minibatches of rows and their padding."""

import hypothesis
import jax
import numpy as np
import small_rollouts
from hypothesis import strategies as st

from mem_alpha_jax.rl import batching
from mem_alpha_jax.rollout import assemble

FEW = hypothesis.settings(max_examples=50, deadline=None)


def make_rows(groups=2):
  """Groups of two samples; the response's first id tells the group."""
  samples = small_rollouts.table([1] * groups, 2)
  samples.response[:] = 20 + samples.keys.episode[:, None]
  samples.prompts.prefix[:] = 10 + samples.keys.episode[:, None]
  weight = np.ones(2 * groups, np.float32)
  index = assemble.grouped(samples.keys, True)
  return assemble.pack(samples, index, weight)


def test_numbers_of_responses_are_spread_over_their_tokens():
  mask = np.array([[[1, 1, 0], [1, 0, 0]]], bool)
  rows = batching.make_rows(
    dict.fromkeys(('prefix', 'prefix_length', 'own', 'own_length')),
    mask * 7, mask, np.ones((1, 2), np.float32),
    advantages=np.array([[2.0, 3]]), returns=np.array([[4.0, 5]]),
  )  # fmt: skip
  np.testing.assert_array_equal(rows.advantages, [[[2, 2, 0], [3, 0, 0]]])
  np.testing.assert_array_equal(rows.returns, [[[4, 0, 0], [5, 0, 0]]])
  assert not rows.old_values.any() and not rows.rollout_logps.any()


def test_padding_weighs_nothing_and_repeats_nothing():
  rows = make_rows(5)
  padded = batching.pad_groups(rows, 8)
  assert padded.row_weight.shape == (8, 2)
  jax.tree.map(
    lambda a, b: np.testing.assert_array_equal(a, b[:5]), rows, padded
  )
  tail = jax.tree.map(lambda x: x[5:], padded)
  np.testing.assert_array_equal(tail.prefix_length, 1)
  np.testing.assert_array_equal(tail.own_length, 1)
  tail = tail.replace(prefix_length=0, own_length=0)
  assert not any(np.any(x) for x in jax.tree.leaves(tail))
  same = batching.pad_groups(rows, 5)
  jax.tree.map(np.testing.assert_array_equal, rows, same)


@FEW
@hypothesis.given(st.integers(1, 13), st.integers(1, 13), st.integers(0, 99))
def test_minibatches_deal_every_group_once(groups, size, seed):
  rows = make_rows(groups)
  parts = list(batching.minibatches(rows, (seed, 7), size))
  assert {x.row_weight.shape[0] for x in parts} == {size}
  assert len(parts) == -(-groups // size)
  real = [p.response[p.row_weight[:, 0] > 0, 0, 0] - 20 for p in parts]
  assert sorted(np.concatenate(real)) == list(range(groups))
  counts = [len(r) for r in real]
  assert max(counts) - min(counts) <= 1
  # A group's arrays stay together.
  for part, ids in zip(parts, real, strict=True):
    np.testing.assert_array_equal(part.prefix[: len(ids), 0], 10 + ids)


def test_minibatch_order_is_the_seeds():
  rows = make_rows(32)

  def order(seed):
    parts = batching.minibatches(rows, seed, 16)
    return [int(i) for p in parts for i in p.response[:, 0, 0]]

  assert order((0, 1)) == order((0, 1))
  assert order((0, 1)) != order((0, 2))
