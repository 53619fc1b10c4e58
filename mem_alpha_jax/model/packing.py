"""Between samples, a row each, and packed rows that hold several.

`places` says which own token of the M groups of `b` devices stands where: the
flat index into those of the device's own groups, -1 where none does. What is
padding in a sample is in no place, so nothing is computed for it.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

Places = Int[Array, 'b rows n']


def take(places: Places, x: Array) -> Array:
  """What stands in each place: [M, G, n] -> [b * rows, 1, n]."""
  parts, _, n = places.shape
  flat = jnp.maximum(places, 0).reshape(parts, -1)
  found = jnp.take_along_axis(x.reshape(parts, -1), flat, axis=1)
  return found.reshape(-1, 1, n)


def behind(response: Int[Array, 'M G R'], context: int) -> Array:
  """What follows each own token of a sample that is not packed [M, G, n]."""
  first = jnp.repeat(response[..., :1], context, axis=-1)
  return jnp.concatenate([first, response[..., 1:]], axis=-1)


def owner(places: Places, width: int, n: int) -> Int[Array, 'b rows']:
  """The group, of its device, of the samples of each row."""
  return jnp.maximum(places[..., 0], 0) // (width * n)


def spread(owner: Int[Array, 'b rows'], x: Array) -> Array:
  """What the group of each row has: [M, ..] -> [b * rows, ..]."""
  parts, rows = owner.shape
  found = jax.vmap(lambda x, of: x[of])(
    x.reshape(parts, -1, *x.shape[1:]), owner
  )
  return found.reshape(parts * rows, *x.shape[1:])


def put(
  places: Places, own_length: Int[Array, 'M G'], context: int, x: Array
) -> Array:
  """What was computed to predict each response token: [M, G, R], 0: nothing.

  Token 0 is predicted by the last token of the context, i by i - 1.
  """
  m, g = own_length.shape
  parts, _, n = places.shape
  length = n - context + 1
  row, slot = places // n, places % n
  last = jax.vmap(lambda x, of: x[of])(own_length.reshape(parts, -1), row) - 1
  token = jnp.where(slot < context, 0, slot - context + 1)
  predicts = (places >= 0) & ((slot >= context) | (slot == last))
  size = m * g * length // parts
  at = jnp.where(predicts, row * length + token, size).reshape(parts, -1)
  write = lambda x, at: jnp.zeros(size, x.dtype).at[at].set(x, mode='drop')
  return jax.vmap(write)(x.reshape(parts, -1), at).reshape(m, g, length)
