"""Attention kernels give what the reference gives, gradients too."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import pytest

from mem_alpha_jax.model import policy as policy_lib
from mem_alpha_jax.model import presets
from mem_alpha_jax.sampling import sampler
from mem_alpha_jax.system import sharding
from tests import small_models

CONFIG = presets.ModelConfig(
  layers=2, width=32, heads=4, kv_heads=2, head_size=128, ffn=32,
  vocab_size=64, qk_norm=True,
)  # fmt: skip


def rows(b=4, g=2, p=256, c=64, r=65):
  """Rows whose sequences fill no tile."""
  rng = np.random.default_rng(0)
  ids = lambda *shape: rng.integers(3, 64, shape).astype(np.int32)
  small = small_models.rows(b=b)
  shape = (b, g, r)
  mask = np.ones(shape, bool)
  return small.replace(
    prefix=ids(b, p),
    prefix_length=rng.integers(1, p + 1, b).astype(np.int32),
    own=ids(b, g, c),
    own_length=rng.integers(1, c + 1, (b, g)).astype(np.int32),
    response=ids(*shape),
    response_mask=mask,
    **{
      name: np.zeros(shape, np.float32)
      for name in ('rollout_logps', 'advantages', 'returns', 'old_values')
    },
    row_weight=np.ones((b, g), np.float32),
  )


@functools.cache
def mesh():
  fields = dict(data=2, fsdp=1, tensor=2)
  return sharding.create_mesh(ml_collections.ConfigDict(fields))


def text(kind):
  """What the policy compiles to, before XLA."""
  config = dataclasses.replace(CONFIG, attention=kind, remat='full')
  policy = policy_lib.make_policy(config)
  params = jax.eval_shape(policy.init, jax.random.key(0))
  return str(
    jax.make_jaxpr(policy.logps_and_entropy, static_argnums=2)(
      params, rows(), 1.0
    )
  )


def test_kernels_are_used():
  assert text('splash').count('pallas_call') >= 2  # prefix and own
  assert 'pallas_call' not in text('xla')


def results(kind, over):
  """Log-probs of rows, and gradients of their sum."""
  config = dataclasses.replace(CONFIG, attention=kind)
  policy = policy_lib.make_policy(config, mesh=over)
  params = policy_lib.make_policy(CONFIG).init(jax.random.key(0))

  @jax.jit
  def run(params, rows):
    def total(params):
      logps = policy.logps_and_entropy(params, rows, 1.0)[0]
      return (logps * jnp.arange(logps.shape[-1])).mean(), logps

    return jax.value_and_grad(total, has_aux=True)(params)

  (_, logps), grads = run(params, rows())
  return logps, grads


@functools.cache
def reference():
  return results('xla', None)


@pytest.mark.slow
@pytest.mark.parametrize('kind, spread', [
  ('splash', False), ('splash', True), ('cudnn', False)
])  # fmt: skip
def test_kernels_equal_the_reference(kind, spread):
  logps, grads = results(kind, mesh() if spread else None)
  expected, slopes = reference()
  np.testing.assert_allclose(logps, expected, atol=2e-5)
  for found, slope in zip(*map(jax.tree.leaves, (grads, slopes)), strict=True):
    scale = float(np.abs(slope).max())
    np.testing.assert_allclose(found, slope, atol=2e-4 * scale)


@pytest.mark.slow
def test_sampling_prefills_by_the_kernel():
  params = policy_lib.make_policy(CONFIG).init(jax.random.key(0))
  data = rows(b=2, p=128, r=3)
  outs = []
  for kind in ('xla', 'splash'):
    config = dataclasses.replace(CONFIG, attention=kind)
    generate = sampler.make_sampler(
      policy_lib.make_policy(config), 3, eos_id=64, pad_id=0
    )
    forced = data.response[..., :2]  # so that all rows see the same tokens
    outs.append(
      generate(
        params,
        data.prefix,
        data.prefix_length,
        data.own,
        data.own_length,
        forced,
        small_models.keys(2, 2),
      )
    )
  np.testing.assert_allclose(
    outs[0].logps[..., :2], outs[1].logps[..., :2], atol=2e-5
  )
