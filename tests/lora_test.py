"""LoRA: the same function merged and unmerged, and alone in training."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import traverse_util

from configs import tiny
from mem_alpha_jax.model import decoding, lora
from mem_alpha_jax.model import policy as policy_lib
from mem_alpha_jax.rl import optimizer
from mem_alpha_jax.rl import update as update_lib
from mem_alpha_jax.sampling import sampler
from tests import small_models

pytest.importorskip('qwix')

LORA = dict(lora_rank=4, lora_alpha=8.0)


@functools.cache
def adapted():
  """Policy and parameters whose factors are not zero."""
  return (
    small_models.policy('off', **LORA),
    small_models.params('off', **LORA),
  )


def names(params):
  return {'/'.join(path) for path in traverse_util.flatten_dict(params)}


@pytest.mark.slow
def test_every_kernel_of_the_blocks_has_factors():
  policy, params = adapted()
  kernels = names(lora.merge(params, policy.config))
  wanted = {
    f'blocks/{kernel}{suffix}'
    for kernel in (
      *(f'attention/{n}' for n in 'qkvo'),
      *(f'mlp/{n}' for n in ('gate', 'up', 'down')),
    )
    for suffix in lora.SUFFIXES
  }
  assert names(params) - kernels == wanted


def test_merged_parameters_give_the_same_log_probs():
  policy, params = adapted()
  merged = lora.merge(params, policy.config)
  rows = small_models.rows()
  adapt = small_models.training_pass('off', **LORA)(params, rows)[0]
  plain = small_models.training_pass('off')(merged, rows)[0]
  np.testing.assert_allclose(adapt, plain, atol=1e-4)
  base = optimizer.split(params)[1]
  without = small_models.training_pass('off')(base, rows)[0]
  assert np.abs(adapt - without).max() > 0.1  # the factors do something


def test_sampler_and_trainer_agree():
  policy, params = adapted()
  rows = small_models.rows()
  generate = sampler.make_sampler(
    policy, 5, eos_id=small_models.EOS, pad_id=small_models.PAD
  )
  free = np.full((3, 2, 1), -1, np.int32)
  found = generate(
    params,
    rows.prefix,
    rows.prefix_length,
    rows.own,
    rows.own_length,
    free,
    small_models.keys(3, 2),
  )
  rows = rows.replace(response=np.asarray(found.tokens))
  logps = small_models.training_pass('off', **LORA)(params, rows)[0]
  gap = np.where(found.mask, logps - found.logps, 0.0)
  assert np.abs(gap).max() < 1e-4


def short(scale):
  """Parameters with kernels in bfloat16 and scaled factors in float32."""
  flat = traverse_util.flatten_dict(adapted()[1])
  flat = {
    path: scale * x if lora.is_factor(path) else x.astype(jnp.bfloat16)
    for path, x in flat.items()
  }
  return traverse_util.unflatten_dict(flat)


@pytest.mark.slow
@pytest.mark.parametrize('copied', [True, False])
@pytest.mark.parametrize('dtype', ['float32', 'bfloat16'])
@pytest.mark.parametrize('scale', [1.0, 0.1])
def test_trial_sampler_and_trainer_agree_beside_bfloat16_kernels(
  monkeypatch, scale, dtype, copied
):
  if not copied:
    monkeypatch.setattr(decoding, 'COPY_BYTES', {'cpu': 0})
  dtypes = dict(param_dtype='bfloat16', dtype=dtype)
  policy = policy_lib.make_policy(small_models.config('off', **dtypes, **LORA))
  params = short(scale)
  rows = small_models.rows()
  generate = sampler.make_sampler(
    policy, 5, eos_id=small_models.EOS, pad_id=small_models.PAD
  )
  found = generate(
    params, rows.prefix, rows.prefix_length, rows.own, rows.own_length,
    np.full((3, 2, 1), -1, np.int32), small_models.keys(3, 2),
  )  # fmt: skip
  rows = rows.replace(response=np.asarray(found.tokens))
  logps = jax.jit(lambda p, r: policy.logps_and_entropy(p, r, 1.0)[0])
  gap = lambda params: np.abs(
    np.where(found.mask, logps(params, rows) - found.logps, 0.0)
  ).max()
  ours = gap(params)
  if dtype == 'float32':
    # The sum kept in bfloat16 would be another policy.
    merged = lora.merge(params, policy.config)
    plain = small_models.policy('off', **dtypes)
    lossy = plain.logps_and_entropy(merged, rows, 1.0)[0]
    lossy = np.where(found.mask, logps(params, rows) - lossy, 0.0)
    assert ours < 1e-4 < 1e-3 < np.abs(lossy).max()
  else:
    assert ours < 0.05


def test_trial_a_sum_in_bfloat16_loses_most_of_a_small_update():
  rng = np.random.default_rng(0)
  kernel = jnp.asarray(0.02 * rng.normal(size=(256, 256)), jnp.bfloat16)
  change = 2.8e-5 * rng.normal(size=kernel.shape)
  moved = (kernel + change).astype(jnp.bfloat16) != kernel
  assert 0.6 < 1 - moved.mean() < 0.8
  # So a decode loop has the factors; in float32 it has the sum.
  for dtype, rank in (('bfloat16', 4), ('float32', 0)):
    config = small_models.config('off', param_dtype=dtype, **LORA)
    assert lora.decoded(config).lora_rank == rank


def test_a_fresh_adapter_changes_nothing():
  policy = small_models.policy('off', **LORA)
  params = jax.jit(policy.init)(jax.random.key(1))
  merged = lora.merge(params, policy.config)
  base = optimizer.split(params)[1]
  jax.tree.map(np.testing.assert_array_equal, merged, base)


@pytest.mark.slow
def test_training_moves_the_factors_alone():
  policy, params = adapted()
  rows = small_models.rows()
  rows = rows.replace(advantages=np.ones_like(rows.advantages))
  tx = optax.adam(1e-2)
  own = jax.tree.map(jnp.copy, params)  # the state is donated
  state = update_lib.init_state(own, tx)
  moments = state.opt_state[0].mu
  assert names(moments) == names(optimizer.split(params)[0])
  config = tiny.get_config().unlock().rl
  config.update({'importance_cap': 0.0, 'microbatches': 1})
  update = update_lib.make_update_fn(policy, tx, config, 1.0)
  state, _ = update(state, rows)
  before = traverse_util.flatten_dict(params)
  for path, after in traverse_util.flatten_dict(state.params).items():
    moved = np.abs(np.asarray(after) - before[path]).max() > 0
    assert moved == lora.is_factor(path), path


def test_split_and_join_are_inverse():
  _, params = adapted()
  joined = optimizer.join(*optimizer.split(params))
  assert jax.tree.structure(joined) == jax.tree.structure(params)
  plain = small_models.params('off')
  assert optimizer.split(plain) == (plain, {})


def test_factors_stay_float32_beside_bfloat16_kernels():
  config = small_models.config(
    'off', dtype='bfloat16', param_dtype='bfloat16', **LORA
  )
  policy = policy_lib.make_policy(config)
  shapes = jax.eval_shape(policy.init, jax.random.key(0))
  for path, x in traverse_util.flatten_dict(shapes).items():
    wanted = 'float32' if lora.is_factor(path) else 'bfloat16'
    assert x.dtype == wanted, path
  logps = jax.eval_shape(
    lambda p, r: policy.logps_and_entropy(p, r, 1.0)[0],
    shapes,
    small_models.rows(),
  )
  assert logps.dtype == 'float32'
