"""Chunks: sentences, the token limit, the conversation around a text."""

import itertools

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from mem_alpha_jax.data import chunking
from mem_alpha_jax.text import english, wrapping

WORD = st.text('abcdefgh', min_size=1, max_size=12)
PIECE = st.lists(WORD, max_size=9).map(' '.join)


def _words(text):
  return len(text.split())


def _letters(texts):
  return ''.join(''.join(texts).split())


@pytest.mark.parametrize(
  ('text', 'expected'),
  [
    ('', []),
    (' One. Two! Three? Four', ['One.', 'Two!', 'Three?', 'Four']),
    ('He met Dr. Gray. She left.', ['He met Dr. Gray.', 'She left.']),
    ('J. R. Low came. It was 3.5 m.', ['J. R. Low came.', 'It was 3.5 m.']),
    ('In the U.S. Army.\nNext', ['In the U.S. Army.', 'Next']),
    ('"Go." "No." He ran.', ['"Go."', '"No."', 'He ran.']),
    ('See Dr.\nNo one came.', ['See Dr.', 'No one came.']),
    ('e.g. this. that', ['e.g. this.', 'that']),
    ('"Why?" he said. so did I. ok', ['"Why?" he said.', 'so did I.', 'ok']),
  ],
)
def test_sentences(text, expected):
  assert english.sentences(text) == expected


@hypothesis.settings(deadline=None)
@hypothesis.given(st.text('aB .!?"\n'))
def test_sentences_lose_no_letter(text):
  assert _letters(english.sentences(text)) == _letters([text])


def test_pieces_fill_chunks_in_order():
  pieces = ['a b', 'c', 'd e', 'f', '']
  assert chunking.pack(pieces, 3, _words) == ['a b c', 'd e f']
  limits = iter((2, 1, 9))
  assert chunking.pack(pieces, limits, _words, '\n') == ['a b', 'c', 'd e\nf']


def test_long_piece_is_split_between_words_and_its_parts_are_known():
  placed = chunking.place(['x', 'a b c d e', '', 'y'], 2, _words)
  assert [*placed] == [
    [(0, 'x')],
    [(1, 'a b')],
    [(1, 'c d')],
    [(1, 'e'), (3, 'y')],
  ]


def test_only_what_is_asked_for_is_read():
  placed = chunking.place(map(str, itertools.count()), 2, _words)
  assert next(placed) == [(0, '0'), (1, '1')]
  assert next(placed) == [(2, '2'), (3, '3')]


def test_long_word_is_split_between_characters():
  assert chunking.pack(['abcde f'], 2, len) == ['ab', 'cd', 'e', 'f']


def test_limit_below_a_character_is_refused():
  with pytest.raises(ValueError, match='raise the limit'):
    chunking.pack(['ab'], 1, lambda text: 2 * len(text))


@hypothesis.settings(deadline=None)
@hypothesis.given(st.lists(PIECE), st.integers(1, 20), st.sampled_from('\n '))
def test_no_chunk_is_too_long_and_no_letter_lost(pieces, limit, separator):
  for count in (len, lambda text: 1 + len(text) // 2):
    chunks = chunking.pack(pieces, limit, count, separator)
    assert all(0 < count(chunk) <= limit for chunk in chunks)
    assert _letters(chunks) == _letters(pieces)


def test_whole_with_more_tokens_than_its_parts_still_fits():
  def count(text):
    return 9 if len(text) > 3 else 2

  assert chunking.pack(['aa', 'bb'], 5, count) == ['aa', 'bb']


def test_targets_are_seeded_and_in_range():
  first, again = (
    list(itertools.islice(chunking.targets(rng, 3, 5), 60))
    for rng in (np.random.default_rng(1), np.random.default_rng(1))
  )
  assert first == again and set(first) == {3, 4, 5}
  with pytest.raises(ValueError, match='least'):
    chunking.targets(np.random.default_rng(0), 5, 4)


def test_conversation_moves_a_day_a_chunk():
  text = 'The text.\nAll of it.'
  chunks = chunking.converse([text] * 500, np.random.default_rng(0))
  for k, date in ((0, '2024-01-01'), (60, '2024-03-01')):
    header, opener, *body, reply = chunks[k].split('\n')
    assert header.endswith(date)
    assert opener.removeprefix('User: ') in wrapping.OPENERS
    assert body == ['The text.', 'All of it.']
    assert reply.removeprefix('Assistant: ') in wrapping.ACKNOWLEDGEMENTS
  again = np.random.default_rng(0)
  assert chunks[:1] == chunking.converse([text], again)
  assert len({chunk.partition('\n')[2] for chunk in chunks}) > 80  # of 100


def test_body_is_what_was_put_into_a_conversation_or_book():
  rng = np.random.default_rng(0)
  lines = ['User: mine', 'She read.']
  text = '\n'.join(lines)
  assert wrapping.body(*chunking.converse([text], rng)) == lines
  date = chunking.DAY_ONE
  assert '2024-01-01' in chunking.read_aloud(text, date)
  assert wrapping.body(chunking.read_aloud(text, date)) == lines
