"""MiniLM: a BERT encoder whose mean state is the vector of a text.

Devlin et al. 2019 (arXiv 1810.04805); all-MiniLM-L6-v2 is BERT distilled as
in Wang et al. 2020 (arXiv 2002.10957) and trained on pairs of sentences as in
Reimers and Gurevych 2019 (arXiv 1908.10084).

Facts: names of tensors and fields are those of BertModel in transformers.
"""

import functools
import os
import pathlib
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import pydantic
from flax import linen as nn
from jaxtyping import Array, Bool, Float, Int

from mem_alpha_jax.model import pooling
from mem_alpha_jax.pretrained import hf_config, hf_weights, tensors
from mem_alpha_jax.system import optional
from mem_alpha_jax.text import tokenizer as tokenizer_lib

tokenizers = optional.load('tokenizers', 'models')

# Fields that do not change what the model computes.
IDLE = (
  '_name_or_path', 'architectures', 'attention_probs_dropout_prob',
  'bos_token_id', 'classifier_dropout', 'dtype', 'eos_token_id',
  'gradient_checkpointing', 'hidden_dropout_prob', 'initializer_range',
  'pad_token_id', 'tie_word_embeddings', 'torch_dtype', 'transformers_version',
  'use_cache',
)  # fmt: skip
# Parameters -> tensors; {} is the layer.
TABLES = {
  'words': 'embeddings.word_embeddings',
  'places': 'embeddings.position_embeddings',
  'types': 'embeddings.token_type_embeddings',
}
NORMS = {
  'norm': 'embeddings.LayerNorm',
  'blocks/attention_norm': 'encoder.layer.{}.attention.output.LayerNorm',
  'blocks/mlp_norm': 'encoder.layer.{}.output.LayerNorm',
}
KERNELS = {
  'blocks/query': 'encoder.layer.{}.attention.self.query',
  'blocks/key': 'encoder.layer.{}.attention.self.key',
  'blocks/value': 'encoder.layer.{}.attention.self.value',
  'blocks/output': 'encoder.layer.{}.attention.output.dense',
  'blocks/up': 'encoder.layer.{}.intermediate.dense',
  'blocks/down': 'encoder.layer.{}.output.dense',
}
UNUSED = (
  'embeddings.position_ids', 'embeddings.token_type_ids', 'pooler.dense.bias',
  'pooler.dense.weight',
)  # fmt: skip


class _Fields(pydantic.BaseModel):
  """Of config.json, what our model reads or has one value of."""

  vocab_size: hf_config.Size
  hidden_size: hf_config.Size
  num_hidden_layers: hf_config.Size
  num_attention_heads: hf_config.Size
  intermediate_size: hf_config.Size
  max_position_embeddings: hf_config.Size
  type_vocab_size: hf_config.Size
  layer_norm_eps: hf_config.Real
  model_type: Literal['bert']
  hidden_act: Literal['gelu'] = 'gelu'
  position_embedding_type: Literal['absolute'] = 'absolute'
  is_decoder: Literal[False] = False
  add_cross_attention: Literal[False] = False


class _Sentences(pydantic.BaseModel):
  """Of sentence_bert_config.json."""

  max_seq_length: hf_config.Size


class Config(NamedTuple):
  """Shape of an encoder, in the order of `_Fields`."""

  vocab_size: int
  width: int
  layers: int
  heads: int
  ffn: int
  positions: int
  types: int
  norm_eps: float


class MiniLM(NamedTuple):
  config: Config
  # Texts -> token ids of each, cut to the longest it was made for.
  tokenize: Callable[[Sequence[str]], list[list[int]]]
  # Tokens [B, n], lengths [B] -> unit vectors [B, D]; jitted.
  encode: Callable[[Any, Any], Float[Array, 'B D']]


class Block(nn.Module):
  """One encoder layer, post-norm; the carry of the scan over layers is x."""

  config: Config

  @nn.compact
  def __call__(
    self, x: Float[Array, 'B n D'], real: Bool[Array, 'B n']
  ) -> tuple[Float[Array, 'B n D'], None]:
    c = self.config
    heads = (*x.shape[:2], c.heads, c.width // c.heads)
    q, k, v = (
      nn.Dense(c.width, name=name)(x).reshape(heads)
      for name in ('query', 'key', 'value')
    )
    y = jax.nn.dot_product_attention(q, k, v, mask=real[:, None, None])
    y = nn.Dense(c.width, name='output')(y.reshape(x.shape))
    x = _norm(c, 'attention_norm')(x + y)
    y = nn.gelu(nn.Dense(c.ffn, name='up')(x), approximate=False)
    y = nn.Dense(c.width, name='down')(y)
    return _norm(c, 'mlp_norm')(x + y), None


class Encoder(nn.Module):
  """Hidden states [B, n, D] of right-padded tokens."""

  config: Config

  @nn.compact
  def __call__(
    self, tokens: Int[Array, 'B n'], lengths: Int[Array, 'B']
  ) -> Float[Array, 'B n D']:
    c = self.config

    def table(name, rows):
      init = nn.initializers.normal(c.width**-0.5)
      return self.param(name, init, (rows, c.width))

    n = tokens.shape[1]
    x = jnp.take(table('words', c.vocab_size), tokens, axis=0)
    x += table('places', c.positions)[:n] + table('types', c.types)[0]
    x = _norm(c, 'norm')(x)
    real = jnp.arange(n) < lengths[:, None]
    blocks = nn.scan(
      Block,
      variable_axes={'params': 0},
      split_rngs={'params': True},
      in_axes=nn.broadcast,
      length=c.layers,
    )
    x, _ = blocks(c, name='blocks')(x, real)
    return x


def _norm(config, name):
  return nn.LayerNorm(config.norm_eps, use_fast_variance=False, name=name)


def load(folder: str | os.PathLike) -> MiniLM:
  """Reads an encoder in the layout of sentence-transformers.

  Raises:
    FileNotFoundError: if a file is missing.
    ValueError: for files that are broken or ask for what the encoder cannot
      do; the message names the file and the field or tensor.
  """
  folder = pathlib.Path(folder)
  config = read_config(folder)
  source = hf_weights.open_folder(folder, UNUSED)
  params = tensors.assemble(source, config, wanted=leaves(config))
  tokenize = _tokenizer(folder, config)
  run = functools.partial(jax.jit(_encode, static_argnums=0), config, params)
  return MiniLM(config, tokenize, run)


def _encode(config, params, tokens, lengths):
  hidden = Encoder(config).apply({'params': params}, tokens, lengths)
  return pooling.unit_mean(hidden, lengths)


def read_config(folder: str | os.PathLike) -> Config:
  """Reads `config.json`.

  Raises:
    FileNotFoundError: if it is missing.
    ValueError: for a field that is not supported, by name.
  """
  path = pathlib.Path(folder) / 'config.json'
  fields = hf_config.read_json(path)
  found = hf_config.check(_Fields, fields, path, IDLE)
  config = Config(*list(dict(found).values())[: len(Config._fields)])
  if config.width % config.heads:
    raise ValueError(
      f'{path}: num_attention_heads={config.heads} does not divide '
      f'hidden_size={config.width}'
    )
  return config


def leaves(config: Config) -> list[tensors.Leaf]:
  """Lists the parameters, and the tensors of a checkpoint that hold them."""
  d, ffn, found = config.width, config.ffn, []
  rows = config.vocab_size, config.positions, config.types

  def add(path, name, shape, axes):
    found.append(tensors.Leaf(tuple(path.split('/')), name, shape, axes))

  for (path, name), n in zip(TABLES.items(), rows, strict=True):
    add(path, f'{name}.weight', (n, d), tensors.TABLE)
  for path, name in NORMS.items():
    add(f'{path}/scale', f'{name}.weight', (d,), tensors.VECTOR)
    add(f'{path}/bias', f'{name}.bias', (d,), tensors.VECTOR)
  for path, name in KERNELS.items():
    shape = {'blocks/up': (d, ffn), 'blocks/down': (ffn, d)}.get(path, (d, d))
    add(f'{path}/kernel', f'{name}.weight', shape, tensors.LINEAR)
    add(f'{path}/bias', f'{name}.bias', shape[1:], tensors.VECTOR)
  return found


def _tokenizer(folder, config):
  """Returns texts -> ids, from tokenizer.json."""
  path = folder / 'sentence_bert_config.json'
  fields = hf_config.read_json(path)
  longest = hf_config.check(_Sentences, fields, path, fields).max_seq_length
  path = folder / 'tokenizer.json'
  if not path.is_file():
    raise FileNotFoundError(f'{path}: no such file')
  try:
    tokenizer = tokenizers.Tokenizer.from_file(str(path))
  except Exception as error:  # the package raises nothing narrower
    raise ValueError(f'{path}: not a tokenizer ({error})') from error
  if tokenizer.get_vocab_size() > config.vocab_size:
    raise ValueError(
      f'{path}: {tokenizer.get_vocab_size()} tokens, but config.json has '
      f'vocab_size={config.vocab_size}'
    )
  tokenizer.no_padding()
  tokenizer.enable_truncation(min(longest, config.positions))

  def tokenize(texts: Sequence[str]) -> list[list[int]]:
    texts = [tokenizer_lib.valid(text) for text in texts]
    return [found.ids for found in tokenizer.encode_batch(texts)]

  return tokenize
