"""A tiny encoder with random weights, as a folder of files."""

import json
import pathlib
import zlib

import numpy as np
import safetensors.numpy
import tokenizers

from mem_alpha_jax.pretrained import minilm

WORDS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', *'abcdefghij']
FIELDS = {
  'model_type': 'bert',
  'architectures': ['BertModel'],
  'hidden_act': 'gelu',
  'vocab_size': len(WORDS),
  'hidden_size': 12,
  'num_hidden_layers': 2,
  'num_attention_heads': 3,
  'intermediate_size': 20,
  'max_position_embeddings': 40,
  'type_vocab_size': 2,
  'layer_norm_eps': 1e-12,
  'position_embedding_type': 'absolute',
  'pad_token_id': 0,
}
CONFIG = minilm.Config(len(WORDS), 12, 2, 3, 20, 40, 2, 1e-12)
LONGEST = 32  # tokens of a text


def tensors() -> dict[str, np.ndarray]:
  """Random weights; a tensor's values depend on its name alone."""
  made = {}
  for leaf in minilm.leaves(CONFIG):
    for name in leaf.names(CONFIG):
      rng = np.random.default_rng(zlib.crc32(name.encode()))
      noise = 0.3 * rng.standard_normal(leaf.tensor_shape)
      start = 1.0 if leaf.path[-1] == 'scale' else 0.0
      made[name] = (start + noise).astype(np.float32)
  made['embeddings.position_ids'] = np.arange(40)[None]
  made['pooler.dense.weight'] = np.zeros((12, 12), np.float32)
  made['pooler.dense.bias'] = np.zeros(12, np.float32)
  return made


def write(folder: pathlib.Path, fields=None, weights=None) -> pathlib.Path:
  """Writes what `minilm.load` reads; arguments replace its parts."""
  folder.mkdir(parents=True, exist_ok=True)
  (folder / 'config.json').write_text(json.dumps(fields or FIELDS))
  longest = json.dumps({'max_seq_length': LONGEST})
  (folder / 'sentence_bert_config.json').write_text(longest)
  safetensors.numpy.save_file(
    tensors() if weights is None else weights, folder / 'model.safetensors'
  )
  words = {word: i for i, word in enumerate(WORDS)}
  tokenizer = tokenizers.Tokenizer(
    tokenizers.models.WordPiece(words, unk_token='[UNK]')
  )
  tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
  tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
    single='[CLS] $A [SEP]', special_tokens=[('[CLS]', 2), ('[SEP]', 3)]
  )
  tokenizer.enable_padding(length=8)  # as in the real file; must be undone
  tokenizer.enable_truncation(4)
  tokenizer.save(str(folder / 'tokenizer.json'))
  return folder
