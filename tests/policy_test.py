"""The seam: log-probs, entropy, padding, prompt losses, the copy mixture."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_models

from mem_alpha_jax.model import blockwise_softmax, distribution


def _distribution(name, rows):
  """Next-token distribution after each own context, by prefill + extend."""
  policy = small_models.policy(name)

  @jax.jit
  def run(params, rows):
    b, g, c = rows.own.shape
    prefix = policy.prefill(params, rows.prefix, rows.prefix_length)
    layers = policy.prepare(params, rows.prefix.shape[1] + c)
    cache = policy.init_cache(rows.own_length, c, c)
    before = rows.prefix[jnp.arange(b), rows.prefix_length - 1]
    before = jnp.broadcast_to(before[:, None, None], (b, g, 1))
    previous = jnp.concatenate([before, rows.own[..., :-1]], axis=-1)
    hidden, _ = policy.extend(layers, prefix, cache, rows.own, previous, 0)
    dist = policy.head(params, prefix, hidden, rows.own)
    return distribution.dense(
      dist,
      blockwise_softmax.stats(dist.hidden, dist.unembedding, 2**25),
      blockwise_softmax.logits(dist.hidden, dist.unembedding),
    )

  return run(small_models.params(name), rows)


@pytest.mark.parametrize('temperature', [1.0, 0.7])
@pytest.mark.parametrize('name', ['off', 'on'])
def test_log_probs_and_entropy_are_those_of_the_whole_distribution(
  name, temperature
):
  rows = small_models.rows()
  logps, entropy, _ = small_models.training_pass(name, temperature)(
    small_models.params(name), rows
  )
  dense = np.asarray(_distribution(name, rows), np.float64) / temperature
  dense -= np.log(np.exp(dense).sum(-1, keepdims=True))
  last = rows.own_length[..., None] - 1
  dense = np.take_along_axis(dense, last[..., None], axis=2)[:, :, 0]
  token = rows.response[..., :1]
  want = np.take_along_axis(dense, token, axis=-1)[..., 0]
  np.testing.assert_allclose(logps[..., 0], want, atol=1e-4)
  want = -(np.exp(dense) * dense).sum(-1)
  np.testing.assert_allclose(entropy[..., 0], want, atol=1e-4)


def _grow(x, axis, fill):
  pad = [(0, 0)] * x.ndim
  pad[axis] = (0, 2)
  return np.pad(x, pad, constant_values=fill)


def test_padding_and_group_size_do_not_matter():
  params, rows = small_models.params('on'), small_models.rows()
  run = small_models.training_pass('on')
  want = run(params, rows)
  # Padding ids are ids that occur: masks must not come from ids.
  padded = dataclasses.replace(
    rows,
    prefix=_grow(rows.prefix, 1, 5),
    own=_grow(rows.own, 2, 7),
    response=_grow(rows.response, 2, 9),
  )
  alone = jax.tree.map(lambda x: x[:, 1:2] if x.ndim > 1 else x, rows)
  alone = dataclasses.replace(
    alone, prefix=rows.prefix, prefix_length=rows.prefix_length
  )
  for got, expect, name in zip(run(params, padded), want, 'lev', strict=True):
    np.testing.assert_allclose(got[..., :-2], expect, atol=1e-5, err_msg=name)
  for got, expect, name in zip(run(params, alone), want, 'lev', strict=True):
    np.testing.assert_allclose(got, expect[:, 1:2], atol=1e-5, err_msg=name)


def test_prefix_and_own_context_are_one_sequence():
  """Without a pointer, where the prefix ends makes no difference."""
  over = dict(copy_head=False)
  rows = small_models.rows(g=1, p=6, c=1)
  full = dataclasses.replace(rows, prefix_length=np.full(3, 6, np.int32))
  moved = dataclasses.replace(
    full,
    prefix=full.prefix[:, :2],
    prefix_length=np.full(3, 2, np.int32),
    own=np.concatenate([full.prefix[:, None, 2:], full.own], axis=-1),
    own_length=np.full((3, 1), 5, np.int32),
  )
  # `seen` compares with the prefix alone, so it is left out here.
  params = dict(small_models.params('one', **over))
  params['seen'] = jnp.zeros_like(params['seen'])
  run = small_models.training_pass('one', **over)
  for got, want in zip(run(params, moved), run(params, full), strict=True):
    np.testing.assert_allclose(got, want, atol=1e-4)


@pytest.mark.parametrize('name', ['off', 'on'])
def test_prompt_log_probs_do_not_see_the_future(name):
  policy, params = small_models.policy(name), small_models.params(name)
  rows = small_models.rows()
  run = jax.jit(policy.prompt_logps)
  logps = np.asarray(run(params, rows.prefix, rows.prefix_length))
  changed = rows.prefix.copy()
  changed[:, 4] = 15
  other = np.asarray(run(params, changed, rows.prefix_length))
  np.testing.assert_allclose(logps[:, :4], other[:, :4], atol=1e-6)
  assert np.abs(logps - other)[:, 4].max() > 1e-3
  real = np.arange(7) < rows.prefix_length[:, None]
  real[:, 0] = False
  np.testing.assert_array_equal(logps != 0, real)
  assert logps.max() <= 0


def test_prompt_log_probs_match_the_training_pass_without_copying():
  over = dict(copy_head=False, match_bias=False)
  policy = small_models.policy('one', **over)
  params = small_models.params('one', **over)
  rows = small_models.rows(g=1, p=2, c=1)
  length = np.full(3, 2, np.int32)
  rows = dataclasses.replace(rows, prefix_length=length)
  want = small_models.training_pass('one', **over)(params, rows)[0][:, 0]
  tokens = [rows.prefix, rows.own[:, 0], rows.response[:, 0]]
  tokens = np.concatenate(tokens, axis=1)
  got = jax.jit(policy.prompt_logps)(params, tokens, length + 6)
  np.testing.assert_allclose(got[:, 3:], want, atol=1e-4)


def test_the_pointer_copies_words_never_seen_in_training():
  """At the start: after a token of the prefix, its successor is likely."""
  policy = small_models.policy('one')
  params = jax.jit(policy.init)(jax.random.key(1))
  rows = small_models.rows(b=1, g=1, p=7, c=1)
  prefix = np.array([[30, 31, 32, 33, 34, 35, 36]], np.int32)
  rows = dataclasses.replace(
    rows,
    prefix=prefix,
    prefix_length=np.array([7], np.int32),
    own=np.array([[[32]]], np.int32),
    own_length=np.ones((1, 1), np.int32),
    response=np.array([[[33, 34, 35, 36, 4]]], np.int32),
  )
  logps = small_models.training_pass('one')(params, rows)[0][0, 0]
  assert logps[:4].min() > np.log(2 / small_models.VOCAB)
  assert logps[:4].min() > logps[4]


def test_gradients_are_finite_when_nothing_can_be_copied():
  policy = small_models.policy('one')
  rows = small_models.rows()
  rows = dataclasses.replace(rows, response=np.full_like(rows.response, 40))

  def loss(params):
    logps, entropy, values = policy.logps_and_entropy(params, rows, 1.0)
    return logps.sum() + entropy.sum() + values.sum()

  grads = jax.jit(jax.grad(loss))(small_models.params('one'))
  sizes = jax.tree.map(lambda x: float(jnp.abs(x).sum()), grads)
  assert all(0 < s < np.inf for s in jax.tree.leaves(sizes)), sizes
