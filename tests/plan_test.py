"""The plan against XLA's own count, and what is told when it does not fit."""

import importlib.util

import jax
import numpy as np
import pytest
import tiny_config

from configs import colab_v5e, gpu_24gb, tpu_v4
from configs.paper import memalpha_4b
from mem_alpha_jax import types
from mem_alpha_jax.compile import footprint, programs
from mem_alpha_jax.config import validate as validate_lib
from mem_alpha_jax.model import policy as policy_lib
from mem_alpha_jax.model import presets
from mem_alpha_jax.rl import optimizer
from mem_alpha_jax.rl import update as update_lib
from mem_alpha_jax.rollout import forced_calls
from mem_alpha_jax.run import build
from mem_alpha_jax.system import sharding
from mem_alpha_jax.types import RolloutRows


def planned(config, vocabulary=600):
  mesh = sharding.create_mesh(config.mesh)
  shape = presets.model_config(config.model, vocabulary)
  policy = policy_lib.make_policy(shape, mesh=mesh)
  return footprint.make(config, policy, mesh), policy


def abstract_rows(config) -> RolloutRows:
  r, g = config.rollout, config.rollout.group_size
  sizes = (r.prefix_buckets, r.own_buckets, r.response_buckets)
  return programs.rows_of(
    config.rl.minibatch_rows // g, g, *(s[-1] for s in sizes)
  )


@pytest.mark.slow
@pytest.mark.parametrize('remat', ['none', 'full'])
def test_activations_are_what_xla_counts(remat):
  config = tiny_config.get_config(
    'model.layers=6,model.width=64,model.ffn=192,model.copy_head=False,'
    'model.match_bias=False,rl.minibatch_rows=64,'
    f'rollout.prefix_buckets=160,model.remat={remat},rl.packed_groups=0'
  )
  found, policy = planned(config)
  tx, _ = optimizer.create_optimizer(config.optim, 10)
  params = jax.eval_shape(policy.init, jax.random.key(0))
  state = jax.eval_shape(lambda p: update_lib.init_state(p, tx), params)
  update = update_lib.make_update_fn(policy, tx, config.rl, 1.0)
  compiled = update.lower(state, abstract_rows(config)).compile()
  temporary = compiled.memory_analysis().temp_size_in_bytes
  expected = found.activations + found.gradients
  assert 0.5 < expected / temporary < 2, (expected, temporary)


def test_parameters_optimizer_and_cache_are_exact():
  config = tiny_config.get_config()
  found, policy = planned(config)
  params = jax.eval_shape(policy.init, jax.random.key(0))
  count = policy_lib.num_params(params)
  assert found.parameters == 4 * count
  assert found.optimizer == 8 * count
  cache = jax.eval_shape(
    lambda own: policy.init_cache(own, 1, 1 + 16),
    jax.ShapeDtypeStruct((4, 4), np.int32),
  )
  own = sum(x.size for x in jax.tree.leaves((cache.k, cache.v)))
  prefix = jax.eval_shape(
    policy.prefill,
    params,
    jax.ShapeDtypeStruct((4, 80), np.int32),
    jax.ShapeDtypeStruct((4,), np.int32),
  )
  shared = sum(x.size for x in jax.tree.leaves((prefix.k, prefix.v)))
  assert found.cache == 4 * (own + shared)


def test_trial_the_copy_for_the_kl_is_planned():
  plain, _ = planned(tiny_config.get_config())
  held, _ = planned(tiny_config.get_config('rl.kl_coef=0.1'))
  assert plain.reference == 0 and held.reference == held.parameters
  assert held.update == plain.update + held.parameters
  assert held.restore == plain.restore + held.parameters


def test_trial_programs_have_the_shapes_of_a_run():
  """Forced calls of a chat model are longer; gae looks at values."""

  def made(arg):
    config = tiny_config.get_config(arg)
    _, policy = planned(config)
    mesh = sharding.create_mesh(config.mesh)
    return config, programs.programs(config, policy, mesh)

  def forced(arg):
    config, found = made(arg)
    return {p.kind for p in found}, forced_calls.width(config)

  chat = 'memory.prompt_format=chat,'
  assert forced('')[1] == forced(chat + 'rollout.forced=0')[1] == 3
  assert forced(chat)[1] == forced_calls.WIDTH['chat'] > 3
  kinds, _ = forced(
    'rl.advantage=gae,model.value_head=True,rollout.groups=trajectory,'
    'rl.group_by=trajectory,rollout.forced=0'
  )
  assert 'values' in kinds and 'logps' not in kinds
  # Of four trajectories an episode two are there before they branch.
  _, found = made(
    'rollout.groups=trajectory,rollout.forks=1,rl.advantage=mem_t,'
    'rl.group_by=trajectory,rollout.forced=0'
  )
  assert [p.rows for p in found if p.kind == 'sample'] == [4 * 4, 4 * 2]


def test_sharding_divides_what_is_sharded():
  whole, _ = planned(tiny_config.get_config())
  split, _ = planned(tiny_config.get_config('mesh.fsdp=4'))
  assert split.cache == whole.cache // 4
  assert whole.parameters // 4 <= split.parameters < whole.parameters // 3


def test_the_table_has_every_number():
  found, _ = planned(tiny_config.get_config())
  text = footprint.table(found)
  for name in (*footprint.Plan._fields, 'rollout', 'update'):
    assert name in text


@pytest.mark.parametrize('backend, told', [('gpu', 1), ('cpu', 0), ('tpu', 0)])
def test_trial_what_jax_takes_of_a_gpu_is_told(monkeypatch, backend, told):
  monkeypatch.setattr(footprint.jax, 'default_backend', lambda: backend)
  text = footprint.table(FULL)
  for words in ('takes 75%', 'XLA_PYTHON_CLIENT_MEM_FRACTION', 'vLLM'):
    assert text.count(words) == told


FULL = footprint.Plan(1, 2, 0, 2, 1, 1, 1, 0, 4)
WAYS = {
  'parameters': (FULL, '', 'lora.rank'),
  'factors': (FULL, 'lora.rank=8', 'model.param_dtype'),
  'cache': (FULL._replace(cache=9), '', 'data.batch_episodes=4'),
  'activations': (FULL._replace(activations=9), '', "model.remat='full'"),
  'packed': (
    FULL._replace(activations=9), 'model.remat=full', 'rl.packed_groups=8'
  ),
  'rematted': (
    FULL._replace(activations=9), 'model.remat=full,rl.packed_groups=0',
    'rl.microbatches=1',
  ),
}  # fmt: skip


@pytest.mark.parametrize('case', WAYS)
def test_a_plan_that_does_not_fit_names_the_field(case):
  found, arg, field = WAYS[case]
  config = tiny_config.get_config(arg)
  validate_lib.validate(config)
  with pytest.raises(ValueError, match=field) as caught:
    footprint.check(found, config)
  assert '\n' not in str(caught.value)
  footprint.check(found._replace(available=99), config)
  footprint.check(found._replace(available=0), config)


def test_qwen3_4b_without_sharding_is_refused():
  config = tpu_v4.get_config('mesh.fsdp=1,mesh.tensor=1')
  found, _ = planned(config, 151936)
  gib = types.GIB
  assert 14.9 * gib < found.parameters < 15 * gib  # 4.02e9 in float32
  with pytest.raises(ValueError, match='lora.rank|batch_episodes|micro'):
    footprint.check(found._replace(available=24 * gib), config)


@pytest.mark.parametrize(
  'module, size, more, told',
  [
    (colab_v5e, 16, 'data.batch_episodes=128', r'lower data\.batch_episodes'),
    (gpu_24gb, 18, 'data.batch_episodes=64', r'lower data\.batch_episodes=64'),
    (gpu_24gb, 18, 'lora.rank=0,model.param_dtype=float32', 'lora.rank to 16'),
    (memalpha_4b, 60, 'lora.rank=0,model.param_dtype=float32', 'rank'),
  ],
)
def test_recipes_fit_and_what_does_not_is_refused_by_field(
  module, size, more, told
):
  """Of a GPU, in the three quarters that JAX takes of it."""

  def plan(arg):
    config = module.get_config(arg)
    validate_lib.validate(config)
    mesh = sharding.create_mesh(config.mesh)
    shape = build.model_shape(config, config.tokenizer.vocab_size, None)
    policy = policy_lib.make_policy(shape, mesh=mesh)
    return footprint.make(config, policy, mesh, int(size * types.GIB)), config

  if not importlib.util.find_spec('qwix'):
    pytest.skip('qwix is not installed: of the extra lora')
  found, config = plan('')
  footprint.check(found, config)
  assert found.peak > found.available / 4, 'room for more'
  found, config = plan(more)
  with pytest.raises(ValueError, match=told):
    footprint.check(found, config)
