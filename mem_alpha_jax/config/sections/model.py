"""Fields of the policy, of its adapters, and of the devices that hold it."""

from mem_alpha_jax.config.rules import (
  NEVER,
  RESUME,
  Field,
  integer,
  natural,
  positive,
  section,
)

SECTIONS = (
  section(
    'model',
    NEVER,
    source=Field('', "'': born here; smollm2, a path, OWNER/NAME of the hub"),
    layers=Field(3, 'decoder blocks'),
    width=Field(64, 'residual stream'),
    heads=Field(4, 'query heads'),
    kv_heads=Field(2, 'key/value heads'),
    head_size=Field(16, 'width of one head', integer(2)),
    ffn=Field(160, 'SwiGLU hidden width'),
    rope_theta=Field(10000.0, 'RoPE base', positive),
    norm_eps=Field(1e-6, 'RMSNorm epsilon', positive),
    qk_norm=Field(False, 'RMSNorm on queries and keys (Qwen3)'),
    qkv_bias=Field(False, 'biases on q, k, v (Qwen2.5)'),
    tied=Field(True, 'head shares the embedding'),
    copy_head=Field(True, 'pointer mixture over the prefix (tiny models)'),
    match_bias=Field(True, 'learned bias to equal tokens (tiny models)'),
    value_head=Field(False, 'needed by rl.advantage=gae'),
    dtype=Field('float32', 'of activations', 'float32 | bfloat16'),
    param_dtype=Field('float32', 'of stored parameters', 'float32 | bfloat16'),
  ),
  section(
    'model',
    RESUME,
    remat=Field('none', 'what backward computes again', 'none | full | dots'),
    block_logits=Field(2**25, 'that exist at once, all devices together'),
    attention=Field('xla', 'splash: TPU, cudnn: GPU', 'xla | splash | cudnn'),
  ),
  section(
    'lora',
    NEVER,
    rank=Field(0, 'of the trained updates; 0: all parameters move', natural),
    alpha=Field(16.0, 'updates are scaled by alpha / rank', positive),
  ),
  section(
    'mesh',
    RESUME,
    data=Field(1, 'devices that share the batch, parameters whole on each'),
    fsdp=Field(1, 'devices that share batch and parameters'),
    tensor=Field(1, 'devices that shard heads, ffn and vocabulary'),
    decode=Field(
      'same',
      'of decode loops; tensor: fsdp devices shard heads, too',
      'same | tensor',
    ),
    topology=Field('', "of --mode=compile; '': what is here"),
  ),
)
