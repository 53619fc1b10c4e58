"""The decoder against a plain one, public sizes, and its softmax."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_models
from jax.extend import core

from mem_alpha_jax.model import blockwise_softmax, masks, presets
from mem_alpha_jax.model import policy as policy_lib


def _norm(x, scale, eps):
  return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * scale


def _softmax(x):
  x = np.exp(x - x.max(-1, keepdims=True))
  return x / x.sum(-1, keepdims=True)


def _match_scores(weights, queries, keys, previous):
  same = queries[:, None] == keys[None]
  after = queries[:, None] == previous[None]
  return weights[0] * same + weights[1] * after


def _frequencies(c):
  """As transformers' `llama3` rope: by wavelength, in three ranges."""
  f = c.rope_theta ** (-2 * np.arange(c.head_size // 2) / c.head_size)
  if c.rope_scaling is None:
    return f
  s, out = c.rope_scaling, []
  for value in f:
    wavelength = 2 * np.pi / value
    if wavelength < s.original / s.high:
      out.append(value)
    elif wavelength > s.original / s.low:
      out.append(value / s.factor)
    else:
      smooth = (s.original / wavelength - s.low) / (s.high - s.low)
      out.append((1 - smooth) * value / s.factor + smooth * value)
  return np.array(out)


def _plain_hidden(c, params, ids, prefix):
  """One sequence, one head at a time, float64: hidden states [n, D]."""
  n, half = len(ids), c.head_size // 2
  previous = np.concatenate([[-1], ids[:-1]])
  angle = np.arange(n)[:, None] * _frequencies(c)
  cos, sin = np.cos(angle), np.sin(angle)

  def rotate(x):
    a, b = x[:, :half], x[:, half:]
    return np.concatenate([a * cos - b * sin, b * cos + a * sin], -1)

  x = params['embedding'][ids]
  if c.match_bias:
    seen = [ids[i] in ids[: min(i, prefix)] for i in range(n)]
    x = x + np.outer(seen, params['seen'])
  for i in range(c.layers):
    w = jax.tree.map(lambda leaf, i=i: leaf[i], params['blocks'])
    a, y = w['attention'], _norm(x, w['attention_norm']['scale'], c.norm_eps)
    for h in range(c.heads):
      kv = h // (c.heads // c.kv_heads)
      q, k, v = y @ a['q'][:, h], y @ a['k'][:, kv], y @ a['v'][:, kv]
      if c.qkv_bias:
        q, k = q + a['q_bias'][h], k + a['k_bias'][kv]
        v = v + a['v_bias'][kv]
      if c.qk_norm:
        q = _norm(q, a['q_norm']['scale'], c.norm_eps)
        k = _norm(k, a['k_norm']['scale'], c.norm_eps)
      scores = rotate(q) @ rotate(k).T / np.sqrt(c.head_size)
      if c.match_bias:
        scores += _match_scores(a['match'][:, h], ids, ids, previous)
      scores = np.where(np.tri(n, dtype=bool), scores, -np.inf)
      x = x + _softmax(scores) @ v @ a['o'][h]
    y = _norm(x, w['mlp_norm']['scale'], c.norm_eps)
    gate = y @ w['mlp']['gate']
    up = y @ w['mlp']['up']
    x = x + gate / (1 + np.exp(-gate)) * up @ w['mlp']['down']
  return _norm(x, params['final_norm']['scale'], c.norm_eps)


def _plain_probs(c, params, ids, prefix):
  """Next-token probabilities [n, V] and values [n] after each token."""
  hidden = _plain_hidden(c, params, ids, prefix)
  table = params['embedding' if c.tied else 'head']
  probs = _softmax(hidden @ table.T)
  if c.copy_head:
    w = params['pointer']
    source, shared = ids[:prefix], hidden[:prefix]
    before = np.concatenate([[-1], source[:-1]])
    scores = (hidden @ w['query']) @ (shared @ w['key']).T
    scores /= np.sqrt(c.width)
    if c.match_bias:
      scores += _match_scores(w['match'], ids, source, before)
    gate = 1 / (1 + np.exp(-(hidden @ w['gate'] + w['gate_bias'])))
    copied = _softmax(scores) @ np.eye(c.vocab_size)[source]
    probs = (1 - gate[:, None]) * probs + gate[:, None] * copied
  values = hidden @ params['value'] if c.value_head else np.zeros(len(ids))
  return probs, values


@pytest.mark.parametrize('name', ['off', 'on'])
def test_training_pass_equals_a_plain_decoder(name):
  policy, rows = small_models.policy(name), small_models.rows()
  params = small_models.params(name)
  logps, entropy, values = small_models.training_pass(name)(params, rows)
  plain = jax.tree.map(lambda x: np.asarray(x, np.float64), params)
  for b in range(rows.prefix.shape[0]):
    for g in range(rows.own.shape[1]):
      p, c = rows.prefix_length[b], rows.own_length[b, g]
      n = rows.response_mask[b, g].sum()
      response = rows.response[b, g, :n]
      ids = [rows.prefix[b, :p], rows.own[b, g, :c], response]
      ids = np.concatenate(ids)
      probs, want = _plain_probs(policy.config, plain, ids, p)
      at = p + c - 1 + np.arange(n)
      expect = np.log(probs[at, response])
      np.testing.assert_allclose(logps[b, g, :n], expect, atol=1e-4)
      expect = -(probs[at] * np.log(probs[at])).sum(-1)
      np.testing.assert_allclose(entropy[b, g, :n], expect, atol=1e-4)
      np.testing.assert_allclose(values[b, g, :n], want[at], atol=1e-4)


@pytest.mark.parametrize(
  'name, millions',
  {
    'qwen3-4b': 4022.47,
    'qwen2.5-7b': 7615.62,
    'llama3.2-1b': 1235.81,
    'smollm2-135m': 134.52,
  }.items(),
)
def test_presets_have_the_published_sizes(name, millions):
  policy = policy_lib.make_policy(presets.preset(name))
  shapes = jax.eval_shape(policy.init, jax.random.key(0))
  count = policy_lib.num_params(shapes) / 1e6
  np.testing.assert_allclose(count, millions, atol=0.006)


def test_presets_and_fields_are_checked():
  with pytest.raises(ValueError, match='qwen9.*qwen3-4b'):
    presets.preset('qwen9')
  with pytest.raises(ValueError, match='model.kv_heads=3'):
    small_models.config('off', kv_heads=3)


def test_every_parameter_has_logical_axes():
  policy = small_models.policy('on')
  shapes = jax.eval_shape(policy.init, jax.random.key(0))
  jax.tree.map(
    lambda x, names: np.testing.assert_equal(len(names), x.ndim),
    shapes,
    policy.logical_axes(),
  )
  attention_axes = policy.logical_axes()['blocks']['attention']
  assert attention_axes['q'] == ('layers', 'embed', 'heads', 'head_dim')


@pytest.mark.slow
def test_remat_does_not_change_gradients():
  rows, params = small_models.rows(), small_models.params('one')

  def gradient(remat):
    policy = small_models.policy('one', remat=remat)
    run = policy.logps_and_entropy
    return jax.grad(lambda p: run(p, rows, 1.0)[0].sum())(params)

  # One program for all three: a compilation costs more than the run.
  got = jax.jit(lambda: [gradient(r) for r in ('none', 'full', 'dots')])()
  for remat in got[1:]:
    jax.tree.map(
      lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4),
      remat,
      got[0],
    )


def _stats_loss(function, use):
  def loss(hidden, table):
    log_z, mean = function(hidden, table)
    weight = jnp.arange(log_z.size).reshape(log_z.shape) / log_z.size
    parts = {'log_z': weight * log_z, 'mean': jnp.cos(weight) * mean}
    return sum(parts[name].sum() for name in use)

  return jax.jit(jax.value_and_grad(loss, (0, 1)))


# The vocabulary in one block, in blocks, and in blocks that do not divide it.
@pytest.mark.parametrize(
  'vocab, blocks, use',
  [
    (20, 1, ('log_z', 'mean')),
    (20, 4, ('log_z', 'mean')),
    (19, 2, ('log_z', 'mean')),
    (20, 1, ('log_z',)),
    (20, 2, ('log_z',)),
  ],
)
def test_softmax_statistics_and_gradients(vocab, blocks, use, monkeypatch):
  rows = 2 * 3 * 6
  if blocks > 1:
    monkeypatch.setattr(blockwise_softmax, 'SMALL', 8)
  rng = np.random.default_rng(0)
  hidden = jnp.float32(rng.standard_normal((2, 3, 6, 5)))
  table = jnp.float32(2 * rng.standard_normal((vocab, 5)))

  def plain(hidden, table):
    values = hidden @ table.T
    probs = jax.nn.softmax(values)
    return jax.nn.logsumexp(values, -1), (probs * values).sum(-1)

  held = rows * -(-vocab // blocks)
  stats = lambda *args: blockwise_softmax.stats(*args, held)
  got = _stats_loss(stats, use)(hidden, table)
  want = _stats_loss(plain, use)(hidden, table)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
    got,
    want,
  )


def _largest(jaxpr) -> int:
  """Elements of the largest array that a jaxpr makes, inner ones too."""
  sizes = [0] + [v.aval.size for eqn in jaxpr.eqns for v in eqn.outvars]
  return max(sizes + [_largest(inner) for inner in core.subjaxprs(jaxpr)])


def test_logits_of_a_large_vocabulary_never_exist():
  config = small_models.config('off', vocab_size=151_936)
  policy = policy_lib.make_policy(config)
  params = jax.eval_shape(policy.init, jax.random.key(0))
  rows, length = 8, 256
  tokens = jnp.zeros((rows, length), jnp.int32)

  def loss(params):
    return policy.prompt_logps(params, tokens, tokens[:, 0] + length).sum()

  jaxpr = jax.make_jaxpr(jax.grad(loss))(params).jaxpr
  largest = _largest(jaxpr)
  assert largest <= config.block_logits
  assert largest < rows * length * config.vocab_size / 8


def test_bfloat16_stays_close():
  rows = small_models.rows()
  narrow = small_models.policy('one', dtype='bfloat16')
  run = jax.jit(lambda p, r: narrow.logps_and_entropy(p, r, 1.0)[0])
  got = run(small_models.params('one'), rows)
  wide = small_models.training_pass('one')(small_models.params('one'), rows)[0]
  assert got.dtype == jnp.float32
  np.testing.assert_allclose(got, wide, atol=0.3)
  assert np.abs(got - wide).mean() < 0.05


def test_rope_positions_beyond_the_table_are_clipped():
  table = masks.rope_table(small_models.config('off'), 4)
  got = masks.rope(table, jnp.array([[[3, 9]]]))
  np.testing.assert_array_equal(got.cos[0, 0, 0], got.cos[0, 0, 1])
