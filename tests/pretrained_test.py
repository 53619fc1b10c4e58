"""Public models by name, and a config that must describe them."""

import dataclasses
import sys

import pytest

from configs import smollm2
from mem_alpha_jax.model import presets
from mem_alpha_jax.pretrained import registry

pytest.importorskip('tokenizers')
pytest.importorskip('gguf')


def test_an_unknown_name_lists_the_ways():
  with pytest.raises(FileNotFoundError, match=r"'smollm3'.*smollm2.*\.gguf"):
    registry.open_model('smollm3')


def test_the_config_of_smollm2_is_that_of_its_file():
  try:
    model = registry.open_model('smollm2')
  except FileNotFoundError as error:
    pytest.skip(str(error))
  config = smollm2.get_config()
  wanted = presets.model_config(config.model, model.tokenizer.vocab_size)
  adopted = registry.adopt(model.config, wanted)
  assert adopted == model.config
  assert adopted.vocab_size == 49152
  assert model.tokenizer.chat_template


def test_options_are_the_runs_and_shapes_the_checkpoints():
  theirs = presets.preset(
    'llama3.2-1b', rope_scaling=presets.RopeScaling(), vocab_size=128256
  )
  mine = dataclasses.replace(
    theirs, vocab_size=9, rope_scaling=None, dtype='bfloat16', lora_rank=8
  )
  adopted = registry.adopt(theirs, mine)
  assert adopted == dataclasses.replace(theirs, dtype='bfloat16', lora_rank=8)


@pytest.mark.parametrize(
  'field, value', [('layers', 3), ('tied', False), ('norm_eps', 1e-6)]
)
def test_another_shape_is_refused_by_field(field, value):
  theirs = presets.preset('smollm2-135m')
  mine = dataclasses.replace(theirs, **{field: value})
  with pytest.raises(ValueError, match=rf'model\.{field}={value}'):
    registry.adopt(theirs, mine)


def test_single_precision_is_near_enough():
  theirs = presets.preset('smollm2-135m', norm_eps=9.999999747378752e-06)
  assert registry.adopt(theirs, presets.preset('smollm2-135m')) == theirs


@pytest.fixture
def hub(tmp_path, monkeypatch):
  """A cache of huggingface_hub that holds one model, and no network."""
  small_checkpoints = pytest.importorskip('small_checkpoints')
  small_tokenizers = pytest.importorskip('small_tokenizers')
  constants = pytest.importorskip('huggingface_hub.constants')
  monkeypatch.setattr(constants, 'HF_HUB_CACHE', str(tmp_path))
  monkeypatch.setattr(constants, 'HF_HUB_OFFLINE', True)
  home = tmp_path / 'models--Owner--Tiny-0.1B'
  folder = home / 'snapshots' / 'abc'
  small_tokenizers.write_folder(folder, small_tokenizers.tiny_json())
  small_checkpoints.write('qwen3', folder)
  (home / 'blobs').mkdir()
  for path in list(folder.iterdir()):  # as the cache keeps them
    path.rename(home / 'blobs' / path.name)
    path.symlink_to(home / 'blobs' / path.name)
  (home / 'refs').mkdir()
  (home / 'refs' / 'main').write_text('abc')
  return folder


def test_a_model_of_the_hub_is_found_in_the_cache(hub):
  model = registry.open_model('Owner/Tiny-0.1B')
  assert model.path == hub and model.config.qk_norm
  loaded = model.load(None, 'float32')
  assert loaded['embedding'].shape[0] == model.config.vocab_size
  assert model.tokenizer.encode('ab')


def test_a_model_that_cannot_be_fetched_is_one_line(hub, monkeypatch):
  with pytest.raises(FileNotFoundError, match='not fetched') as caught:
    registry.open_model('Owner/Other')
  assert '\n' not in str(caught.value)
  monkeypatch.setitem(sys.modules, 'huggingface_hub', None)
  with pytest.raises(FileNotFoundError, match='huggingface_hub is not install'):
    registry.open_model('Owner/Tiny-0.1B')
