"""MemoryState against a plain-Python model, and its log."""

import json

import hypothesis
import pytest
from hypothesis import strategies as st

from mem_alpha_jax.memory import execution, tools
from mem_alpha_jax.memory import state as state_lib

LIMITS = state_lib.Limits(
  core_tokens=3, entry_tokens=3, slots=4, total_tokens=9
)
Op = state_lib.Op


def count(text):
  return len(text.split())


def texts():
  words = st.lists(st.sampled_from('abc'), max_size=4).map(' '.join)
  return st.one_of(words, st.sampled_from(['\ud800', ' ', 7, None]))


def ops():
  return st.builds(
    Op,
    tool=st.sampled_from([*tools.TOOLS, 'insert', 'update', 'search']),
    kind=st.sampled_from([*state_lib.KINDS, 'working']),
    text=texts(),
    entry_id=st.one_of(st.none(), st.integers(-1, 8), st.just('1')),
  )


def run(calls, limits=LIMITS):
  state, results = state_lib.empty(), []
  for step, op in enumerate(calls):
    state, result = execution.apply(state, op, limits, count, step)
    results.append(result)
  return state, results


class Model:
  """The rules written again, over mutable dicts."""

  def __init__(self):
    self.core, self.notes, self.next_id = '', {}, 1

  def size(self):
    return count(self.core) + sum(count(n['text']) for n in self.notes.values())

  def call(self, op, step):
    good_text = (
      isinstance(op.text, str) and op.text.strip() and '\ud800' not in op.text
    )
    if op.tool not in tools.TOOLS or op.kind not in state_lib.KINDS:
      return False
    if op.tool != 'delete' and not good_text:
      return False
    if op.kind == 'core':
      return self.call_core(op)
    note = self.notes.get(op.entry_id)
    known = note is not None and note['kind'] == op.kind
    if op.tool == 'delete':
      if known:
        del self.notes[op.entry_id]
      return known
    old = count(note['text']) if op.tool == 'update' and known else 0
    used = {n['slot'] for n in self.notes.values()}
    free = [i for i in range(LIMITS.slots) if i not in used]
    twins = [
      n
      for n in self.notes.values()
      if (n['kind'], n['text']) == (op.kind, op.text)
    ]
    if op.tool == 'update' and known and twins and note not in twins:
      del self.notes[op.entry_id]  # out of date; the twin stays
      return True
    if twins or count(op.text) > LIMITS.entry_tokens:
      return False
    if self.size() - old + count(op.text) > LIMITS.total_tokens:
      return False
    if op.tool == 'update':
      if known:
        note.update(text=op.text, step=step)
      return known
    if not free:
      return False
    self.notes[self.next_id] = dict(
      kind=op.kind, text=op.text, step=step, slot=free[0]
    )
    self.next_id += 1
    return True

  def call_core(self, op):
    new = '' if op.tool == 'delete' else op.text
    size = self.size() - count(self.core) + count(new)
    fits = count(new) <= LIMITS.core_tokens and (
      op.tool == 'delete' or size <= LIMITS.total_tokens
    )
    if op.tool == 'insert' or new == self.core or not fits:
      return False
    self.core = new
    return True


@hypothesis.settings(max_examples=50, deadline=None)
@hypothesis.given(st.lists(ops(), max_size=40))
def test_random_ops_agree_with_the_model(calls):
  model, state = Model(), state_lib.empty()
  for step, op in enumerate(calls):
    before = state
    state, result = execution.apply(state, op, LIMITS, count, step)
    assert result.ok == model.call(op, step), (op, result)
    assert result.ok == (result.error == '')
    if not result.ok:
      assert state_lib.without_log(state) == state_lib.without_log(before)
    shown = {
      e.id: dict(kind=e.kind, text=e.text, step=e.step, slot=e.slot)
      for e in state_lib.entries(state)
    }
    assert shown == model.notes
    assert (state.core, state.next_id) == (model.core, model.next_id)
    assert state_lib.token_length(state) == model.size()
    assert len(state.log) == step + 1


@hypothesis.settings(max_examples=50, deadline=None)
@hypothesis.given(st.lists(ops(), max_size=40))
def test_replay_of_the_log_is_the_state(calls):
  state, results = run(calls)
  assert [record.result for record in state.log] == results
  assert execution.replay(state.log) == state


@pytest.mark.parametrize(
  'op, error',
  [
    (Op('insert', 'core', 'a'), 'bad target: core takes no insert'),
    (Op('delete', 'semantic', entry_id=9), 'unknown id'),
    (Op('delete', 'episodic', entry_id=1), 'unknown id'),  # the other list
    (Op('update', 'semantic', 'x'), 'unknown id'),
    (Op('insert', 'semantic', 'a b'), 'duplicate'),
    (Op('insert', 'semantic', ' A  b. '), 'duplicate'),
    (Op('update', 'semantic', 'a b', 1), 'duplicate'),
    (Op('update', 'core', 'THE.'), 'duplicate'),
    (Op('insert', 'semantic', 'a b c d'), 'bad text: too long'),
    (Op('update', 'core', 'a b c d'), 'bad text: too long'),
    (Op('insert', 'semantic', '  '), 'bad text: empty'),
    (Op('insert', 'semantic', 'x y z'), 'full'),
    (Op('insert', 'semantic', 'x'), 'full: no free slot'),
    (Op('insert', 'diary', 'x'), 'bad target: unknown kind'),
    (Op('append', 'semantic', 'x'), 'unknown tool'),
    (Op('update', 'semantic', ['x'], ['1']), 'bad text: not a string'),
  ],
)
def test_bad_calls_say_why(op, error):
  calls = [Op('insert', 'semantic', text) for text in ('a b', 'c d', 'e', 'f')]
  calls.append(Op('update', 'core', 'the'))
  state, _ = run(calls, LIMITS._replace(total_tokens=8))
  limits = LIMITS._replace(total_tokens=8)
  after, result = execution.apply(state, op, limits, count, 9)
  assert (result.ok, result.error) == (False, error)
  assert state_lib.without_log(after) == state_lib.without_log(state)


SAME = (
  ('Note 5', 'note 5'),
  ('Ana lives in  Oslo', ' ana lives in\nOslo. '),
  ('\ufb01ve caf\u00e9s', 'FIVE cafe\u0301s'),
  ('\u6211\u4f4f\u5728\u5317\u4eac', '\u6211\u4f4f\u5728\u5317\u4eac\u3002'),
)


@pytest.mark.parametrize('first, again', SAME)
def test_trial_the_same_fact_again_is_neutral(first, again):
  calls = [Op('insert', 'semantic', text) for text in (first, again)]
  limits = LIMITS._replace(entry_tokens=9, total_tokens=None)
  state, (stored, repeat) = run(calls, limits)
  assert stored.ok and repeat.neutral and not repeat.ok
  assert [e.text for e in state_lib.entries(state)] == [first]
  assert execution.replay(state.log) == state
  state, _ = run([*calls, Op('delete', 'semantic', entry_id=1)], limits)
  assert not state_lib.count(state)


def test_trial_other_facts_are_both_stored():
  for first, other in (('Note 5', 'Note 50'), ('a?', 'a'), ('3.5', '35')):
    _, results = run([Op('insert', 'semantic', t) for t in (first, other)])
    assert all(result.ok for result in results)


def test_trial_an_update_to_what_is_there_removes_the_stale_note():
  calls = [
    Op('insert', 'semantic', t) for t in ('Ana job baker', 'Ana job vet')
  ]
  state, _ = run([*calls, Op('update', 'semantic', 'ana job vet.', 1)])
  assert [e.text for e in state_lib.entries(state)] == ['Ana job vet']
  assert state.log.newest().__next__().result.slots == (0,)
  assert execution.replay(state.log) == state


def test_trial_memories_of_old_may_hold_a_text_twice():
  twice = [
    state_lib.Entry(i, 'semantic', t, 0, i, 1) for i, t in enumerate(('A', 'a'))
  ]
  state = state_lib.with_entries(state_lib.empty(), twice)
  for entry in twice:
    state = state_lib.drop(state, entry)
  assert not state_lib.count(state) and not state.lists['semantic'].by_text


def test_update_keeps_id_and_slot_and_delete_frees_the_slot():
  state, _ = run([Op('insert', 'semantic', t) for t in 'abc'])
  state, _ = execution.apply(
    state, Op('update', 'semantic', 'z', 2), LIMITS, count, 7
  )
  entry = state_lib.with_id(state, 'semantic', 2)
  assert (entry.text, entry.slot, entry.step) == ('z', 1, 7)
  state, gone = execution.apply(
    state, Op('delete', 'semantic', entry_id=1), LIMITS, count, 8
  )
  assert (gone.entry_id, gone.slots) == (1, (0,))
  state, result = execution.apply(
    state, Op('insert', 'episodic', 'a'), LIMITS, count, 9
  )
  assert (result.entry_id, result.slots) == (4, (0,))  # new id, old place
  assert [e.id for e in state_lib.entries(state)] == [2, 3, 4]
  assert state.by_slot[0].kind == 'episodic'


def test_same_text_may_be_in_both_lists_and_no_cap_is_none():
  calls = [Op('insert', k, 'a b c') for k in ('semantic', 'episodic')]
  calls += [Op('insert', 'semantic', t) for t in ('d e f', 'g h i')]
  _, results = run(calls, LIMITS._replace(total_tokens=None))
  assert all(result.ok for result in results)


@hypothesis.settings(max_examples=25, deadline=None)
@hypothesis.given(st.lists(ops(), max_size=20))
def test_json_round_trip(calls):
  calls = [op for op in calls if op.text != '\ud800']
  state, _ = run(calls)
  written = json.dumps(state_lib.to_json(state))
  found = state_lib.from_json(json.loads(written))
  assert found == state_lib.without_log(state)


@pytest.mark.parametrize('field', ['semantic', 'surprise'])
def test_from_json_names_the_field(field):
  value = state_lib.to_json(state_lib.empty())
  if field in value:
    del value[field]
  else:
    value[field] = 1
  with pytest.raises(ValueError, match=field):
    state_lib.from_json(value)
