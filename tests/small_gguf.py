"""Tiny GGUF files, written with the gguf package."""

import numpy as np
import pytest
import small_checkpoints

from mem_alpha_jax.pretrained import hf_weights
from mem_alpha_jax.pretrained import tensors as tensors_lib

gguf = pytest.importorskip('gguf')

NAMES = {
  'model.embed_tokens': 'token_embd',
  'lm_head': 'output',
  'model.norm': 'output_norm',
  'input_layernorm': 'attn_norm',
  'post_attention_layernorm': 'ffn_norm',
  'self_attn.q_proj': 'attn_q',
  'self_attn.k_proj': 'attn_k',
  'self_attn.v_proj': 'attn_v',
  'self_attn.o_proj': 'attn_output',
  'self_attn.q_norm': 'attn_q_norm',
  'self_attn.k_norm': 'attn_k_norm',
  'mlp.gate_proj': 'ffn_gate',
  'mlp.up_proj': 'ffn_up',
  'mlp.down_proj': 'ffn_down',
}


def _name(name: str) -> str:
  stem, suffix = name.rsplit('.', 1)
  if not stem.startswith('model.layers.'):
    return f'{NAMES[stem]}.{suffix}'
  _, _, layer, stem = stem.split('.', 3)
  return f'blk.{layer}.{NAMES[stem]}.{suffix}'


def _interleaved(rows: np.ndarray, head_size: int) -> np.ndarray:
  """Row i and i + half of each head go side by side, as llama.cpp has them."""
  half, out = head_size // 2, np.empty_like(rows)
  for first in range(0, len(rows), head_size):
    for i in range(half):
      out[first + 2 * i] = rows[first + i]
      out[first + 2 * i + 1] = rows[first + half + i]
  return out


def write(
  path, arch, config, tensors, encoding=None, extra=None, ages=None, **fields
):
  """Writes a GGUF file; `fields` replace those of `config`, None omits one."""
  writer = gguf.GGUFWriter(path, arch)
  found = {
    'block_count': config.layers,
    'embedding_length': config.width,
    'feed_forward_length': config.ffn,
    'attention.head_count': config.heads,
    'attention.head_count_kv': config.kv_heads,
    'attention.key_length': config.head_size,
    'rope.freq_base': config.rope_theta,
    'attention.layer_norm_rms_epsilon': config.norm_eps,
    **fields,
  }
  add = {int: 'add_uint32', float: 'add_float32', str: 'add_string'}
  for name, value in found.items():
    if value is not None:
      getattr(writer, add[type(value)])(f'{arch}.{name}', value)
  for name, tensor in tensors.items():
    if arch == 'llama' and name.endswith(('q_proj.weight', 'k_proj.weight')):
      tensor = _interleaved(tensor, config.head_size)
    kind = None
    if encoding is not None and tensor.ndim == 2:
      tensor, kind = gguf.quants.quantize(tensor, encoding), encoding
    writer.add_tensor(_name(name), tensor, raw_dtype=kind)
  for name, tensor in (extra or {}).items():
    writer.add_tensor(name, tensor)
  if ages is not None:
    writer.add_array('general.ages', ages)
  writer.write_header_to_file()
  writer.write_kv_data_to_file()
  writer.write_tensors_to_file()
  writer.close()


def family(name, folder):
  """A model of transformers: architecture, our config and its tensors."""
  small_checkpoints.write(name, folder)
  config = hf_weights.read_config(folder)
  params = hf_weights.load(folder, config)
  tensors = dict(tensors_lib.tensors(params, config, 'float32'))
  return small_checkpoints.FAMILIES[name][0], config, tensors, params
