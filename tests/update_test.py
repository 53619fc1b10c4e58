"""The update: one result for any micro-batching and any mesh."""

import types

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import optax
import pytest

from configs import tiny
from mem_alpha_jax import policy as policy_lib
from mem_alpha_jax import sharding
from mem_alpha_jax.rl import advantages
from mem_alpha_jax.rl import batching
from mem_alpha_jax.rl import update as update_lib

VOCAB, WIDTH, EOS = 16, 8, 2
# The state of this optimiser is the gradient itself, exactly.
KEEP_GRADS = optax.trace(decay=0.0)


def rl(**changes):
  fields = tiny.get_config().rl.to_dict()
  return ml_collections.ConfigDict(fields | changes)


def make_mesh(fsdp, tensor):
  config = ml_collections.ConfigDict({'fsdp': fsdp, 'tensor': tensor})
  return sharding.create_mesh(config)


def toy_logps(params, rows, temperature):
  """Softmax over mean prefix + mean own + previous token embeddings."""
  table = params['embedding']

  def bag(tokens, length):
    real = jnp.arange(tokens.shape[-1]) < length[..., None]
    total = (table[tokens] * real[..., None]).sum(axis=-2)
    return total / length[..., None]

  context = bag(rows.own, rows.own_length)
  context = context + bag(rows.prefix, rows.prefix_length)[:, None]
  previous = jnp.roll(rows.response, 1, axis=-1).at[..., 0].set(EOS)
  hidden = jnp.tanh(context[:, :, None] + table[previous])
  logits = hidden @ params['head'] / temperature
  logps = jax.nn.log_softmax(logits)
  entropy = -(jnp.exp(logps) * logps).sum(axis=-1)
  found = jnp.take_along_axis(logps, rows.response[..., None], axis=-1)
  return found[..., 0], entropy, hidden @ params['value']


TOY = types.SimpleNamespace(logps_and_entropy=toy_logps)


def toy_params(mesh=None):
  rng = np.random.default_rng(0)
  shapes = {
    'embedding': (VOCAB, WIDTH),
    'head': (WIDTH, VOCAB),
    'value': (WIDTH,),
  }
  axes = {
    'embedding': ('vocab', 'embed'),
    'head': ('embed', 'vocab'),
    'value': ('embed',),
  }
  params = {k: rng.normal(size=s).astype(np.float32) for k, s in shapes.items()}
  if mesh is None:
    return jax.tree.map(jnp.asarray, params)
  place = lambda k: jax.sharding.NamedSharding(
    mesh, sharding.spec(mesh, shapes[k], axes[k])
  )
  return {k: jax.device_put(v, place(k)) for k, v in params.items()}


def make_rows(groups=32, seed=0, widths=(5, 2, 6), vocab=VOCAB):
  """Ragged rows with odd weights: where a mean of means would go wrong."""
  rng = np.random.default_rng(seed)

  def draw(low, high, shape=()):
    lists = np.empty(shape, object)
    for i in np.ndindex(shape):
      lists[i] = rng.integers(3, vocab, rng.integers(low, high + 1)).tolist()
    return lists.tolist()

  responses = draw(1, 6, (groups, 2))
  logp = lambda row: rng.normal(-np.log(vocab), 0.3, len(row)).tolist()
  return batching.to_rows(
    draw(1, 5, (groups,)),
    draw(1, 2, (groups, 2)),
    responses,
    [[logp(row) for row in group] for group in responses],
    rng.normal(size=(groups, 2)),
    batching.Widths(*widths),
    pad_id=0,
    row_weight=rng.choice([0, 0.25, 1], (groups, 2)),
    returns=rng.normal(size=(groups, 2)),
    old_values=rng.normal(size=(groups, 2)),
  )


def run(rows, config, policy=TOY, params=None, mesh=None, ref=None, **kwargs):
  """Returns (metrics, gradients) of one update."""
  params = toy_params(mesh) if params is None else params
  state = update_lib.init_state(params, KEEP_GRADS, jax.random.key(0), mesh)
  update = update_lib.make_update_fn(
    policy, KEEP_GRADS, config, 0.8, mesh, **kwargs
  )
  state, metrics = update(state, rows, ref)
  return jax.device_get((metrics, state.opt_state.trace))


def assert_same(result, expected, tolerance=2e-6):
  """Equal to float32 rounding, relative to the largest gradient."""
  metrics, grads = result
  assert metrics['nonfinite'] == 0
  for name, value in expected[0].items():
    np.testing.assert_allclose(
      metrics[name], value, rtol=2e-5, atol=1e-6, err_msg=name
    )
  largest = max(np.abs(g).max() for g in jax.tree.leaves(expected[1]))
  assert largest > 0
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, atol=tolerance * largest),
    grads,
    expected[1],
  )


ALL_TERMS = {
  'kl_coef': 0.1,
  'entropy_coef': 0.05,
  'advantage': 'gae',
  'ratio_level': 'token',
}


@pytest.fixture(scope='module')
def expected():
  """All terms at once, one device, no micro-batches."""
  rows = make_rows()
  ref = rows.rollout_logps * 1.1
  return rows, ref, run(rows, rl(**ALL_TERMS), ref=ref)


@pytest.mark.parametrize('microbatches', [1, 2, 4])
@pytest.mark.parametrize('mesh', [(1, 1), (8, 1), (2, 4)])
def test_same_for_any_microbatches_and_mesh(expected, mesh, microbatches):
  rows, ref, wanted = expected
  config = rl(microbatches=microbatches, **ALL_TERMS)
  assert_same(run(rows, config, mesh=make_mesh(*mesh), ref=ref), wanted)


def test_decoder_gives_the_same_on_any_mesh():
  config = tiny.get_config(
    'model.layers=1,model.width=16,model.head_size=4,model.ffn=32,'
    'model.kv_heads=4'
  )
  rows = make_rows(widths=(6, 2, 6), vocab=32)
  results = []
  for shape, microbatches in (((1, 1), 1), ((8, 1), 2), ((2, 4), 4)):
    mesh = make_mesh(*shape)
    policy = policy_lib.make_policy(config.model, 32, mesh)
    params = sharding.init_params(policy, mesh, jax.random.key(0))
    results.append(
      run(rows, rl(microbatches=microbatches), policy, params, mesh)
    )
  for result in results[1:]:
    assert_same(result, results[0])


def test_padding_changes_nothing(expected):
  rows, ref, wanted = expected
  padded = batching.pad_groups(rows, 48)
  # What stands in padding must not matter, not even NaN.
  padded.prefix[32:], padded.response[32:] = 5, 6
  padded.rollout_logps[32:] = padded.advantages[32:] = np.nan
  padded.response_mask[32:] = True
  ref = np.pad(ref, [(0, 16), (0, 0), (0, 0)])
  assert_same(run(padded, rl(**ALL_TERMS), ref=ref), wanted)


@pytest.mark.parametrize('aggregate', ['sequence_mean', 'sequence_sum'])
def test_response_bucket_changes_nothing(aggregate):
  config = rl(aggregate=aggregate, ratio_level='sequence')
  small = run(make_rows(widths=(5, 2, 6)), config, horizon=6)
  large = run(make_rows(widths=(7, 3, 9)), config, horizon=6)
  assert_same(large, small)


def test_failed_reward_is_as_if_never_sampled():
  rows = make_rows(4).replace(row_weight=np.ones((4, 2), np.float32))
  rewards = np.arange(8.0).reshape(4, 2, 1) ** 2
  rewards[1] = np.nan  # both samples of group 1
  result = advantages.compute(rewards, rl())
  rows = rows.replace(
    advantages=result.advantages * rows.response_mask,
    row_weight=result.valid[..., 0].astype(np.float32),
  )
  without = jax.tree.map(lambda x: np.delete(x, 1, axis=0), rows)
  assert_same(run(rows, rl()), run(without, rl()))


def adam_state(key=0):
  tx = optax.adam(0.05)
  state = update_lib.init_state(toy_params(), tx, jax.random.key(key))
  return tx, state


def test_update_raises_what_has_a_positive_advantage():
  tx, state = adam_state()
  rows = make_rows(4).replace(row_weight=np.ones((4, 2), np.float32))
  logps = update_lib.make_logps_fn(TOY, 1.0)
  before = logps(state.params, rows)
  sign = np.array([1, -1], np.float32)[None, :, None]
  rows = rows.replace(
    rollout_logps=np.asarray(before), advantages=sign * rows.response_mask
  )
  update = update_lib.make_update_fn(TOY, tx, rl(), 1.0)
  state, metrics = update(state, rows)
  # Sampler and trainer are one function here: no gap, ratio 1, loss -mean A.
  assert metrics['logp_gap_abs_max'] < 1e-6
  np.testing.assert_allclose(metrics['ratio_max'], 1, rtol=1e-6)
  tokens = rows.response_mask.sum(axis=(0, 2))
  expected = -(tokens[0] - tokens[1]) / tokens.sum()
  np.testing.assert_allclose(metrics['loss'], expected, rtol=1e-5)
  gain = (logps(state.params, rows) - before) * rows.response_mask
  assert gain[:, 0].sum() > 0 > gain[:, 1].sum()


def test_not_finite_leaves_the_state_alone():
  tx, state = adam_state()
  kept = jax.device_get((state.params, state.opt_state))
  rows = make_rows(4).replace(row_weight=np.ones((4, 2), np.float32))
  update = update_lib.make_update_fn(TOY, tx, rl(), 1.0)
  broken = rows.replace(advantages=rows.advantages * np.inf)
  state, metrics = update(state, broken)
  assert metrics['nonfinite'] == 1
  jax.tree.map(
    np.testing.assert_array_equal, kept, (state.params, state.opt_state)
  )
  state, metrics = update(state, rows)
  assert metrics['nonfinite'] == 0
  assert np.any(state.params['head'] != kept[0]['head'])


def test_state_is_donated_and_keeps_its_layout():
  mesh = make_mesh(2, 4)
  tx = optax.adam(0.05)
  key = jax.random.key(0)
  state = update_lib.init_state(toy_params(mesh), tx, key, mesh)
  layout = jax.tree.map(lambda x: x.sharding, state)
  assert state.opt_state[0].mu['head'].sharding == state.params['head'].sharding
  traces = []

  def counted(*args):
    traces.append(1)
    return toy_logps(*args)

  policy = types.SimpleNamespace(logps_and_entropy=counted)
  update = update_lib.make_update_fn(policy, tx, rl(), 1.0, mesh)
  new, _ = update(state, make_rows(4))
  assert state.params['head'].is_deleted()
  assert jax.tree.map(lambda x: x.sharding, new) == layout
  before = len(traces)
  update(new, make_rows(4, seed=1))
  assert len(traces) == before


def test_padding_alone_is_a_step_of_zero_gradient():
  rows = make_rows(4).replace(row_weight=np.zeros((4, 2), np.float32))
  metrics, grads = run(rows, rl())
  assert metrics['nonfinite'] == metrics['loss'] == metrics['rows'] == 0
  assert not any(np.any(g) for g in jax.tree.leaves(grads))


def test_groups_that_do_not_divide():
  with pytest.raises(ValueError, match='rl.microbatches=4'):
    run(make_rows(6), rl(microbatches=4))
