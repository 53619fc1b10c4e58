"""config.json: real files, old and new spelling, and refusals by field."""

import json

import pytest

from mem_alpha_jax.model import presets
from mem_alpha_jax.pretrained import hf_config

# Fields of config.json as they stand in the repositories on huggingface.co.
QWEN3_4B = {
  'architectures': ['Qwen3ForCausalLM'],
  'attention_bias': False,
  'attention_dropout': 0.0,
  'bos_token_id': 151643,
  'eos_token_id': 151645,
  'head_dim': 128,
  'hidden_act': 'silu',
  'hidden_size': 2560,
  'initializer_range': 0.02,
  'intermediate_size': 9728,
  'max_position_embeddings': 40960,
  'max_window_layers': 36,
  'model_type': 'qwen3',
  'num_attention_heads': 32,
  'num_hidden_layers': 36,
  'num_key_value_heads': 8,
  'rms_norm_eps': 1e-06,
  'rope_scaling': None,
  'rope_theta': 1000000,
  'sliding_window': None,
  'tie_word_embeddings': True,
  'torch_dtype': 'bfloat16',
  'transformers_version': '4.51.0',
  'use_cache': True,
  'use_sliding_window': False,
  'vocab_size': 151936,
}
QWEN25_7B = {
  'architectures': ['Qwen2ForCausalLM'],
  'attention_dropout': 0.0,
  'bos_token_id': 151643,
  'eos_token_id': 151645,
  'hidden_act': 'silu',
  'hidden_size': 3584,
  'initializer_range': 0.02,
  'intermediate_size': 18944,
  'max_position_embeddings': 32768,
  'max_window_layers': 28,
  'model_type': 'qwen2',
  'num_attention_heads': 28,
  'num_hidden_layers': 28,
  'num_key_value_heads': 4,
  'rms_norm_eps': 1e-06,
  'rope_theta': 1000000.0,
  'sliding_window': 131072,
  'tie_word_embeddings': False,
  'torch_dtype': 'bfloat16',
  'transformers_version': '4.43.1',
  'use_cache': True,
  'use_sliding_window': False,
  'vocab_size': 152064,
}
LLAMA32_1B = {
  'architectures': ['LlamaForCausalLM'],
  'attention_bias': False,
  'attention_dropout': 0.0,
  'bos_token_id': 128000,
  'eos_token_id': [128001, 128008, 128009],
  'head_dim': 64,
  'hidden_act': 'silu',
  'hidden_size': 2048,
  'initializer_range': 0.02,
  'intermediate_size': 8192,
  'max_position_embeddings': 131072,
  'mlp_bias': False,
  'model_type': 'llama',
  'num_attention_heads': 32,
  'num_hidden_layers': 16,
  'num_key_value_heads': 8,
  'pretraining_tp': 1,
  'rms_norm_eps': 1e-05,
  'rope_scaling': {
    'factor': 32.0,
    'high_freq_factor': 4.0,
    'low_freq_factor': 1.0,
    'original_max_position_embeddings': 8192,
    'rope_type': 'llama3',
  },
  'rope_theta': 500000.0,
  'tie_word_embeddings': True,
  'torch_dtype': 'bfloat16',
  'transformers_version': '4.45.0.dev0',
  'use_cache': True,
  'vocab_size': 128256,
}
SMOLLM2_135M = {
  'architectures': ['LlamaForCausalLM'],
  'attention_bias': False,
  'attention_dropout': 0.0,
  'bos_token_id': 1,
  'eos_token_id': 2,
  'hidden_act': 'silu',
  'hidden_size': 576,
  'initializer_range': 0.041666666666666664,
  'intermediate_size': 1536,
  'is_llama_config': True,
  'max_position_embeddings': 8192,
  'mlp_bias': False,
  'model_type': 'llama',
  'num_attention_heads': 9,
  'num_hidden_layers': 30,
  'num_key_value_heads': 3,
  'pad_token_id': 2,
  'pretraining_tp': 1,
  'rms_norm_eps': 1e-05,
  'rope_interleaved': False,
  'rope_scaling': None,
  'rope_theta': 100000,
  'tie_word_embeddings': True,
  'torch_dtype': 'bfloat16',
  'transformers.js_config': {'kv_cache_dtype': {'q4f16': 'float16'}},
  'transformers_version': '4.42.3',
  'use_cache': True,
  'vocab_size': 49152,
}
REAL = {
  'qwen3-4b': QWEN3_4B,
  'qwen2.5-7b': QWEN25_7B,
  'llama3.2-1b': LLAMA32_1B,
  'smollm2-135m': SMOLLM2_135M,
}


def _parse(fields):
  return hf_config.parse(fields, 'here/config.json')


@pytest.mark.parametrize('name', list(REAL))
def test_real_files_give_the_presets(name):
  assert _parse(REAL[name]) == presets.preset(name)


@pytest.mark.parametrize('name', list(REAL))
def test_the_spelling_of_transformers_5_means_the_same(name):
  fields = dict(REAL[name])
  rope = fields.pop('rope_scaling', None) or {'rope_type': 'default'}
  fields['rope_parameters'] = {**rope, 'rope_theta': fields.pop('rope_theta')}
  fields['dtype'] = fields.pop('torch_dtype')
  fields['layer_types'] = ['full_attention'] * fields['num_hidden_layers']
  assert _parse(fields) == presets.preset(name)


@pytest.mark.parametrize('name', list(presets.PRESETS))
def test_every_preset_can_be_written_and_read(name):
  config = presets.preset(name)
  assert _parse(hf_config.to_fields(config)) == config


def test_defaults_are_those_of_transformers():
  transformers = pytest.importorskip('transformers')
  for family in hf_config.FAMILIES:
    theirs = transformers.AutoConfig.for_model(family)
    needed = dict(
      model_type=family, num_hidden_layers=theirs.num_hidden_layers,
      hidden_size=theirs.hidden_size, vocab_size=theirs.vocab_size,
      num_attention_heads=theirs.num_attention_heads,
      intermediate_size=theirs.intermediate_size,
      rms_norm_eps=theirs.rms_norm_eps,
    )  # fmt: skip
    assert _parse(needed) == _parse(json.loads(theirs.to_json_string()))


@pytest.mark.parametrize(
  'fields',
  [
    {'model_type': 'mistral'},
    {'model_type': 'qwen3_moe', 'num_experts': 128},
    {'model_type': None},
    {'model_type': []},
    {'architectures': ['Qwen3ForSequenceClassification']},
    {'hidden_act': 'gelu'},
    {'attention_bias': True},
    {'mlp_bias': True},
    {'partial_rotary_factor': 0.5},
    {'use_sliding_window': True, 'sliding_window': 4096},
    {'layer_types': ['full_attention', 'sliding_attention']},
    {'layer_types': 3},
    {'quantization_config': {'quant_method': 'gptq'}},
    {'num_experts': 8},
    {'dual_chunk_attention_config': {'chunk_size': 262144}},
    {'final_logit_softcapping': 30.0},
    {'num_hidden_layers': 0},
    {'num_hidden_layers': 2.5},
    {'num_hidden_layers': True},
    {'num_hidden_layers': None},
    {'hidden_size': '2560'},
    {'num_key_value_heads': -8},
    {'rms_norm_eps': float('nan')},
    {'rope_theta': float('inf')},
  ],
  ids=str,
)
def test_what_is_not_supported_is_refused_by_name(fields):
  name = next(iter(fields))
  with pytest.raises(ValueError, match=rf'here/config\.json: {name}\b'):
    _parse({**QWEN3_4B, **fields})


@pytest.mark.parametrize(
  'scaling, name',
  [
    ({'type': 'linear', 'factor': 2.0}, 'rope_type'),
    ({'rope_type': 'dynamic', 'factor': 2.0}, 'rope_type'),
    ({'rope_type': 'yarn', 'factor': 4.0}, 'rope_type'),
    ({'rope_type': 'longrope', 'short_factor': [1.0]}, 'rope_type'),
    ({'rope_type': None}, 'rope_type'),
    ({'rope_type': 'default', 'mrope_section': [1, 2]}, 'mrope_section'),
    ({'rope_type': 'default', 'partial_rotary_factor': 0.5}, 'partial_rotary'),
    ({**LLAMA32_1B['rope_scaling'], 'high_freq_factor': 1.0}, 'high_freq'),
    ({**LLAMA32_1B['rope_scaling'], 'factor': 0}, 'factor'),
    ({'rope_type': 'llama3', 'factor': 8.0}, 'low_freq_factor'),
    ('linear', 'rope_'),
  ],
  ids=str,
)
@pytest.mark.parametrize('where', ['rope_scaling', 'rope_parameters'])
def test_other_rope_scalings_are_refused_by_name(where, scaling, name):
  fields = {**LLAMA32_1B, 'rope_scaling': None, where: scaling}
  with pytest.raises(ValueError, match=rf'here/config\.json: .*{name}'):
    _parse(fields)


def test_heads_that_cannot_be_shared_are_refused():
  with pytest.raises(ValueError, match=r'here.*heads=32.*kv_heads=5'):
    _parse({**QWEN3_4B, 'num_key_value_heads': 5})


@pytest.mark.parametrize(
  'fields, name',
  [
    (dict(copy_head=True), 'copy_head'),
    (dict(match_bias=True), 'match_bias'),
    (dict(qkv_bias=True), 'qk_norm=True with model.qkv_bias'),
  ],
)
def test_models_that_no_architecture_describes(fields, name):
  with pytest.raises(ValueError, match=rf'model\.{name}'):
    hf_config.to_fields(presets.preset('qwen3-4b', **fields))
