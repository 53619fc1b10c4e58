"""How a decode loop reads the layers: from its own copy, or where they are.

A copy with the layers unstacked, cast and transposed, is read fastest. Where it
would take more of a device than COPY_BYTES the loop scans over the stacked
parameters instead and casts one layer at a time.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import Mesh
from jaxtyping import Array, Float

from mem_alpha_jax.model import (
  attention,
  kv_cache,
  lora,
  matmul,
  presets,
  transformer,
)
from mem_alpha_jax.model import masks as masks_lib
from mem_alpha_jax.system import sharding

COPY_BYTES = {'cpu': 2**31}
ACCELERATOR_BYTES = 2**34  # of COPY_BYTES, elsewhere
BLOCK_BYTES = 2**27  # of the unembedding in float32, which XLA makes on CPU
FLOAT32 = ('scale', 'match', 'gate_bias', 'value', 'seen')  # used as they are
# XLA on CPU multiplies in float32: it casts what it multiplies, and would move
# the cast of all stacked layers out of the loop over them.
STACKED_OPTIONS = {'xla_disable_hlo_passes': 'while-loop-invariant-code-motion'}


def copies(config: presets.ModelConfig, mesh: Mesh | None) -> bool:
  """Whether a decode loop on a mesh gets a copy of the layers."""
  c = config
  heads = 2 * (c.heads + c.kv_heads) * c.head_size
  layer = c.width * (heads + 3 * c.ffn)  # what is not a matrix is nothing
  size = layer * c.layers * jnp.dtype(c.dtype).itemsize
  limit = COPY_BYTES.get(sharding.platform(mesh), ACCELERATOR_BYTES)
  devices = 1 if mesh is None else mesh.size
  return size // devices <= limit


def options(config: presets.ModelConfig, mesh: Mesh | None) -> dict | None:
  """XLA's options for a program with a decode loop, None for its own."""
  on_cpu = sharding.platform(mesh) == 'cpu'
  return None if copies(config, mesh) or not on_cpu else STACKED_OPTIONS


def keeps_stacked(mesh: Mesh | None) -> bool:
  """Whether a copy of the layers keeps them stacked as well.

  The context before a loop is then run by a scan, which compiles in a tenth
  of the time; on CPU the memory is worth more.
  """
  return sharding.platform(mesh) != 'cpu'


def prepare(
  config: presets.ModelConfig,
  params: Any,
  positions: int,
  copy: bool,
  place: Callable,
  stacked: bool = False,
) -> Any:
  """Does once what a decode loop should not repeat.

  Tabulates RoPE up to `positions` tokens of a sequence; with `copy` also
  slices the layers unstacked, with LoRA in or beside them, cast, transposed.
  `place` lays parameters of a config out as the loop reads them; with `stacked`
  they are there in one piece, too.
  """
  if not copy:
    params = place(params, config)
    return {**params, 'rope': masks_lib.rope_table(config, positions)}
  c = lora.decoded(config)
  if not c.lora_rank:
    params = lora.merge(params, config)
  out = place(jax.tree_util.tree_map_with_path(_cast(c), params), c)
  blocks = out['blocks']
  layers = [jax.tree.map(lambda x, i=i: x[i], blocks) for i in range(c.layers)]
  out['blocks'] = tuple(_transposed(c, layer) for layer in layers)
  if stacked:
    out['stacked'] = blocks
  out['rope'] = masks_lib.rope_table(c, positions)
  return out


def _cast(c):
  """Casts what the modules cast on use; the rest is used in float32."""

  def cast(path, x):
    name = path[-1].key
    kept = name in FLOAT32 or lora.is_factor((name,))
    return x if kept else x.astype(c.dtype)

  return cast


def _transposed(c, layer):
  """Returns variables of a Block: its parameters, its kernels for decode."""
  x = jnp.zeros((1, 1, 1, c.width), c.dtype)  # nothing of it is computed
  cos = jnp.zeros((1, 1, 1, c.head_size // 2))
  found = jnp.zeros((1, 1, 1, 1))
  masks = masks_lib.Masks(cos, cos, found > 0, masks_lib.Match(found, found))
  block, variables = transformer.Block(c), lora.variables(layer, c)
  _, kernels = block.apply(
    variables, x, None, masks, mutable=[matmul.COLLECTION]
  )
  return variables | kernels


def run(
  config: presets.ModelConfig,
  layout: attention.Layout,
  blocks: Any,
  x: Float[Array, 'B G n D'],
  prefix: kv_cache.Prefix,
  cache: kv_cache.Cache,
  masks: masks_lib.Masks,
) -> tuple[Float[Array, 'B G n D'], kv_cache.Cache]:
  """Runs all layers; `blocks` come from `prepare`, or are the stacked ones."""
  c = lora.decoded(config)
  block = transformer.Block(c, layout)
  if not isinstance(blocks, tuple):
    mine = attention.KV(cache.k, cache.v)
    x, own = _scan(config, block, blocks, x, prefix, mine, masks)
    return x, cache.replace(k=own.k, v=own.v)
  own = []
  for i in range(c.layers):
    shared = attention.KV(prefix.k[i], prefix.v[i])
    mine = attention.KV(cache.k[i], cache.v[i])
    x, kv = block.apply(blocks[i], x, shared, masks, mine)
    own.append(kv)
  return x, cache.replace(
    k=tuple(kv.k for kv in own), v=tuple(kv.v for kv in own)
  )


def fill(
  config: presets.ModelConfig,
  layout: attention.Layout,
  stacked: Any,
  x: Float[Array, 'B G n D'],
  prefix: kv_cache.Prefix,
  cache: kv_cache.Cache,
  masks: masks_lib.Masks,
) -> tuple[Float[Array, 'B G n D'], kv_cache.Cache]:
  """`run` from slot 0 of an empty cache, by a scan over stacked layers.

  The prefix is stacked, the cache is not.
  """
  config = lora.decoded(config)
  mask, match = jax.tree.map(
    lambda keys: keys[..., : x.shape[2]], (masks.own_mask, masks.own_match)
  )
  masks = masks._replace(own_mask=mask, own_match=match)
  block = transformer.Block(config, layout)
  x, own = _scan(config, block, stacked, x, prefix, None, masks)
  write = lambda axis: lambda buffer, new: kv_cache.write(buffer, new, 0, axis)
  return x, cache.replace(
    k=tuple(map(write(4), cache.k, own.k)),
    v=tuple(map(write(3), cache.v, own.v)),
  )


def _scan(config, block, stacked, x, prefix, cache, masks):
  """Runs stacked layers, whose caches are stacked too if there are any."""

  def layer(x, inputs):
    params, shared, mine = inputs
    variables = lora.variables(params, config)
    return block.apply(variables, x, shared, masks, mine)

  shared = attention.KV(prefix.k, prefix.v)
  return lax.scan(layer, x, (stacked, shared, cache))


def blocked(
  unembedding: Float[Array, 'V D'],
) -> Float[Array, 'blocks V/blocks D']:
  """Splits it so that a block takes BLOCK_BYTES at most in float32."""
  vocab, width = unembedding.shape
  blocks = next(
    n
    for n in range(1, vocab + 1)
    if vocab % n == 0 and vocab // n * width * 4 <= BLOCK_BYTES
  )
  return unembedding.reshape(blocks, vocab // blocks, width)
