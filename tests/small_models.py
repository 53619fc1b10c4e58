"""Small policies and rows, shared by the tests of the model and sampler."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from mem_alpha_jax import types
from mem_alpha_jax.model import policy as policy_lib
from mem_alpha_jax.model import presets

VOCAB, EOS, PAD = 41, 2, 0
BASE = dict(
  layers=2, width=16, heads=4, kv_heads=2, head_size=4, ffn=24,
  vocab_size=VOCAB,
)  # fmt: skip
OPTIONS = {
  'off': dict(),
  'on': dict(
    qk_norm=True, qkv_bias=True, tied=False, copy_head=True, match_bias=True,
    value_head=True, rope_scaling=presets.RopeScaling(original=32),
  ),
}  # fmt: skip
OPTIONS['one'] = dict(OPTIONS['on'], layers=1)  # compiles faster


def config(name: str, **overrides) -> presets.ModelConfig:
  return presets.ModelConfig(**{**BASE, **OPTIONS[name], **overrides})


@functools.cache
def policy(name: str, **overrides):
  return policy_lib.make_policy(config(name, **overrides))


@functools.cache
def params(name: str, **overrides):
  """Random parameters; also those that start at 0 or 1."""
  start = jax.jit(policy(name, **overrides).init)(jax.random.key(0))
  leaves, tree = jax.tree.flatten(start)
  rng = np.random.default_rng(0)
  noise = [0.2 * rng.standard_normal(x.shape) for x in leaves]
  return jax.tree.unflatten(
    tree, [x + jnp.float32(n) for x, n in zip(leaves, noise, strict=True)]
  )


@functools.cache
def training_pass(name: str, temperature: float = 1.0, **overrides):
  """Jitted logps_and_entropy(params, rows) at one temperature."""
  apply = policy(name, **overrides).logps_and_entropy
  return jax.jit(lambda p, r: apply(p, r, temperature))


def rows(b=3, g=2, p=7, c=3, r=5, seed=0) -> types.RolloutRows:
  """Random rows with ragged lengths; few distinct ids, so that they match."""
  rng = np.random.default_rng(seed)
  ids = functools.partial(rng.integers, 3, 12)
  length = rng.integers(1, r + 1, (b, g, 1))
  zeros = np.zeros((b, g, r), np.float32)
  return types.RolloutRows(
    prefix=ids((b, p), dtype=np.int32),
    prefix_length=rng.integers(2, p + 1, (b,)).astype(np.int32),
    own=ids((b, g, c), dtype=np.int32),
    own_length=rng.integers(1, c + 1, (b, g)).astype(np.int32),
    response=ids((b, g, r), dtype=np.int32),
    response_mask=np.arange(r) < length,
    rollout_logps=zeros,
    advantages=zeros,
    row_weight=np.ones((b, g), np.float32),
    returns=zeros,
    old_values=zeros,
  )


def keys(b: int, g: int):
  """Typed keys by meaning: row (i, j) has the same key in any batch."""
  fold = jax.vmap(jax.random.fold_in, (None, 0))
  rows = fold(jax.random.key(5), jnp.arange(b))
  return jax.vmap(fold, (0, None))(rows, jnp.arange(g))
