"""The fields of a decoder, and those of public checkpoints.

Facts of the presets: the `config.json` of each repository on huggingface.co
(Qwen/Qwen3-*, Qwen/Qwen2.5-*, meta-llama/Llama-3.2-*,
HuggingFaceTB/SmolLM2-*).
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple


class RopeScaling(NamedTuple):
  """Frequency scaling of Llama 3 (`rope_type: llama3`)."""

  factor: float = 32.0
  low: float = 1.0  # low_freq_factor
  high: float = 4.0  # high_freq_factor
  original: int = 8192  # original_max_position_embeddings


@dataclasses.dataclass(frozen=True)
class ModelConfig:
  """Shape and options of a decoder; hashable, so it can be a static field."""

  layers: int
  width: int
  heads: int
  kv_heads: int
  head_size: int
  ffn: int
  vocab_size: int
  rope_theta: float = 10000.0
  rope_scaling: RopeScaling | None = None
  norm_eps: float = 1e-6
  qk_norm: bool = False  # RMSNorm over each head's q and k (Qwen3)
  qkv_bias: bool = False  # Qwen2.5
  tied: bool = True  # unembedding is the embedding
  copy_head: bool = False  # pointer mixture over the prefix
  match_bias: bool = False  # learned score bonus of equal tokens
  value_head: bool = False
  attention: str = 'xla'  # xla | splash | cudnn; see model/flash.py
  dtype: str = 'float32'  # of activations
  param_dtype: str = 'float32'  # of parameters as they are stored
  remat: str = 'none'  # none | full | dots
  block_logits: int = 2**25  # that exist at once, of a large vocabulary
  lora_rank: int = 0  # of trained low-rank factors; 0 is none
  lora_alpha: float = 16.0  # factors are scaled by lora_alpha / lora_rank

  def __post_init__(self):
    if self.heads % self.kv_heads:
      raise ValueError(
        f'model.heads={self.heads} must be a multiple of '
        f'model.kv_heads={self.kv_heads}'
      )
    if self.head_size % 2:
      raise ValueError(f'model.head_size={self.head_size} must be even (RoPE)')
    if self.remat not in ('none', 'full', 'dots'):
      raise ValueError(f'model.remat={self.remat!r}: use none, full or dots')
    for name in ('dtype', 'param_dtype'):
      if getattr(self, name) not in ('float32', 'bfloat16'):
        raise ValueError(
          f'model.{name}={getattr(self, name)!r}: use float32 or bfloat16'
        )


def model_config(fields: Mapping[str, Any], vocab_size: int) -> ModelConfig:
  """Builds a ModelConfig from `config.model`; errors name unknown fields."""
  known = {f.name for f in dataclasses.fields(ModelConfig)}
  values = {k: v for k, v in fields.items() if k != 'source'}
  unknown = sorted(set(values) - known)
  if unknown:
    raise ValueError(f'model.{unknown[0]} is not a field of the model')
  return ModelConfig(**{**values, 'vocab_size': vocab_size})


def _qwen3(layers, width, heads, ffn, tied=True):
  return dict(
    layers=layers, width=width, heads=heads, kv_heads=8, head_size=128,
    ffn=ffn, vocab_size=151936, rope_theta=1e6, norm_eps=1e-6,
    qk_norm=True, tied=tied,
  )  # fmt: skip


def _qwen25(layers, width, heads, kv_heads, head_size, ffn, **more):
  return dict(
    layers=layers, width=width, heads=heads, kv_heads=kv_heads,
    head_size=head_size, ffn=ffn, rope_theta=1e6, norm_eps=1e-6,
    qkv_bias=True, **{'vocab_size': 151936, 'tied': True, **more},
  )  # fmt: skip


def _llama32(layers, width, heads, head_size):
  return dict(
    layers=layers, width=width, heads=heads, kv_heads=8,
    head_size=head_size, ffn=8192, vocab_size=128256, rope_theta=5e5,
    rope_scaling=RopeScaling(), norm_eps=1e-5, tied=True,
  )  # fmt: skip


def _smollm2(layers, width, heads, kv_heads, ffn, theta=1e5):
  return dict(
    layers=layers, width=width, heads=heads, kv_heads=kv_heads, head_size=64,
    ffn=ffn, vocab_size=49152, rope_theta=theta, norm_eps=1e-5, tied=True,
  )  # fmt: skip


PRESETS = {
  'qwen3-0.6b': _qwen3(28, 1024, 16, 3072),
  'qwen3-1.7b': _qwen3(28, 2048, 16, 6144),
  'qwen3-4b': _qwen3(36, 2560, 32, 9728),
  'qwen3-8b': _qwen3(36, 4096, 32, 12288, tied=False),
  'qwen2.5-0.5b': _qwen25(24, 896, 14, 2, 64, 4864),
  'qwen2.5-1.5b': _qwen25(28, 1536, 12, 2, 128, 8960),
  'qwen2.5-3b': _qwen25(36, 2048, 16, 2, 128, 11008),
  'qwen2.5-7b': _qwen25(
    28, 3584, 28, 4, 128, 18944, tied=False, vocab_size=152064
  ),
  'llama3.2-1b': _llama32(16, 2048, 32, 64),
  'llama3.2-3b': _llama32(28, 3072, 24, 128),
  'smollm2-135m': _smollm2(30, 576, 9, 3, 1536),
  'smollm2-360m': _smollm2(32, 960, 15, 5, 2560),
  'smollm2-1.7b': _smollm2(24, 2048, 32, 32, 8192, theta=1.3e5),
}


def preset(name: str, **overrides: Any) -> ModelConfig:
  """Returns the named preset; raises ValueError that lists the names."""
  if name not in PRESETS:
    raise ValueError(f'unknown model preset {name!r}: one of {list(PRESETS)}')
  return ModelConfig(**{**PRESETS[name], **overrides})
