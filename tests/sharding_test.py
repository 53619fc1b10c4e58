"""Meshes of simulated devices give what one device gives."""

import jax
import ml_collections
import numpy as np
import pytest
import small_models
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from mem_alpha_jax.model import policy as policy_lib
from mem_alpha_jax.model import presets
from mem_alpha_jax.sampling import sampler
from mem_alpha_jax.system import sharding


def _mesh(fsdp, tensor, data=1):
  fields = dict(data=data, fsdp=fsdp, tensor=tensor)
  return sharding.create_mesh(ml_collections.ConfigDict(fields))


def test_dims_that_do_not_divide_stay_whole():
  mesh = _mesh(2, 4)
  names = ('embed', 'heads', 'head_dim')
  assert sharding.spec(mesh, (16, 4, 8), names) == P('fsdp', 'tensor', None)
  assert sharding.spec(mesh, (16, 2, 8), names) == P('fsdp', None, None)
  assert sharding.spec(mesh, (15, 4, 8), names) == P(None, 'tensor', None)
  assert sharding.spec(mesh, (6, 3), ('batch',)) == P(sharding.BATCH, None)


def test_two_dims_on_one_axis_are_refused():
  mesh = _mesh(2, 2, data=2)
  assert sharding.spec(mesh, (8, 4), ('batch', 'heads')) == P(
    sharding.BATCH, 'tensor'
  )
  with pytest.raises(ValueError, match="'batch', 'embed'.*'fsdp'"):
    sharding.spec(mesh, (8, 4), ('batch', 'embed'))


def test_meshes_larger_than_the_machine_are_refused():
  with pytest.raises(ValueError, match='mesh.fsdp.*change'):
    _mesh(64, 64)


def test_a_4b_model_is_split_in_every_matrix():
  policy = policy_lib.make_policy(presets.preset('qwen3-4b'))
  shapes = jax.eval_shape(policy.init, jax.random.key(0))
  places = sharding.param_shardings(policy, _mesh(2, 4))
  sizes = jax.tree.map(
    lambda x, s: np.prod(s.shard_shape(x.shape)), shapes, places
  )
  total = policy_lib.num_params(shapes)
  assert sum(jax.tree.leaves(sizes)) < 1.01 * total / 8


@pytest.mark.parametrize(
  'shape, decode',
  [
    ((2, 2, 2), 'tensor'),
    *(
      pytest.param(*each, marks=pytest.mark.slow)
      for each in (
        ((1, 1), 'same'),
        ((8, 1), 'same'),
        ((2, 4), 'same'),
        ((2, 2, 2), 'same'),
        ((2, 1, 4), 'tensor'),
      )
    ),
  ],
)
def test_sharded_equals_unsharded(shape, decode):
  mesh, key = _mesh(*shape), jax.random.key(3)
  config = small_models.config('one')
  policy = policy_lib.make_policy(config, mesh=mesh, decode=decode)
  params = sharding.init_params(policy, mesh, key)
  alone = jax.jit(small_models.policy('one').init)(key)
  table = params['embedding'].sharding.spec
  assert table == sharding.spec(
    mesh, (small_models.VOCAB, 16), ('vocab', 'embed')
  )
  rows = small_models.rows(b=8)
  placed = jax.tree.map(
    lambda x: jax.device_put(
      x, NamedSharding(mesh, sharding.spec(mesh, x.shape, ('batch',)))
    ),
    rows,
  )
  assert placed.prefix.sharding.spec == P(sharding.BATCH, None)
  run = jax.jit(lambda p, r: policy.logps_and_entropy(p, r, 1.0))
  want = small_models.training_pass('one')(alone, rows)
  for got, expect in zip(run(params, placed), want, strict=True):
    np.testing.assert_allclose(got, expect, atol=1e-5)
  samples = [
    sampler.make_sampler(p, 3, eos_id=small_models.EOS, pad_id=0)(
      w, r.prefix, r.prefix_length, r.own, r.own_length,
      np.full((8, 2, 1), -1, np.int32), small_models.keys(8, 2),
    )
    for p, w, r in [
      (policy, params, placed), (small_models.policy('one'), alone, rows)
    ]
  ]  # fmt: skip
  np.testing.assert_array_equal(samples[0].tokens, samples[1].tokens)
  np.testing.assert_allclose(samples[0].logps, samples[1].logps, atol=1e-5)
