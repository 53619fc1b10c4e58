"""The bank of slots follows the host memories exactly."""

import functools

import hypothesis
import jax
import numpy as np
import pytest
import tiny_config
from hypothesis import strategies as st

from mem_alpha_jax.memory import batch as batch_lib
from mem_alpha_jax.memory import execution
from mem_alpha_jax.memory import slots as slots_lib
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.recall import embedders
from mem_alpha_jax.text import words as words_lib

N, W, E, SLOTS = 3, 3, 4, 8
LIMITS = state_lib.Limits(core_tokens=9, entry_tokens=9, slots=SLOTS)
Op = state_lib.Op
embed = functools.partial(embedders.hashed, size=E)


def build(states, slots, width=W):
  return slots_lib.from_states(states, slots, width, embed)


def assert_equal(bank, expected):
  for field in bank.__dataclass_fields__:
    np.testing.assert_array_equal(
      getattr(bank, field), getattr(expected, field), err_msg=field
    )


def calls():
  # Ids start at 1 and few are alive, so that updates and deletes often hit.
  words = st.lists(st.sampled_from('abcde'), min_size=1, max_size=5)
  op = st.builds(
    Op,
    tool=st.sampled_from(['insert', 'insert', 'update', 'delete']),
    kind=st.sampled_from(['semantic', 'semantic', 'episodic', 'core']),
    text=words.map(' '.join),
    entry_id=st.integers(1, 6),
  )
  step = st.lists(st.lists(op, max_size=3), min_size=N, max_size=N)
  return st.lists(step, max_size=8)


@hypothesis.settings(max_examples=30, deadline=None)
@hypothesis.given(calls())
def test_host_and_device_agree_after_random_ops(steps):
  states = [state_lib.empty()] * N
  bank = slots_lib.empty(N, 2, W, E)
  for step, ops in enumerate(steps):
    touched = []
    for n, row in enumerate(ops):
      slots = {}
      for op in row:
        states[n], result = execution.apply(states[n], op, LIMITS, len, step)
        slots |= dict.fromkeys(result.slots)
      touched.append(slots)
    width = bank.term_ids.shape[2]
    edits = slots_lib.edits(states, [*map(list, touched)], width, embed)
    width = edits.rows.term_ids.shape[2]
    while max(s.top for s in states) > bank.valid.shape[1]:
      bank = slots_lib.grow(bank, 2 * bank.valid.shape[1], width)
    bank = slots_lib.apply_edits(slots_lib.grow(bank, 0, width), edits)
    assert_equal(bank, build(states, *bank.term_ids.shape[1:]))


@hypothesis.settings(max_examples=15, deadline=None)
@hypothesis.given(calls(), st.lists(st.integers(0, 2 * N - 1), max_size=8))
def test_forks_agree_and_replay(steps, kept):
  """Two copies of each memory take calls of their own; one of them stays."""
  config = tiny_config.get_config(f'memory.slots=2,memory.max_slots={SLOTS}')
  memories = batch_lib.Memories(
    [state_lib.empty()] * N, [0] * N, config, len, embed=embed
  )
  for step, (ops, choice) in enumerate(zip(steps, kept, strict=False)):
    states, results = [], []
    for n, state in enumerate(memories.states):
      for row in (ops[n], ops[n - 1]):
        after, done = state, []
        for op in row:
          after, result = execution.apply(after, op, LIMITS, len, step)
          done.append(result)
        assert execution.replay(after.log) == after
        states.append(after)
        results.append(done)
    fork = memories.forked(states, results)
    assert_mirrors(fork)
    pick = slice(choice % 2, None, 2)
    memories.become(states[pick], results[pick])
    assert_mirrors(memories)


def assert_mirrors(memories):
  slots, width = memories.bank.term_ids.shape[1:]
  built = slots_lib.from_states(memories.states, slots, width, embed)
  assert_equal(memories.bank, built)


def test_edits_write_empty_and_skip_what_is_out_of_range():
  bank = slots_lib.empty(2, 2, W, E)
  bank = bank.replace(valid=bank.valid.at[:, 1].set(True))
  edits = slots_lib.Edits(
    np.array([[0, 1], [5, slots_lib.NOWHERE]], np.int32),
    slots_lib.SlotBank(
      embedding=np.ones((2, 2, E), np.float32),
      term_ids=np.array([[[1, 2, 0], [0, 0, 0]]] * 2, np.int32),
      valid=np.array([[True, False]] * 2),
    ),
  )
  bank = slots_lib.apply_edits(bank, edits)
  np.testing.assert_array_equal(bank.term_ids[0], [[1, 2, 0], [0, 0, 0]])
  assert bank.valid.tolist() == [[True, False], [False, True]]
  assert not bank.embedding[1].any()


def test_no_edits_leave_the_bank():
  states = [state_lib.empty()] * N
  edits = slots_lib.edits(states, [[]] * N, W, embed)
  assert (edits.slot == slots_lib.NOWHERE).all()
  bank = slots_lib.apply_edits(build(states, 2), edits)
  assert_equal(bank, build(states, 2))


def test_broadcast_repeats_each_memory():
  states = [
    execution.apply(
      state_lib.empty(), Op('insert', 'semantic', text), LIMITS, len, 0
    )[0]
    for text in 'ab'
  ]
  wide = slots_lib.broadcast(build(states, 2), 2)
  order = [states[0], states[0], states[1], states[1]]
  assert_equal(wide, build(order, 2))


def test_bank_is_a_pytree_of_arrays():
  leaves = jax.tree.leaves(slots_lib.empty(N, 2, W))
  assert len(leaves) == 3 and leaves[0].shape == (N, 2, 0)


def test_grow_never_shrinks_and_from_states_refuses_to_drop():
  bank = slots_lib.empty(1, 4, W)
  assert slots_lib.grow(bank, 2, 1) is bank
  assert slots_lib.grow(bank, 2, W + 1).term_ids.shape == (1, 4, W + 1)
  entry = state_lib.Entry(1, 'semantic', 'a', 0, 4, 1)
  state = state_lib.put(state_lib.empty(), entry)
  with pytest.raises(ValueError, match='memory 0: an entry is in slot 4'):
    build([state], 4)


def test_terms_are_lowercase_words():
  assert words_lib.terms("Marta's job: BAKER, twice (9-to-5).") == [
    *('marta', 's', 'job', 'baker', 'twice', '9', 'to', '5')
  ]


def test_term_ids_are_stable_and_positive():
  # The check value of CRC-32 is 0xCBF43926; the top bit is dropped.
  assert slots_lib.term_id('123456789') == 0x4BF43926
  words = [f'w{i}' for i in range(2000)] + ['', '\ud800']
  assert all(0 < slots_lib.term_id(word) < 2**31 for word in words)


def test_encode_terms_keeps_distinct_words():
  ids = [*map(slots_lib.term_id, 'bac')]
  assert slots_lib.encode_terms('b a b c').tolist() == ids


def test_texts_are_embedded_in_one_call():
  calls = []

  def embed(texts):
    calls.append(list(texts))
    return np.arange(len(texts), dtype=np.float32)[:, None] + 1

  notes = [['a', 'b'], [], ['d']]
  states = [
    state_lib.with_entries(
      state_lib.empty(),
      [
        state_lib.Entry(slot + 1, 'semantic', text, 0, slot, 1)
        for slot, text in enumerate(row)
      ],
    )
    for row in notes
  ]
  edits = slots_lib.edits(states, [[1, 0], [], [0, 1]], W, embed)
  vectors = edits.rows.embedding[..., :2, 0]
  assert vectors.tolist() == [[1, 2], [0, 0], [3, 0]]
  none = slots_lib.NOWHERE
  assert edits.slot[:, :2].tolist() == [[1, 0], [none, none], [0, 1]]
  bank = slots_lib.from_states(states, 2, W, embed)
  assert bank.embedding[..., 0].tolist() == [[1, 2], [0, 0], [3, 0]]
  assert calls == [['b', 'a', 'd'], ['a', 'b', 'd']]
