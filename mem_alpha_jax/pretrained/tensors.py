"""How checkpoints hold our parameters: names, shapes, and filling arrays.

Facts: the modules of Qwen3, Qwen2 and Llama in transformers name their tensors
alike. A Linear there is [out, in]; here kernels are [in, out], with heads
apart and the layers stacked.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from mem_alpha_jax.model import presets
from mem_alpha_jax.system import multihost

BLOCK_BYTES = 2**26  # read at a time: what a file needs beyond the result
TILE = 128
ALIGNMENT = 64  # bytes; JAX on CPU takes such a buffer over without a copy

LINEAR = ((1,), (0,))
HEADS = ((1, 2), (0,))
MERGE = ((2,), (0, 1))
TABLE = ((0,), (1,))
VECTOR = ((0,),)
BIAS = ((0, 1),)


class Leaf(NamedTuple):
  """A parameter, and the tensors that hold it in a checkpoint."""

  path: tuple[str, ...]  # of the parameter
  name: str  # of the tensor in a Hugging Face checkpoint; {} is the layer
  shape: tuple[int, ...]  # of the parameter, without layers
  # For each dimension of the tensor, those of the parameter that it joins.
  axes: tuple[tuple[int, ...], ...]

  @property
  def tensor_shape(self) -> tuple[int, ...]:
    return tuple(math.prod(self.shape[a] for a in dim) for dim in self.axes)

  @property
  def order(self) -> list[int]:
    """Dimensions of the parameter, in the order of the tensor's."""
    return [a for dim in self.axes for a in dim]

  def tensor_slices(self, bounds) -> tuple[slice, ...]:
    """Maps [start, stop) of each dimension of the parameter to the tensor.

    Of joined dimensions only the first may be a part.
    """
    found = []
    for dim in self.axes:
      unit = math.prod(self.shape[a] for a in dim[1:])
      start, stop = bounds[dim[0]]
      found.append(slice(start * unit, stop * unit))
    return tuple(found)

  @property
  def stacked(self) -> bool:
    return '{}' in self.name

  def names(self, config: presets.ModelConfig) -> Iterator[str]:
    """Yields the tensor's name in each layer."""
    layers = range(config.layers) if self.stacked else [0]
    return (self.name.format(i) for i in layers)


class Source(NamedTuple):
  """Tensors of a checkpoint, read by name."""

  path: Any  # for errors
  shapes: Mapping[str, tuple[int, ...]]  # of all tensors in it
  # Name, slices (one a dimension) -> that part of a tensor.
  read: Callable[[str, tuple[slice, ...]], np.ndarray]


def leaves(config: presets.ModelConfig) -> list[Leaf]:
  """Lists the parameters that public checkpoints have, small ones last."""
  c = config
  q, kv = (c.heads, c.head_size), (c.kv_heads, c.head_size)
  table = (c.vocab_size, c.width), TABLE
  found = [Leaf(('embedding',), 'model.embed_tokens.weight', *table)]
  if not c.tied:
    found.append(Leaf(('head',), 'lm_head.weight', *table))

  def add(path, name, shape, axes):
    path = ('blocks', *path.split('/'))
    found.append(Leaf(path, f'model.layers.{{}}.{name}', shape, axes))

  for part in ('gate', 'up'):
    add(f'mlp/{part}', f'mlp.{part}_proj.weight', (c.width, c.ffn), LINEAR)
  add('mlp/down', 'mlp.down_proj.weight', (c.ffn, c.width), LINEAR)
  for part, heads in (('q', q), ('k', kv), ('v', kv)):
    name = f'self_attn.{part}_proj'
    add(f'attention/{part}', f'{name}.weight', (c.width, *heads), HEADS)
    if c.qkv_bias:
      add(f'attention/{part}_bias', f'{name}.bias', heads, BIAS)
  add('attention/o', 'self_attn.o_proj.weight', (*q, c.width), MERGE)
  if c.qk_norm:
    for part in 'qk':
      path, name = f'attention/{part}_norm/scale', f'self_attn.{part}_norm'
      add(path, f'{name}.weight', (c.head_size,), VECTOR)
  norms = {
    'attention_norm': 'input_layernorm',
    'mlp_norm': 'post_attention_layernorm',
  }
  for path, name in norms.items():
    add(f'{path}/scale', f'{name}.weight', (c.width,), VECTOR)
  last = Leaf(('final_norm', 'scale'), 'model.norm.weight', (c.width,), VECTOR)
  return [*found, last]


def check(source: Source, config: Any, wanted: list[Leaf]) -> None:
  """Raises ValueError unless the tensors are the wanted ones of `config`.

  The message names the file and the first tensor that is missing, of another
  shape, or of no use.
  """
  known = set()
  for leaf in wanted:
    for name in leaf.names(config):
      if name not in source.shapes:
        raise ValueError(f'{source.path}: tensor {name} is missing')
      shape = tuple(source.shapes[name])
      if shape != leaf.tensor_shape:
        raise ValueError(
          f'{source.path}: tensor {name} is {list(shape)}, the config makes '
          f'it {list(leaf.tensor_shape)}'
        )
      known.add(name)
  more = sorted(set(source.shapes) - known)
  if more:
    raise ValueError(
      f'{source.path}: tensor {more[0]} is of no use to the model of its '
      'config: is it of another architecture?'
    )


def assemble(
  source: Source,
  config: Any,
  shardings: Any = None,
  dtype: Any = jnp.float32,
  wanted: list[Leaf] | None = None,
) -> Any:
  """Returns the parameters, each read part by part into its final place.

  Beyond the result it needs BLOCK_BYTES, and on accelerators the host's copy
  of one parameter.

  Args:
    source: the tensors; checked first.
    config: of the model; only its layers are read where `wanted` is given.
    shardings: like the parameters; each device's part alone is read, and leaves
      that public checkpoints do not have are ignored. None: the default device.
    wanted: the parameters; those of a decoder by default.

  Raises:
    ValueError: as `check` does.
  """
  dtype = jnp.dtype(dtype)
  wanted = leaves(config) if wanted is None else wanted
  check(source, config, wanted)
  places = traverse_util.flatten_dict(shardings or {})
  default = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
  params = {}
  for leaf in wanted:
    shape = (config.layers,) * leaf.stacked + leaf.shape
    names = list(leaf.names(config))

    def part(index, leaf=leaf, names=names):
      return _read(source, leaf, names, index, dtype)

    place = places.get(leaf.path, default)
    params[leaf.path] = jax.make_array_from_callback(shape, place, part)
  return traverse_util.unflatten_dict(params)


def sizes(config: presets.ModelConfig, dtype: Any) -> dict[str, int]:
  """Returns the bytes of each tensor, in the order of `tensors`."""
  item = jnp.dtype(dtype).itemsize
  return {
    name: math.prod(leaf.tensor_shape) * item
    for leaf in leaves(config)
    for name in leaf.names(config)
  }


def tensors(
  params: Any, config: presets.ModelConfig, dtype: Any
) -> Iterator[tuple[str, np.ndarray]]:
  """Yields names and tensors of a checkpoint; the inverse of `assemble`.

  All processes of a run must iterate: arrays pass through every host, one
  layer at a time.

  Raises:
    ValueError: if parameters are missing or have no place in a checkpoint,
      naming the first.
  """
  flat = traverse_util.flatten_dict(params)
  found = leaves(config)
  strange = set(flat) ^ {leaf.path for leaf in found}
  strange.discard(('value',))  # the value head serves training alone
  if strange:
    name = '/'.join(min(strange))
    raise ValueError(
      f'parameter {name} is in one of model and public checkpoint alone, so '
      'the model cannot be exported (LoRA must be merged first)'
    )
  return _tensors(flat, found, config, dtype)


def _tensors(flat, found, config, dtype):
  for leaf in found:
    for i, name in enumerate(leaf.names(config)):
      array = flat[leaf.path]
      layer = multihost.whole(array[i] if leaf.stacked else array)
      turned = layer.transpose(leaf.order).reshape(leaf.tensor_shape)
      yield name, np.ascontiguousarray(turned, dtype)


def _read(source, leaf, names, index, dtype):
  """Returns the part of a parameter at `index`, one slice a dimension."""
  if leaf.stacked:
    names, index = names[index[0]], index[1:]
  bounds = [s.indices(n)[:2] for s, n in zip(index, leaf.shape, strict=True)]
  shape = tuple(stop - start for start, stop in bounds)
  out = _empty((len(names), *shape), dtype)
  for layer, name in zip(out, names, strict=True):
    for block in _blocks(leaf, bounds):
      pairs = zip(block, bounds, strict=True)
      inner = tuple(slice(a - start, b - start) for (a, b), (start, _) in pairs)
      target = layer[inner].transpose(leaf.order)
      found = source.read(name, leaf.tensor_slices(block))
      _copy(found.reshape(target.shape).astype(dtype, copy=False), target)
  return out if leaf.stacked else out[0]


def _copy(found, target):
  """Copies TILE rows at a time: turned in the cache, several times faster."""
  rows = math.prod(found.shape[1:-1])
  step = max(1, TILE // rows)
  for start in range(0, len(found), step):
    target[start : start + step] = found[start : start + step]


def _blocks(leaf, bounds):
  """Splits bounds along the tensor's rows into parts of BLOCK_BYTES."""
  axis = leaf.order[0]
  start, stop = bounds[axis]
  size = 4 * math.prod(b - a for a, b in bounds) // max(1, stop - start)
  step = max(1, BLOCK_BYTES // max(1, size))
  for first in range(start, stop, step):
    block = list(bounds)
    block[axis] = (first, min(first + step, stop))
    yield block


def _empty(shape, dtype):
  """Returns an aligned array, which JAX on CPU takes over as it is."""
  size = math.prod(shape) * jnp.dtype(dtype).itemsize
  raw = np.empty(size + ALIGNMENT, np.uint8)
  start = -raw.ctypes.data % ALIGNMENT
  return raw[start : start + size].view(dtype).reshape(shape)
