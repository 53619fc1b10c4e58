"""GGUF files: the real one beside transformers, tiny ones, and broken ones."""

import dataclasses

import jax
import numpy as np
import pytest
import small_checkpoints
import small_gguf

from mem_alpha_jax.model import policy as policy_lib
from mem_alpha_jax.model import presets
from mem_alpha_jax.pretrained import gguf_weights, hf_config, packages
from mem_alpha_jax.pretrained import tensors as tensors_lib

gguf = small_gguf.gguf


@pytest.mark.parametrize('family', ['qwen3', 'qwen2', 'llama'])
def test_parameters_are_those_of_the_safetensors(family, tmp_path):
  arch, config, tensors, params = small_gguf.family(family, tmp_path)
  path = tmp_path / 'x.gguf'
  small_gguf.write(path, arch, config, tensors)
  assert gguf_weights.read_config(path) == config
  jax.tree.map(
    np.testing.assert_array_equal, gguf_weights.load(path, config), params
  )


def _factors(theta: float, factor: float, size: int = 16) -> np.ndarray:
  """What llama.cpp divides each frequency by; Llama 3 was trained on 8192."""
  frequency = theta ** -(np.arange(0, size, 2) / size)
  smooth = (8192 * frequency / (2 * np.pi) - 1.0) / (4.0 - 1.0)
  smooth = smooth.clip(0, 1)
  return np.float32(1 / ((1 - smooth) / factor + smooth))


def test_rope_factors_are_the_scaling_of_llama_3(tmp_path):
  arch, config, tensors, params = small_gguf.family('llama3', tmp_path)
  path, scaling = tmp_path / 'x.gguf', presets.RopeScaling(factor=4.0)
  factors = _factors(config.rope_theta, 4.0)
  assert len(set(factors)) == 3  # kept, mixed and stretched
  small_gguf.write(
    path, arch, config, tensors, extra={'rope_freqs.weight': factors}
  )
  want = dataclasses.replace(config, rope_scaling=scaling)
  assert gguf_weights.read_config(path) == want
  jax.tree.map(
    np.testing.assert_array_equal, gguf_weights.load(path, want), params
  )
  for other in (factors[::-1].copy(), factors[:3], 2 * factors):
    small_gguf.write(
      path, arch, config, tensors, extra={'rope_freqs.weight': other}
    )
    with pytest.raises(ValueError, match=r'x\.gguf: tensor rope_freqs'):
      gguf_weights.read_config(path)


@pytest.fixture(scope='module')
def wide():
  """A model whose rows are long enough for blocks of 32; its tensors."""
  config = presets.ModelConfig(
    layers=2, width=32, heads=4, kv_heads=2, head_size=16, ffn=64,
    vocab_size=70, norm_eps=1e-5, tied=False,
  )  # fmt: skip
  params = jax.jit(policy_lib.make_policy(config).init)(jax.random.key(0))
  return config, dict(tensors_lib.tensors(params, config, 'float32'))


@pytest.mark.parametrize('encoding', ['Q8_0', 'Q4_1', 'F16', 'BF16'])
def test_encodings_are_decoded_part_by_part(
  wide, encoding, tmp_path, monkeypatch
):
  monkeypatch.setattr(tensors_lib, 'BLOCK_BYTES', 2000)
  config, tensors = wide
  path, kind = tmp_path / 'x.gguf', gguf.GGMLQuantizationType[encoding]
  small_gguf.write(path, 'llama', config, tensors, kind)
  assert gguf_weights.read_config(path) == config
  params = gguf_weights.load(path, config)
  for name, got in tensors_lib.tensors(params, config, 'float32'):
    want = tensors[name]
    if want.ndim == 2:
      want = gguf.quants.dequantize(gguf.quants.quantize(want, kind), kind)
    np.testing.assert_array_equal(got, want, err_msg=name)


@pytest.mark.parametrize(
  'fields, message',
  [
    ({'expert_count': 8}, r'llama\.expert_count=8'),
    ({'attention.sliding_window': 9}, r'llama\.attention\.sliding_window=9'),
    ({'rope.scaling.type': 'yarn'}, r"llama\.rope\.scaling\.type='yarn'"),
    ({'rope.dimension_count': 8}, r'rope\.dimension_count=8'),
    ({'attention.value_length': 8}, r'attention\.value_length=8'),
    ({'embedding_length': None}, r'llama\.embedding_length is missing'),
    ({'embedding_length': '32'}, r"embedding_length='32' is not of int"),
    ({'block_count': 0}, r'block_count=0 is not positive'),
    ({'attention.head_count': 0}, r'attention\.head_count=0'),
    ({'attention.head_count': 3}, r'heads=3'),
    ({'block_count': 3}, r'blk\.2\.ffn_gate\.weight is missing'),
    ({'block_count': 1}, r'blk\.1\.\w+\.weight is of no use'),
    ({'feed_forward_length': 65}, r'blk\.0\.ffn_gate\.weight is \[64, 32\]'),
  ],
  ids=str,
)
def test_fields_that_do_not_fit_are_named(wide, fields, message, tmp_path):
  config, tensors = wide
  path = tmp_path / 'x.gguf'
  small_gguf.write(path, 'llama', config, tensors, **fields)
  with pytest.raises(ValueError, match=rf'x\.gguf.*{message}'):
    gguf_weights.load(path, gguf_weights.read_config(path))


def test_other_architectures_are_refused(wide, tmp_path):
  path = tmp_path / 'x.gguf'
  small_gguf.write(path, 'qwen3moe', *wide)
  with pytest.raises(ValueError, match="architecture='qwen3moe'.*llama"):
    gguf_weights.read_config(path)


def test_encodings_that_the_package_does_not_know_are_named(wide, tmp_path):
  config, tensors = wide
  name = 'model.layers.1.mlp.up_proj.weight'
  tensors = {**tensors, name: tensors[name].astype(np.int32)}
  path = tmp_path / 'x.gguf'
  small_gguf.write(path, 'llama', config, tensors)
  with pytest.raises(ValueError, match=r'blk\.1\.ffn_up\.weight.*I32'):
    gguf_weights.load(path, config)


def _lengthen_an_array(data):
  """An array of 2^62 numbers: a parser that trusts it never ends."""
  at = data.index(b'general.ages') + len('general.ages') + 4 + 4
  return data[:at] + (2**62).to_bytes(8, 'little') + data[at + 8 :]


@pytest.mark.parametrize(
  'break_it',
  [
    lambda data: b'',
    lambda data: b'GGU',
    lambda data: b'\x80\x04pickle' + data,
    lambda data: data[:4] + b'\x09' + data[5:],
    lambda data: data[:100],
    lambda data: data[:-1],
    lambda data: data[: len(data) // 2],
    lambda data: data[:8] + b'\xff' * 8 + data[16:],
    lambda data: data[:16] + b'\xff' * 8 + data[24:],
    lambda data: data[:24] + b'\xff' * 8 + data[32:],
    _lengthen_an_array,
  ],
)
def test_a_broken_file_is_named(wide, break_it, tmp_path):
  path = tmp_path / 'x.gguf'
  small_gguf.write(path, 'llama', *wide, ages=[1, 2, 3])
  path.write_bytes(break_it(path.read_bytes()))
  with pytest.raises(ValueError, match=r'x\.gguf: not a whole GGUF file'):
    gguf_weights.read_config(path)


def test_a_missing_file_is_named(tmp_path):
  with pytest.raises(FileNotFoundError, match=r'none\.gguf'):
    gguf_weights.read_config(tmp_path / 'none.gguf')


def _smollm2():
  try:
    return packages.smollm2_gguf()
  except FileNotFoundError as error:
    pytest.skip(str(error))


@pytest.mark.slow
def test_smollm2_gives_the_logits_of_transformers():
  """Both decode the file by themselves, and undo the order of its rows."""
  from transformers import modeling_gguf_pytorch_utils as theirs

  path = _smollm2()
  config = gguf_weights.read_config(path)
  assert config == presets.preset('smollm2-135m')
  fields = hf_config.to_fields(config)
  model = small_checkpoints.transformers.LlamaForCausalLM(
    small_checkpoints.transformers.LlamaConfig(**fields)
  )
  found = theirs.load_gguf_checkpoint(
    path, return_tensors=True, model_to_load=model
  )
  missing, strange = model.load_state_dict(found['tensors'], strict=False)
  assert missing == ['lm_head.weight'] and not strange
  model.tie_weights()
  ids = np.random.default_rng(0).integers(0, config.vocab_size, (2, 32))
  reference = small_checkpoints.reference_logits(model.eval(), ids)[:, 1:]
  params = gguf_weights.load(path, config)
  mine = small_checkpoints.our_logits(config, params, ids)
  print(f'SmolLM2: largest difference {np.abs(mine - reference).max():.1e}')
  small_checkpoints.check_equal(mine, reference)
