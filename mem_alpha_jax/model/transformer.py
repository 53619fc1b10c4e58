"""The decoder: embedding, pre-norm blocks, final norm, heads.

Covers Qwen3, Qwen2.5 and Llama by config: RMSNorm, RoPE, grouped-query
attention, SwiGLU (Shazeer 2020, arXiv 2002.05202). Layers are scanned over
stacked parameters, so compile time does not grow with depth.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float, Int

from mem_alpha_jax.model import attention, copy_head, matmul, presets
from mem_alpha_jax.model import masks as masks_lib
from mem_alpha_jax.system import sharding

UNROLL = 4  # models of at most so many layers are unrolled inside the scan


def unrolled(layout: attention.Layout, mesh: Mesh | None) -> attention.Layout:
  """The layout of what is differentiated.

  A scan stacks all that its backward pass needs; on CPU these copies take
  longer than a model of 30 layers takes to compile unrolled.
  """
  one = mesh is None or mesh.size == 1
  return layout._replace(unroll=one and sharding.platform(mesh) == 'cpu')


class Mlp(nn.Module):
  """SwiGLU: down(silu(gate x) * up x)."""

  config: presets.ModelConfig

  @nn.compact
  def __call__(self, x: Float[Array, '... D']) -> Float[Array, '... D']:
    c = self.config
    first = (c.width, c.ffn), ('embed', 'mlp'), c.width
    last = (c.ffn, c.width), ('mlp', 'embed'), c.ffn * 2 * c.layers
    gate = attention.param(self, 'gate', *first)
    up = attention.param(self, 'up', *first)
    down = attention.param(self, 'down', *last)
    gate, up, down = (w.astype(x.dtype) for w in (gate, up, down))
    if attention.fuses(c):
      both = jnp.stack([gate, up], axis=1).reshape(c.width, -1)
      both = matmul.dense(self, 'both', x, both)
      a, b = jax.lax.split(both, (c.ffn, c.ffn), axis=both.ndim - 1)
    else:
      a = matmul.dense(self, 'gate', x, gate)
      b = matmul.dense(self, 'up', x, up)
    return matmul.dense(self, 'down', jax.nn.silu(a) * b, down)


class Block(nn.Module):
  """One decoder layer; the carry of the scan over layers is x."""

  config: presets.ModelConfig
  layout: attention.Layout = attention.PLAIN

  @nn.compact
  def __call__(
    self,
    x: Float[Array, 'B G n D'],
    prefix: attention.KV | None,
    masks: masks_lib.Masks,
    cache: attention.KV | None = None,
  ) -> tuple[Float[Array, 'B G n D'], attention.KV]:
    """Returns x after the layer, and the layer's own keys and values."""
    c = self.config
    y = attention.Norm(c.norm_eps, name='attention_norm')(x)
    attend = attention.Attention(c, self.layout.attend, name='attention')
    y, own = attend(y, masks, prefix, cache)
    x = x + y
    y = attention.Norm(c.norm_eps, name='mlp_norm')(x)
    x = x + Mlp(c, name='mlp')(y)
    return self.layout.keep(x, 'batch', None, None, 'carried'), own


def _unrolls(config: presets.ModelConfig, layout: attention.Layout) -> bool:
  # Outside a loop XLA would find what is computed again, and keep it instead.
  if config.remat != 'none':
    return False
  return layout.unroll or config.layers <= UNROLL


def _rematted(config):
  if config.remat == 'none':
    return Block
  policy = None
  if config.remat == 'dots':
    policy = jax.checkpoint_policies.dots_with_no_batch_dims_saveable
  return nn.remat(Block, prevent_cse=False, policy=policy)


class Transformer(nn.Module):
  """All parameters of a policy; methods are the parts policy.py composes."""

  config: presets.ModelConfig
  layout: attention.Layout = attention.PLAIN  # of `run`

  def setup(self):
    c = self.config
    param, vector = attention.param, ((c.width,), ('embed',))
    table = (c.vocab_size, c.width), ('vocab', 'embed'), c.width
    self.embedding = param(self, 'embedding', *table)
    if not c.tied:
      self.head = param(self, 'head', *table)
    self.blocks = nn.scan(
      _rematted(c),
      variable_axes={'params': 0},
      split_rngs={'params': True},
      in_axes=(0, nn.broadcast),
      length=c.layers,
      unroll=_unrolls(c, self.layout),
      metadata_params={nn.PARTITION_NAME: 'layers'},
    )(c, self.layout)
    self.final_norm = attention.Norm(c.norm_eps)
    if c.copy_head:
      self.pointer = copy_head.Pointer(c)
    if c.match_bias:
      self.seen = param(self, 'seen', *vector, c.width)
    if c.value_head:
      self.value = param(self, 'value', *vector, nn.initializers.zeros)

  def embed(
    self, tokens: Int[Array, '...'], seen: Bool[Array, '...'] | None = None
  ) -> Float[Array, '... D']:
    """Returns token embeddings in the dtype of activations.

    With match_bias, tokens that occurred before get one more vector: what is
    said again is what an update is about.
    """
    x = jnp.take(self.embedding, tokens, axis=0)
    if self.config.match_bias:
      x = x + jnp.where(seen[..., None], self.seen, 0.0)
    return x.astype(self.config.dtype)

  def run(self, x, prefix: attention.KV | None, masks: masks_lib.Masks):
    """Returns (hidden [B, G, n, D], KV [layers, B, K, G, ...])."""
    x, own = self.blocks(x, prefix, masks)
    return self.final_norm(x), own

  def norm(self, x: Float[Array, '... D']) -> Float[Array, '... D']:
    """Applies the final norm; for callers that run the blocks themselves."""
    return self.final_norm(x)

  def pointer_keys(self, hidden: Float[Array, 'B P D']) -> Array:
    return self.pointer.keys(hidden)

  def point(self, hidden, keys, tokens, mask, found) -> copy_head.Copy:
    """Returns the copy part at hidden states; see copy_head.Pointer."""
    return self.pointer(hidden, keys, tokens, mask, found)

  def values(self, hidden: Float[Array, '... D']) -> Float[Array, '...']:
    """Returns the value head's estimate, float32."""
    return jnp.matmul(hidden.astype(jnp.float32), self.value)

  def __call__(
    self, tokens: Int[Array, 'B G n'], masks: masks_lib.Masks
  ) -> Array:
    """Touches every parameter; only `init` calls it."""
    c = self.config
    hidden, _ = self.run(self.embed(tokens, masks.seen), None, masks)
    if c.copy_head:
      flat = hidden[:, 0]
      mask = jnp.ones((flat.shape[0], 1, flat.shape[1]), bool)
      found = masks.own_match
      self.point(hidden, self.pointer_keys(flat), tokens[:, 0], mask, found)
    return hidden
