"""Low-rank adaptation (Hu et al. 2021, arXiv 2106.09685) by qwix.

A kernel W of [.., D, F] gets two trained factors beside it, `<name>_lora_a`
[.., D, r] and `<name>_lora_b` [.., r, F], and acts as W + alpha / r * A B.

A decode loop reads the sum where it is kept in float32. In bfloat16 the sum
would lose most of the update (of rms 2.8e-5 on weights of 0.02: 71% of the
entries do not move), and the sampler would not be the policy that is trained;
there the loop multiplies by the factors too, as training does.
"""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import traverse_util

from mem_alpha_jax.model import matmul, presets
from mem_alpha_jax.system import optional

SUFFIXES = ('_lora_a', '_lora_b')
METHODS = ('__call__', 'run')  # of the Transformer, that multiply by kernels


@functools.cache
def _provider(rank: int, alpha: float) -> Any:
  """One object for each pair: qwix's traces are keyed by its identity."""
  qwix = optional.load('qwix', 'lora')
  return qwix.LoraProvider(module_path='blocks/.*', rank=rank, alpha=alpha)


def adapt(model: nn.Module, config: presets.ModelConfig) -> nn.Module:
  """Returns the model with LoRA on every kernel of its blocks."""
  if not config.lora_rank:
    return model
  provider = _provider(config.lora_rank, config.lora_alpha)
  return optional.load('qwix', 'lora').apply_lora_to_model(
    model, provider, methods=METHODS
  )


def is_factor(path: tuple[str, ...]) -> bool:
  """Whether a parameter of this path is one of LoRA's."""
  return path[-1].endswith(SUFFIXES)


def decoded(config: presets.ModelConfig) -> presets.ModelConfig:
  """The config of the layers that a decode loop reads: rank 0 if merged."""
  exact = config.dtype == config.param_dtype == 'float32'
  return dataclasses.replace(config, lora_rank=0) if exact else config


def variables(params: Any, config: presets.ModelConfig) -> dict[str, Any]:
  """Variables of a Block of `decoded(config)`, from those of one of `config`.

  Factors that stay beside their kernels go where `matmul.dense` looks.
  """
  if not config.lora_rank or not decoded(config).lora_rank:
    return {'params': merge(params, config)}
  flat = traverse_util.flatten_dict(params)
  scale, beside = config.lora_alpha / config.lora_rank, {}
  for path in [path for path in flat if path[-1].endswith(SUFFIXES[0])]:
    name = path[-1].removesuffix(SUFFIXES[0])
    a, b = (flat.pop((*path[:-1], name + s)) for s in SUFFIXES)
    beside[*path[:-1], f'{name}_lora'] = a, scale * b
  return {
    'params': traverse_util.unflatten_dict(flat),
    matmul.COLLECTION: traverse_util.unflatten_dict(beside),
  }


def merge(params: Any, config: presets.ModelConfig) -> Any:
  """Returns parameters without factors: W + alpha / r * A B in W's dtype."""
  if not config.lora_rank:
    return params
  flat = traverse_util.flatten_dict(params)
  scale = config.lora_alpha / config.lora_rank
  merged = {}
  for path, kernel in flat.items():
    if is_factor(path):
      continue
    a, b = (flat.get((*path[:-1], path[-1] + s)) for s in SUFFIXES)
    if a is not None:
      change = jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)
      change = scale * change.reshape(kernel.shape)
      kernel = (kernel + change).astype(kernel.dtype)
    merged[path] = kernel
  return traverse_util.unflatten_dict(merged)
