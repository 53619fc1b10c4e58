"""Pointer over the prefix: the copy part of a pointer-generator mixture.

See et al. 2017 (arXiv 1704.04368): p(v) = (1 - g) softmax(logits)_v
+ g sum_j a_j 1[tok_j = v], with g a learned gate and a an attention over the
prefix tokens of the row's group. The mixture itself lives in distribution.py.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Bool, Float, Int

from mem_alpha_jax.model import attention, masks, presets


class Copy(NamedTuple):
  """Where each query would copy from, and how likely it copies at all."""

  log_gate: Float[Array, 'B G n']  # log g
  log_keep: Float[Array, 'B G n']  # log (1 - g)
  weights: Float[Array, 'B G n P']  # a, sums to 1
  tokens: Int[Array, 'B P']


def pointer_match_init(key, shape, dtype=jnp.float32):
  """Points after equal tokens at first: it continues what it copies."""
  del key, shape
  return jnp.array([0.0, 2.0], dtype)


class Pointer(nn.Module):
  """One attention head over the prefix, and the gate."""

  config: presets.ModelConfig

  def setup(self):
    c = self.config
    param, zeros = attention.param, nn.initializers.zeros
    square = (c.width, c.width), ('embed', None), c.width
    self.query = param(self, 'query', *square)
    self.key = param(self, 'key', *square)
    self.gate = param(self, 'gate', (c.width,), ('embed',), zeros)
    self.gate_bias = param(self, 'gate_bias', (), (), zeros)
    if c.match_bias:
      self.match = param(self, 'match', (2,), (None,), pointer_match_init)

  def keys(self, hidden: Float[Array, 'B P D']) -> Float[Array, 'B P E']:
    """Returns the keys of the prefix, from its last hidden states."""
    return jnp.matmul(hidden, self.key.astype(hidden.dtype))

  def __call__(
    self,
    hidden: Float[Array, 'B G n D'],
    keys: Float[Array, 'B P E'],
    tokens: Int[Array, 'B P'],
    mask: Bool[Array, 'B #n P'],
    found: masks.Match | None,
  ) -> Copy:
    """Points from hidden states to the prefix tokens that `mask` allows."""
    b, g, n, d = hidden.shape
    q = jnp.matmul(hidden, self.query.astype(hidden.dtype)) * d**-0.5
    scores = jnp.einsum(
      'bqe,bpe->bqp', q.reshape(b, g * n, -1), keys,
      preferred_element_type=jnp.float32,
    ).reshape(b, g, n, -1)  # fmt: skip
    if found is not None:
      scores += self.match[0] * found.same + self.match[1] * found.after
    scores = jnp.where(mask[:, None], scores, attention.HIDDEN)
    gate = jnp.matmul(hidden.astype(jnp.float32), self.gate) + self.gate_bias
    return Copy(
      log_gate=jax.nn.log_sigmoid(gate),
      log_keep=jax.nn.log_sigmoid(-gate),
      weights=jax.nn.softmax(scores, axis=-1),
      tokens=tokens,
    )
