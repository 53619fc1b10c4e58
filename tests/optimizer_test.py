"""Schedules, decay mask and the first AdamW steps."""

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import pytest

from mem_alpha_jax.rl import optimizer


def optim(**changes):
  fields = {
    'learning_rate': 2e-3,
    'warmup_steps': 10,
    'schedule': 'cosine',
    'final_fraction': 0.1,
    'weight_decay': 0.01,
    'b1': 0.9,
    'b2': 0.98,
    'clip_norm': 1.0,
  }
  return ml_collections.ConfigDict(fields | changes)


# Peak 1, 4 updates of warm-up, 13 updates in all, final fraction 0.1; updates
# 0, 3 and 4 are 1/4, 1, 1; update 8 is half way between 4 and 12: linear 1 -
# 0.9 / 2, cosine 0.1 + 0.9 / 2; update 6 is a quarter: cosine 0.1 + 0.9 * (1 +
# cos(pi / 4)) / 2 = 0.8681981.
@pytest.mark.parametrize(
  'name, expected',
  [
    ('constant', [0.25, 1, 1, 1, 1, 1, 1]),
    ('linear', [0.25, 1, 1, 0.775, 0.55, 0.1, 0.1]),
    ('cosine', [0.25, 1, 1, 0.8681981, 0.55, 0.1, 0.1]),
  ],
)
def test_schedules(name, expected):
  config = optim(
    learning_rate=1.0, warmup_steps=4, schedule=name, final_fraction=0.1
  )
  _, schedule = optimizer.create_optimizer(config, total_updates=13)
  counts = jnp.array([0, 3, 4, 6, 8, 12, 50])
  np.testing.assert_allclose(jax.vmap(schedule)(counts), expected, rtol=1e-6)


def test_no_warmup_starts_at_the_peak():
  schedule = optimizer.create_schedule(
    optim(learning_rate=0.5, warmup_steps=0), 10
  )
  np.testing.assert_allclose(schedule(0), 0.5)


def test_unknown_schedule():
  with pytest.raises(ValueError, match='optim.schedule'):
    optimizer.create_optimizer(optim(schedule='step'), 10)


def test_decay_spares_norms_biases_and_vectors():
  params = {
    'embedding': jnp.zeros((4, 2)),
    'layers': {
      'q': {'kernel': jnp.zeros((3, 2, 2)), 'bias': jnp.zeros((3, 2))},
      'attn_norm': {'weight': jnp.zeros((3, 2))},  # scanned: a matrix
      'match_bias': jnp.zeros((3, 2)),
    },
    'gate': jnp.zeros(2),
  }
  assert optimizer.decay_mask(params) == {
    'embedding': True,
    'layers': {
      'q': {'kernel': True, 'bias': False},
      'attn_norm': {'weight': False},
      'match_bias': False,
    },
    'gate': False,
  }


def test_first_step_is_signs_and_decoupled_decay():
  # AdamW's first step: m / sqrt(v) = sign(g) after bias correction, so p -=
  # lr * (sign(g) + 0.1 p) for the matrix and lr * sign(g) for the vector.
  config = optim(
    learning_rate=0.01, warmup_steps=0, weight_decay=0.1, schedule='constant'
  )
  tx, _ = optimizer.create_optimizer(config, 10)
  params = {'w': jnp.array([[2.0, -1.0]]), 'b': jnp.array([2.0])}
  grads = {'w': jnp.array([[0.3, 0.4]]), 'b': jnp.array([-0.1])}
  updates, _ = tx.update(grads, tx.init(params), params)
  np.testing.assert_allclose(updates['w'], [[-0.012, -0.009]], rtol=1e-4)
  np.testing.assert_allclose(updates['b'], [0.01], rtol=1e-4)


# |g| = 5: clipped to norm 1 it is 0.6, 0.8, and AdamW's first moment is 0.1 of
# it (b1 0.9); clip_norm 0 leaves 3, 4.
@pytest.mark.parametrize(
  'clip_norm, expected', [(1.0, [0.06, 0.08]), (0.0, [0.3, 0.4])]
)
def test_gradients_are_clipped_by_their_global_norm(clip_norm, expected):
  tx, _ = optimizer.create_optimizer(optim(clip_norm=clip_norm, b1=0.9), 10)
  params = {'w': jnp.zeros((1, 2))}
  grads = {'w': jnp.array([[3.0, 4.0]])}
  _, state = tx.update(grads, tx.init(params), params)
  moments = [
    leaf
    for path, leaf in jax.tree_util.tree_leaves_with_path(state)
    if '.mu' in jax.tree_util.keystr(path)
  ]
  np.testing.assert_allclose(moments[0], [expected], rtol=1e-6)
