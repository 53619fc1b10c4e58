"""How fast a chip could run a program at best, and what holds it back.

A program's time is at least its work over the chip's published rate, for each
resource by itself (Williams et al. 2009, "Roofline"). Nothing here is a
measurement.
"""

import math
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import traverse_util
from jax.sharding import Mesh, NamedSharding

from mem_alpha_jax.compile.instructions import Cost
from mem_alpha_jax.compile.programs import Program
from mem_alpha_jax.model import presets
from mem_alpha_jax.system import sharding
from mem_alpha_jax.types import GIB


class Chip(NamedTuple):
  """Published figures of one chip; rates are per second.

  Sources: cloud.google.com/tpu/docs/v4, /v5e, /v5p and /v6e (bfloat16 peak,
  HBM, interconnect in bits of all links together); NVIDIA's H100 SXM data
  sheet (dense bfloat16, NVLink one way).
  """

  hbm: int  # bytes
  flops: float
  bandwidth: float  # bytes of HBM
  links: float  # bytes over all its links
  options: dict[str, Any]  # of topologies.get_topology_desc


CHIPS = {
  # One device a chip, as JAX shows it on a real slice.
  'v4': Chip(32 * GIB, 275e12, 1228e9, 300e9, {'chip_config_name': 'megacore'}),
  'v5e': Chip(16 * GIB, 197e12, 819e9, 200e9, {}),
  'v5p': Chip(95 * GIB, 459e12, 2765e9, 600e9, {}),
  'v6e': Chip(32 * GIB, 918e12, 1640e9, 448e9, {}),
  'h100': Chip(80 * GIB, 989e12, 3350e9, 450e9, {}),
}


class Work(NamedTuple):
  """What a program cannot do without, on all devices together."""

  flops: float  # of the model itself, nothing computed twice
  # Weights and caches that a decode step must read, of one device, with caches
  # as full as they are in the mean of a response.
  step_bytes: int = 0


def matrix_axes(policy: Any) -> list[tuple[tuple, tuple]]:
  """Shape and logical names of what multiplies each token, unembedding first.

  An embedding that is no unembedding is only looked up, not multiplied.
  """
  c = policy.config
  shapes = jax.eval_shape(policy.init, jax.random.key(0))
  flat = traverse_util.flatten_dict(shapes)
  names = traverse_util.flatten_dict(policy.logical_axes())
  unembedding = ('embedding',) if c.tied else ('head',)
  paths = [unembedding, *(path for path in flat if path[0] == 'blocks')]
  return [(flat[path].shape, names[path]) for path in paths]


def model_work(
  config: Any, c: presets.ModelConfig, mesh: Mesh, program: Program, axes: Any
) -> Work:
  """The work of a program of `programs.programs`.

  2 N flops a token forward for N parameters that multiply it, 4 a pair of
  query and visible key for each element of a head; three times that with the
  backward pass (Kaplan et al. 2020, arXiv 2001.08361, without its embedding).
  `axes` are those of `matrix_axes`.
  """
  if program.kind in ('reshard', 'retrieve'):
    return Work(0.0)
  size = program.shape
  prefix, own, response = (size[k] for k in ('prefix', 'own', 'response'))
  blocks = sum(math.prod(shape) for shape, _ in axes[1:])
  table = c.vocab_size * c.width
  rows, length = program.rows, own + response - 1
  prompts = rows // program.width
  tokens = prompts * prefix + rows * length
  pairs = prompts * prefix * (prefix + 1) / 2
  pairs += rows * (length * prefix + length * (length + 1) / 2)
  flops = 2.0 * blocks * tokens + 2.0 * table * rows * response
  flops += 4.0 * c.layers * c.heads * c.head_size * pairs
  if program.kind == 'update':
    return Work(3 * flops)
  if program.kind in ('logps', 'values'):
    return Work(flops)
  mean = rows * (own + response / 2)
  step = _step_bytes(config, c, mesh, prompts * prefix, mean, axes)
  return Work(flops, int(step))


def _step_bytes(config, c, mesh, prefix_tokens, own_tokens, axes) -> float:
  """Bytes of one device that a decode step must read."""
  rules = sharding.LAYOUTS[config.mesh.decode]
  size = np.dtype(c.dtype).itemsize

  def shard(shape, names):
    place = sharding.spec(mesh, shape, names, rules)
    return NamedSharding(mesh, place).shard_shape(shape)

  weights = sum(math.prod(shard(*one)) * size for one in axes)
  token = 2 * c.layers * c.head_size * size
  rows, heads = shard((1 << 20, c.kv_heads), ('batch', 'kv_heads'))
  split = (1 << 20) / rows
  return weights + (prefix_tokens + own_tokens) * token * heads / split


def report(
  cost: Cost, loops: list[Cost], work: Work, chip: Chip, devices: int
) -> dict[str, Any]:
  """Times, the bottleneck, and how much of it the model itself needs.

  `cost` is of one device; the open loops of a sampler are the segments of its
  decode loop.
  """
  found = {'flops': cost.flops, **_limits(cost, chip)}
  bound = max(found['seconds'].values())
  if work.flops:
    found['model_flops'] = work.flops / devices
    found['model_share'] = work.flops / devices / chip.flops / bound
  if work.step_bytes:
    step = sum(loops, Cost()).times(1 / len(loops))
    found['step'] = _limits(step, chip) | {
      'needed_bytes': work.step_bytes,
      'needed_share': work.step_bytes / step.hbm,
    }
  return found


def _limits(cost: Cost, chip: Chip) -> dict[str, Any]:
  """Time of each resource at its published rate, and which is the longest."""
  seconds = {
    'compute': cost.flops / chip.flops,
    'memory': cost.hbm / chip.bandwidth,
    'links': cost.collective / chip.links,
  }
  return {
    'hbm_bytes': cost.hbm,
    'link_bytes': cost.collective,
    'seconds': seconds,
    'bottleneck': max(seconds, key=seconds.get),
  }
