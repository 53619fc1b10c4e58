"""What attention remembers: a group's shared prefix, a sample's own tokens.

Layout: heads come before positions and keys are transposed, so that every
attention product is one batched matmul as it stands. A slot is a place among
a sample's own tokens: its context fills slots [0, C), right-padded; response
token i sits at slot C + i. Which slots count is computed from lengths, never
from ids.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Bool, Float, Int


@struct.dataclass
class Prefix:
  """Keys and values of a group's prefix, computed and stored once.

  Layers are stacked, or tuples of one each for a decode loop.
  """

  k: Float[Array, 'layers B K Hd P']
  v: Float[Array, 'layers B K P Hd']
  tokens: Int[Array, 'B P']
  length: Int[Array, 'B']
  pointer: Float[Array, 'B P E'] | None  # keys of the copy head


@struct.dataclass
class Cache:
  """Keys and values of own tokens; one buffer a layer, updated in place.

  Stacked in one array where the layers of the parameters are (decoding.py).
  """

  k: tuple[Float[Array, 'B K G Hd L'], ...]
  v: tuple[Float[Array, 'B K G L Hd'], ...]
  tokens: Int[Array, 'B G L']
  previous: Int[Array, 'B G L']  # the token before each
  own_length: Int[Array, 'B G']
  context: int = struct.field(pytree_node=False)  # C


def init_cache(
  config: Any, own_length: Int[Array, 'B G'], context: int, slots: int
) -> Cache:
  """Returns an empty cache of `slots` places a sample: C + R - 1 to sample."""
  b, g = own_length.shape
  heads, size = (b, config.kv_heads, g), config.head_size
  layers = range(config.layers)
  return Cache(
    k=tuple(jnp.zeros((*heads, size, slots), config.dtype) for _ in layers),
    v=tuple(jnp.zeros((*heads, slots, size), config.dtype) for _ in layers),
    tokens=jnp.full((b, g, slots), -1, jnp.int32),
    previous=jnp.full((b, g, slots), -1, jnp.int32),
    own_length=own_length,
    context=context,
  )


def grow(cache: Cache, slots: int) -> Cache:
  more = slots - cache.tokens.shape[-1]

  def pad(x, axis, fill=0):
    widths = [(0, 0)] * x.ndim
    widths[axis] = (0, more)
    return jnp.pad(x, widths, constant_values=fill)

  return cache.replace(
    k=jax.tree.map(lambda x: pad(x, -1), cache.k),
    v=jax.tree.map(lambda x: pad(x, -2), cache.v),
    tokens=pad(cache.tokens, -1, -1),
    previous=pad(cache.previous, -1, -1),
  )


def write(
  buffer: Array, value: Array, slot: Int[Array, ''] | int, axis: int
) -> Array:
  """Writes `value` at `slot` along `axis`; in place inside a loop."""
  return jax.lax.dynamic_update_slice_in_dim(
    buffer, value.astype(buffer.dtype), slot, axis
  )


def prefix_mask(prefix: Prefix) -> Bool[Array, 'B P']:
  """True at the real tokens of a prefix."""
  return jnp.arange(prefix.tokens.shape[1]) < prefix.length[:, None]


def last_token(tokens: Int[Array, 'B P'], length: Int[Array, 'B']):
  """Returns the last real token [B]; -1 where the length is 0."""
  last = jnp.take_along_axis(tokens, jnp.maximum(length - 1, 0)[:, None], 1)
  return jnp.where(length > 0, last[:, 0], -1)


def previous_tokens(
  tokens: Int[Array, 'B G n'],
  before: Int[Array, 'B'],
  own_length: Int[Array, 'B G'],
  context: int,
) -> Int[Array, 'B G n']:
  """Returns the token before each own token, from slot 0 on.

  `before` precedes slot 0; slot C follows the last real context token.
  """
  b, g, n = tokens.shape
  first = jnp.broadcast_to(before[:, None, None], (b, g, 1))
  shifted = jnp.concatenate([first, tokens[..., :-1]], axis=-1)
  if n <= context:
    return shifted
  last = jnp.take_along_axis(tokens, own_length[..., None] - 1, axis=-1)
  return jnp.where(jnp.arange(n) == context, last, shifted)


def own_positions(
  prefix_length: Int[Array, 'B'],
  own_length: Int[Array, 'B G'],
  context: int,
  slots: Int[Array, 'n'],
) -> Int[Array, 'B G n']:
  """Returns the sequence position of each own slot."""
  response = own_length[..., None] + slots - context
  offset = jnp.where(slots < context, slots, response)
  return prefix_length[:, None, None] + offset


def own_mask(
  own_length: Int[Array, 'B G'],
  context: int,
  queries: Int[Array, 'n'],
  slots: int,
) -> Bool[Array, 'B G n L']:
  """True where a query slot may see a key slot: causal and not padding."""
  keys = jnp.arange(slots)
  real = (keys < own_length[..., None]) | (keys >= context)
  return real[:, :, None, :] & (keys <= queries[:, None])
