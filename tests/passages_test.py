"""Texts at their borders: documents, examples, whole pieces in chunks."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mem_alpha_jax.data import passages


def _words(text):
  return len(text.split())


def test_documents_are_split_by_their_numbers():
  text = (
    'Document 1:\nAda\nShe saw\nDocument 3:\nof it.\n\n'
    'Document 2:\nBob\nsee Document 3:\nquoted\n\nDocument 3:\nCyd'
  )
  assert passages.documents(f'\n{text}\n') == [
    'Document 1:\nAda\nShe saw\nDocument 3:\nof it.',
    'Document 2:\nBob\nsee Document 3:\nquoted',
    'Document 3:\nCyd',
  ]
  for wrong in ('', 'Document 2:\nx', 'Title\nDocument 1:\nx'):
    with pytest.raises(ValueError, match="'Document 1:' first"):
      passages.documents(wrong)


def test_many_documents_keep_their_order():
  wanted = [f'Document {i}:\ntext {i}' for i in range(1, 25)]
  assert passages.documents('\n\n'.join(wanted)) == wanted


@pytest.mark.parametrize(
  ('text', 'wanted'),
  [
    ('one two\nlabel: 3\n\nfour\nLabel: 5\n',
     ['one two\nlabel: 3', 'four\nLabel: 5']),
    ('Sample: one; Label: 3\nSample: two; Label: 4',
     ['Sample: one; Label: 3', 'Sample: two; Label: 4']),
    ('one\nlabel: 3\nthe rest\n', ['one\nlabel: 3', 'the rest']),
    ('\n\n', []),
  ],
)  # fmt: skip
def test_examples_keep_their_label(text, wanted):
  assert passages.examples(text) == wanted


def test_only_a_piece_that_is_too_long_is_split():
  pieces = ['a b c', 'd e.\nF g h. I j', 'k', 'l m n']
  assert passages.place(pieces, 4, _words) == [
    [(0, 'a b c')],
    [(1, 'd e.')],
    [(1, 'F g h.')],
    [(1, 'I j'), (2, 'k')],
    [(3, 'l m n')],
  ]
  assert passages.pack(pieces[:1] + pieces[2:], 4, _words, '|') == [
    'a b c|k',
    'l m n',
  ]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text('ab .\n', max_size=30)), st.integers(1, 6))
def test_no_word_is_lost_and_no_chunk_too_long(pieces, limit):
  chunks = passages.pack(pieces, limit, _words)
  assert ' '.join(chunks).split() == ' '.join(pieces).split()
  assert all(0 < _words(chunk) <= limit for chunk in chunks)
