"""Products with the unembedding, and statistics of the softmax over V.

Of a large vocabulary the logits of all tokens never exist: forward and
backward pass over blocks of it, as the softmax of Milakov and Gimelshein 2018
(arXiv 1805.02867) does, and the backward pass computes the logits again.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array, Bool, Float, Int, UInt

from mem_alpha_jax.model import matmul

SMALL = 4096  # vocabularies up to it are one block, and keep it
HIDDEN = -1e30  # logit of a token that is none, or is not allowed
Bits = UInt[Array, '... words']  # which tokens are allowed, a bit each
# Full precision in float32 (a no-op on CPU): logits must agree with
# `token_logits`; bfloat16 products are exact in float32 anyway.
EXACT = dict(
  precision=jax.lax.Precision.HIGHEST, preferred_element_type=jnp.float32
)


class Stats(NamedTuple):
  """Of softmax(logits): log of the normalizer, and the mean logit."""

  log_z: Float[Array, 'B G n']
  mean: Float[Array, 'B G n']  # sum_v q_v logit_v


def logits(
  hidden: Float[Array, '... D'], unembedding: Float[Array, 'V D']
) -> Array:
  """Returns the logits [.., V], float32.

  An unembedding in blocks [blocks, V / blocks, D] is multiplied block by block.
  """
  if unembedding.ndim == 3:
    parts = jax.lax.map(lambda block: logits(hidden, block), unembedding)
    return jnp.moveaxis(parts, 0, -2).reshape(*hidden.shape[:-1], -1)
  if matmul.is_few(hidden):
    return matmul.narrow(unembedding.astype(hidden.dtype), hidden, **EXACT)
  return dot('...d,vd->...v', hidden, unembedding)


def token_logits(
  hidden: Float[Array, '... D'],
  unembedding: Float[Array, 'V D'],
  tokens: Int[Array, '...'],
) -> Float[Array, '...']:
  """Returns logits of given tokens without forming those of all V."""
  unembedding = unembedding.reshape(-1, unembedding.shape[-1])
  rows = jnp.take(unembedding, tokens, axis=0).astype(jnp.float32)
  return (hidden.astype(jnp.float32) * rows).sum(-1)


def is_set(words: UInt[Array, '...'], tokens: Int[Array, '...']) -> Array:
  """Whether the bit of a token is set in the word that it is in."""
  return (words >> (tokens % 32).astype(jnp.uint32)) & 1 > 0


def allowed(bits: Bits, tokens: Int[Array, 'T']) -> Bool[Array, '... T']:
  return is_set(jnp.take(bits, tokens // 32, axis=-1, mode='clip'), tokens)


def barred(values: Float[Array, '... V'], bits: Bits | None) -> Array:
  """Logits, HIDDEN where the token is not allowed; None allows all."""
  if bits is None:
    return values
  each = is_set(bits[..., None], jnp.arange(32))
  each = each.reshape(*bits.shape[:-1], -1)[..., : values.shape[-1]]
  return jnp.where(each, values, HIDDEN)


def dot(spec: str, a: Array, b: Array) -> Array:
  """An einsum in the dtype of `a`, exact and with a float32 result."""
  return jnp.einsum(spec, a, b.astype(a.dtype), **EXACT)


def stats_of(values: Float[Array, '... V']) -> Stats:
  """Returns the statistics of softmax(values)."""
  peak = jax.lax.stop_gradient(values.max(-1, keepdims=True))
  weights = jnp.exp(values - peak)
  total = weights.sum(-1)
  mean = (weights * values).sum(-1) / total
  return Stats(jnp.log(total) + peak[..., 0], mean)


def stats(
  hidden: Float[Array, 'B G n D'],
  unembedding: Array,
  block_logits: int,
  temperature: float = 1.0,
  bits: Bits | None = None,
) -> Stats:
  """Returns the statistics of softmax(hidden unembedding^T / temperature).

  Of a large vocabulary at most `block_logits` logits exist at once. With `bits`
  it is the softmax over the tokens that these allow.
  """
  # Rows in one dimension: gradients then sum over one, without transposes.
  flat = hidden.reshape(-1, hidden.shape[-1])
  if bits is not None:
    bits = bits.reshape(-1, bits.shape[-1])
  if unembedding.shape[0] <= SMALL:
    flat = _kept_stats(flat, unembedding, bits, temperature)
  else:
    flat = _blocked_stats(flat, unembedding, bits, block_logits, temperature)
  return Stats(*(x.reshape(hidden.shape[:-1]) for x in flat))


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def _kept_stats(hidden, unembedding, bits, temperature):
  """Returns (log_z, mean logit) of softmax(hidden unembedding^T / T).

  With W the unembedding, e = exp(logits - max), s = sum e and u = e W / s, the
  mean logit is hidden . u / T and the gradient of log_z is u / T (of hidden)
  and (hidden g / s / T)^T e (of W): no [.., V] array but e is ever written,
  where plain autodiff also writes and transposes softmax * g.
  """
  return _kept_forward(hidden, unembedding, bits, temperature)[0]


def _kept_forward(hidden, unembedding, bits, temperature):
  values = barred(logits(hidden, unembedding) / temperature, bits)
  peak = values.max(-1, keepdims=True)
  weights = jnp.exp(values - peak)
  total = weights.sum(-1, keepdims=True)
  weights = weights.astype(hidden.dtype)
  expected = dot('nv,vd->nd', weights, unembedding) / total
  mean = (hidden.astype(jnp.float32) * expected).sum(-1) / temperature
  log_z = (jnp.log(total) + peak)[..., 0]
  saved = hidden, unembedding, bits, weights, total, peak, mean, expected
  return (log_z, mean), saved


def _kept_fwd(hidden, unembedding, bits, temperature):
  return _kept_forward(*_primal(hidden, unembedding, bits), temperature)


def _primal(*args):
  return jax.tree.map(lambda x: x.value, args)


def _kept_bwd(temperature, saved, cotangents):
  hidden, unembedding, bits, weights, total, peak, mean, expected = saved
  d_log_z, d_mean = cotangents
  d_hidden, d_table = 0.0, 0.0
  if not isinstance(d_log_z, SymbolicZero):
    scale = d_log_z[..., None] / temperature
    d_hidden = expected * scale
    scaled = (hidden * (scale / total)).astype(hidden.dtype)
    d_table = dot('nd,nv->vd', scaled, weights)
  if not isinstance(d_mean, SymbolicZero):
    # d mean / d logit_v = q_v (1 + logit_v - mean)
    values = barred(logits(hidden, unembedding) / temperature, bits)
    slope = jnp.exp(values - peak) / total * (1 + values - mean[..., None])
    slope = (slope * d_mean[..., None] / temperature).astype(hidden.dtype)
    d_hidden += dot('nv,vd->nd', slope, unembedding)
    d_table += dot('nd,nv->vd', hidden, slope)
  return (
    jnp.asarray(d_hidden, hidden.dtype) + jnp.zeros_like(hidden),
    jnp.asarray(d_table, unembedding.dtype) + jnp.zeros_like(unembedding),
    None,
  )


_kept_stats.defvjp(_kept_fwd, _kept_bwd, symbolic_zeros=True)


def _blocks(
  unembedding: Float[Array, 'V D'], rows: int, block_logits: int
) -> Array:
  """Views an unembedding as [size, blocks, D], padded where V has no divisor.

  Block j has the tokens j, j + blocks, ..: rows that are spread over
  devices stay where they are.
  """
  vocab, width = unembedding.shape
  least = min(-(-vocab * rows // block_logits), vocab)
  divisors = (n for n in range(least, 2 * least) if vocab % n == 0)
  blocks = next(divisors, least)
  size = -(-vocab // blocks)
  if size * blocks > vocab:
    unembedding = jnp.pad(unembedding, ((0, size * blocks - vocab), (0, 0)))
  return unembedding.reshape(size, blocks, width)


def _block_logits(hidden, blocks, bits, j, vocab, temperature):
  """Returns (logits [.., size] of block j, its rows)."""
  size, count, _ = blocks.shape
  block = jax.lax.dynamic_index_in_dim(blocks, j, 1, keepdims=False)
  values = logits(hidden, block) / temperature
  if size * count > vocab:
    values = jnp.where(jnp.arange(size) * count + j < vocab, values, HIDDEN)
  if bits is not None:
    tokens = jnp.arange(size) * count + j
    values = jnp.where(allowed(bits, tokens), values, HIDDEN)
  return values, block


@functools.partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def _blocked_stats(hidden, unembedding, bits, block_logits, temperature):
  """As `_kept_stats`, block by block; only the results are kept."""
  vocab = unembedding.shape[0]
  blocks = _blocks(unembedding, len(hidden), block_logits)

  def step(carry, j):
    peak, total, mean = carry
    values, _ = _block_logits(hidden, blocks, bits, j, vocab, temperature)
    higher = jnp.maximum(peak, values.max(-1))
    weights = jnp.exp(values - higher[..., None])
    shrink = jnp.exp(peak - higher)
    total = total * shrink + weights.sum(-1)
    mean = mean * shrink + (weights * values).sum(-1)
    return (higher, total, mean), None

  zeros = jnp.zeros(len(hidden), jnp.float32)
  carry = (zeros + HIDDEN, zeros, zeros)
  carry, _ = jax.lax.scan(step, carry, jnp.arange(blocks.shape[1]))
  peak, total, mean = carry
  return jnp.log(total) + peak, mean / total


def _blocked_fwd(hidden, unembedding, bits, block_logits, temperature):
  given = _primal(hidden, unembedding, bits)
  found = _blocked_stats(*given, block_logits, temperature)
  return found, (*given, *found)


def _blocked_bwd(block_logits, temperature, saved, cotangents):
  hidden, unembedding, bits, log_z, mean = saved
  d_log_z, d_mean = cotangents
  blocks = _blocks(unembedding, len(hidden), block_logits)

  def slope(values):
    """d log_z = q_v d logit_v, d mean = q_v (1 + logit_v - mean) d logit_v."""
    out = 0.0
    if not isinstance(d_log_z, SymbolicZero):
      out += d_log_z[..., None]
    if not isinstance(d_mean, SymbolicZero):
      out += d_mean[..., None] * (1 + values - mean[..., None])
    out *= jnp.exp(values - log_z[..., None]) / temperature
    return out.astype(hidden.dtype)

  def step(carry, j):
    d_hidden, d_blocks = carry
    values, block = _block_logits(
      hidden, blocks, bits, j, unembedding.shape[0], temperature
    )
    d_values = slope(values)
    d_hidden += dot('nv,vd->nd', d_values, block)
    d_block = dot('nv,nd->vd', d_values, hidden).astype(unembedding.dtype)
    d_blocks = jax.lax.dynamic_update_index_in_dim(d_blocks, d_block, j, 1)
    return (d_hidden, d_blocks), None

  carry = jnp.zeros(hidden.shape, jnp.float32), jnp.zeros_like(blocks)
  carry, _ = jax.lax.scan(step, carry, jnp.arange(blocks.shape[1]))
  d_hidden, d_blocks = carry
  d_table = d_blocks.reshape(-1, unembedding.shape[1])[: len(unembedding)]
  return d_hidden.astype(hidden.dtype), d_table, None


_blocked_stats.defvjp(_blocked_fwd, _blocked_bwd, symbolic_zeros=True)
