"""What every layer of one call shares: rotations, masks and matches."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from mem_alpha_jax.model import kv_cache, packing, presets


class Match(NamedTuple):
  """Where a key repeats the query's token, and where it follows one."""

  same: Float[Array, 'B G n keys']
  after: Float[Array, 'B G n keys']


class Masks(NamedTuple):
  """Where the queries of a call stand, and which keys they see."""

  cos: Float[Array, 'B G n half']
  sin: Float[Array, 'B G n half']
  own_mask: Bool[Array, 'B G n L']
  own_match: Match | None = None
  seen: Bool[Array, 'B G n'] | None = None  # token occurred before
  prefix_mask: Bool[Array, 'B P'] | None = None
  prefix_match: Match | None = None
  slot: Int[Array, ''] | int = 0  # where the first query is written
  owner: Int[Array, 'b rows'] | None = None  # the group of each packed row


class Rope(NamedTuple):
  """cos and sin of RoPE, by position or for given tokens."""

  cos: Float[Array, '... half']
  sin: Float[Array, '... half']


def rope_table(config: presets.ModelConfig, size: int) -> Rope:
  """Tabulates RoPE (Su et al. 2021, arXiv 2104.09864) for `size` positions.

  A table, because XLA on CPU would otherwise compute cos and sin again in
  every loop that reads them.
  """
  half = config.head_size // 2
  frequency = config.rope_theta ** -(jnp.arange(half, dtype=jnp.float32) / half)
  if config.rope_scaling is not None:
    frequency = _llama3_frequency(frequency, config.rope_scaling)
  angle = jnp.arange(size, dtype=jnp.float32)[:, None] * frequency
  return Rope(jnp.cos(angle), jnp.sin(angle))


def _llama3_frequency(frequency, scaling):
  """Long wavelengths are stretched by `factor`, short ones kept."""
  wavelength = 2 * jnp.pi / frequency
  smooth = scaling.original / wavelength - scaling.low
  smooth = jnp.clip(smooth / (scaling.high - scaling.low), 0.0, 1.0)
  return (1 - smooth) * frequency / scaling.factor + smooth * frequency


def rope(table: Rope, positions: Int[Array, 'B G n']) -> Rope:
  """Looks positions up; padding may be out of range and is clipped."""
  return jax.tree.map(
    lambda x: jnp.take(x, positions, axis=0, mode='clip'), table
  )


def match(
  tokens: Int[Array, 'B G n'],
  keys: Int[Array, 'B *G keys'],
  previous: Int[Array, 'B *G keys'],
) -> Match:
  """Compares ids of queries with those of keys and of the tokens before."""
  if keys.ndim == 2:
    keys, previous = keys[:, None], previous[:, None]
  keys, previous = keys[:, :, None], previous[:, :, None]
  tokens = tokens[..., None]
  same, after = tokens == keys, tokens == previous
  return Match(same.astype(jnp.float32), after.astype(jnp.float32))


def prefix_match(
  config: presets.ModelConfig,
  tokens: Int[Array, 'B G n'],
  prefix_tokens: Int[Array, 'B P'],
) -> Match | None:
  """The match with the prefix, None where the model has no match bias."""
  if not config.match_bias:
    return None
  before = jnp.full_like(prefix_tokens[:, :1], -1)
  previous = jnp.concatenate([before, prefix_tokens[:, :-1]], axis=1)
  return match(tokens, prefix_tokens, previous)


def whole(
  config: presets.ModelConfig,
  tokens: Int[Array, 'B G n'],
  prefix_length: Int[Array, 'B'],
  own_length: Int[Array, 'B G'] | None = None,
  prefix: kv_cache.Prefix | None = None,
  context: int | None = None,
) -> Masks:
  """Masks of all own tokens at once, from slot 0 on.

  They are the context, padded to C, then the response; all of it context by
  default. `prefix_length` and `own_length` count real tokens, of what is before
  them and of the context.
  """
  b, g, n = tokens.shape
  if own_length is None:
    own_length = jnp.full((b, g), n, jnp.int32)
  before = jnp.full((b,), -1, jnp.int32)
  if prefix is not None:
    before = kv_cache.last_token(prefix.tokens, prefix.length)
  context = n if context is None else context
  slots = jnp.arange(n)
  positions = kv_cache.own_positions(prefix_length, own_length, context, slots)
  size = n if prefix is None else n + prefix.tokens.shape[1]
  cos, sin = rope(rope_table(config, size), positions)
  masks = Masks(cos, sin, kv_cache.own_mask(own_length, context, slots, n))
  if config.match_bias:
    previous = kv_cache.previous_tokens(tokens, before, own_length, context)
    masks = masks._replace(own_match=match(tokens, tokens, previous))
  return _with_prefix(config, masks, tokens, prefix)


def packed(
  config: presets.ModelConfig,
  places: Int[Array, 'b rows n'],
  tokens: Int[Array, 'M G n'],
  prefix: kv_cache.Prefix,
  own_length: Int[Array, 'M G'],
  context: int,
) -> tuple[Int[Array, 'B 1 n'], Masks, kv_cache.Prefix]:
  """As `whole`, where samples of a group stand one after the other in a row.

  Returns the packed tokens, their masks, and the prefix of each row, but for
  keys and values, which attention spreads layer by layer. A token sees the
  prefix and what stands before it of its own sample; what is in no place is
  seen by nothing, and its result is nobody's.
  """
  _, g, n = tokens.shape
  before = kv_cache.last_token(prefix.tokens, prefix.length)
  previous = kv_cache.previous_tokens(tokens, before, own_length, context)
  positions = kv_cache.own_positions(
    prefix.length, own_length, context, jnp.arange(n)
  )
  tokens, previous, positions = (
    packing.take(places, x) for x in (tokens, previous, positions)
  )
  owner = packing.owner(places, g, n)
  prefix = prefix.replace(
    **{
      name: packing.spread(owner, getattr(prefix, name))
      for name in ('tokens', 'length', 'pointer')
      if getattr(prefix, name) is not None
    }
  )
  sample = jnp.where(places < 0, -1, places // n).reshape(-1, 1, n)
  same = (sample[..., None] == sample[..., None, :]) & (sample >= 0)[..., None]
  cos, sin = rope(rope_table(config, n + prefix.tokens.shape[1]), positions)
  masks = Masks(cos, sin, jnp.tril(same), owner=owner)
  if config.match_bias:
    masks = masks._replace(own_match=match(tokens, tokens, previous))
  return tokens, _with_prefix(config, masks, tokens, prefix), prefix


def at_slot(
  config: presets.ModelConfig,
  table: Rope,
  tokens: Int[Array, 'B G n'],
  previous: Int[Array, 'B G n'],
  prefix: kv_cache.Prefix,
  cache: kv_cache.Cache,
  slot: Int[Array, ''] | int,
) -> tuple[Masks, kv_cache.Cache]:
  """Masks of own tokens written at `slot`, and the cache that has their ids."""
  n, slots = tokens.shape[-1], cache.tokens.shape[-1]
  queries = slot + jnp.arange(n)
  positions = kv_cache.own_positions(
    prefix.length, cache.own_length, cache.context, queries
  )
  cos, sin = rope(table, positions)
  mask = kv_cache.own_mask(cache.own_length, cache.context, queries, slots)
  masks = Masks(cos, sin, mask, slot=slot)
  if config.match_bias:
    cache = cache.replace(
      tokens=kv_cache.write(cache.tokens, tokens, slot, 2),
      previous=kv_cache.write(cache.previous, previous, slot, 2),
    )
    found = match(tokens, cache.tokens, cache.previous)
    masks = masks._replace(own_match=found)
  return _with_prefix(config, masks, tokens, prefix), cache


def _with_prefix(config, masks, tokens, prefix):
  """Adds what queries see of the prefix, and which tokens occur there."""
  if config.match_bias:
    masks = masks._replace(seen=_seen(tokens, prefix))
  if prefix is not None:
    masks = masks._replace(
      prefix_mask=kv_cache.prefix_mask(prefix),
      prefix_match=prefix_match(config, tokens, prefix.tokens),
    )
  return masks


def _seen(tokens, prefix):
  """Whether each token occurs in the prefix, or earlier where it is one."""
  if prefix is None:
    equal = tokens[..., :, None] == tokens[..., None, :]
    return jnp.tril(equal, -1).any(-1)
  equal = tokens[..., None] == prefix.tokens[:, None, None]
  return (equal & kv_cache.prefix_mask(prefix)[:, None, None]).any(-1)
