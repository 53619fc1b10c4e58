"""Tests for the reward's parts: golden numbers and properties."""

import math

import hypothesis
import ml_collections
import numpy as np
import pytest
from hypothesis import strategies as st

from mem_alpha_jax.memory import json_calls, reference_tools
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.memory.state import Op, OpResult
from mem_alpha_jax.reward import parts
from mem_alpha_jax.types import Outcome, Turn

OK, FAILED = OpResult(True), OpResult(False, 'unknown id')
REPEAT = OpResult(False, state_lib.DUPLICATE)
CHUNK = 'Marta has a new job as a baker.'
WORDS = st.lists(st.sampled_from('abcdef'))
CONFIG = ml_collections.ConfigDict({'noop': 0.25, 'repair': 0.5})


def insert(text):
  return Op('insert', 'semantic', text)


def update(text):
  return Op('update', 'semantic', text, 1)


def outcome(ops=(), results=(), errors=0, **more):
  state = state_lib.empty()
  return Outcome(state, tuple(ops), tuple(results), ('x',) * errors, **more)


def one(part, done, text=CHUNK, old='', tokens=10):
  entry = state_lib.Entry(1, 'semantic', old, 0, 0, 1)
  turn = Turn('writer', text, state=state_lib.empty(), view=(None, entry))
  (found,) = part([turn._replace(tokens=tokens)], [done], CONFIG)
  return float(found)


@pytest.mark.parametrize(
  ('results', 'errors', 'noop', 'expected'),
  [
    ([OK, OK], 0, False, 1.0),
    ([OK, FAILED], 0, False, 0.5),
    ([OK], 3, False, 0.25),
    ([FAILED], 0, False, 0.0),
    ([], 1, False, 0.0),  # garbage
    ([], 0, True, 0.25),  # a valid no-op earns what the config says
    ([], 0, False, 0.0),
    ([REPEAT], 0, False, 0.25),  # stores nothing either
    ([OK, REPEAT], 0, False, 1.0),
    ([FAILED, REPEAT], 0, False, 0.0),
    ([REPEAT], 1, False, 0.0),
  ],
)
def test_trial_calls_is_the_share_of_valid_calls(
  results, errors, noop, expected
):
  done = outcome([insert('x')] * len(results), results, errors, noop=noop)
  assert one(parts.calls, done) == expected


@pytest.mark.parametrize('notation', [json_calls, reference_tools])
@pytest.mark.parametrize('shown, earned', [((), 0), ((3,), 0.5), ((3, 7), 1)])
def test_trial_calls_about_what_was_not_shown_earn_nothing(
  notation, shown, earned
):
  # Two notes deleted unseen once earned 0.5, where a no-op had 0.1.
  deletes = [Op('delete', 'semantic', entry_id=i) for i in (3, 7)]
  view = [state_lib.Entry(i, 'semantic', '', 0, 0, 0) for i in shown]
  read = notation.parse('\n'.join(map(notation.render, deletes)), view)
  ops = [call.op for call in read.calls if call.op]
  errors = [call.error for call in read.calls if call.error]
  assert len(ops) == len(shown) and all('unknown id' in e for e in errors)
  done = outcome(ops, [OK] * len(ops), len(errors))
  assert one(parts.calls, done) == one(parts.content, done) == earned


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
def test_compression_is_clipped(memory, read, expected):
  assert parts.compression(memory, read) == pytest.approx(expected)


def grown(before, after):
  """What `size` says of a memory of these tokens before and after."""
  core = lambda n: state_lib.empty()._replace(core='x', core_tokens=n)
  turn = Turn('writer', CHUNK, state=core(before), tokens=10)
  (found,) = parts.size([turn], [Outcome(core(after))], CONFIG)
  return found


def test_sizes_of_steps_average_to_the_compression_of_the_whole():
  sizes = [0, 3, 3, 8, 12]
  steps = [grown(*pair) for pair in zip(sizes, sizes[1:], strict=False)]
  assert np.mean(steps) == pytest.approx(parts.compression(12, 40))
  assert grown(9, 2) == 1  # shrinking is no more than growing by nothing


def test_a_gain_and_the_end_of_a_trajectory_are_what_they_are():
  done = outcome(gain=-0.5, compression=0.75)
  assert one(parts.answers, done) == -0.5
  assert one(parts.size, done) == 0.75
  assert math.isnan(one(parts.answers, outcome()))


def score(op, result=OK, old='', errors=0, text=CHUNK):
  return one(parts.content, outcome([op], [result], errors), text, old)


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
def test_content_counts_words_that_the_chunk_supports(text, expected):
  assert score(insert(text)) == pytest.approx(expected)


def test_content_of_an_update_may_keep_words_of_the_old_entry():
  assert score(update('Marta Lisbon baker'), old='Marta Lisbon') == 1.0
  kept = score(insert('Marta Lisbon baker'), old='Marta Lisbon')
  assert kept == pytest.approx(2 / 3)
  # Once in the chunk and once in the old entry is still once.
  assert score(update('Marta Marta'), old='Marta') == 0.5


def test_content_of_calls_without_content():
  delete = Op('delete', 'semantic', entry_id=3)
  assert score(delete) == 1.0
  assert score(delete, FAILED) == 0.0
  assert score(insert('Marta job baker'), FAILED) == 0.0
  assert one(parts.content, outcome()) == 1.0
  assert one(parts.content, outcome(noop=True)) == 0.25
  assert one(parts.content, outcome(errors=1)) == 0.0


def test_content_is_the_mean_over_calls_and_errors():
  ops = [insert('Marta job'), insert('Marta moon')]
  got = one(parts.content, outcome(ops, [OK, OK], 2))
  assert got == pytest.approx((1 + 0.5) / 4)


@hypothesis.settings(max_examples=50, deadline=None)
@hypothesis.given(WORDS, WORDS, WORDS, st.booleans())
def test_repeating_a_word_never_raises_content(text, chunk, old, write):
  op = update if write else insert
  found = [
    score(op(' '.join(words)), text=' '.join(chunk), old=' '.join(old))
    for words in (text, text * 2)
  ]
  assert 0 <= found[1] <= found[0] <= 1


def test_total_is_the_weighted_sum_and_missing_stays_missing():
  found = {'answers': np.float32([0.5, np.nan]), 'calls': np.ones(2, 'f4')}
  weights = {'answers': 1.0, 'calls': 0.3}
  total = parts.total(found, weights)
  assert total.dtype == np.float32
  np.testing.assert_allclose(total, [0.8, np.nan], rtol=1e-6)
  total = parts.total(found, {**weights, 'answers': 0.0})
  np.testing.assert_allclose(total, [0.3, 0.3], rtol=1e-6)


def test_a_part_without_a_weight_is_named():
  with pytest.raises(ValueError, match='reward.size: .* 0.0 leaves'):
    parts.total({'size': np.ones(1)}, {'calls': 1.0})


def test_trial_repeats_are_neutral_in_content():
  ops = [insert('a new job'), insert('whatever')]
  assert one(parts.content, outcome(ops, [OK, REPEAT])) == 1.0
  assert one(parts.content, outcome(ops[:1], [REPEAT])) == 0.25
  judged = outcome(ops, [OK, REPEAT], verdicts=(0.5, 0.0))
  assert one(parts.content, judged) == 0.5


def test_trial_repaired_calls_cost_what_the_config_says():
  ops, slips = [insert('a'), insert('b')], frozenset({'json'})
  done = outcome(ops, [OK, OK], repairs=(frozenset(), slips))
  assert one(parts.calls, done) == 0.75
  assert one(parts.content, done._replace(verdicts=(1.0, 1.0))) == 1.0
  failed = outcome(ops, [OK, FAILED], repairs=(frozenset(), slips))
  assert one(parts.calls, failed) == 0.5
