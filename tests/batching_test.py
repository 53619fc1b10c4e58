"""Minibatches of rows and their padding."""

import hypothesis
import jax
import numpy as np
import pytest
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
  return assemble.pack(samples, index, weight, weight)


def test_pad_groups_weigh_nothing_and_repeat_nothing():
  rows = make_rows(5)
  padded = batching.pad_groups(rows, 4)
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
@hypothesis.given(
  st.integers(1, 13), st.integers(1, 13), st.integers(1, 4), st.integers(0, 99)
)
def test_minibatches_deal_every_group_once(groups, n, multiple, seed):
  hypothesis.assume(n <= groups)
  rows = make_rows(groups)
  parts = list(batching.minibatches(rows, (seed, 7), n, multiple))
  sizes = {x.row_weight.shape[0] for x in parts}
  assert len(parts) == n and len(sizes) == 1
  assert sizes.pop() % multiple == 0
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
    parts = batching.minibatches(rows, seed, 2)
    return [int(i) for p in parts for i in p.response[:, 0, 0]]

  assert order((0, 1)) == order((0, 1))
  assert order((0, 1)) != order((0, 2))


@pytest.mark.parametrize('n', [0, 3])
def test_minibatches_refuse_empty_batches(n):
  with pytest.raises(ValueError, match='rl.minibatches'):
    list(batching.minibatches(make_rows(2), 0, n))
