"""Choosing tokens by inverse-CDF sampling."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from mem_alpha_jax.model import distribution


def pick(
  weights: Float[Array, '... V'], uniform: Float[Array, '...']
) -> Int[Array, '...']:
  """Samples an index in proportion to `weights` (>= 0, not all 0).

  Inverse CDF in two levels: first a block of about sqrt(V), then inside it.
  One uniform in [0, 1) a row instead of V, and two small matmuls with a
  triangle instead of a cumulative sum over V.
  """
  size = weights.shape[-1]
  block = _block(size)
  count = -(-size // block)
  pad = [(0, 0)] * (weights.ndim - 1) + [(0, count * block - size)]
  blocks = jnp.pad(weights, pad).reshape(*weights.shape[:-1], count, block)
  chosen, rest = _search(blocks.sum(-1), uniform)
  inside = jnp.take_along_axis(blocks, chosen[..., None, None], axis=-2)
  place, _ = _search(inside[..., 0, :], rest)
  return jnp.minimum(chosen * block + place, size - 1)


def _block(size):
  """Nearest to sqrt(size), preferring divisors: they need no padding."""
  root = round(size**0.5)
  near = [n for n in range(max(1, root // 2), 2 * root + 1) if size % n == 0]
  return min(near, key=lambda n: abs(n - root), default=root)


def _search(weights, uniform):
  """Returns (index, where `uniform` falls inside it, in [0, 1))."""
  size = weights.shape[-1]
  triangle = jnp.triu(jnp.ones((size, size), weights.dtype))
  edges = jnp.matmul(weights, triangle, precision=jax.lax.Precision.HIGHEST)
  target = uniform * edges[..., -1]
  index = (edges <= target[..., None]).sum(-1, dtype=jnp.int32)
  # Rounding can pass the last edge: stay at the last weight above 0.
  place = jnp.arange(size, dtype=jnp.int32)
  index = jnp.minimum(index, jnp.where(weights > 0, place, 0).max(-1))
  width, edge = (
    jnp.take_along_axis(x, index[..., None], axis=-1)[..., 0]
    for x in (weights, edges)
  )
  rest = (target - edge + width) / jnp.maximum(width, 1e-30)
  return index, jnp.clip(rest, 0.0, 1.0 - 2.0**-24)


def sample(
  dist: distribution.Distribution,
  values: Float[Array, 'B G n V'],
  uniform: Float[Array, 'B G n 2'],
) -> Int[Array, 'B G n']:
  """Samples the mixture itself: copy or not, then a place or a token."""
  weights = jnp.exp(values - values.max(-1, keepdims=True))
  token = pick(weights, uniform[..., 0])
  if dist.copy is None:
    return token
  place = pick(dist.copy.weights, uniform[..., 0])
  b, g, n = place.shape
  copied = jnp.take_along_axis(dist.copy.tokens, place.reshape(b, -1), axis=1)
  copies = uniform[..., 1] < jnp.exp(dist.copy.log_gate)
  return jnp.where(copies, copied.reshape(b, g, n), token)
