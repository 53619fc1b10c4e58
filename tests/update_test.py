"""The update: one result for any micro-batching and any mesh."""

import functools
import types

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import optax
import pytest
import small_rollouts

from configs import tiny
from mem_alpha_jax.credit import advantages
from mem_alpha_jax.credit.groups import Keys
from mem_alpha_jax.model import policy as policy_lib
from mem_alpha_jax.model import presets
from mem_alpha_jax.rl import batching
from mem_alpha_jax.rl import update as update_lib
from mem_alpha_jax.rollout import assemble
from mem_alpha_jax.system import sharding

VOCAB, WIDTH, EOS = 16, 8, 2
# The state of this optimiser is the gradient itself, exactly.
KEEP_GRADS = optax.trace(decay=0.0)


def rl(**changes):
  # Literal, so that no number here depends on what tiny.py is tuned to.
  fields = {
    'advantage': 'grpo',
    'group_by': 'chunk',
    'std_floor': 0.02,
    'microbatches': 1,
    'clip_low': 0.2,
    'clip_high': 0.28,
    'dual_clip': 3.0,
    'ratio_level': 'token',
    'aggregate': 'token_mean',
    'kl_coef': 0.0,
    'kl_kind': 'k3',
    'entropy_coef': 0.0,
    'importance_cap': 2.0,
    'max_row_gap': 4.0,
    'value_coef': 0.5,
  }
  return ml_collections.ConfigDict(fields | changes)


def make_mesh(fsdp, tensor):
  fields = {'data': 1, 'fsdp': fsdp, 'tensor': tensor}
  config = ml_collections.ConfigDict(fields)
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
  places = {
    k: jax.sharding.NamedSharding(mesh, sharding.spec(mesh, s, axes[k]))
    for k, s in shapes.items()
  }
  return jax.device_put(params, places)


def make_rows(groups=32, seed=0, widths=(5, 2, 6), vocab=VOCAB):
  """Ragged rows with odd weights: where a mean of means would go wrong."""
  rng = np.random.default_rng(seed)
  samples = small_rollouts.table([1] * groups, 2, 6, seed, vocab)
  index = assemble.grouped(samples.keys, True)
  draw = lambda: rng.normal(size=2 * groups)
  weight = np.float32(rng.choice([0, 0.25, 1], 2 * groups))
  columns = {k: draw() for k in ('advantages', 'returns', 'old_values')}
  rows = assemble.pack(samples, index, weight, **columns)
  logps = rng.normal(-np.log(vocab), 0.3, rows.response.shape)
  rows = rows.replace(rollout_logps=np.float32(logps * rows.response_mask))
  names = {'prefix': 0, 'own': 1}
  wider = {
    name: _wider(getattr(rows, name), widths[names.get(name, 2)])
    for name in (*names, 'response', 'response_mask', 'rollout_logps',
                 'advantages', 'returns', 'old_values')
  }  # fmt: skip
  return rows.replace(**wider)


def _wider(x, width):
  return np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, width - x.shape[-1])])


@functools.cache
def toy_update(mesh=None, changes=()):
  """Compiled once for each mesh, config and shape of rows."""
  return update_lib.make_update_fn(
    TOY, KEEP_GRADS, rl(**dict(changes)), 0.8, mesh, horizon=6
  )


def run(update, rows, params=None, mesh=None, ref=None):
  """Returns (metrics, gradients) of one update."""
  params = toy_params(mesh) if params is None else params
  state = update_lib.init_state(params, KEEP_GRADS, mesh)
  state, metrics = update(state, rows, ref)
  return jax.device_get((metrics, state.opt_state.trace))


def assert_same(result, expected, tolerance=2e-6):
  """Equal to float32 rounding, relative to the largest gradient."""
  metrics, grads = result
  assert metrics['skipped'] == 0
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


ALL_TERMS = (('kl_coef', 0.1), ('entropy_coef', 0.05), ('advantage', 'gae'))


@pytest.fixture(scope='module')
def expected():
  """All terms at once, one device, no micro-batches."""
  rows = make_rows()
  ref = rows.rollout_logps * 1.1
  return rows, ref, run(toy_update(changes=ALL_TERMS), rows, ref=ref)


@pytest.mark.parametrize(
  'mesh, microbatches',
  [((1, 1), 2), ((1, 1), 4), ((8, 1), 1), ((2, 4), 2)],
)
def test_same_for_any_microbatches_and_mesh(expected, mesh, microbatches):
  rows, ref, wanted = expected
  mesh = make_mesh(*mesh)
  changes = (*ALL_TERMS, ('microbatches', microbatches))
  assert_same(run(toy_update(mesh, changes), rows, mesh=mesh, ref=ref), wanted)


@pytest.mark.slow
def test_decoder_gives_the_same_on_any_mesh():
  config = tiny.get_config(
    'model.layers=1,model.width=16,model.head_size=4,model.ffn=32,'
    'model.kv_heads=4'
  )
  rows = make_rows(widths=(6, 2, 6), vocab=32)
  key, rng = jax.random.key(0), np.random.default_rng(1)
  decoder = presets.model_config(config.model, 32)
  shapes = jax.eval_shape(policy_lib.make_policy(decoder).init, key)
  values = jax.tree.map(
    lambda x: rng.normal(0, 0.3, x.shape).astype(np.float32), shapes
  )
  results = []
  for shape, microbatches in (((1, 1), 1), ((8, 1), 2), ((2, 4), 4)):
    mesh = make_mesh(*shape)
    policy = policy_lib.make_policy(decoder, mesh)
    params = jax.device_put(values, sharding.param_shardings(policy, mesh))
    update = update_lib.make_update_fn(
      policy, KEEP_GRADS, rl(microbatches=microbatches), 1.0, mesh
    )
    results.append(run(update, rows, params, mesh))
  for result in results[1:]:
    assert_same(result, results[0])


def test_padding_changes_nothing(expected):
  rows, ref, wanted = expected
  padded = batching.pad_groups(rows, 48)
  # What stands in padding must not matter, not even NaN.
  padded.prefix[32:], padded.response[32:] = 5, 6
  padded.rollout_logps[32:] = padded.advantages[32:] = np.nan
  padded.returns[32:] = padded.old_values[32:] = np.nan
  padded.response_mask[32:] = True
  ref = np.pad(ref, [(0, 16), (0, 0), (0, 0)], constant_values=np.nan)
  update = toy_update(changes=ALL_TERMS)
  assert_same(run(update, padded, ref=ref), wanted)


def test_response_bucket_changes_nothing():
  update = toy_update(
    changes=(('aggregate', 'sequence_sum'), ('ratio_level', 'sequence'))
  )
  small = run(update, make_rows(widths=(5, 2, 6)))
  large = run(update, make_rows(widths=(7, 3, 9)))
  assert_same(large, small)


def test_failed_reward_is_as_if_never_sampled():
  rows = make_rows(4).replace(row_weight=np.ones((4, 2), np.float32))
  rewards = np.arange(8.0) ** 2
  rewards[2:4] = np.nan  # both samples of group 1
  group, sample = np.divmod(np.arange(8), 2)
  keys = Keys(group, sample, *np.zeros((4, 8), int))
  result = advantages.compute(rewards, keys, rl())
  rows = rows.replace(
    advantages=result.advantages.reshape(4, 2, 1) * rows.response_mask,
    row_weight=np.float32(~np.isnan(rewards)).reshape(4, 2),
  )
  without = jax.tree.map(lambda x: np.delete(x, 1, axis=0), rows)
  without = batching.pad_groups(without, 4)
  assert_same(run(toy_update(), rows), run(toy_update(), without))


@pytest.fixture(scope='module')
def adam():
  """An optimiser and one compiled update for rows of 4 groups."""
  tx = optax.adam(0.05)
  return tx, update_lib.make_update_fn(TOY, tx, rl(), 1.0)


def small_rows(**changes):
  rows = make_rows(4).replace(row_weight=np.ones((4, 2), np.float32))
  return rows.replace(**changes)


def test_update_raises_what_has_a_positive_advantage(adam):
  tx, update = adam
  state = update_lib.init_state(toy_params(), tx)
  rows = small_rows()
  logps = update_lib.make_forward_fn(TOY, update_lib.LOGPS)
  before = logps(state.params, rows)
  sign = np.array([1, -1], np.float32)[None, :, None]
  rows = rows.replace(
    rollout_logps=np.asarray(before), advantages=sign * rows.response_mask
  )
  state, metrics = update(state, rows)
  # Sampler and trainer are one function here: no gap, ratio 1, loss -mean A.
  assert metrics['logp_gap_abs_max'] < 1e-6
  np.testing.assert_allclose(metrics['ratio_max'], 1, rtol=1e-6)
  tokens = rows.response_mask.sum(axis=(0, 2))
  expected = -(tokens[0] - tokens[1]) / tokens.sum()
  np.testing.assert_allclose(metrics['loss'], expected, rtol=1e-5, atol=1e-6)
  gain = (logps(state.params, rows) - before) * rows.response_mask
  assert gain[:, 0].sum() > 0 > gain[:, 1].sum()


def test_not_finite_leaves_the_state_alone(adam):
  tx, update = adam
  state = update_lib.init_state(toy_params(), tx)
  kept = jax.device_get((state.params, state.opt_state))
  rows = small_rows()
  broken = rows.replace(advantages=np.full_like(rows.advantages, np.nan))
  state, metrics = update(state, broken)
  assert metrics['skipped'] == 1
  jax.tree.map(
    np.testing.assert_array_equal, kept, (state.params, state.opt_state)
  )
  state, metrics = update(state, rows)
  assert metrics['skipped'] == 0
  assert np.any(state.params['head'] != kept[0]['head'])


def test_exploding_gradients_are_skipped(adam):
  tx, _ = adam
  rows, limit = small_rows(), 0.5
  update = update_lib.make_update_fn(
    TOY, tx, rl(), 0.8, horizon=6, skip_norm=limit
  )
  for scale in (1e-3, 1e3):
    state = update_lib.init_state(toy_params(), tx)
    kept = jax.device_get((state.params, state.opt_state))
    state, metrics = update(
      state, rows.replace(advantages=rows.advantages * np.float32(scale))
    )
    exploded = metrics['grad_norm'] > limit
    assert exploded == (scale > 1) == metrics['skipped']
    same = jax.tree.map(
      np.array_equal, kept, jax.device_get((state.params, state.opt_state))
    )
    assert all(jax.tree.leaves(same)) == exploded


def test_metrics_of_a_step_leave_out_skipped_updates():
  one = {'loss': 2.0, 'logp_gap_abs_max': 0.1, 'ratio_max': 3.0, 'skipped': 0}
  two = one | {'loss': 4.0, 'logp_gap_abs_max': 0.7, 'ratio_max': 5.0}
  bad = dict.fromkeys(one, np.nan) | {'skipped': 1}
  assert update_lib.over_updates([one, bad, two]) == {
    'rl/loss': 3, 'rl/logp_gap_abs_max': 0.1, 'rl/ratio_max': 5,
    'rl/skipped': 1,
  }  # fmt: skip
  alone = update_lib.over_updates([bad, bad])
  assert np.isnan(alone['rl/loss']) and alone['rl/skipped'] == 2


def test_skipped_updates_are_counted_in_a_row():
  count = lambda before, flags: update_lib.skipped_in_a_row(
    before, [{'skipped': float(flag)} for flag in flags]
  )
  assert count(2, [1, 1, 0, 1]) == (4, 1)
  assert count(2, [0, 1, 1, 1]) == (3, 3)
  assert count(9, [0, 0]) == (0, 0)


def test_state_is_donated_and_keeps_its_layout():
  mesh, tx = make_mesh(2, 4), optax.adam(0.05)
  state = update_lib.init_state(toy_params(mesh), tx, mesh)
  layout = jax.tree.map(lambda x: x.sharding, state)
  moments = state.opt_state[0].mu
  assert moments['head'].sharding == state.params['head'].sharding
  assert not moments['head'].sharding.is_fully_replicated
  traces = []

  def counted(*args):
    traces.append(1)
    return toy_logps(*args)

  policy = types.SimpleNamespace(logps_and_entropy=counted)
  update = update_lib.make_update_fn(policy, tx, rl(), 1.0, mesh)
  new, _ = update(state, small_rows())
  assert state.params['head'].is_deleted()
  assert jax.tree.map(lambda x: x.sharding, new) == layout
  before = len(traces)
  update(new, make_rows(4, seed=1))
  assert len(traces) == before


@pytest.mark.parametrize(
  'schedule, wanted',
  [
    (optax.linear_schedule(0.5, 0.1, 4), [0.5, 0.4]),
    (optax.constant_schedule(0.5), [0.5, 0.5]),  # gives no array
  ],
)
def test_the_learning_rate_of_each_update_is_reported(schedule, wanted):
  tx = optax.adam(schedule)
  update = update_lib.make_update_fn(TOY, tx, rl(), 0.8, schedule=schedule)
  state = update_lib.init_state(toy_params(), tx)
  found = []
  for _ in range(2):
    state, metrics = update(state, small_rows())
    found.append(metrics['learning_rate'])
  np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_padding_alone_is_a_step_of_zero_gradient():
  rows = small_rows(row_weight=np.zeros((4, 2), np.float32))
  metrics, grads = run(toy_update(), rows)
  assert metrics['skipped'] == metrics['loss'] == metrics['rows'] == 0
  assert not any(np.any(g) for g in jax.tree.leaves(grads))


def test_groups_that_do_not_divide():
  update = toy_update(changes=(('microbatches', 4),))
  with pytest.raises(ValueError, match='rl.microbatches=4'):
    run(update, make_rows(6))
