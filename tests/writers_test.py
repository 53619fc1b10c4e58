"""Tests for the writers without a model, run through the real memory."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from mem_alpha_jax.data import babi, synthetic
from mem_alpha_jax.data.source import OracleNote
from mem_alpha_jax.memory import execution
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.memory.state import Limits
from mem_alpha_jax.methods import writers

LIMITS = Limits(core_tokens=8, entry_tokens=6, slots=16, total_tokens=12)
CHUNKS = (
  'Marta is a baker.',
  'On 3 May Leo went to the harbour.',
  'It rained all night.',
  'Marta is a pilot these days.',
  'My boss is Tom.',
)


def count(text):
  return len(text.split())


def act(name, memory, chunk, step=0, limits=LIMITS, view=None, notes=()):
  """Returns the calls, the memory after them and their results."""
  limits = writers.limits_of(name, limits)
  if view is None:
    view = state_lib.entries(memory)
  rng = np.random.default_rng((7, step))
  seen = writers.Seen(memory, chunk, view, limits, count, rng, notes)
  ops = writers.WRITERS[name](seen)
  results = []
  for op in ops:
    memory, result = execution.apply(memory, op, limits, count, step)
    results.append(result)
  return ops, memory, results


def read(name, chunks, **kwargs):
  """Returns the memory after all chunks; every call must have worked."""
  memory = state_lib.empty()
  for step, chunk in enumerate(chunks):
    _, memory, results = act(name, memory, chunk, step, **kwargs)
    assert all(result.ok for result in results), results
  return memory


def texts(memory):
  return [entry.text for entry in state_lib.entries(memory)]


def test_keep_everything_ignores_the_cap_and_files_dates_as_episodic():
  memory = read('keep_everything', CHUNKS)
  assert texts(memory) == list(CHUNKS)
  assert [entry.text for entry in state_lib.entries(memory, 'episodic')] == [
    CHUNKS[1]
  ]


@pytest.mark.parametrize('name', ['keep_everything', 'keep_newest'])
def test_a_chunk_seen_before_becomes_the_newest(name):
  limits = LIMITS._replace(total_tokens=100)
  memory = read(name, (CHUNKS[0], CHUNKS[2], CHUNKS[0]), limits=limits)
  assert texts(memory) == [CHUNKS[2], CHUNKS[0]]
  assert [entry.step for entry in state_lib.entries(memory)] == [1, 2]


def test_keep_newest_keeps_the_longest_suffix_that_fits():
  assert texts(read('keep_newest', CHUNKS[:4])) == [CHUNKS[2], CHUNKS[3]]


def test_keep_newest_cuts_a_chunk_longer_than_the_cap():
  limits = LIMITS._replace(total_tokens=5)
  memory = read('keep_newest', CHUNKS[:2], limits=limits)
  assert texts(memory) == ['On 3 May Leo went']
  # The kind is that of the whole chunk, even where the cut loses the date.
  limits = LIMITS._replace(total_tokens=2)
  assert texts(read('keep_newest', CHUNKS[1:2], limits=limits)) == ['On 3']
  memory = read('keep_newest', CHUNKS[1:2], limits=limits)
  assert state_lib.count(memory, 'episodic')


def test_keep_newest_stores_nothing_under_a_cap_of_nothing():
  limits = LIMITS._replace(total_tokens=0)
  assert (
    act('keep_newest', state_lib.empty(), CHUNKS[0], limits=limits)[0] == []
  )


def test_keep_newest_frees_slots():
  limits = LIMITS._replace(slots=2, total_tokens=None)
  assert texts(read('keep_newest', CHUNKS, limits=limits)) == list(CHUNKS[-2:])


@hypothesis.settings(max_examples=40, deadline=None)
@hypothesis.given(
  st.lists(
    st.lists(
      st.sampled_from(['a', 'b', '3 May', 'leo']), min_size=1, max_size=8
    ).map(' '.join),
    max_size=8,
  ),
  st.integers(1, 20),
  st.sampled_from(['keep_newest', 'random_inserts', 'rule_insert']),
)
def test_capped_writers_stay_under_the_cap_and_never_fail(chunks, cap, name):
  limits = LIMITS._replace(total_tokens=cap, slots=3)
  memory = read(name, chunks, limits=limits)
  assert state_lib.token_length(memory) <= cap
  if name == 'keep_newest' and chunks:
    newest = max(state_lib.entries(memory), key=lambda e: (e.step, e.id))
    assert newest.step == len(chunks) - 1


def test_random_inserts_are_words_of_the_chunk_in_order():
  ops = [
    act('random_inserts', state_lib.empty(), CHUNKS[1], step)[0]
    for step in range(30)
  ]
  words = ['on', '3', 'may', 'leo', 'went', 'to', 'the', 'harbour']
  kinds = set()
  for (op,) in ops:
    places = [words.index(word) for word in op.text.split()]
    assert places == sorted(places) and 2 <= len(places) <= 4
    kinds.add(op.kind)
  assert kinds == {'semantic', 'episodic'}
  assert len({op.text for (op,) in ops}) > 5


def test_random_inserts_of_a_chunk_without_words():
  assert act('random_inserts', state_lib.empty(), '?!')[0] == []


def test_rules_drop_function_words_and_cut():
  memory = read('rule_insert', ('We went to the harbour: it was cold, Leo.',))
  assert texts(memory) == ['We harbour cold Leo']
  limits = LIMITS._replace(entry_tokens=2)
  assert texts(read('rule_insert', CHUNKS[2:3], limits=limits)) == [
    'rained all'
  ]
  assert act('rule_insert', state_lib.empty(), 'It is.')[0] == []


def test_rule_insert_stops_where_the_memory_is_full():
  memory = read('rule_insert', (*CHUNKS, CHUNKS[0]))
  assert texts(memory) == [
    'Marta baker', '3 May Leo harbour', 'rained all night', 'My boss Tom'
  ]  # fmt: skip


def test_rule_insert_puts_no_space_where_the_text_has_none():
  assert texts(read('rule_insert', ('我住在北京市。',))) == ['我住在北京市']


def test_rule_update_replaces_what_shares_two_words():
  chunks = ('Tom is my job.', "Marta's job is baker.", 'Marta is cold.')
  memory = read('rule_update', chunks)
  assert texts(memory) == ['Tom my job', "Marta's job baker", 'Marta cold']
  ops, memory, _ = act('rule_update', memory, "Marta's job is pilot now.")
  assert [op.tool for op in ops] == ['update']
  assert texts(memory)[1] == "Marta's job pilot now"
  # Neither what it does not see, nor events.
  assert act('rule_update', memory, 'Tom is a job.', view=(None,))[0][0] == (
    state_lib.Op('insert', 'semantic', 'Tom job')
  )
  event = act('rule_update', state_lib.empty(), CHUNKS[1])[1]
  ops = act('rule_update', event, CHUNKS[1].replace('Leo', 'Eva'))[0]
  assert [op.tool for op in ops] == ['insert']


def note(*key, text, kind='semantic'):
  return OracleNote(key, kind, text)


BAKER = note('marta', 'job', text='Marta job baker')
PILOT = note('marta', 'job', text='Marta job pilot')


def test_oracle_inserts_then_updates_and_then_leaves_alone():
  memory = state_lib.empty()
  ops, memory, _ = act('oracle', memory, '', notes=(BAKER,))
  assert [op.tool for op in ops] == ['insert']
  ops, memory, _ = act('oracle', memory, '', notes=(PILOT,))
  assert [op.tool for op in ops] == ['update']
  assert texts(memory) == ['Marta job pilot']
  assert act('oracle', memory, '', notes=(PILOT,))[0] == []


def test_oracle_sees_only_its_view():
  _, memory, _ = act('oracle', state_lib.empty(), '', notes=(BAKER,))
  ops, _, _ = act('oracle', memory, '', view=(None, None), notes=(PILOT,))
  assert [op.tool for op in ops] == ['insert']


def test_oracle_does_not_confuse_a_value_with_a_subject():
  boss = note('marta', 'boss', text='Marta boss Leo')
  other = note('leo', 'boss', text='Leo boss Marta')
  _, memory, _ = act('oracle', state_lib.empty(), '', notes=(boss,))
  _, memory, _ = act('oracle', memory, '', notes=(other,))
  assert texts(memory) == ['Marta boss Leo', 'Leo boss Marta']


def test_oracle_updates_notes_of_the_user():
  first = synthetic.oracle_notes('My boss is Tom.')
  _, memory, _ = act('oracle', state_lib.empty(), '', notes=first)
  revised = tuple(n._replace(text=n.text.replace('Tom', 'Eva')) for n in first)
  ops, memory, _ = act('oracle', memory, '', notes=revised)
  assert [op.tool for op in ops] == ['update'] and len(first) == 1
  assert texts(memory) == [revised[0].text]


def test_oracle_follows_babi():
  chunks = ('Mary moved to the bathroom.', 'Mary went back to the hallway.')
  memory = state_lib.empty()
  for notes in babi.episode_notes(chunks):
    _, memory, _ = act('oracle', memory, '', notes=notes)
  assert texts(memory) == ['Mary hallway']


def test_oracle_keeps_events_apart():
  events = [
    note('leo', '3', 'may', v, text=f'3 May Leo {v}', kind='episodic')
    for v in ('museum', 'harbour')
  ]
  _, memory, _ = act('oracle', state_lib.empty(), '', notes=events)
  assert state_lib.count(memory, 'episodic') == 2
  assert act('oracle', memory, '', notes=events)[0] == []


def test_oracle_keeps_the_last_of_two_notes_with_one_key():
  ops, memory, _ = act('oracle', state_lib.empty(), '', notes=(BAKER, PILOT))
  assert len(ops) == 1 and texts(memory) == ['Marta job pilot']


@pytest.mark.parametrize('then', [BAKER, PILOT])
def test_oracle_resolves_a_contradiction_that_it_sees(then):
  memory = state_lib.empty()
  for text in ('Marta job nurse', 'Marta job baker'):
    op = state_lib.Op('insert', 'semantic', text)
    memory, _ = execution.apply(memory, op, LIMITS, count, 0)
  _, memory, results = act('oracle', memory, '', notes=(then,))
  assert texts(memory) == [then.text]
  assert all(result.ok for result in results)


def test_oracle_drops_what_is_over():
  _, memory, _ = act('oracle', state_lib.empty(), '', notes=(BAKER,))
  over = BAKER._replace(text='Marta job', over=True)
  other = note('leo', 'job', text='Leo job', kind='semantic')._replace(
    over=True
  )
  ops, memory, _ = act('oracle', memory, '', notes=(over, other))
  assert [op.tool for op in ops] == ['delete'] and texts(memory) == []


def test_limits_of_the_writers():
  assert writers.limits_of('oracle', LIMITS) == LIMITS
  assert writers.limits_of('keep_newest', LIMITS).total_tokens == 12
  assert writers.limits_of('keep_everything', LIMITS).total_tokens is None
