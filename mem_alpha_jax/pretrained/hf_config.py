"""`config.json` of Hugging Face checkpoints, read and written.

Facts: the configuration classes of Qwen3, Qwen2 and Llama in transformers,
whose defaults hold where a field is missing. Version 5 writes
`rope_parameters` and `dtype` where older files have `rope_theta` with
`rope_scaling`, and `torch_dtype`; both are read, the older is written, which
old and new readers understand.
"""

import json
import math
import os
import pathlib
from collections.abc import Collection, Mapping
from typing import Any

from mem_alpha_jax.model import presets

FAMILIES = {
  'qwen3': ('Qwen3ForCausalLM', {'qk_norm': True}),
  'qwen2': ('Qwen2ForCausalLM', {'qkv_bias': True}),
  'llama': ('LlamaForCausalLM', {}),
}
# Ours -> theirs, for fields that mean the same.
SIZES = {
  'layers': 'num_hidden_layers',
  'width': 'hidden_size',
  'heads': 'num_attention_heads',
  'kv_heads': 'num_key_value_heads',
  'head_size': 'head_dim',
  'ffn': 'intermediate_size',
  'vocab_size': 'vocab_size',
}
# Fields with the one value that our model has.
FIXED = {
  'hidden_act': 'silu',
  'partial_rotary_factor': 1.0,
  'attention_bias': False,
  'mlp_bias': False,
  'use_sliding_window': False,
}
# Fields that do not change what the model computes. A sliding window is only
# in use with `use_sliding_window` or in `layer_types`.
IDLE = (
  '_attn_implementation_autoset', '_name_or_path', 'architectures',
  'attention_dropout', 'bos_token_id', 'dtype', 'eos_token_id',
  'initializer_range', 'is_llama_config', 'layer_types',
  'max_position_embeddings', 'max_window_layers', 'model_type', 'pad_token_id',
  'pretraining_tp', 'rms_norm_eps', 'rope_parameters', 'rope_scaling',
  'rope_theta', 'sliding_window', 'tie_word_embeddings', 'torch_dtype',
  'transformers.js_config', 'transformers_version', 'unsloth_fixed',
  'unsloth_version', 'use_cache',
)  # fmt: skip
ROPE = {
  'factor': 'factor',
  'low': 'low_freq_factor',
  'high': 'high_freq_factor',
  'original': 'original_max_position_embeddings',
}


def read_json(path: str | os.PathLike) -> dict[str, Any]:
  """Reads a JSON object.

  Raises:
    FileNotFoundError: if there is no such file.
    ValueError: if it is not an object in JSON.
  """
  path = pathlib.Path(path)
  if not path.is_file():
    raise FileNotFoundError(f'{path}: no such file')
  try:
    value = json.loads(path.read_bytes())
  except (ValueError, RecursionError) as error:
    raise ValueError(f'{path}: not readable as JSON ({error})') from error
  if not isinstance(value, dict):
    raise ValueError(f'{path}: not a JSON object')
  return value


def parse(
  fields: Mapping[str, Any], path: str | os.PathLike
) -> presets.ModelConfig:
  """Returns the model of a `config.json`; `path` is for messages.

  Raises:
    ValueError: for what our model cannot do, naming the field. A field that
      is not known is refused unless it is empty or false.
  """
  family = fields.get('model_type')
  if not isinstance(family, str) or family not in FAMILIES:
    raise ValueError(
      f'{path}: model_type={family!r} is not supported: one of {list(FAMILIES)}'
    )
  architecture, options = FAMILIES[family]
  if (fields.get('architectures') or [architecture]) != [architecture]:
    raise _refusal(path, 'architectures', fields['architectures'])
  check_fields(fields, path, FIXED, (*IDLE, *SIZES.values()))
  kinds = fields.get('layer_types') or []
  if not isinstance(kinds, list) or any(k != 'full_attention' for k in kinds):
    raise _refusal(path, 'layer_types', kinds)
  sizes = _sizes(fields, path, family)
  theta, scaling = _rope(fields, path)
  try:
    return presets.ModelConfig(
      **sizes,
      rope_theta=theta,
      rope_scaling=scaling,
      norm_eps=number(fields, path, 'rms_norm_eps', float),
      tied=bool(fields.get('tie_word_embeddings', False)),
      **options,
    )
  except ValueError as error:
    raise ValueError(f'{path}: {error}') from error


def check_fields(
  fields: Mapping[str, Any],
  path: str | os.PathLike,
  fixed: Mapping[str, Any],
  known: Collection[str],
) -> None:
  """Raises ValueError for a field that is neither known nor as it must be.

  Args:
    fields: of the file at `path`.
    path: for messages.
    fixed: fields with the one value that our model has.
    known: other fields that may have values.
  """
  for name, value in fields.items():
    if name in fixed:
      if value not in (None, fixed[name]):
        raise _refusal(path, name, value)
    elif value and name not in known:
      raise ValueError(
        f'{path}: {name} is not known; if it does not change what the model '
        'computes, delete it from the file'
      )


def _refusal(path, name, value):
  return ValueError(f'{path}: {name}={value!r:.80} is not supported')


def number(
  fields: Mapping[str, Any],
  path: str | os.PathLike,
  name: str,
  kind: type,
  default: Any = None,
) -> Any:
  """Returns a positive number of `kind`; without a default it must be there.

  Raises:
    ValueError: if it is missing or no such number, naming the field.
  """
  value = fields.get(name)
  value = default if value is None else value
  if value is None:
    raise ValueError(f'{path}: {name} is missing')
  kinds = (int, float) if kind is float else int
  good = isinstance(value, kinds) and not isinstance(value, bool)
  if not good or not 0 < value < math.inf:
    raise ValueError(
      f'{path}: {name}={value!r} is not a positive {kind.__name__}'
    )
  return kind(value)


def _sizes(fields, path, family):
  heads = number(fields, path, 'num_attention_heads', int)
  width = number(fields, path, 'hidden_size', int)
  defaults = {
    'num_key_value_heads': heads,
    'head_dim': 128 if family == 'qwen3' else width // heads,
  }
  return {
    ours: number(fields, path, name, int, defaults.get(name))
    for ours, name in SIZES.items()
  }


def _rope(fields, path):
  """Returns (theta, scaling or None)."""
  where = 'rope_scaling' if fields.get('rope_scaling') else 'rope_parameters'
  found = fields.get(where) or {}
  if not isinstance(found, dict):
    raise _refusal(path, where, found)
  kind = found.get('rope_type', found.get('type', 'default'))
  if kind not in ('default', 'llama3'):
    raise _refusal(path, f'{where}.rope_type', kind)
  known = {'rope_theta', 'rope_type', 'type', *ROPE.values()}
  for name, value in found.items():
    idle = name == 'partial_rotary_factor' and value == 1
    if value is not None and name not in known and not idle:
      raise _refusal(path, f'{where}.{name}', value)
  theta = number({**fields, **found}, path, 'rope_theta', float, 10000.0)
  if kind == 'default':
    return theta, None
  longest = {
    'original_max_position_embeddings': fields.get('max_position_embeddings')
  }
  scaling = presets.RopeScaling(
    **{
      ours: number(found, path, name, type(default), longest.get(name))
      for (ours, name), default in zip(
        ROPE.items(), presets.RopeScaling(), strict=True
      )
    }
  )
  if scaling.high <= scaling.low:
    raise _refusal(path, f'{where}.high_freq_factor', scaling.high)
  return theta, scaling


def to_fields(config: presets.ModelConfig) -> dict[str, Any]:
  """Returns `config.json` of a model, without token ids and dtype.

  Raises:
    ValueError: if no public architecture has what it has, naming the field.
  """
  for name in ('copy_head', 'match_bias'):
    if getattr(config, name):
      raise ValueError(
        f'model.{name}=True: no public architecture has it, so the model '
        'cannot be exported'
      )
  own = {'qk_norm': config.qk_norm, 'qkv_bias': config.qkv_bias}
  own = {name: True for name, value in own.items() if value}
  families = {k: v for k, v in FAMILIES.items() if v[1] == own}
  if not families:
    raise ValueError(
      'model.qk_norm=True with model.qkv_bias=True: no public architecture '
      'has both, so the model cannot be exported'
    )
  [(family, (architecture, _))] = families.items()
  fields = {'architectures': [architecture], 'model_type': family}
  fields |= {name: getattr(config, ours) for ours, name in SIZES.items()}
  fields |= {
    'hidden_act': FIXED['hidden_act'],
    'rms_norm_eps': config.norm_eps,
    'rope_theta': config.rope_theta,
    'rope_scaling': None,
    'tie_word_embeddings': config.tied,
  }
  if config.rope_scaling is not None:
    scaling = config.rope_scaling._asdict()
    fields['rope_scaling'] = {'rope_type': 'llama3'} | {
      name: scaling[ours] for ours, name in ROPE.items()
    }
  if family != 'qwen2':
    fields['attention_bias'] = False
  return fields
