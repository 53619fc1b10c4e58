"""Rows, minibatches and packing."""

import hypothesis
import jax
import numpy as np
import pytest
from hypothesis import strategies as st

from mem_alpha_jax.rl import batching

FEW = hypothesis.settings(max_examples=50, deadline=None)
WIDTHS = batching.Widths(prefix=3, own=2, response=4)


def make_rows(groups=2, **changes):
  """Groups of two samples; ids tell group and sample."""
  fields = {
    'prefixes': [[10 + m] * (1 + m % 3) for m in range(groups)],
    'owns': [[[7], [8, 9]]] * groups,
    'responses': [[[20 + m, 2], [30 + m, 31, 2]] for m in range(groups)],
    'logps': [[[-1.0, -2.0], [-3.0, -4.0, -5.0]]] * groups,
    'advantages': np.arange(2 * groups).reshape(groups, 2) - 0.5,
    'widths': WIDTHS,
    'pad_id': 0,
  }
  return batching.to_rows(**(fields | changes))


def test_to_rows_pads_what_was_sampled():
  rows = make_rows(
    returns=np.array([[1.0, 2], [3, 4]]),
    old_values=np.array([[5.0, 6], [7, 8]]),
  )
  np.testing.assert_array_equal(rows.prefix, [[10, 0, 0], [11, 11, 0]])
  np.testing.assert_array_equal(rows.prefix_length, [1, 2])
  np.testing.assert_array_equal(rows.own[0], [[7, 0], [8, 9]])
  np.testing.assert_array_equal(rows.own_length, [[1, 2], [1, 2]])
  np.testing.assert_array_equal(
    rows.response[1], [[21, 2, 0, 0], [31, 31, 2, 0]]
  )
  np.testing.assert_array_equal(
    rows.response_mask[1], [[1, 1, 0, 0], [1, 1, 1, 0]]
  )
  np.testing.assert_array_equal(
    rows.rollout_logps[0], [[-1, -2, 0, 0], [-3, -4, -5, 0]]
  )
  np.testing.assert_array_equal(
    rows.advantages[0], [[-0.5, -0.5, 0, 0], [0.5, 0.5, 0.5, 0]]
  )
  np.testing.assert_array_equal(rows.returns[1], [[3, 0, 0, 0], [4, 0, 0, 0]])
  np.testing.assert_array_equal(
    rows.old_values[1], [[7, 0, 0, 0], [8, 0, 0, 0]]
  )
  np.testing.assert_array_equal(rows.row_weight, 1)
  kinds = {x.dtype for x in jax.tree.leaves(rows)}
  assert kinds == {np.dtype(t) for t in (np.int32, np.float32, bool)}


@pytest.mark.parametrize(
  'changes, words',
  [
    ({'prefixes': [[1], [1] * 4]}, r'row 1: prefix of 4.*prefix_buckets'),
    ({'owns': [[[1], [1] * 3]] * 2}, r'row 1: own of 3.*own_buckets'),
    ({'owns': [[[1], []]] * 2}, 'own context of row 1 is empty'),
    ({'responses': [[[1], [1] * 5]] * 2}, r'row 1: response.*response_b'),
    ({'logps': [[[-1.0], [-1.0] * 3]] * 2}, 'row 0: 2 response ids but 1'),
    ({'logps': [[[-1.0]]] * 2}, 'logps: expected 2 groups of 2'),
    ({'prefixes': [[1]]}, '1 prefixes for 2 groups'),
  ],
)
def test_to_rows_refuses_what_does_not_fit(changes, words):
  with pytest.raises(ValueError, match=words):
    make_rows(**changes)


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


def test_pack_lengths_golden():
  # Decreasing: 7 -> bin 0; 6 -> bin 1; 4 -> bin 1 (room 4); 3 -> bin 0 (room
  # 3); 3 -> bin 2; 1 -> bin 2 (0 and 1 are full).
  lengths = [3, 7, 1, 6, 4, 3]
  assert batching.pack_lengths(lengths, 10) == [[1, 0], [3, 4], [5, 2]]


def test_pack_lengths_refuses_a_row_too_long():
  with pytest.raises(ValueError, match='row 1 has 11 tokens'):
    batching.pack_lengths([3, 11], 10)


@FEW
@hypothesis.given(
  st.lists(st.integers(1, 20), max_size=40), st.integers(20, 50)
)
def test_packing_holds_every_row_once_and_wastes_little(lengths, capacity):
  bins = batching.pack_lengths(lengths, capacity)
  assert sorted(i for b in bins for i in b) == list(range(len(lengths)))
  sums = sorted(sum(lengths[i] for i in b) for b in bins)
  assert all(s <= capacity for s in sums)
  # First fit: no bin's rows could have gone into an earlier bin.
  if len(sums) > 1:
    assert sums[0] + sums[1] > capacity
