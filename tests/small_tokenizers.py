"""Small byte-level tokenizers, as tokenizer.json and as GGUF."""

import json

import pytest

from mem_alpha_jax.pretrained import byte_level

# Texts that tokenizers differ in.
HARD = [
  '',
  ' ',
  '\n',
  '   three  two \t tab\n\n\n  after newlines \r\n x  ',
  '0 7 42 123 1234567890 3.14 1,000 ٣٤ ²³ Ⅷ 五',
  ' 5   6\n7 8th 9\u00a010',
  "don't I'LL we've 'tis it's'S",
  '😀 👩‍👩‍👧‍👦 🏳️‍🌈 🇳🇴 👍🏽',
  'e\u0301 A\u030a \u1e9b\u0323 ﬁ ½ Å',
  '日本語のテキスト。中文，标点！한국어',
  'नमस्ते สวัสดี שלום مرحبا',
  '\u200b\ufeff\u00ad\u2028\u0085\x00\x7f',
  '<|im_start|>user\n<tool_call>{"a": 1}</tool_call><think><|endoftext|>',
  'def f(x):\n    return {"k": [x ** 2, "y"]}  # ok?!...---',
  '\ue000\ufffd\U0010ffff ' + 'a' * 300 + ' ' * 70,
]


def byte_letters():
  """The character that stands for each byte in byte-level vocabularies."""
  shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
  hidden = [b for b in range(256) if b not in shown]
  letters = {b: chr(b) for b in shown}
  return letters | {b: chr(256 + i) for i, b in enumerate(hidden)}


def spelled_json(vocab, merges, added, normalizer, splits):
  flags = dict.fromkeys(
    ('single_word', 'lstrip', 'rstrip', 'normalized'), False
  )
  level = byte_level.GPT2
  return {
    'version': '1.0',
    'added_tokens': [
      {'id': len(vocab) + i, 'content': token, 'special': '|' in token, **flags}
      for i, token in enumerate(added)
    ],
    'normalizer': normalizer,
    'pre_tokenizer': {'type': 'Sequence', 'pretokenizers': splits},
    'decoder': level,
    'model': {'type': 'BPE', 'vocab': vocab, 'merges': merges},
  }


def write_folder(folder, tokenizer, **files):
  folder.mkdir(parents=True, exist_ok=True)
  (folder / 'tokenizer.json').write_text(json.dumps(tokenizer))
  config = {'eos_token': '<|im_end|>', 'pad_token': '<|endoftext|>'}
  for name, value in ({'tokenizer_config': config} | files).items():
    (folder / f'{name}.json').write_text(json.dumps(value))
  return folder


MERGES = ['1 2', '12 3', '123 4', 'a b', 'ab c', 'Ġ ab', "' S"]
ADDED = ['<|endoftext|>', '<|im_end|>', '<tool_call>', '</tool_call>']


def tiny_vocab():
  pieces = [*byte_letters().values(), *(m.replace(' ', '') for m in MERGES)]
  return {piece: i for i, piece in enumerate(pieces)}


def tiny_json(pre='qwen2', added=ADDED):
  normalizer, splits, _ = byte_level.PRE[pre]
  merges = [m.split(' ') for m in MERGES]
  return spelled_json(tiny_vocab(), merges, added, normalizer, splits)


def write_gguf(path, pre, model='gpt2', eos=None, merges=MERGES):
  gguf = pytest.importorskip('gguf')
  tokens = [*tiny_vocab(), *ADDED, '[PAD]']
  kinds = [1] * len(tiny_vocab()) + [3, 3, 4, 4, 5]
  writer = gguf.GGUFWriter(path, 'llama')
  writer.add_tokenizer_model(model)
  writer.add_tokenizer_pre(pre)
  writer.add_token_list(tokens)
  writer.add_token_types(kinds)
  writer.add_token_merges(merges)
  writer.add_eos_token_id(tokens.index('<|im_end|>') if eos is None else eos)
  writer.write_header_to_file()
  writer.write_kv_data_to_file()
  writer.write_tensors_to_file()
  writer.close()
  return path
