"""The encoder against transformers, and files that are refused."""

import functools

import numpy as np
import pytest

pytest.importorskip('safetensors')
pytest.importorskip('tokenizers')

import small_minilm  # noqa: E402

from mem_alpha_jax.pretrained import minilm, packages

TEXTS = (
  '',
  'Marta works as a baker in Oslo.',
  '👩‍💻 naïve café, 東京 🎉',
  'tabs\tand\nlines -- "quotes" and [SEP] and \x00',
  'the same words again and again ' * 80,
)


def pad(rows):
  """Token ids and lengths of texts, padded to the longest."""
  lengths = np.array([len(row) for row in rows], np.int32)
  tokens = np.zeros((len(rows), lengths.max()), np.int32)
  for out, row in zip(tokens, rows, strict=True):
    out[: len(row)] = row
  return tokens, lengths


def reference(folder, tokens, lengths):
  """Mean-pooled unit vectors by transformers."""
  torch = pytest.importorskip('torch')
  transformers = pytest.importorskip('transformers')
  model = transformers.AutoModel.from_pretrained(str(folder)).eval()
  mask = (np.arange(tokens.shape[1]) < lengths[:, None]).astype(int)
  with torch.no_grad():
    hidden = model(torch.tensor(tokens), torch.tensor(mask)).last_hidden_state
  total = (hidden.numpy() * mask[..., None]).sum(1) / mask.sum(1)[:, None]
  return total / np.linalg.norm(total, axis=1, keepdims=True)


@functools.cache
def real_folder():
  try:
    return packages.minilm_folder()
  except FileNotFoundError as error:
    pytest.skip(str(error))


@pytest.mark.slow
def test_the_real_model_equals_transformers():
  folder = real_folder()
  model = minilm.load(folder)
  ids = model.tokenize(TEXTS)
  tokens, lengths = pad(ids)
  assert lengths.max() == 256 and lengths.min() == 2
  ours = np.asarray(model.encode(tokens, lengths))
  assert ours.shape == (len(TEXTS), 384)
  theirs = reference(folder, tokens, lengths)
  np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)


def test_the_real_tokenizer_equals_transformers():
  transformers = pytest.importorskip('transformers')
  folder = real_folder()
  theirs = transformers.AutoTokenizer.from_pretrained(str(folder))
  expected = theirs(list(TEXTS), truncation=True, max_length=256)['input_ids']
  assert minilm.load(folder).tokenize(TEXTS) == expected


def test_random_weights_equal_transformers(tmp_path):
  folder = small_minilm.write(tmp_path)
  model = minilm.load(folder)
  ids = model.tokenize(['', 'a b c', 'j ' * 50, '\ud800 a'])
  assert ids[0] == [2, 3] and ids[1] == [2, 4, 5, 6, 3]
  assert len(ids[2]) == small_minilm.LONGEST and ids[3] == [2, 1, 4, 3]
  tokens, lengths = pad(ids)
  ours = np.asarray(model.encode(tokens, lengths))
  theirs = reference(folder, tokens, lengths)
  np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)


def test_padding_changes_nothing_and_no_text_is_zeros(tmp_path):
  model = minilm.load(small_minilm.write(tmp_path))
  tokens = np.array([[2, 4, 5, 3, 0, 0], [0] * 6], np.int32)
  lengths = np.array([4, 0], np.int32)
  found = np.asarray(model.encode(tokens, lengths))
  tokens[0, 4:], tokens[1] = 7, 9
  again = np.asarray(model.encode(tokens, lengths))
  np.testing.assert_allclose(found, again, atol=1e-7)
  np.testing.assert_allclose(np.linalg.norm(found, axis=1), [1, 0], atol=1e-6)


@pytest.mark.parametrize(
  'name, value, said',
  [
    ('hidden_act', 'relu', "hidden_act='relu' is not supported"),
    ('position_embedding_type', 'relative_key', "='relative_key' is not"),
    ('is_decoder', True, 'is_decoder=True is not supported'),
    ('model_type', 'mpnet', "model_type='mpnet' is not supported"),
    ('model_type', None, 'model_type is missing'),
    ('rotary', {'base': 1}, 'rotary is not known'),
    ('hidden_size', None, 'hidden_size is missing'),
    ('layer_norm_eps', 'small', "layer_norm_eps='small' is not supported"),
    ('num_attention_heads', 5, 'num_attention_heads=5 does not divide'),
  ],
)
def test_a_config_is_refused_by_field(tmp_path, name, value, said):
  fields = {**small_minilm.FIELDS, name: value}
  folder = small_minilm.write(tmp_path, fields)
  with pytest.raises(ValueError, match=f'config.json: .*{said}'):
    minilm.load(folder)


def test_weights_are_refused_by_tensor(tmp_path):
  good = small_minilm.tensors()
  name = 'encoder.layer.1.output.dense.bias'
  cases = {
    'is missing': {k: v for k, v in good.items() if k != name},
    r'is \[11\], the config makes it \[12\]': {**good, name: good[name][:-1]},
    'is I64': {**good, name: np.zeros(12, np.int64)},
  }
  for said, weights in cases.items():
    folder = small_minilm.write(tmp_path, weights=weights)
    with pytest.raises(ValueError, match=f'tensor {name} {said}'):
      minilm.load(folder)
  more = {**good, 'encoder.layer.2.output.dense.bias': good[name]}
  folder = small_minilm.write(tmp_path, weights=more)
  with pytest.raises(ValueError, match='layer.2.output.dense.bias is of no'):
    minilm.load(folder)


@pytest.mark.parametrize(
  'name, said',
  [
    ('model.safetensors', 'not a whole safetensors file'),
    ('tokenizer.json', 'not a tokenizer'),
    ('sentence_bert_config.json', 'not readable as JSON'),
  ],
)
def test_truncated_and_missing_files_are_named(tmp_path, name, said):
  folder = small_minilm.write(tmp_path)
  path = folder / name
  path.write_bytes(path.read_bytes()[:-7])
  with pytest.raises(ValueError, match=f'{name}: {said}'):
    minilm.load(folder)
  path.unlink()
  with pytest.raises(FileNotFoundError, match=name):
    minilm.load(folder)


def test_a_tokenizer_of_another_vocabulary_is_refused(tmp_path):
  fields = {**small_minilm.FIELDS, 'vocab_size': 10}
  weights = small_minilm.tensors()
  name = 'embeddings.word_embeddings.weight'
  weights[name] = weights[name][:10]
  folder = small_minilm.write(tmp_path, fields, weights)
  with pytest.raises(ValueError, match='tokenizer.json: 14 tokens'):
    minilm.load(folder)
