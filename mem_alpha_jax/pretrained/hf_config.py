"""`config.json` of Hugging Face checkpoints, read and written.

Facts: the configuration classes of Qwen3, Qwen2 and Llama in transformers,
whose defaults hold where a field is missing. Version 5 writes
`rope_parameters` and `dtype` where older files have `rope_theta` with
`rope_scaling`, and `torch_dtype`; both are read, the older is written, which
old and new readers understand.
"""

import json
import os
import pathlib
from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal, TypeVar

import pydantic

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
# Fields that do not change what the model computes. A sliding window is only
# in use with `use_sliding_window` or in `layer_types`.
IDLE = (
  '_attn_implementation_autoset', '_name_or_path', 'architectures',
  'attention_dropout', 'bos_token_id', 'dtype', 'eos_token_id',
  'initializer_range', 'is_llama_config',
  'max_position_embeddings', 'max_window_layers', 'model_type', 'pad_token_id',
  'pretraining_tp', 'rope_parameters', 'rope_scaling',
  'sliding_window', 'torch_dtype',
  'transformers.js_config', 'transformers_version', 'unsloth_fixed',
  'unsloth_version', 'use_cache',
)  # fmt: skip
Size = pydantic.PositiveInt
Real = Annotated[float, pydantic.Field(gt=0, allow_inf_nan=False)]


class _Fields(pydantic.BaseModel):
  """What our model reads, or has one value of."""

  num_hidden_layers: Size
  hidden_size: Size
  num_attention_heads: Size
  num_key_value_heads: Size | None = None
  head_dim: Size | None = None
  intermediate_size: Size
  vocab_size: Size
  rms_norm_eps: Real
  rope_theta: Real = 10000.0
  tie_word_embeddings: bool = False
  layer_types: list[Literal['full_attention']] = []
  hidden_act: Literal['silu'] = 'silu'
  partial_rotary_factor: Annotated[float, pydantic.Field(ge=1, le=1)] = 1
  attention_bias: Literal[False] = False
  mlp_bias: Literal[False] = False
  use_sliding_window: Literal[False] = False


class _Llama3(pydantic.BaseModel):
  """Rope scaling, in the order of presets.RopeScaling."""

  factor: Real
  low_freq_factor: Real
  high_freq_factor: Real
  original_max_position_embeddings: Size


_Kind = TypeVar('_Kind', bound=pydantic.BaseModel)


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
  theta, scaling = _rope(fields, path)
  found = check(_Fields, {**fields, 'rope_theta': theta}, path, IDLE)
  sizes = {ours: getattr(found, name) for ours, name in SIZES.items()}
  sizes['kv_heads'] = sizes['kv_heads'] or sizes['heads']
  default = 128 if family == 'qwen3' else sizes['width'] // sizes['heads']
  sizes['head_size'] = sizes['head_size'] or default
  try:
    return presets.ModelConfig(
      **sizes,
      rope_theta=found.rope_theta,
      rope_scaling=scaling,
      norm_eps=found.rms_norm_eps,
      tied=found.tie_word_embeddings,
      **options,
    )
  except ValueError as error:
    raise ValueError(f'{path}: {error}') from error


def check(
  kind: type[_Kind],
  fields: Mapping[str, Any],
  path: str | os.PathLike,
  idle: Collection[str],
) -> _Kind:
  """Returns the fields of the file at `path`; null is as good as absent.

  Raises:
    ValueError: naming the first field that is missing, not as `kind` has it,
      or neither of `kind`, idle, empty nor false.
  """
  given = {k: v for k, v in fields.items() if v is not None}
  try:
    found = kind.model_validate(given, strict=True)
  except pydantic.ValidationError as error:
    first = error.errors()[0]
    name = '.'.join(map(str, first['loc']))
    if first['type'] == 'missing':
      raise ValueError(f'{path}: {name} is missing') from None
    raise _refusal(path, name, first['input']) from None
  for name, value in given.items():
    if value and name not in kind.model_fields and name not in idle:
      raise ValueError(
        f'{path}: {name} is not known; if it does not change what the model '
        'computes, delete it from the file'
      )
  return found


def _refusal(path, name, value):
  return ValueError(f'{path}: {name}={value!r:.80} is not supported')


def _rope(fields, path):
  """Returns (theta, scaling or None)."""
  where = 'rope_scaling' if fields.get('rope_scaling') else 'rope_parameters'
  found = fields.get(where) or {}
  if not isinstance(found, dict):
    raise _refusal(path, where, found)
  kind = found.get('rope_type', found.get('type', 'default'))
  if kind not in ('default', 'llama3'):
    raise _refusal(path, f'{where}.rope_type', kind)
  known = {'rope_theta', 'rope_type', 'type', *_Llama3.model_fields}
  for name, value in found.items():
    idle = name == 'partial_rotary_factor' and value == 1
    if value is not None and name not in known and not idle:
      raise _refusal(path, f'{where}.{name}', value)
  theta = found.get('rope_theta', fields.get('rope_theta'))
  if kind == 'default':
    return theta, None
  length = fields.get('max_position_embeddings')
  found = {'original_max_position_embeddings': length, **found}
  values = check(_Llama3, found, path, known)
  scaling = presets.RopeScaling(*dict(values).values())
  if scaling.high <= scaling.low:
    raise _refusal(path, f'{where}.high_freq_factor', scaling.high)
  return theta, scaling


def to_fields(config: presets.ModelConfig) -> dict[str, Any]:
  """Returns `config.json` of a model, without token ids and dtype.

  ValueError names the field that no public architecture has.
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
    'hidden_act': 'silu',
    'rms_norm_eps': config.norm_eps,
    'rope_theta': config.rope_theta,
    'rope_scaling': None,
    'tie_word_embeddings': config.tied,
  }
  if config.rope_scaling is not None:
    scaling = zip(_Llama3.model_fields, config.rope_scaling, strict=True)
    fields['rope_scaling'] = {'rope_type': 'llama3', **dict(scaling)}
  if family != 'qwen2':
    fields['attention_bias'] = False
  return fields
