"""What a run will hold in the memory of each device, before it holds any.

An estimate from shapes alone. Parameters, gradients, moments and caches are
exact; activations follow a count of the arrays that the backward pass reads,
checked against XLA's own analysis in the tests.
"""

import math
import operator
import os
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from mem_alpha_jax.config import sizes
from mem_alpha_jax.model import presets
from mem_alpha_jax.rl import optimizer, packing
from mem_alpha_jax.rollout import warm_start
from mem_alpha_jax.system import sharding
from mem_alpha_jax.types import GIB


class Plan(NamedTuple):
  """Bytes of one device."""

  parameters: int  # as stored
  optimizer: int  # two moments of each trained parameter
  reference: int  # what was trained as it began, for rl.kl_coef
  gradients: int  # float32 sums, and those of one micro-batch
  decoding: int  # the copy of the parameters that a decode loop reads
  cache: int  # keys and values of all responses sampled at once
  activations: int  # what the backward pass of one micro-batch reads
  warm_start: int  # the same of a batch of demonstrations; 0 without them
  available: int  # what the device has; 0 if it does not say

  @property
  def restore(self) -> int:
    """Peak at the start, a resume included: one state, and nothing beside."""
    return self.parameters + self.optimizer + self.reference

  @property
  def rollout(self) -> int:
    """Peak while sampling."""
    return self.restore + self.decoding + self.cache

  @property
  def update(self) -> int:
    """Peak while training."""
    return self.restore + self.gradients + self.activations

  @property
  def peak(self) -> int:
    return max(self.rollout, self.update)


def make(
  config: Any, policy: Any, mesh: Mesh, available: int | None = None
) -> Plan:
  """Plans a run of `config`; `available` None asks the devices."""
  shapes = sharding.param_shapes(policy, mesh)
  trained, _ = optimizer.split(shapes)
  size = np.dtype(policy.config.dtype).itemsize
  moments = _bytes(trained)
  warm = _of_warm_start(config, policy, mesh)
  return Plan(
    parameters=_bytes(shapes),
    optimizer=2 * moments,
    reference=moments if config.rl.kl_coef else 0,
    gradients=moments + _bytes(trained, 4),
    decoding=_bytes(shapes, size),
    cache=_cache(config, policy.config, mesh),
    activations=max(_of_update(config, policy, mesh), warm),
    warm_start=warm,
    available=_available(mesh) if available is None else available,
  )


def _bytes(shapes: Any, itemsize: int = 0) -> int:
  """Bytes of one device's shards, 0: in their own dtype."""
  return sum(
    math.prod(x.sharding.shard_shape(x.shape)) * (itemsize or x.dtype.itemsize)
    for x in jax.tree.leaves(shapes)
  )


def _cache(config: Any, c: presets.ModelConfig, mesh: Mesh) -> int:
  """Keys and values of a prefix for each prompt, and of each response."""
  r = config.rollout
  samples = config.data.batch_episodes * r.group_size
  shared = sizes.shares_prefix(config)
  prompts = config.data.batch_episodes if shared else samples
  prefix, own = sizes.prompt_shape(
    config, r.prefix_buckets[-1], r.own_buckets[-1]
  )
  tokens = prompts * prefix + samples * (own + r.response_buckets[-1])
  token = 2 * c.layers * c.kv_heads * c.head_size
  size = np.dtype(c.dtype).itemsize
  tensor = mesh.shape['tensor'] if c.kv_heads % mesh.shape['tensor'] == 0 else 1
  return tokens * token * size // sharding.batch_parts(mesh) // tensor


def _of_update(config: Any, policy: Any, mesh: Mesh) -> int:
  rl, width = config.rl, sizes.prompt_width(config)
  groups = -(-rl.minibatch_rows // width // rl.microbatches)
  if packed := packing.shape(rl, width):
    groups = packed.groups * sharding.batch_parts(mesh)
    width = -(-packed.rows // packed.groups)
  return _activations(config, policy.config, mesh, groups, width)


def _of_warm_start(config: Any, policy: Any, mesh: Mesh) -> int:
  """Of all demonstrations at once: there are no micro-batches."""
  warm, width = config.warm_start, warm_start.SAMPLES
  if not warm.answers and (warm.checkpoint or not warm.steps):
    return 0
  groups = -(-warm.batch // width)
  return _activations(config, policy.config, mesh, groups, width)


def _activations(
  config: Any, c: presets.ModelConfig, mesh: Mesh, groups: int, width: int
) -> int:
  """What a layer keeps for its gradient, times the layers that keep it."""
  r = config.rollout
  groups = -(-groups // sharding.batch_parts(mesh))
  prefix, own = sizes.prompt_shape(
    config, r.prefix_buckets[-1], r.own_buckets[-1]
  )
  own += r.response_buckets[-1]
  tokens = groups * (prefix + width * own)
  size = np.dtype(c.dtype).itemsize
  tensor = mesh.shape['tensor']
  heads = (c.heads + 2 * c.kv_heads) * c.head_size
  inner = (3 * heads + 3 * c.ffn) // tensor
  if c.attention == 'xla':
    scores = groups * c.heads * (prefix**2 + width * own * (prefix + own))
  else:  # the prefix's keys and values, copied to each sample
    scores = groups * width * prefix * c.kv_heads * c.head_size
  layer = tokens * (4 * c.width + inner) * size + 2 * 4 * scores // tensor
  carried = tokens * c.width * size // tensor
  kept = {
    'none': c.layers * (layer + carried),
    'dots': c.layers * (tokens * (2 * c.width + inner) * size) + layer,
    'full': c.layers * carried + layer,
  }
  held = 2 * c.block_logits // sharding.batch_parts(mesh)
  logits = min(held, groups * width * own * c.vocab_size)
  return kept[c.remat] + 2 * 4 * logits


def _available(mesh: Mesh) -> int:
  """Memory of one device; CPU devices share the machine's."""
  device = mesh.local_devices[0]
  stats = device.memory_stats()
  if stats and 'bytes_limit' in stats:
    return stats['bytes_limit']
  if device.platform != 'cpu':
    return 0
  total = os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
  return total // len(jax.local_devices())


def table(plan: Plan) -> str:
  """Returns the plan as text, one line a kind."""
  kinds = [n for n in Plan._fields[:-1] if n != 'warm_start' or plan.warm_start]
  names = (*kinds, 'restore', 'rollout', 'update', 'available')
  lines = [f'  {name:<11} {_gib(getattr(plan, name)):>9}' for name in names]
  if jax.default_backend() == 'gpu':
    lines.append(
      '  (of a GPU, JAX takes 75% at once; beside another program on it, such '
      'as a vLLM\n  reader, set XLA_PYTHON_CLIENT_MEM_FRACTION and its '
      '--gpu-memory-utilization)'
    )
  return '\n'.join(['memory of one device (estimate):', *lines])


def _gib(size: int) -> str:
  return f'{size / GIB:.3f} GiB' if size else 'unknown'


def check(plan: Plan, config: Any) -> None:
  """Raises ValueError for a plan that does not fit; names what gives most."""
  if not plan.available or plan.peak <= plan.available:
    return
  kinds = {
    'parameters': max(plan.restore, plan.gradients),
    'cache': plan.cache if plan.rollout > plan.available else 0,
    'activations': plan.activations if plan.update > plan.available else 0,
  }
  wrong = max(kinds, key=kinds.get)
  if wrong == 'activations' and plan.activations == plan.warm_start:
    wrong = 'warm_start'
  raise ValueError(
    f'the run needs {_gib(plan.peak)} a device, {wrong} most of it, and there '
    f'are {_gib(plan.available)}: {way_out(wrong, config)}'
  )


LOWER = {
  'greedy': ('data.eval_episodes',),
  'retrieve': ('memory.max_slots', 'memory.entry_tokens'),
  'cache': ('data.batch_episodes', 'rollout.group_size'),
  'warm_start': ('warm_start.batch',),
}


def way_out(wrong: str, config: Any) -> str:
  """The field to change first when one kind of memory is too much."""
  if wrong in LOWER:
    get = lambda name: operator.attrgetter(name)(config)
    return 'lower ' + ' or '.join(f'{n}={get(n)}' for n in LOWER[wrong])
  if wrong == 'activations' and config.model.remat != 'full':
    return f"set model.remat='full' (it is {config.model.remat!r})"
  if wrong == 'activations' and config.rl.packed_groups:
    return f'lower rl.packed_groups={config.rl.packed_groups} and packed_rows'
  if wrong == 'activations':
    return f'raise rl.microbatches={config.rl.microbatches}'
  way = (
    "model.param_dtype='bfloat16'" if config.lora.rank else 'lora.rank to 16'
  )
  return f'set {way}, or spread over more devices by mesh.fsdp'
