"""Grouped-query attention of own tokens over a shared prefix and themselves.

Bifurcated attention (Athiwaratkun et al. 2024, arXiv 2403.08845): the G
samples of a group read one copy of the prefix keys, folded into the rows of
one matmul for each (prompt, kv head); their own keys are read apart and both
parts share one softmax. Prefill is the same code without a prefix.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from mem_alpha_jax.model import kv_cache, matmul, packing, presets
from mem_alpha_jax.model import masks as masks_lib

HIDDEN = -1e30  # score of a masked key
FUSE_WIDTH = 1024  # below it, projections are joined into one matmul


def fuses(config: presets.ModelConfig) -> bool:
  """Whether projections are joined; LoRA needs each kernel by itself."""
  return config.width <= FUSE_WIDTH and not config.lora_rank


class KV(NamedTuple):
  """Keys and values; own: [B, K, G, ...], prefix: [B, K, ...]."""

  k: Float[Array, '... Hd L']
  v: Float[Array, '... L Hd']


def rotate(x: Float[Array, 'B G n K J Hd'], cos: Array, sin: Array) -> Array:
  """Applies RoPE, rotate-half convention; angles are [B, G, n, Hd/2]."""
  cos, sin = cos[..., None, None, :], sin[..., None, None, :]
  a, b = jnp.split(x.astype(jnp.float32), 2, axis=-1)
  out = jnp.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)
  return out.astype(x.dtype)


def attend(
  q: Float[Array, 'B K G n J Hd'],
  own: KV,
  masks: masks_lib.Masks,
  prefix: KV | None,
  bias: Float[Array, '2 K J'] | None,
) -> Float[Array, 'B K G n J Hd']:
  """Softmax attention over prefix and own keys, in float32 scores."""
  q = q * q.shape[-1] ** -0.5
  scores = _product('bkgnjh,bkghl->bkgnjl', q, own.k)
  scores = _add_bias(scores, masks.own_match, bias)
  scores = jnp.where(masks.own_mask[:, None, :, :, None], scores, HIDDEN)
  peak = scores.max(-1, keepdims=True)
  if prefix is not None:
    shared = _product('bkgnjh,bkhp->bkgnjp', q, prefix.k)
    shared = _add_bias(shared, masks.prefix_match, bias)
    visible = masks.prefix_mask[:, None, None, None, None]
    shared = jnp.where(visible, shared, HIDDEN)
    peak = jnp.maximum(peak, shared.max(-1, keepdims=True))
  peak = jax.lax.stop_gradient(peak)
  weights = jnp.exp(scores - peak)
  total = weights.sum(-1, keepdims=True)
  out = _product('bkgnjl,bkglh->bkgnjh', weights.astype(q.dtype), own.v)
  if prefix is not None:
    shared = jnp.exp(shared - peak)
    total += shared.sum(-1, keepdims=True)
    out += _product('bkgnjp,bkph->bkgnjh', shared.astype(q.dtype), prefix.v)
  return (out / total).astype(q.dtype)


def _product(spec, a, b):
  return jnp.einsum(spec, a, b, preferred_element_type=jnp.float32)


def _add_bias(scores, found, bias):
  """Adds bias[0] to equal tokens, bias[1] to the tokens that follow one."""
  if bias is None:
    return scores
  same, after = bias[:, None, :, None, None, :, None]
  found = jax.tree.map(lambda x: x[:, None, :, :, None], found)
  return scores + same * found.same + after * found.after


def match_init(key, shape, dtype=jnp.float32):
  """Head 0 looks at equal tokens, head 1 at those that follow one."""
  del key
  heads = jnp.arange(shape[1])
  first = jnp.stack([heads == 0, heads == min(1, shape[1] - 1)])
  return first.astype(dtype)


def param(module, name, shape, names, init) -> Array:
  """A parameter of a module, with the logical names of its axes.

  A number for `init` is n: normal with variance 1 / n.
  """
  if not callable(init):
    init = nn.initializers.normal(init**-0.5)
  return module.param(name, nn.with_logical_partitioning(init, names), shape)


class Norm(nn.Module):
  """RMSNorm (Zhang & Sennrich 2019, arXiv 1910.07467) over the last axis."""

  eps: float
  axis: str = 'embed'

  @nn.compact
  def __call__(self, x: Float[Array, '... D']) -> Float[Array, '... D']:
    ones, width = nn.initializers.ones, x.shape[-1]
    scale = param(self, 'scale', (width,), (self.axis,), ones)
    y = x.astype(jnp.float32)
    y = y * jax.lax.rsqrt(jnp.mean(y * y, -1, keepdims=True) + self.eps)
    return (y * scale).astype(x.dtype)


class Layout(NamedTuple):
  """How a computation lies on the mesh, and the attention that it uses."""

  attend: Callable = attend  # or a kernel of model/flash.py
  keep: Callable = lambda x, *names: x  # see sharding.constrainer
  unroll: bool = False  # layers are not scanned


PLAIN = Layout()


class Attention(nn.Module):
  """Projections, RoPE and attention of one layer."""

  config: presets.ModelConfig
  attend: Callable = attend

  @nn.compact
  def __call__(
    self,
    x: Float[Array, 'B G n D'],
    masks: masks_lib.Masks,
    prefix: KV | None,
    cache: KV | None,
  ) -> tuple[Float[Array, 'B G n D'], KV]:
    """Returns the output and own keys: the cache's if given, else x's."""
    c = self.config
    group = c.heads // c.kv_heads
    # Splits, not slices: their gradient is one concatenation.
    qk, v = jax.lax.split(self._project(x), (group + 1, 1), axis=4)
    if c.qk_norm:
      q, k = jax.lax.split(qk, (group, 1), axis=4)
      q = Norm(c.norm_eps, 'head_dim', name='q_norm')(q)
      k = Norm(c.norm_eps, 'head_dim', name='k_norm')(k)
      qk = jnp.concatenate([q, k], axis=4)
    qk = rotate(qk, masks.cos, masks.sin)
    qk = qk.transpose(0, 3, 1, 2, 4, 5)  # [B, K, G, n, J + 1, Hd]
    q, k = jax.lax.split(qk, (group, 1), axis=4)
    k, v = k[..., 0, :], v[..., 0, :]
    own = KV(k.swapaxes(-1, -2), v.transpose(0, 3, 1, 2, 4))
    if cache is not None:
      own = KV(
        kv_cache.write(cache.k, own.k, masks.slot, 4),
        kv_cache.write(cache.v, own.v, masks.slot, 3),
      )
    if prefix is not None and masks.owner is not None:
      spread = lambda x: packing.spread(masks.owner, x)
      prefix = jax.tree.map(spread, prefix)
    bias = None
    if c.match_bias:
      names = (None, 'heads')
      bias = param(self, 'match', (2, c.heads), names, match_init)
      bias = bias.reshape(2, c.kv_heads, -1)
    out = self.attend(q, own, masks, prefix, bias)
    out = out.transpose(0, 2, 3, 1, 4, 5).reshape(*x.shape[:3], -1)
    fan = c.heads * c.head_size * 2 * c.layers
    shape = c.heads, c.head_size, c.width
    o = param(self, 'o', shape, ('heads', 'head_dim', 'embed'), fan)
    o = o.astype(x.dtype).reshape(-1, c.width)
    return matmul.dense(self, 'o', out, o), own

  def _project(self, x):
    """Returns q, k and v, joined by kv head: [B, G, n, K, J + 2, Hd]."""
    c = self.config
    parts = [self._weight('q', c.heads, 'heads', x.dtype)]
    parts += [self._weight(n, c.kv_heads, 'kv_heads', x.dtype) for n in 'kv']
    if fuses(c):
      joined = zip(*parts, strict=True)
      parts = [[jnp.concatenate(leaves, axis=-2) for leaves in joined]]
    outs = []
    names = ['qkv'] if len(parts) == 1 else 'qkv'
    for name, (kernel, *bias) in zip(names, parts, strict=True):
      out = matmul.dense(self, name, x, kernel.reshape(c.width, -1))
      out = out.reshape(*x.shape[:3], c.kv_heads, -1, c.head_size)
      outs.append(out + bias[0] if bias else out)
    return outs[0] if len(outs) == 1 else jnp.concatenate(outs, axis=4)

  def _weight(self, name, heads, axis, dtype):
    """Returns [kernel [D, K, J, Hd], bias [K, J, Hd] if any] of one part."""
    c = self.config
    shape, names = (heads, c.head_size), (axis, 'head_dim')
    kernel = param(self, name, (c.width, *shape), ('embed', *names), c.width)
    kernel = kernel.astype(dtype)
    leaves = [kernel.reshape(c.width, c.kv_heads, -1, c.head_size)]
    if c.qkv_bias:
      zeros = nn.initializers.zeros
      bias = param(self, f'{name}_bias', shape, names, zeros).astype(dtype)
      leaves.append(bias.reshape(c.kv_heads, -1, c.head_size))
    return leaves
