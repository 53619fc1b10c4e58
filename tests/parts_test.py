"""Tests for the reward's parts: golden numbers and properties."""

import math

import hypothesis
import pytest
from hypothesis import strategies as st

from mem_alpha_jax.memory.state import Op, OpResult
from mem_alpha_jax.reward import parts

OK, FAILED = OpResult(True), OpResult(False, 'unknown id')
CHUNK = 'Marta has a new job as a baker.'
WORDS = st.lists(st.sampled_from('abcdef'))


def insert(text):
  return Op('insert', 'semantic', text)


def update(text):
  return Op('update', 'semantic', text, 1)


@pytest.mark.parametrize(
  ('results', 'errors', 'noop', 'expected'),
  [
    ([OK, OK], 0, False, 1.0),
    ([OK, FAILED], 0, False, 0.5),
    ([OK], 3, False, 0.25),
    ([FAILED], 0, False, 0.0),
    ([], 1, False, 0.0),  # garbage
    ([], 0, True, 1.0),  # a valid no-op is not punished
    ([], 0, False, 0.0),
  ],
)
def test_calls_reward_is_the_share_of_valid_calls(
  results, errors, noop, expected
):
  assert parts.calls_reward(results, errors, noop) == expected


@pytest.mark.parametrize(
  ('memory', 'read', 'expected'),
  [
    (0, 10, 1.0),
    (4, 10, 0.6),
    (10, 10, 0.0),
    (25, 10, 0.0),
    (0, 0, 1.0),
    (3, 0, 0.0),
  ],
)
def test_size_reward_is_clipped_compression(memory, read, expected):
  assert parts.size_reward(memory, read) == pytest.approx(expected)


def test_size_steps_average_to_the_reward_of_the_whole():
  added, chunk = [3, 0, 5, 4], 10
  steps = [parts.size_step(n, chunk) for n in added]
  whole = parts.size_reward(sum(added), chunk * len(added))
  assert sum(steps) / len(steps) == pytest.approx(whole)


def test_size_step_of_a_shrinking_memory_is_one_and_not_more():
  assert parts.size_step(-7, 10) == 1.0


def score(op, result=OK, old='', errors=0):
  return parts.content_reward([op], [result], CHUNK, [old], errors)


@pytest.mark.parametrize(
  ('text', 'expected'),
  [
    ('Marta job baker', 1.0),
    ('MARTA, job: Baker!', 1.0),
    ('Marta job pilot', 2 / 3),
    ('weather lovely', 0.0),
    ('Marta Marta Marta', 1 / 3),  # it occurs once in the chunk
    ('a a', 1.0),  # and this twice
    ('?!', 0.0),
  ],
)
def test_content_reward_counts_words_that_the_chunk_supports(text, expected):
  assert score(insert(text)) == pytest.approx(expected)


def test_content_reward_of_an_update_may_keep_words_of_the_old_entry():
  assert score(update('Marta Lisbon baker'), old='Marta Lisbon') == 1.0
  assert score(insert('Marta Lisbon baker'), old='Marta Lisbon') == 2 / 3
  # Once in the chunk and once in the old entry is still once.
  assert score(update('Marta Marta'), old='Marta') == 0.5


def test_content_reward_of_calls_without_content():
  delete = Op('delete', 'semantic', entry_id=3)
  assert score(delete) == 1.0
  assert score(delete, FAILED) == 0.0
  assert score(insert('Marta job baker'), FAILED) == 0.0
  assert parts.content_reward([], [], CHUNK, []) == 1.0
  assert parts.content_reward([], [], CHUNK, [], errors=1) == 0.0


def test_content_reward_is_the_mean_over_calls_and_errors():
  ops = [insert('Marta job'), insert('Marta moon')]
  got = parts.content_reward(ops, [OK, OK], CHUNK, ['', ''], errors=2)
  assert got == pytest.approx((1 + 0.5) / 4)


@hypothesis.settings(max_examples=50, deadline=None)
@hypothesis.given(WORDS, WORDS, WORDS, st.booleans())
def test_repeating_a_word_never_raises_content_reward(text, chunk, old, write):
  op = update if write else insert
  found = [
    parts.content_reward(
      [op(' '.join(words))], [OK], ' '.join(chunk), [' '.join(old)]
    )
    for words in (text, text * 2)
  ]
  assert 0 <= found[1] <= found[0] <= 1


def test_combine_is_the_weighted_sum():
  found = {'answers': 0.5, 'calls': 1.0, 'size': 0.8, 'content': 0.25}
  weights = {'answers': 1.0, 'calls': 0.3, 'size': 0.05, 'content': 0.1}
  assert parts.combine(found, weights) == pytest.approx(
    0.5 + 0.3 + 0.04 + 0.025
  )


@pytest.mark.parametrize('absent', [None, math.nan])
def test_combine_keeps_missing_data_missing(absent):
  found = {'answers': absent, 'calls': 1.0}
  assert math.isnan(parts.combine(found, {'answers': 1.0, 'calls': 0.3}))
  assert parts.combine(found, {'answers': 0.0, 'calls': 0.3}) == 0.3


def test_combine_names_a_part_that_nobody_measured():
  with pytest.raises(KeyError, match='reward.size'):
    parts.combine({'calls': 1.0}, {'calls': 1.0, 'size': 0.1})
