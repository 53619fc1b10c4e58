"""Low-rank adaptation (Hu et al. 2021, arXiv 2106.09685) by qwix.

A kernel W of [.., D, F] gets two trained factors beside it, `<name>_lora_a`
[.., D, r] and `<name>_lora_b` [.., r, F], and acts as W + alpha / r * A B.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import traverse_util

from mem_alpha_jax.model import presets
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
