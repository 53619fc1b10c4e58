"""The next-token distribution: one path for sampling and for training.

Without copying it is softmax(logits). With a pointer it is the mixture of
copy_head.py. The mixture differs from (1 - g) softmax only at the P tokens of
the prefix, so log-probs, entropy, the mode and samples are computed from the
vocabulary softmax and a [.., P] correction; nothing of size V is scattered.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array, Float, Int

from mem_alpha_jax.model import copy_head, products

CHUNK_VOCAB = 4096  # larger vocabularies go through `vocab_stats` in chunks
CHUNK_LOGITS = 2**25  # logits that one chunk may hold
# Full precision in float32 (a no-op on CPU): logits must agree with
# `token_logits`; bfloat16 products are exact in float32 anyway.
EXACT = dict(
  precision=jax.lax.Precision.HIGHEST, preferred_element_type=jnp.float32
)


class Stats(NamedTuple):
  """Of softmax(logits): log of the normaliser, and the mean logit."""

  log_z: Float[Array, 'B G n']
  mean: Float[Array, 'B G n']  # sum_v q_v logit_v


class Distribution(NamedTuple):
  """A policy's next-token distribution at each hidden state."""

  hidden: Float[Array, 'B G n D']
  table: Float[Array, 'V D']  # output embedding
  copy: copy_head.Copy | None


def logits(hidden: Float[Array, '... D'], table: Float[Array, 'V D']) -> Array:
  """Returns the logits [.., V] of the vocabulary part, float32.

  A table in blocks [blocks, V / blocks, D] is multiplied block by block.
  """
  if table.ndim == 3:
    parts = jax.lax.map(lambda block: logits(hidden, block), table)
    return jnp.moveaxis(parts, 0, -2).reshape(*hidden.shape[:-1], -1)
  if products.is_few(hidden):
    return products.narrow(table.astype(hidden.dtype), hidden, **EXACT)
  return _dot('...d,vd->...v', hidden, table)


def token_logits(
  hidden: Float[Array, '... D'],
  table: Float[Array, 'V D'],
  tokens: Int[Array, '...'],
) -> Float[Array, '...']:
  """Returns logits of given tokens without forming those of all V."""
  table = table.reshape(-1, table.shape[-1])
  rows = jnp.take(table, tokens, axis=0).astype(jnp.float32)
  return (hidden.astype(jnp.float32) * rows).sum(-1)


def _dot(spec, a, b):
  return jnp.einsum(spec, a, b.astype(a.dtype), **EXACT)


def stats_of(values: Float[Array, '... V']) -> Stats:
  """Returns the statistics of softmax(values)."""
  peak = jax.lax.stop_gradient(values.max(-1, keepdims=True))
  weights = jnp.exp(values - peak)
  total = weights.sum(-1)
  mean = (weights * values).sum(-1) / total
  return Stats(jnp.log(total) + peak[..., 0], mean)


def vocab_stats(hidden: Float[Array, 'B G n D'], table: Array) -> Stats:
  """Returns Stats [B, G, n]; in chunks of n when V > CHUNK_VOCAB.

  A chunk's logits are recomputed in the backward pass, so that at most
  CHUNK_LOGITS of them exist at a time.
  """
  b, g, n, d = hidden.shape
  vocab = table.shape[0]
  if vocab <= CHUNK_VOCAB:
    return Stats(*_softmax_stats(hidden, table))
  size = max(1, CHUNK_LOGITS // (b * g * vocab))
  chunks = next(k for k in range(1, n + 1) if n % k == 0 and n // k <= size)
  parts = hidden.reshape(b, g, chunks, n // chunks, d)
  once = jax.checkpoint(lambda h: Stats(*_softmax_stats(h, table)))
  out = jax.lax.map(once, jnp.moveaxis(parts, 2, 0))
  return jax.tree.map(lambda x: jnp.moveaxis(x, 0, 2).reshape(b, g, n), out)


@jax.custom_vjp
def _softmax_stats(hidden, table):
  """Returns (log_z, mean logit) of softmax(hidden table^T).

  With e = exp(logits - max), s = sum e and u = e table / s, the mean logit is
  hidden . u and the gradient of log_z is u (of hidden) and
  (hidden g / s)^T e (of the table): no [.., V] array but e is ever written,
  where plain autodiff also writes and transposes softmax * g.
  """
  return _stats_forward(hidden, table)[0]


def _stats_forward(hidden, table):
  values = logits(hidden, table)
  peak = values.max(-1, keepdims=True)
  weights = jnp.exp(values - peak)
  total = weights.sum(-1, keepdims=True)
  weights = weights.astype(hidden.dtype)
  expected = _dot('bgnv,vd->bgnd', weights, table) / total
  mean = (hidden.astype(jnp.float32) * expected).sum(-1)
  log_z = (jnp.log(total) + peak)[..., 0]
  return (log_z, mean), (hidden, table, weights, total, peak, mean, expected)


def _stats_fwd(hidden, table):
  return _stats_forward(hidden.value, table.value)


def _stats_bwd(saved, cotangents):
  hidden, table, weights, total, peak, mean, expected = saved
  d_log_z, d_mean = cotangents
  d_hidden, d_table = 0.0, 0.0
  if not isinstance(d_log_z, SymbolicZero):
    scale = d_log_z[..., None]
    d_hidden = expected * scale
    scaled = (hidden * (scale / total)).astype(hidden.dtype)
    d_table = _dot('bgnd,bgnv->vd', scaled, weights)
  if not isinstance(d_mean, SymbolicZero):
    # d mean / d logit_v = q_v (1 + logit_v - mean)
    values = logits(hidden, table)
    slope = jnp.exp(values - peak) / total * (1 + values - mean[..., None])
    slope = (slope * d_mean[..., None]).astype(hidden.dtype)
    d_hidden += _dot('bgnv,vd->bgnd', slope, table)
    d_table += _dot('bgnd,bgnv->vd', hidden, slope)
  return (
    jnp.asarray(d_hidden, hidden.dtype) + jnp.zeros_like(hidden),
    jnp.asarray(d_table, table.dtype) + jnp.zeros_like(table),
  )


_softmax_stats.defvjp(_stats_fwd, _stats_bwd, symbolic_zeros=True)


def log_prob(
  dist: Distribution, stats: Stats, tokens: Int[Array, 'B G n']
) -> Float[Array, 'B G n']:
  """Returns the log-prob (nats) of `tokens`."""
  plain = token_logits(dist.hidden, dist.table, tokens) - stats.log_z
  if dist.copy is None:
    return plain
  copy = dist.copy
  equal = copy.tokens[:, None, None] == tokens[..., None]
  copied = jnp.where(equal, copy.weights, 0.0).sum(-1)
  return _mix(copy.log_keep + plain, copy.log_gate, copied)


def _mix(log_plain, log_gate, copied):
  """log(exp(log_plain) + g copied), safe (gradients too) at copied = 0."""
  found = copied > 0
  log_copied = log_gate + jnp.log(jnp.where(found, copied, 1.0))
  return jnp.where(found, jnp.logaddexp(log_plain, log_copied), log_plain)


def _prefix_terms(dist, stats):
  """Log-probs at the prefix tokens: (vocabulary part, mixture) [B, G, n, P].

  The third value marks the first occurrence of each token [B, P].
  """
  copy = dist.copy
  b, g, n, p = copy.weights.shape
  rows = jnp.take(dist.table, copy.tokens, axis=0)
  flat = dist.hidden.reshape(b, g * n, -1)
  values = _dot('bqd,bpd->bqp', flat, rows).reshape(b, g, n, p)
  plain = (copy.log_keep - stats.log_z)[..., None] + values
  equal = copy.tokens[:, :, None] == copy.tokens[:, None, :]
  flat = copy.weights.reshape(b, g * n, p)
  copied = _dot('bqp,bpk->bqk', flat, equal).reshape(b, g, n, p)
  first = ~jnp.tril(equal, -1).any(-1)
  return plain, _mix(plain, copy.log_gate[..., None], copied), first


def entropy(dist: Distribution, stats: Stats) -> Float[Array, 'B G n']:
  """Returns H = -sum_v p_v log p_v (nats).

  With copying: sum over all v as if nothing were copied, plus what changes
  at the distinct tokens of the prefix.
  """
  if dist.copy is None:
    return stats.log_z - stats.mean
  log_keep = dist.copy.log_keep
  base = jnp.exp(log_keep) * (log_keep - stats.log_z + stats.mean)
  plain, mixed, first = _prefix_terms(dist, stats)
  change = jnp.exp(mixed) * mixed - jnp.exp(plain) * plain
  return -base - jnp.where(first[:, None, None], change, 0.0).sum(-1)


def mode(
  dist: Distribution, stats: Stats, values: Float[Array, 'B G n V']
) -> Int[Array, 'B G n']:
  """Returns the most likely token; `values` are `logits` of the hidden."""
  best = argmax(values)
  if dist.copy is None:
    return best
  top = dist.copy.log_keep + values.max(-1) - stats.log_z
  _, mixed, _ = _prefix_terms(dist, stats)
  place = argmax(mixed)
  b, g, n = place.shape
  flat = place.reshape(b, -1)
  token = jnp.take_along_axis(dist.copy.tokens, flat, 1).reshape(b, g, n)
  return jnp.where(mixed.max(-1) >= top, token, best)


def argmax(x: Float[Array, '... V']) -> Int[Array, '...']:
  """First index of the maximum, as two plain reductions (fast on CPU)."""
  place = jnp.arange(x.shape[-1], dtype=jnp.int32)
  best = jnp.where(x == x.max(-1, keepdims=True), place, x.shape[-1])
  return best.min(-1)


def dense(
  dist: Distribution, stats: Stats, values: Float[Array, 'B G n V']
) -> Float[Array, 'B G n V']:
  """Returns all log-probs; the copy part is one matmul with a one-hot."""
  plain = values - stats.log_z[..., None]
  if dist.copy is None:
    return plain
  copy = dist.copy
  b, g, n, p = copy.weights.shape
  one_hot = jax.nn.one_hot(copy.tokens, values.shape[-1])
  flat = copy.weights.reshape(b, g * n, p)
  copied = _dot('bqp,bpv->bqv', flat, one_hot).reshape(plain.shape)
  log_plain = copy.log_keep[..., None] + plain
  return _mix(log_plain, copy.log_gate[..., None], copied)


def temper(dist: Distribution, temperature: float) -> Distribution:
  """Returns softmax(logits / temperature); only without copying."""
  return dist._replace(hidden=dist.hidden / temperature)


def tempered_mixture(
  dist: Distribution, temperature: float
) -> Float[Array, 'B G n V']:
  """Returns all log-probs of p^(1/temperature) / Z, normalised."""
  values = logits(dist.hidden, dist.table)
  values = dense(dist, stats_of(values), values) / temperature
  return values - stats_of(values).log_z[..., None]


def at(
  values: Float[Array, 'B G n V'], tokens: Int[Array, 'B G n']
) -> Float[Array, 'B G n']:
  """Returns the values of given tokens."""
  return jnp.take_along_axis(values, tokens[..., None], axis=-1)[..., 0]


def log_prob_and_entropy(
  dist: Distribution, tokens: Int[Array, 'B G n'], temperature: float = 1.0
) -> tuple[Float[Array, 'B G n'], Float[Array, 'B G n']]:
  """Returns log-probs of `tokens` and entropy under p^(1/temperature) / Z."""
  if temperature != 1.0 and dist.copy is not None:
    values = tempered_mixture(dist, temperature)
    return at(values, tokens), -stats_of(values).mean
  if temperature != 1.0:
    dist = temper(dist, temperature)
  stats = vocab_stats(dist.hidden, dist.table)
  return log_prob(dist, stats, tokens), entropy(dist, stats)
