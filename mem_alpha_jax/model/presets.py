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


def model_config(fields: Mapping[str, Any], vocab_size: int) -> ModelConfig:
  """Builds a ModelConfig from `config.model`."""
  values = {k: v for k, v in fields.items() if k != 'source'}
  return ModelConfig(**values, vocab_size=vocab_size)


PRESETS = {
  'qwen3-0.6b': dict(
    layers=28, width=1024, heads=16, kv_heads=8, head_size=128, ffn=3072,
    vocab_size=151936, rope_theta=1e6, norm_eps=1e-6, qk_norm=True, tied=True,
  ),
  'qwen3-4b': dict(
    layers=36, width=2560, heads=32, kv_heads=8, head_size=128, ffn=9728,
    vocab_size=151936, rope_theta=1e6, norm_eps=1e-6, qk_norm=True, tied=True,
  ),
  'qwen2.5-7b': dict(
    layers=28, width=3584, heads=28, kv_heads=4, head_size=128, ffn=18944,
    vocab_size=152064, rope_theta=1e6, norm_eps=1e-6, qkv_bias=True, tied=False,
  ),
  'llama3.2-1b': dict(
    layers=16, width=2048, heads=32, kv_heads=8, head_size=64, ffn=8192,
    vocab_size=128256, rope_theta=5e5, norm_eps=1e-5, tied=True,
    rope_scaling=RopeScaling(),
  ),
  'smollm2-135m': dict(
    layers=30, width=576, heads=9, kv_heads=3, head_size=64, ffn=1536,
    vocab_size=49152, rope_theta=1e5, norm_eps=1e-5, tied=True,
  ),
}  # fmt: skip


def preset(name: str, **overrides: Any) -> ModelConfig:
  """Returns the named preset; raises ValueError that lists the names."""
  if name not in PRESETS:
    raise ValueError(f'unknown model preset {name!r}: one of {list(PRESETS)}')
  return ModelConfig(**{**PRESETS[name], **overrides})
