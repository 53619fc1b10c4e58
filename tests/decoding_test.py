"""Decoding where the parameters are is the same as from a copy of them."""

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import pytest

from mem_alpha_jax.model import decoding, presets
from mem_alpha_jax.model import policy as policy_lib
from mem_alpha_jax.sampling import sampler
from mem_alpha_jax.system import sharding
from tests import small_models


def samples(policy, params):
  rows = small_models.rows()
  generate = sampler.make_sampler(
    policy, 5, eos_id=small_models.EOS, pad_id=small_models.PAD
  )
  return generate(
    params,
    rows.prefix,
    rows.prefix_length,
    rows.own,
    rows.own_length,
    np.full((3, 2, 1), -1, np.int32),
    small_models.keys(3, 2),
  )


@pytest.mark.slow
@pytest.mark.parametrize(
  'name, changes',
  [('off', {}), ('on', {}), ('off', {'lora_rank': 4, 'lora_alpha': 8.0})],
)
def test_without_a_copy_the_samples_are_the_same(monkeypatch, name, changes):
  if 'lora_rank' in changes:
    pytest.importorskip('qwix')
  params = small_models.params(name, **changes)
  config = small_models.config(name, **changes)
  copied = samples(policy_lib.make_policy(config), params)
  monkeypatch.setattr(decoding, 'COPY_BYTES', {'cpu': 0})
  monkeypatch.setattr(decoding, 'BLOCK_BYTES', 4 * config.width)
  lean = policy_lib.make_policy(config)
  assert lean.options
  found = samples(lean, params)
  np.testing.assert_array_equal(found.tokens, copied.tokens)
  np.testing.assert_allclose(found.logps, copied.logps, atol=1e-5)


def test_large_models_on_few_devices_are_not_copied():
  small, large = presets.preset('smollm2-135m'), presets.preset('qwen3-4b')
  assert decoding.copies(small, None) and not decoding.copies(large, None)
  fields = dict(data=1, fsdp=2, tensor=4)
  mesh = sharding.create_mesh(ml_collections.ConfigDict(fields))
  assert decoding.copies(large, mesh)


@pytest.mark.slow
def test_memory_of_a_large_model_holds_its_parameters_once():
  """XLA's own count: the temporaries of a loop are those of one layer."""
  config = presets.ModelConfig(
    layers=24, width=512, heads=8, kv_heads=2, head_size=64, ffn=2048,
    vocab_size=4096, dtype='bfloat16', param_dtype='bfloat16',
  )  # fmt: skip
  whole = 2 * policy_lib.num_params(shapes_of(config))
  copied = temporaries(config)
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(decoding, 'COPY_BYTES', {'cpu': 0})
    patch.setattr(decoding, 'BLOCK_BYTES', 2**20)
    lean = temporaries(config)
  assert copied > whole
  assert lean < 0.2 * whole


def shapes_of(config):
  policy = policy_lib.make_policy(config)
  return jax.eval_shape(policy.init, jax.random.key(0))


def temporaries(config) -> int:
  policy = policy_lib.make_policy(config)
  generate = sampler.make_sampler(policy, 4, eos_id=1, pad_id=0, greedy=True)
  ids = lambda *shape: jnp.zeros(shape, jnp.int32)
  keys = jax.random.split(jax.random.key(0), (1, 1))
  lowered = generate.lower(
    shapes_of(config),
    ids(1, 8),
    ids(1),
    ids(1, 1, 4),
    ids(1, 1),
    ids(1, 1, 1),
    keys,
  )
  return lowered.compile().memory_analysis().temp_size_in_bytes


@pytest.mark.parametrize('name', ['off', 'on'])
def test_a_context_by_a_scan_gives_the_same_samples(monkeypatch, name):
  params, config = small_models.params(name), small_models.config(name)
  apart = samples(policy_lib.make_policy(config), params)
  monkeypatch.setattr(decoding, 'keeps_stacked', lambda mesh: True)
  found = samples(policy_lib.make_policy(config), params)
  np.testing.assert_array_equal(found.tokens, apart.tokens)
  np.testing.assert_allclose(found.logps, apart.logps, atol=1e-5)
