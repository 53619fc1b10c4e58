"""Packed micro-batches hold every token once, and give the grid's update."""

import functools

import jax
import ml_collections
import numpy as np
import optax
import pytest
import small_models
from hypothesis import given, settings
from hypothesis import strategies as st

from configs import tiny
from mem_alpha_jax.model import policy as policy_lib
from mem_alpha_jax.rl import batching, packing
from mem_alpha_jax.rl import update as update_lib
from mem_alpha_jax.system import sharding

KEEP_GRADS = optax.trace(decay=0.0)
GAE = (
  'rl.advantage=gae,model.value_head=True,rollout.groups=trajectory,'
  'rl.kl_coef=0.1,rl.entropy_coef=0.05,rl.importance_cap=2'
)
SEQUENCE = 'rl.ratio_level=sequence,rl.aggregate=sequence_mean'


@functools.cache
def ragged(b=8, g=3, seed=0):
  """Groups of rows as a batch has them: some weigh little, some nothing."""
  rng = np.random.default_rng(seed)
  rows = small_models.rows(b=b, g=g, seed=seed)
  mask = rows.response_mask

  def draw(where=mask):
    values = rng.normal(0, 0.3, mask.shape) * where
    return values.astype(np.float32)

  first = mask & (np.arange(mask.shape[-1]) == 0)
  return rows.replace(
    rollout_logps=draw() - 3 * np.float32(mask),
    advantages=draw(),
    returns=draw(first),
    old_values=draw(first),
    row_weight=np.float32(rng.choice([0, 0.25, 1], (b, g))),
  )


@settings(max_examples=50, deadline=None)
@given(
  st.integers(1, 9), st.integers(1, 4), st.integers(1, 3), st.integers(0, 99),
  st.integers(0, 9),
)  # fmt: skip
def test_every_token_that_counts_is_in_one_place(
  b, groups, devices, seed, more
):
  rows = ragged(b, 2, seed)
  shape = packing.Shape(groups, 2 + more)
  packed = packing.pack(rows, shape, devices)
  n = rows.own.shape[-1] + rows.response.shape[-1] - 1
  assert packed.places.shape == packing.places_shape(rows, shape, devices)
  places = packed.places.reshape(devices, -1, shape.rows, n)
  each = jax.tree.map(
    lambda x: x.reshape(devices, groups, places.shape[1], *x.shape[1:]),
    packed.replace(places=None),
  )
  found = []
  for device, batch in np.ndindex(places.shape[:2]):
    part = jax.tree.map(lambda x: x[device, :, batch], each)  # noqa: B023
    own = np.concatenate([part.own, part.response[..., :-1]], -1).reshape(-1)
    weight = part.row_weight.reshape(-1)
    for row in places[device, batch]:
      row = row[row >= 0]
      assert len(set(row // (2 * n))) < 2  # all of one group
      assert len(set(row)) == len(row)
      ends = np.flatnonzero(np.diff(row // n)) + 1
      for at in filter(len, np.split(row, ends)):
        found.append((weight[at[0] // n], *own[at]))
  wanted = []
  for i, j in np.ndindex(rows.row_weight.shape):
    length = rows.response_mask[i, j].sum() - 1
    own = rows.own[i, j, : rows.own_length[i, j]]
    weight = rows.row_weight[i, j]
    if weight:
      wanted.append((weight, *own, *rows.response[i, j, :length]))
  assert sorted(found) == sorted(wanted)


def test_as_few_micro_batches_as_hold_all_are_full():
  rows = ragged().replace(row_weight=np.ones((8, 3), np.float32))
  packed = packing.pack(rows, packing.Shape(4, 12))
  held = packed.row_weight.reshape(4, -1, 3).any((0, 2))
  np.testing.assert_array_equal(held, [1, 1])
  packed = packing.pack(rows.replace(row_weight=0 * rows.row_weight),
                        packing.Shape(4, 12))  # fmt: skip
  assert (packed.places < 0).all() and not packed.row_weight.any()


def test_padding_is_what_is_run_and_holds_no_token():
  """Two groups of two samples; prefix of 7, own rows of 3 + 5 - 1."""
  rows = small_models.rows(b=2, g=2)
  mask = np.arange(5) < np.array([[[5], [2]], [[1], [4]]])
  rows = rows.replace(
    prefix_length=np.array([7, 4]),
    own_length=np.array([[3, 1], [2, 2]]),
    response_mask=mask,
    row_weight=np.array([[1, 1], [1, 0]], np.float32),
  )
  # Of 2 * (7 + 2 * 7): prefixes of 7 and 4, and own rows of 7, 2 and 2.
  assert packing.padding([rows]) == pytest.approx(1 - 22 / 42)
  # Two of the own rows share a packed one: 2 prefixes and 3 rows of 7.
  packed = packing.pack(rows, packing.Shape(2, 3))
  assert packing.padding([packed]) == pytest.approx(1 - 22 / 35)
  both = packing.padding([rows, packed])
  assert both == pytest.approx(1 - 44 / 77)
  # A device without a row runs what the others run.
  two = packing.pack(rows, packing.Shape(2, 3), devices=2)
  assert packing.padding([two], 2) == pytest.approx(1 - 22 / 70)


def run(arg, rows, mesh=None):
  """Metrics and gradients of one update, where the old log-probs are given."""
  config = tiny.get_config(arg)
  policy = policy_lib.make_policy(small_models.config('one'), mesh)
  params = jax.tree.map(np.asarray, small_models.params('one'))
  if mesh is not None:
    params = jax.device_put(params, sharding.param_shardings(policy, mesh))
  state = update_lib.init_state(params, KEEP_GRADS, mesh)
  update = update_lib.make_update_fn(
    policy, KEEP_GRADS, config.rl, 0.9, mesh, horizon=5
  )
  old = ref = None
  if config.rl.kl_coef:
    logps = update_lib.make_forward_fn(policy, update_lib.LOGPS, 0.9, mesh)
    old = ref = logps(state.params, rows)
  state, metrics = update(state, rows, ref, old)
  return jax.device_get((metrics, state.opt_state.trace))


@pytest.fixture(
  scope='module',
  params=[
    pytest.param(GAE, marks=pytest.mark.slow, id='gae'),
    pytest.param(SEQUENCE, id='sequence'),
  ],
)
def expected(request):
  return request.param, run(request.param, batching.pad_groups(ragged(), 8))


@pytest.mark.parametrize(
  'shape, data, fsdp',
  [
    ((2, 5), 1, 1),
    ((1, 3), 1, 1),
    pytest.param((3, 4), 2, 2, marks=pytest.mark.slow),
  ],
)
def test_packed_rows_give_the_update_of_the_grid(expected, shape, data, fsdp):
  arg, (wanted, gradient) = expected
  mesh = None
  if data * fsdp > 1:
    fields = dict(data=data, fsdp=fsdp, tensor=1)
    mesh = sharding.create_mesh(ml_collections.ConfigDict(fields))
  rows = packing.pack(ragged(), packing.Shape(*shape), data * fsdp)
  metrics, found = run(arg, rows, mesh)
  for name, value in wanted.items():
    np.testing.assert_allclose(
      metrics[name], value, rtol=2e-5, atol=2e-6, err_msg=name
    )
  assert wanted['grad_norm'] > 0
  for a, b in zip(*map(jax.tree.leaves, (found, gradient)), strict=True):
    np.testing.assert_allclose(a, b, atol=1e-5 * wanted['grad_norm'])
