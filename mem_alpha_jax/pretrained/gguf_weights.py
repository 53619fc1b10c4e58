"""Parameters from a GGUF file, dequantized.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Of the
`llama` architecture the rows of q and k are permuted there: pairs that RoPE
rotates lie side by side, where ours lie half a head apart.
"""

import dataclasses
import functools
import os
from typing import Any

import jax.numpy as jnp
import numpy as np

from mem_alpha_jax.model import masks, presets
from mem_alpha_jax.pretrained import hf_config, tensors
from mem_alpha_jax.system import optional

gguf = optional.load('gguf', 'models')

PERMUTED = ('llama',)
FREQUENCIES = 'rope_freqs.weight'
# Fields that change the model in ways ours has not, and their idle values.
REFUSED = {
  'expert_count': 0,
  'attention.sliding_window': 0,
  'rope.scaling.type': 'none',
  'attention.scale': 0.0,
  'logit_scale': 0.0,
}


class _Reader(gguf.GGUFReader):
  """A GGUFReader whose reads beyond the end raise: it may loop for ever.

  Plain arrays in place of views of a memmap make it several times as fast.
  """

  def _get(self, offset, dtype, count=1, override_order=None):
    order = override_order or self.byte_order
    dtype = np.dtype(dtype).newbyteorder(order)
    return np.frombuffer(self.data, dtype, int(count), int(offset))


def context_length(path: str | os.PathLike) -> int:
  """Returns the longest sequence, in tokens, that the model is meant for."""
  reader = open_gguf(path)
  name = f'{_architecture(path, reader)}.context_length'
  return field(path, reader, name, int)


def load(
  path: str | os.PathLike,
  config: presets.ModelConfig,
  shardings: Any = None,
  dtype: Any = jnp.float32,
) -> Any:
  """Reads and dequantizes the parameters; see `tensors.assemble`."""
  reader = open_gguf(path)
  theirs = {t.name: t for t in reader.tensors if t.name != FREQUENCIES}
  half = config.head_size // 2
  permuted = _architecture(path, reader) in PERMUTED

  def read(name: str, where: tuple[slice, ...]) -> np.ndarray:
    rows, *columns = where
    out = _dequantized(path, theirs[name], rows)
    if permuted and name.endswith(('attn_q.weight', 'attn_k.weight')):
      pairs = out.reshape(-1, half, 2, out.shape[-1])
      out = pairs.swapaxes(1, 2).reshape(out.shape)
    return out[:, columns[0]] if columns else out

  shapes = {k: tuple(int(n) for n in t.shape[::-1]) for k, t in theirs.items()}
  source = tensors.Source(path, shapes, read)
  wanted = [_renamed(leaf) for leaf in tensors.leaves(config)]
  return tensors.assemble(source, config, shardings, dtype, wanted)


def open_gguf(path: str | os.PathLike) -> gguf.GGUFReader:
  """Parses a file, which takes seconds; the last one is remembered.

  Raises:
    FileNotFoundError: if there is no such file.
    ValueError: if it is not whole.
  """
  stat = os.stat(path)
  return _parsed(os.fspath(path), stat.st_mtime_ns, stat.st_size)


@functools.lru_cache(maxsize=1)
def _parsed(path, unused_time, unused_size):
  try:
    return _Reader(path)
  except OSError:
    raise
  except Exception as error:  # the parser raises whatever the bytes lead to
    raise ValueError(f'{path}: not a whole GGUF file ({error})') from error


def _architecture(path, reader):
  name = field(path, reader, 'general.architecture', str)
  if name not in hf_config.FAMILIES:
    raise ValueError(
      f'{path}: general.architecture={name!r} is not supported: one of '
      f'{sorted(hf_config.FAMILIES)}'
    )
  return name


def field(
  path: str | os.PathLike,
  reader: gguf.GGUFReader,
  name: str,
  kind: type,
  default: Any = None,
) -> Any:
  """Returns a metadata field; without a default it must be there."""
  found = reader.get_field(name)
  value = default if found is None else found.contents()
  if value is None:
    raise ValueError(f'{path}: field {name} is missing')
  if isinstance(value, bool) or not isinstance(value, kind):
    raise ValueError(
      f'{path}: field {name}={value!r} is not of {kind.__name__}'
    )
  return value


def read_config(path: str | os.PathLike) -> presets.ModelConfig:
  """Reads the shape and options of the model of a GGUF file.

  Raises:
    FileNotFoundError: if there is no such file.
    ValueError: if it is not whole, or not of a model that we have, naming the
      field.
  """
  reader = open_gguf(path)
  family = _architecture(path, reader)

  def get(name, kind, default=None):
    return field(path, reader, f'{family}.{name}', kind, default)

  def size(name, default=None):
    value = get(name, int, default)
    if value < 1:
      raise ValueError(f'{path}: field {family}.{name}={value} is not positive')
    return value

  for name, idle in REFUSED.items():
    value = get(name, type(idle), idle)
    if value != idle:
      raise ValueError(f'{path}: {family}.{name}={value!r} is not supported')
  shapes = {t.name: t.shape for t in reader.tensors}
  if 'token_embd.weight' not in shapes:
    raise ValueError(f'{path}: tensor token_embd.weight is missing')
  width, heads = size('embedding_length'), size('attention.head_count')
  head_size = size('attention.key_length', width // heads)
  for name in ('attention.value_length', 'rope.dimension_count'):
    if size(name, head_size) != head_size:
      raise ValueError(
        f'{path}: {family}.{name}={size(name)} is not supported: it differs '
        f'from the head size, {head_size}'
      )
  try:
    config = presets.ModelConfig(
      layers=size('block_count'),
      width=width,
      heads=heads,
      kv_heads=size('attention.head_count_kv', heads),
      head_size=head_size,
      ffn=size('feed_forward_length'),
      vocab_size=int(shapes['token_embd.weight'][-1]),
      rope_theta=_shortest(get('rope.freq_base', float, 10000.0)),
      norm_eps=_shortest(get('attention.layer_norm_rms_epsilon', float)),
      tied='output.weight' not in shapes,
      **hf_config.FAMILIES[family][1],
    )
  except ValueError as error:
    raise ValueError(f'{path}: {error}') from error
  return _scaled(path, reader, config)


def _scaled(path, reader, config):
  """Adds the rope scaling of Llama 3, stored as a factor a frequency."""
  found = [t.data for t in reader.tensors if t.name == FREQUENCIES]
  if not found:
    return config
  scaling = presets.RopeScaling(factor=float(found[0].max()))
  scaled = dataclasses.replace(config, rope_scaling=scaling)
  # The angle of position 1 is the frequency.
  plain, stretched = (
    np.arctan2(table.sin[1], table.cos[1])
    for table in (masks.rope_table(c, 2) for c in (config, scaled))
  )
  expected = plain / stretched
  if found[0].shape != expected.shape or not np.allclose(
    found[0], expected, rtol=1e-3
  ):
    raise ValueError(
      f'{path}: tensor {FREQUENCIES} is not the rope scaling of Llama 3, the '
      'only one supported'
    )
  return scaled


def _renamed(leaf):
  """Returns the leaf with the name of its tensor in GGUF."""
  # Of qwen3, whose layers have every tensor that the others have.
  names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.QWEN3, 1)
  name = names.get_name(leaf.name.format(0), ('.weight', '.bias'))
  return leaf._replace(name=name.replace('blk.0.', 'blk.{}.'))


def _dequantized(path, tensor, rows):
  """Returns rows of a tensor, float32."""
  data = tensor.data[rows] if tensor.data.ndim > 1 else tensor.data
  try:
    out = gguf.quants.dequantize(data, tensor.tensor_type)
  except NotImplementedError:
    raise ValueError(
      f'{path}: tensor {tensor.name}: encoding {tensor.tensor_type.name} is '
      'not supported'
    ) from None
  return out if tensor.data.ndim > 1 else out[rows]


def _shortest(value: float) -> float:
  """The decimal that was meant: 1e-5, not 9.999999747378752e-06."""
  return float(str(np.float32(value)))
