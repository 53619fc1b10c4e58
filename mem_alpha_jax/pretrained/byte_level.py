"""The rules of byte-level BPE tokenizers, as a tokenizer.json says them.

Radford et al. 2019, "Language Models are Unsupervised Multitask Learners",
section 2.2. A GGUF file has the vocabulary and the merges; of how text is cut
into words it has a name alone.
"""

from collections.abc import Sequence
from typing import Any

GPT2 = {
  'type': 'ByteLevel',
  'add_prefix_space': False,
  'trim_offsets': False,
  'use_regex': True,
}
_WORDS = (
  r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|{numbers}"
  r'| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+'
)


def _letters() -> dict[str, int]:
  """The byte that each character of a vocabulary stands for."""
  shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
  hidden = [b for b in range(256) if b not in shown]
  letters = {chr(b): b for b in shown}
  return letters | {chr(256 + i): b for i, b in enumerate(hidden)}


_BYTES = _letters()


def spelled(token: str) -> bytes:
  """The bytes of a token; those of UTF-8 if it is not of such characters."""
  if all(c in _BYTES for c in token):
    return bytes(_BYTES[c] for c in token)
  return token.encode()


def _split(numbers: str) -> list[dict[str, Any]]:
  pattern = {'Regex': _WORDS.format(numbers=numbers)}
  split = {'type': 'Split', 'pattern': pattern, 'behavior': 'Isolated'}
  return [split | {'invert': False}, GPT2 | {'use_regex': False}]


# tokenizer.ggml.pre -> normalizer, what cuts, options of the model; each as in
# the tokenizer.json of the models that it is named after.
PRE = {
  'gpt-2': (None, [GPT2], {}),
  'smollm': (None, [{'type': 'Digits', 'individual_digits': True}, GPT2], {}),
  'qwen2': ({'type': 'NFC'}, _split(r'\p{N}'), {}),
  'llama-bpe': (None, _split(r'\p{N}{1,3}'), {'ignore_merges': True}),
}
_CONTROL, _USER_DEFINED, _UNUSED = 3, 4, 5  # of tokenizer.ggml.token_type
_AS_IS = dict.fromkeys(('single_word', 'lstrip', 'rstrip', 'normalized'), False)


def rules(
  tokens: Sequence[str], merges: Sequence[str], types: Sequence[int], pre: str
) -> dict[str, Any]:
  """Returns the tokenizer.json that such a vocabulary would have.

  Args:
    merges: pairs of tokens with a space between, the first to be merged first.
    types: tokenizer.ggml.token_type of each token.
    pre: key of `PRE`.
  """
  normalizer, cuts, options = PRE[pre]
  kinds = list(zip(tokens, types, strict=True))
  added = [
    {'id': i, 'content': token, 'special': kind == _CONTROL, **_AS_IS}
    for i, (token, kind) in enumerate(kinds)
    if kind in (_CONTROL, _USER_DEFINED)
  ]
  vocab = {t: i for i, (t, kind) in enumerate(kinds) if kind != _UNUSED}
  pairs = [merge.split(' ') for merge in merges]
  return {
    'version': '1.0',
    'added_tokens': added,
    'normalizer': normalizer,
    'pre_tokenizer': {'type': 'Sequence', 'pretokenizers': cuts},
    'post_processor': None,
    'decoder': GPT2,
    'model': {'type': 'BPE', 'vocab': vocab, 'merges': pairs, **options},
  }
