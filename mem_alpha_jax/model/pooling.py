"""One vector for a text: the direction of its mean hidden state."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def unit_mean(
  hidden: Float[Array, 'B n D'], lengths: Int[Array, 'B']
) -> Float[Array, 'B D']:
  """Mean over the first `lengths` tokens, scaled to length 1, in float32.

  sum_i h_i / |sum_i h_i|; zeros where there is no token. The pooling of
  Reimers and Gurevych 2019 (arXiv 1908.10084).
  """
  real = jnp.arange(hidden.shape[1]) < lengths[:, None]
  hidden = jnp.where(real[..., None], hidden.astype(jnp.float32), 0.0)
  total = jnp.sum(hidden, axis=1)
  norm = jnp.linalg.norm(total, axis=1, keepdims=True)
  return total / jnp.maximum(norm, 1e-12)
