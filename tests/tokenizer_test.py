"""Tokenizer: exact round trips, and no control id out of data."""

import pathlib

import hypothesis
import pytest
from hypothesis import strategies as st

from mem_alpha_jax import types
from mem_alpha_jax.text import tokenizer

SYMBOLS = ('<ins>', '<upd>', '<sem>', '<1>', '<12>', '<null>')
SENTENCES = [
  f'{name} {verb} as a {job}.'
  for name in ('Marta', 'Jonas', 'Olga', 'Pavel')
  for verb in ('works', 'started')
  for job in ('baker', 'pilot', 'florist')
]
VOCAB = 400
FEW = hypothesis.settings(max_examples=50, deadline=None)


@pytest.fixture(scope='module')
def model(tmp_path_factory):
  path = tmp_path_factory.mktemp('tokenizer') / 'tiny.model'
  path.write_bytes(tokenizer.train(SENTENCES, VOCAB, SYMBOLS))
  return str(path)


@pytest.fixture(scope='module')
def tok(model):
  return tokenizer.Tokenizer(model)


def _spaced(text):
  return ' ' + text if text and not text.startswith(' ') else text


def test_special_ids_and_symbols_are_fixed(tok):
  assert (tok.pad_id, tok.bos_id, tok.eos_id) == (0, 1, 2)
  assert [tok.symbol(s) for s in SYMBOLS] == list(range(4, 4 + len(SYMBOLS)))
  assert tok.vocab_size <= VOCAB
  assert isinstance(tok, types.Tokenizer)


@pytest.mark.parametrize(
  'text',
  [
    '<ins><sem> Marta baker',
    '<upd><1> Olga pilot<upd><12> Jonas works as a florist.',
    '<null><null>',
    'Marta works',
    '  two  spaces \t and\nlines ',
    'Ünïcode ① ﬁ 日本 \x00',
    '',
  ],
)
def test_round_trip_is_exact(tok, text):
  assert tok.decode(tok.encode(text)) == text


def test_symbols_are_single_tokens_without_stray_spaces(tok):
  ids = tok.encode('<ins><sem> Marta baker')
  expected = [tok.symbol('<ins>'), tok.symbol('<sem>')]
  assert ids == expected + tok.encode_text('Marta baker')
  assert len(ids) == 4


def test_longer_symbol_wins_over_its_beginning(tok):
  assert tok.encode('<12>') == [tok.symbol('<12>')]


@pytest.mark.parametrize('word', ['Marta', 'works', 'baker', 'florist'])
def test_frequent_word_is_one_piece_though_seen_in_one_form(tok, word):
  assert tok.count(word) == 1


@hypothesis.given(
  name=st.text('abcdefghij', min_size=1, max_size=8),
  value=st.text('klmnopqrst', min_size=1, max_size=8),
)
@FEW
def test_copied_words_keep_their_ids(tok, name, value):
  """First word, middle word and word before the stop, known or not."""
  sentence = tok.encode_text(f'{name} works as a {value}.')
  note = tok.encode(f'<ins><sem> {name} {value}')
  symbols, parts = note[:2], (tok.encode_text(name), tok.encode_text(value))
  assert symbols == [tok.symbol('<ins>'), tok.symbol('<sem>')]
  assert note[2:] == parts[0] + parts[1]
  assert sentence[: len(parts[0])] == parts[0]
  stop = tok.encode('.')
  assert sentence[-len(parts[1] + stop) :] == parts[1] + stop


@hypothesis.given(
  st.lists(
    st.sampled_from(SYMBOLS)
    | st.sampled_from(['\u2581', '<', '>', '</s>', '<pad>', '<0x41>', ' '])
    | st.text(st.characters(exclude_categories=['Cs']), max_size=4)
  ).map(''.join)
)
@FEW
def test_data_never_becomes_control_ids(tok, text):
  ids = tok.encode_text(text)
  assert not {*range(4), *map(tok.symbol, SYMBOLS)} & set(ids)
  assert tok.decode(ids) == _spaced(text)
  assert tok.count(text) == len(ids)


def test_encode_text_returns_a_list_of_its_own(tok):
  tok.encode_text('Marta').append(-1)
  assert -1 not in tok.encode_text('Marta')


def test_lone_surrogates_are_encodable(tok):
  assert tok.decode(tok.encode_text('a\ud800b')) == ' a?b'
  assert tok.decode(tok.encode('a\ud800b')) == 'a?b'


def test_decode_drops_padding_and_keeps_symbols(tok):
  ids = [1, *tok.encode('<ins> Marta'), 2, 0, 0]
  assert tok.decode(ids) == '<ins> Marta'


def test_broken_bytes_decode_to_the_replacement_character(tok):
  first, *_ = tok.encode('日')
  assert tok.decode([first]) == '\ufffd'


def test_training_is_deterministic(tok, model, tmp_path):
  again = tokenizer.train(iter(SENTENCES), VOCAB, SYMBOLS)
  assert again == pathlib.Path(model).read_bytes()
  path = tmp_path / 'other.model'
  path.write_bytes(tokenizer.train(SENTENCES[1:], VOCAB, SYMBOLS))
  assert tokenizer.Tokenizer(str(path)).fingerprint != tok.fingerprint


def test_smallest_vocabulary_is_what_the_error_says(tmp_path):
  path = tmp_path / 'small.model'
  least = 4 + len(SYMBOLS) + 256 + len({' ', *''.join(SENTENCES)})
  with pytest.raises(ValueError, match=f'vocab_size={least - 1}.*{least}'):
    tokenizer.train(SENTENCES, least - 1, SYMBOLS)
  path.write_bytes(tokenizer.train(SENTENCES, least, SYMBOLS))
  assert tokenizer.Tokenizer(str(path)).vocab_size == least


@pytest.mark.parametrize(
  ('texts', 'symbols', 'message'),
  [
    ([], SYMBOLS, 'tokenizer.train_episodes'),
    (['', '\n'], SYMBOLS, 'tokenizer.train_episodes'),
    (SENTENCES, ('<a>', '<a>'), 'distinct'),
  ],
)
def test_train_names_what_is_wrong(texts, symbols, message):
  with pytest.raises(ValueError, match=message):
    tokenizer.train(texts, VOCAB, symbols)


def test_missing_file_says_what_to_do(tmp_path):
  path = tmp_path / 'none.model'
  with pytest.raises(FileNotFoundError, match=r'none\.model.*tokenizer\.\*'):
    tokenizer.Tokenizer(str(path))


@pytest.mark.parametrize('content', [b'', b'not a model'])
def test_broken_file_is_refused(tmp_path, content):
  path = tmp_path / 'broken.model'
  path.write_bytes(content)
  with pytest.raises(ValueError, match=r'broken\.model'):
    tokenizer.Tokenizer(str(path))


def test_unknown_symbol_is_named(tok):
  with pytest.raises(ValueError, match='<del>'):
    tok.symbol('<del>')
