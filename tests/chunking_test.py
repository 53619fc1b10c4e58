"""Chunks: nothing lost, never too long, and seeded wrapping."""

import hypothesis
import numpy as np
from hypothesis import strategies as st

from mem_alpha_jax.data import chunking


def count(text: str) -> int:
  return len(text.split())


def test_sentences():
  text = 'He left. "Why?" she asked!\nNo 3.5 here (or there.) End'
  assert chunking.sentences(text) == [
    'He left.',
    '"Why?"',
    'she asked!',
    'No 3.5 here (or there.)',
    'End',
  ]
  assert chunking.sentences('  \n ') == []


def test_pack_by_hand():
  pieces = ['a b', 'c', 'd e f g h', 'i']
  assert chunking.pack(pieces, 3, count, ' ') == ['a b c', 'd e f', 'g h i']
  assert chunking.pack(pieces, 100, count) == ['a b\nc\nd e f g h\ni']
  assert chunking.pack([], 3, count) == []
  assert chunking.pack(['a', 'b', 'c'], iter([1, 2, 9]), count, ' ') == [
    'a',
    'b c',
  ]


@hypothesis.given(
  st.lists(st.lists(st.sampled_from('abcd'), min_size=1).map(' '.join)),
  st.integers(1, 7),
)
def test_nothing_is_lost_and_no_chunk_is_too_long(pieces, limit):
  chunks = chunking.pack(pieces, limit, count)
  assert ' '.join(chunks).split() == ' '.join(pieces).split()
  assert all(0 < count(chunk) <= limit for chunk in chunks)
  if sum(map(count, pieces)) <= limit:
    assert len(chunks) <= 1


def test_random_sizes_are_in_range_and_seeded():
  draw = lambda seed: [
    next(sizes)
    for sizes in [chunking.random_limits(np.random.default_rng(seed), 2, 5)]
    for _ in range(50)
  ]
  assert set(draw(0)) == {2, 3, 4, 5}
  assert draw(0) == draw(0) != draw(1)


def test_a_conversation_is_dated_and_seeded():
  wrap = lambda seed: chunking.stream(
    ['facts one', 'facts two'], np.random.default_rng(seed)
  )
  first, second = wrap(0)
  assert first.startswith('Conversation on 2024-01-01\nUser: ')
  assert second.startswith('Conversation on 2024-01-02\nUser: ')
  assert '\nfacts one\nAssistant: ' in first
  assert wrap(0) == wrap(0)
  assert len({wrap(seed) for seed in range(20)}) > 10
