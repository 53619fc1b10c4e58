"""Tokenizers of public models: safe with data, saved, and refused by file."""

import json
import pathlib

import pytest

pytest.importorskip('tokenizers')
pytest.importorskip('gguf')

from small_tokenizers import (  # noqa: E402
  ADDED,
  HARD,
  byte_letters,
  tiny_json,
  tiny_vocab,
  write_folder,
  write_gguf,
)

from mem_alpha_jax import types  # noqa: E402
from mem_alpha_jax.pretrained import hf_tokenizer, id_cache


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


def test_a_byte_that_is_not_known_gives_no_special_id(tmp_path):
  data = tiny_json('gpt-2')
  ends = {t['content']: t['id'] for t in data['added_tokens'][:2]}
  data['model'] |= {'unk_token': '<|endoftext|>'}
  data['model']['vocab'] |= ends
  del data['model']['vocab'][byte_letters()[0]]
  tok = hf_tokenizer.from_folder(write_folder(tmp_path, data))
  assert tok.encode('\x00') == [ends['<|endoftext|>']]
  assert tok.encode_text('abc\x00') == [tiny_vocab()['abc']]


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


def test_it_follows_the_protocol(tiny):
  assert isinstance(tiny, types.Tokenizer)


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
  wanted = {'name': 'the built-in chat template', 'pad_token': '"'}
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

  def open_it():
    tok = hf_tokenizer.from_folder(folder)
    return tok.chat_template, pathlib.Path(tok.template_values['name']).name

  assert '# Tools' in open_it()[0]
  config = {'eos_token': '<|im_end|>'}
  named = [{'name': n, 'template': f'{n}!'} for n in ('rag', 'default')]
  for value, text in (('one', 'one'), (named, 'default!')):
    fields = config | {'chat_template': value}
    write_folder(folder, tiny_json(added=tags), tokenizer_config=fields)
    assert open_it() == (text, 'tokenizer_config.json')
  (folder / 'chat_template.jinja').write_text('file')
  assert open_it() == ('file', 'chat_template.jinja')


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


@pytest.mark.parametrize(
  'name, text, message',
  [
    ('tokenizer.json', '{"version": "1.0"', 'tokenizer.json: not a tokenizer'),
    ('tokenizer.json', '[]', 'tokenizer.json: not a tokenizer'),
    (
      'tokenizer.json',
      '{"model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}}',
      "model.type='WordLevel' of tokenizer.json is not supported",
    ),
    ('tokenizer_config.json', '{"eos_token": [1]}', 'eos_token .1. is not in'),
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


def test_trial_the_cache_is_bounded_by_bytes(tmp_path, monkeypatch):
  monkeypatch.setattr(id_cache, 'CACHED', 60_000)
  tok = hf_tokenizer.from_folder(write_folder(tmp_path, tiny_json()))
  long = 'abc 12 ' * 600
  for end in range(1, len(long), 97):  # as looking for what fits does
    assert tok.count(long[:end]) == len(tok.encode_text(long[:end]))
    assert tok._encode_text.size <= 60_000
  assert tok._encode_text.size > 0
  assert tok.encode_text(long) == tok.encode_text(long)


@pytest.mark.parametrize(
  'ids, more', [([4, 5, 99999], (4, 5)), (5, (5,)), ([True, -1, 'x'], ())]
)
@pytest.mark.parametrize('file', ['generation_config', 'config'])
def test_trial_every_end_of_a_model_stops(tmp_path, file, ids, more):
  files = {file: {'eos_token_id': ids}}
  folder = write_folder(tmp_path, tiny_json(), **files)
  tok = hf_tokenizer.from_folder(folder)
  assert tok.eos_ids == tuple(dict.fromkeys([tok.eos_id, *more]))


def test_trial_a_folder_without_a_template_says_which_is_used(tmp_path, caplog):
  tags = ['<|im_start|>', *ADDED, '<think>', '</think>']
  folder = write_folder(tmp_path, tiny_json(added=tags))
  assert '# Tools' in hf_tokenizer.from_folder(folder).chat_template
  (told,) = caplog.messages
  assert (
    told == f'{folder}: no chat template; the built-in chat template is used'
  )
  (folder / 'chat_template.jinja').write_text('file')
  hf_tokenizer.from_folder(folder)
  assert len(caplog.messages) == 1
