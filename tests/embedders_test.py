"""Texts to vectors: batches of few shapes, each text once, every kind."""

import types

import jax
import ml_collections
import numpy as np
import pytest
import small_models

from mem_alpha_jax.model import pooling
from mem_alpha_jax.pretrained import packages
from mem_alpha_jax.recall import embedders

TOKENIZER = types.SimpleNamespace(
  encode_text=lambda text: [3 + ord(c) % 37 for c in text]
)


def config(kind, size=0):
  memory = dict(embedder=kind, embedding_size=size)
  return ml_collections.ConfigDict(dict(memory=memory))


def counted(embed):
  """The embedder, and a list of what it is given."""
  calls = []

  def count(texts):
    calls.append(list(texts))
    return embed(texts)

  return count, calls


def one_hot(texts):
  """A vector that is the text's number."""
  return np.eye(8, dtype=np.float32)[[int(text) for text in texts]]


def test_hashed_vectors_have_length_one_and_tell_words_apart():
  texts = ('Marta', 'marta!', 'Oslo', 'martha', '?!')
  one, same, other, near, none = embedders.hashed(texts, 64)
  np.testing.assert_array_equal(one, same)
  np.testing.assert_allclose(np.linalg.norm(one), 1, rtol=1e-6)
  assert one @ near > 0.3 > one @ other
  assert not none.any()


def test_no_embedder_makes_no_vectors():
  bind = embedders.create(config('none'), None, None)
  assert bind(None)(['a', 'b']).shape == (2, 0)


def test_the_size_of_hashed_vectors_comes_from_the_config():
  embed = embedders.create(config('hashed', 32), None, None)(None)
  found = embed(['Oslo', '', 'Oslo'])
  np.testing.assert_array_equal(found[[0, 2]], [found[0]] * 2)
  np.testing.assert_array_equal(found[:1], embedders.hashed(['Oslo'], 32))
  assert not found[1].any() and embed([]).shape == (0, 32)


def test_a_text_is_embedded_once_while_it_is_remembered():
  inner, calls = counted(one_hot)
  embed = embedders.cached(inner, 8, floats=24)  # three texts
  found = embed(['1', '2', ' ', '1'])
  assert found[:, 1:3].tolist() == [[1, 0], [0, 1], [0, 0], [1, 0]]
  assert embed(['2', '3']).argmax(1).tolist() == [2, 3]
  assert embed(['1', '', '3']).shape == (3, 8)
  assert embed(['4']).argmax() == 4  # the oldest goes
  assert embed(['2', '1']).argmax(1).tolist() == [2, 1]
  assert calls == [['1', '2'], ['3'], ['4'], ['1']]


def test_more_texts_than_are_remembered_are_all_embedded():
  embed = embedders.cached(one_hot, 8, floats=16)
  texts = [*'01234567', *'76543210']
  assert embed(texts).argmax(1).tolist() == [int(text) for text in texts]


def test_batches_have_few_shapes_keep_the_order_and_say_what_is_cut(
  monkeypatch,
):
  said = []
  monkeypatch.setattr(
    embedders.logging, 'warning', lambda *line: said.append(line)
  )
  embedders._warn_of_cut.cache_clear()
  shapes, traced = set(), []

  @jax.jit
  def encode(tokens, lengths):
    traced.append(tokens.shape)
    hidden = jax.nn.one_hot(tokens, 16)
    return pooling.unit_mean(hidden, lengths)

  def run(tokens, lengths):
    shapes.add(tokens.shape)
    assert all((tokens[i, n:] == 0).all() for i, n in enumerate(lengths))
    return encode(tokens, lengths)

  rng = np.random.default_rng(0)
  sizes = [1, 15, 16, 17, 32, 33, 100, 256, 300, *rng.integers(1, 20, 600)]
  tokenize = lambda texts: [[int(t) % 16] * sizes[int(t)] for t in texts]
  embed = embedders.in_batches(tokenize, run, 16)
  texts = [str(i) for i in range(len(sizes))]
  np.testing.assert_allclose(
    embed(texts), np.eye(16)[np.arange(len(sizes)) % 16], atol=1e-6
  )
  tokens = {b * n for b, n in shapes}
  assert tokens == set(embedders.CALL_TOKENS)
  assert {n for _, n in shapes} <= set(embedders.LENGTHS)
  before = len(traced)
  embed(texts[::-1])
  assert len(traced) == before  # nothing compiles again
  assert len(said) == 1  # of the text of 300 tokens
  assert embed([]).shape == (0, 16)


@pytest.mark.slow
def test_the_policy_embeds_by_its_mean_states():
  policy = small_models.policy('on')
  params = small_models.params('on')
  bind = embedders.create(config('policy'), policy, TOKENIZER)
  texts = ['Oslo', 'a longer text', '', 'Marta']
  found = bind(params)(texts)
  assert found.shape == (4, policy.config.width) and not found[2].any()
  for text, vector in zip(texts, found, strict=True):
    if text:  # alone and without padding
      ids = np.array([TOKENIZER.encode_text(text)], np.int32)
      alone = policy.mean_states(params, ids, np.array([ids.shape[1]]))
      np.testing.assert_allclose(vector, alone[0], atol=1e-5)
      np.testing.assert_allclose(np.linalg.norm(vector), 1, rtol=1e-5)
  other = jax.tree.map(lambda x: x + 0.1, params)
  assert abs(bind(other)(texts) - found).max() > 1e-2


def test_trial_the_policy_cannot_embed_in_many_processes(monkeypatch):
  monkeypatch.setattr(jax, 'process_count', lambda: 2)
  with pytest.raises(ValueError, match="memory.embedder='policy'"):
    embedders.create(config('policy'), small_models.policy('on'), TOKENIZER)


def test_minilm_is_read_from_its_package(tmp_path, monkeypatch):
  pytest.importorskip('safetensors')
  pytest.importorskip('tokenizers')
  import small_minilm

  folder = small_minilm.write(tmp_path)
  monkeypatch.setattr(packages, 'minilm_folder', lambda: folder)
  embed = embedders.create(config('minilm', 384), None, None)(None)
  found = embed(['a b', 'c d e', '', 'a b', 'j ' * 40])
  np.testing.assert_array_equal(found[0], found[3])
  norms = np.linalg.norm(found, axis=1)
  np.testing.assert_allclose(norms, [1, 1, 0, 1, 1], rtol=1e-6)
  again = embedders.minilm()(['c d e'])  # alone: another shape
  np.testing.assert_allclose(again[0], found[1], atol=1e-6)
