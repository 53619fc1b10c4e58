"""Attention without scores in memory: kernels that other people keep.

  splash  the Pallas kernel for TPU that ships with JAX
  cudnn   cuDNN's through `jax.nn.dot_product_attention`, for GPUs

Both compute what `attention.attend` does (the reference, 'xla') when many
tokens are run at once. A decode step has one query a sample: there are no
scores worth avoiding, and it stays with the reference.

A sample's keys are its group's prefix, then its own; the prefix is copied to
every sample of the group for the call, which is small beside the scores.
"""

import functools
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
from jax.experimental.pallas.ops.tpu.splash_attention import (
  splash_attention_kernel as splash,
)
from jax.experimental.pallas.ops.tpu.splash_attention import (
  splash_attention_mask,
)
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Bool, Float

from mem_alpha_jax.model import attention
from mem_alpha_jax.system import sharding

LANES = 128  # sequences are padded to a multiple of it
BLOCKS = (1024, 512, 256, LANES)  # tile edges of splash, largest that divides


def make_attend(
  kind: str,
  mesh: Mesh | None,
  rules: Mapping[str | None, tuple[str, ...]] = sharding.LOGICAL_RULES,
) -> Callable:
  """Returns a function like `attention.attend`, for queries from slot 0 on.

  `kind` is config.model.attention: 'xla', 'splash' or 'cudnn'. Kernels run on
  each shard of the mesh by itself.
  """
  if kind == 'xla':
    return attention.attend
  run = {'splash': _splash, 'cudnn': _cudnn}[kind]
  on_cpu = sharding.platform(mesh) == 'cpu'

  def attend(q, own, masks, prefix, bias):
    del bias  # config.validate: these models have none
    b, k, g, n, j, size = q.shape
    keys, values, real = _sequences(q, own, masks, prefix)
    queries = q.transpose(0, 2, 1, 4, 3, 5).reshape(b, g, k * j, n, size)
    prefix = keys.shape[3] - n
    kernel = functools.partial(run, prefix=prefix, interpret=on_cpu)
    out = _sharded(kernel, mesh, rules, (b, k), (queries, keys, values, real))
    out = out.reshape(b, g, k, j, n, size).transpose(0, 2, 1, 4, 3, 5)
    return out.astype(q.dtype)

  return attend


def _sequences(q, own, masks, prefix):
  """Returns keys and values [B, G, K, P + n, Hd], and which are real."""
  b, _, g, n, _, _ = q.shape
  keys = own.k[..., :n].swapaxes(-1, -2)
  values = own.v[..., :n, :]
  real = masks.own_mask[:, :, -1, :n]  # the last query sees all that are
  if prefix is not None:
    spread = lambda x: jnp.broadcast_to(
      x[:, :, None], (*x.shape[:2], g, *x.shape[2:])
    )
    keys = jnp.concatenate([spread(prefix.k.swapaxes(-1, -2)), keys], 3)
    values = jnp.concatenate([spread(prefix.v), values], 3)
    shared = masks.prefix_mask[:, None]
    shared = jnp.broadcast_to(shared, (b, g, shared.shape[-1]))
    real = jnp.concatenate([shared, real], 2)
  return keys.swapaxes(1, 2), values.swapaxes(1, 2), real


def _sharded(kernel, mesh, rules, sizes, arrays):
  """Runs a kernel on each device's own rows and kv heads, of `sizes`."""
  if mesh is None or mesh.size == 1:
    return kernel(*arrays)
  names = ('batch', 'kv_heads')
  rows, heads = sharding.spec(mesh, sizes, names, rules)
  four = PartitionSpec(rows, None, heads)
  return jax.shard_map(
    kernel,
    mesh=mesh,
    in_specs=(four, four, four, PartitionSpec(rows)),
    out_specs=four,
    check_vma=False,  # a kernel's outputs say nothing of mesh axes
  )(*arrays)


def _splash(
  q: Float[Array, 'B G H n Hd'],
  k: Float[Array, 'B G K L Hd'],
  v: Float[Array, 'B G K L Hd'],
  real: Bool[Array, 'B G L'],
  *,
  prefix: int,
  interpret: bool,
) -> Float[Array, 'B G H n Hd']:
  """Query i sees keys up to prefix + i that are real."""
  n, size = q.shape[3:]
  width = -(-n // LANES) * LANES
  fill = [(0, 0)] * 3 + [(0, width - n), (0, 0)]
  q, k, v = (jnp.pad(x, fill) for x in (q * size**-0.5, k, v))
  real = jnp.pad(real, [(0, 0), (0, 0), (0, width - n)])
  kernel = _kernel(q.shape[2], width, prefix, interpret)
  segments = splash.SegmentIds(
    q=jnp.ones((*real.shape[:2], width), jnp.int32), kv=real.astype(jnp.int32)
  )
  return jax.vmap(jax.vmap(kernel))(q, k, v, segments)[..., :n, :]


def edge(size: int) -> int:
  """Edge of the tiles of a padded sequence."""
  return next(n for n in BLOCKS if size % n == 0)


def _kernel(heads: int, width: int, prefix: int, interpret: bool):
  """The kernel of a shape; its mask is causal after `prefix` keys."""
  shape = (width, prefix + width)
  mask = splash_attention_mask.CausalMask(shape, offset=prefix)
  rows, columns = edge(width), edge(prefix + width)
  sizes = splash.BlockSizes(
    block_q=rows,
    block_kv=columns,
    block_kv_compute=min(columns, 512),
    block_q_dkv=rows,
    block_kv_dkv=columns,
    block_kv_dkv_compute=min(columns, 512),
    use_fused_bwd_kernel=True,
  )
  with jax.ensure_compile_time_eval():
    return splash.make_splash_mha_single_device(
      splash_attention_mask.MultiHeadMask([mask] * heads),
      block_sizes=sizes,
      interpret=interpret,
    )


def _cudnn(q, k, v, real, *, prefix: int, interpret: bool):
  """As `_splash`; on CPU the same call in XLA, for there is no cuDNN.

  With a mask its backward pass wants even numbers of queries and of keys: one
  more is added where they are odd.
  """
  b, g, _, real_n, _ = q.shape
  even = lambda x: jnp.pad(x, [(0, 0)] * 3 + [(0, x.shape[3] % 2), (0, 0)])
  q, k, v, n = even(q), even(k), even(v), real_n + real_n % 2
  real = jnp.pad(real, [(0, 0), (0, 0), (0, real.shape[2] % 2)])
  rows = lambda x: x.reshape(b * g, *x.shape[2:])
  heads_last = lambda x: rows(x).swapaxes(1, 2)
  seen = jnp.arange(k.shape[3]) <= prefix + jnp.arange(n)[:, None]
  mask = rows(real)[:, None, None] & seen
  out = jax.nn.dot_product_attention(
    heads_last(q),
    heads_last(k),
    heads_last(v),
    mask=mask,
    implementation='xla' if interpret else 'cudnn',
  )
  return out.swapaxes(1, 2).reshape(q.shape)[..., :real_n, :]
