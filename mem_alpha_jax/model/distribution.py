"""The next-token distribution: one path for sampling and for training.

Without copying it is softmax(logits). With a pointer it is the mixture of
copy_head.py. The mixture differs from (1 - g) softmax only at the P tokens of
the prefix, so log-probs, entropy, the mode and samples are computed from the
vocabulary softmax and a [.., P] correction; nothing of size V is scattered.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from mem_alpha_jax.model import blockwise_softmax, copy_head


class Distribution(NamedTuple):
  """A policy's next-token distribution at each hidden state."""

  hidden: Float[Array, 'B G n D']
  unembedding: Float[Array, 'V D']
  copy: copy_head.Copy | None


def restrict(
  dist: Distribution,
  whole: blockwise_softmax.Stats,
  rest: blockwise_softmax.Stats,
  bits: blockwise_softmax.Bits,
) -> Distribution:
  """The distribution over allowed tokens, with `rest` as its statistics.

  Of a mixture, what is allowed of each part, normalized, is one again:
  q(v) = p(v) / M, M = (1 - g) Z_rest / Z + g sum_j a_j over allowed places j.
  """
  if dist.copy is None:
    return dist
  copy = dist.copy
  weights = jnp.where(places(dist, bits), copy.weights, 0.0)
  total = weights.sum(-1)
  found = total > 0
  log_total = jnp.where(
    found, jnp.log(jnp.where(found, total, 1.0)), blockwise_softmax.HIDDEN
  )
  log_keep = copy.log_keep + rest.log_z - whole.log_z
  log_gate = copy.log_gate + log_total
  mass = jnp.logaddexp(log_keep, log_gate)
  share = weights / jnp.where(found, total, 1.0)[..., None]
  copy = copy._replace(
    log_gate=log_gate - mass, log_keep=log_keep - mass, weights=share
  )
  return dist._replace(copy=copy)


def places(
  dist: Distribution, bits: blockwise_softmax.Bits
) -> Bool[Array, 'B G n P']:
  """Whether what stands at each place of the prefix is allowed."""
  tokens = dist.copy.tokens[:, None, None]
  shape = (*bits.shape[:-1], tokens.shape[-1])
  word = jnp.broadcast_to(tokens // 32, shape)
  return blockwise_softmax.is_set(
    jnp.take_along_axis(bits, word, axis=-1), tokens
  )


def log_prob(
  dist: Distribution,
  stats: blockwise_softmax.Stats,
  tokens: Int[Array, 'B G n'],
  temperature: float = 1.0,
) -> Float[Array, 'B G n']:
  """Returns the log-prob (nats) of `tokens`; the stats are as tempered."""
  picked = blockwise_softmax.token_logits(dist.hidden, dist.unembedding, tokens)
  plain = picked / temperature - stats.log_z
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
  rows = jnp.take(dist.unembedding, copy.tokens, axis=0)
  flat = dist.hidden.reshape(b, g * n, -1)
  values = blockwise_softmax.dot('bqd,bpd->bqp', flat, rows).reshape(b, g, n, p)
  plain = (copy.log_keep - stats.log_z)[..., None] + values
  equal = copy.tokens[:, :, None] == copy.tokens[:, None, :]
  flat = copy.weights.reshape(b, g * n, p)
  copied = blockwise_softmax.dot('bqp,bpk->bqk', flat, equal).reshape(
    b, g, n, p
  )
  first = ~jnp.tril(equal, -1).any(-1)
  return plain, _mix(plain, copy.log_gate[..., None], copied), first


def entropy(
  dist: Distribution, stats: blockwise_softmax.Stats
) -> Float[Array, 'B G n']:
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
  dist: Distribution,
  stats: blockwise_softmax.Stats,
  values: Float[Array, 'B G n V'],
  bits: blockwise_softmax.Bits | None = None,
) -> Int[Array, 'B G n']:
  """Returns the most likely token; `values` are `logits` of the hidden.

  `bits` allow some of the tokens, as in `values`, in the statistics and in
  `dist`, which is restricted to them.
  """
  best = argmax(values)
  if dist.copy is None:
    return best
  top = dist.copy.log_keep + values.max(-1) - stats.log_z
  _, mixed, _ = _prefix_terms(dist, stats)
  if bits is not None:
    mixed = jnp.where(places(dist, bits), mixed, blockwise_softmax.HIDDEN)
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
  dist: Distribution,
  stats: blockwise_softmax.Stats,
  values: Float[Array, 'B G n V'],
) -> Float[Array, 'B G n V']:
  """Returns all log-probs; the copy part is one matmul with a one-hot."""
  plain = values - stats.log_z[..., None]
  if dist.copy is None:
    return plain
  copy = dist.copy
  b, g, n, p = copy.weights.shape
  one_hot = jax.nn.one_hot(copy.tokens, values.shape[-1])
  flat = copy.weights.reshape(b, g * n, p)
  copied = blockwise_softmax.dot('bqp,bpv->bqv', flat, one_hot).reshape(
    plain.shape
  )
  log_plain = copy.log_keep[..., None] + plain
  return _mix(log_plain, copy.log_gate[..., None], copied)


def tempered_mixture(
  dist: Distribution,
  temperature: float,
  bits: blockwise_softmax.Bits | None = None,
) -> Float[Array, 'B G n V']:
  """Returns all log-probs of p^(1/temperature) / Z over allowed tokens."""
  values = blockwise_softmax.logits(dist.hidden, dist.unembedding)
  values = dense(dist, blockwise_softmax.stats_of(values), values) / temperature
  values = blockwise_softmax.barred(values, bits)
  return values - blockwise_softmax.stats_of(values).log_z[..., None]


def at(
  values: Float[Array, 'B G n V'], tokens: Int[Array, 'B G n']
) -> Float[Array, 'B G n']:
  return jnp.take_along_axis(values, tokens[..., None], axis=-1)[..., 0]


def log_prob_and_entropy(
  dist: Distribution,
  tokens: Int[Array, 'B G n'],
  block_logits: int,
  temperature: float = 1.0,
  bits: blockwise_softmax.Bits | None = None,
) -> tuple[Float[Array, 'B G n'], Float[Array, 'B G n']]:
  """Returns log-probs of `tokens` and entropy under p^(1/temperature) / Z.

  With `bits` over the tokens that these allow.

  It is the float32 logits that are divided, never the hidden states: in
  bfloat16 those would be rounded again, by up to 0.05 nats of a log-prob. See
  blockwise_softmax.stats for `block_logits`.
  """
  if temperature != 1.0 and dist.copy is not None:
    values = tempered_mixture(dist, temperature, bits)
    return at(values, tokens), -blockwise_softmax.stats_of(values).mean
  of = functools.partial(
    blockwise_softmax.stats,
    dist.hidden,
    dist.unembedding,
    block_logits,
    temperature,
  )
  stats = of(bits)
  if bits is not None and dist.copy is not None:
    dist = restrict(dist, of(), stats, bits)
  return log_prob(dist, stats, tokens, temperature), entropy(dist, stats)
