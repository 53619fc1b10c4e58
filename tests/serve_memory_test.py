"""`Memory`: what is added, edited, taken back, exported; rules write."""

import json
import threading
import time

import pytest
import small_serving

from mem_alpha_jax.memory.state import Limits, LogRecord, Op, OpResult
from mem_alpha_jax.serve import events
from mem_alpha_jax.serve import service as service_lib
from mem_alpha_jax.serve.memory import NotFound


@pytest.fixture
def memory(tmp_path):
  made = small_serving.memory(tmp_path / 'm.db')
  yield made
  made.close()


def texts(memory, kind=None):
  return [note['text'] for note in memory.all(kind)]


def test_the_readme_of_a_memory(memory):
  done = memory.add('Ana lives in Rome. Tom has a dog.')
  assert [c['tool'] for c in done['calls']] == ['insert', 'insert']
  (call,) = memory.add('Ana lives in Oslo')['calls']
  assert call == {
    'tool': 'update', 'id': 1, 'kind': 'semantic', 'text': 'Ana lives in Oslo',
    'ok': True, 'error': '',
  }  # fmt: skip
  assert memory.search('where is tom', 1) == [
    {'id': 2, 'kind': 'semantic', 'text': 'Tom has a dog'}
  ]
  answer = memory.answer('Where lives Ana')
  assert answer['answer'] == 'Ana lives in Oslo'
  assert [note['id'] for note in answer['notes']] == [1]
  assert memory.all('core') == [] and len(memory.all()) == 2
  memory.add([{'role': 'user', 'content': 'I am here'}], time='3 May')
  assert texts(memory)[-1] == '3 May: I am here'
  assert memory.stats()['notes'] == {'semantic': 3, 'episodic': 0}


def test_edits_histories_and_undo(memory):
  memory.add('Ana lives in Rome')
  memory.update(1, 'Ana lives in Oslo')
  memory.update('core', 'I am Ana')
  memory.delete(1)
  assert texts(memory) == ['I am Ana']
  with pytest.raises(NotFound, match='no note 1'):
    memory.update(1, 'x')
  with pytest.raises(ValueError, match='too long'):
    memory.update('core', 'a ' * 9)
  what = lambda rows: [(r['what'], r['undone']) for r in rows]
  rows = memory.history(1)
  assert what(rows) == [('add', False), ('update', False), ('delete', False)]
  assert rows[0]['read'] == 'Ana lives in Rome'
  assert [u['event'] for u in memory.undo(2)] == [4, 3]
  assert texts(memory) == ['Ana lives in Oslo']
  assert what(memory.history('core')) == [('update', True)]
  memory.undo()
  assert texts(memory) == ['Ana lives in Rome']
  memory.undo(5)
  assert texts(memory) == [] and memory.undo() == []
  # An id is never used twice, or its history would be that of two notes.
  assert memory.add('Tom has a dog')['calls'][0]['id'] == 2


def test_calls_that_failed_go_with_what_they_failed_for(memory):
  memory.add('Tom has a dog')
  memory.add('Ana lives in Rome')
  (call,) = memory.add('Ana lives in Rome')[
    'calls'
  ]  # an update of what is gone
  assert not call['ok']
  assert [u['event'] for u in memory.undo()] == [2]
  assert texts(memory) == ['Tom has a dog']
  assert [r['undone'] for r in memory.history()] == [False, True, True]


def test_a_request_is_done_once(memory):
  first = memory.add('Ana lives in Rome', request='r1')
  assert memory.add('Ana lives in Rome', request='r1') == first
  assert memory.stats()['events'] == 1
  memory.of('tom').add('Tom has a dog', request='r1')
  assert texts(memory.of('tom')) == ['Tom has a dog']


def test_what_fails_stores_nothing(memory):
  with pytest.raises(FloatingPointError):
    memory.add('Ana lives in Rome. crash')
  with pytest.raises(ValueError, match='no word'):
    memory.add(' . ')
  assert memory.stats()['events'] == 0
  with pytest.raises(ValueError, match="namespace '../x'"):
    memory.of('../x')
  with pytest.raises(ValueError, match="kind='x'"):
    memory.all('x')


def test_an_export_brings_history_and_undo_along(memory, tmp_path):
  memory.add('Ana lives in Rome')
  memory.add('Tom has a dog')
  memory.undo()
  memory.add('Ana lives in Oslo')
  value = json.loads(json.dumps(memory.export()))
  other = small_serving.memory(tmp_path / 'other.db', 'bob')
  other.add('gone soon')
  with pytest.raises(ValueError, match='not empty'):
    other.import_(value)
  other.clear()
  assert other.history() == [] and texts(other) == []
  assert other.import_(value) == {'imported': 1, 'refused': []}
  assert other.all() == memory.all()
  undone = lambda m: [(r['what'], r['undone'], r['text']) for r in m.history()]
  assert undone(other) == undone(memory)
  other.undo()
  assert texts(other) == ['Ana lives in Rome']
  other.close()


def test_exports_of_others_become_notes(memory):
  done = memory.import_(
    {'results': [{'id': 'a', 'memory': 'Ana lives in Rome', 'hash': 'x'}]}
  )
  assert done == {'imported': 1, 'refused': []}
  openmemory = {
    'user': {'id': 1},
    'memories': [
      {'content': 'Tom has a dog', 'state': 'active'},
      {'content': 'gone', 'state': 'deleted'},
      {'content': 'a b c d e f g h i', 'state': 'active'},
    ],
  }
  done = memory.import_(openmemory)
  assert done['imported'] == 1
  assert [r['error'] for r in done['refused']] == ['bad text: too long']
  assert texts(memory) == ['Ana lives in Rome', 'Tom has a dog']


@pytest.mark.parametrize(
  'value',
  [
    3, 'x', {}, {'results': 1}, {'results': [1]}, [{'memory': 3}],
    {'format': 'mem_alpha_jax memory 1'},
    {'format': 'mem_alpha_jax memory 1', 'events': [1]},
    {'format': 'mem_alpha_jax memory 1', 'events': [
      {'seq': 1, 'kind': 'add', 'at': '', 'undone': [4]}]},
    {'format': 'mem_alpha_jax memory 1', 'events': [
      {'seq': 1, 'kind': 'add', 'at': '', 'parts': [
        {'log': [[['insert', 'semantic', 'a'], 0, [8, 8, 8, None],
                  [True, '', 9, [0]], 1]]}]}]},
  ],
)  # fmt: skip
def test_what_is_no_export_is_refused_in_one_line(memory, value):
  with pytest.raises(ValueError, match='import|replay') as error:
    memory.import_(value)
  assert '\n' not in str(error.value)
  assert memory.stats()['events'] == 0


def test_namespaces_are_read_together_and_threads_keep_in_order(memory):
  """32 callers, 8 namespaces: each add is there once, batches are full."""
  service = memory._service
  serving, run = service.serving, service.serving.run

  def run_when_others_wait(kind, jobs):
    if not serving.batches:  # the first, while the other namespaces ask
      deadline = time.monotonic() + 60
      while service.queue.waiting() < serving.batch:
        assert time.monotonic() < deadline, 'nobody else asked'
        time.sleep(0.001)
    return run(kind, jobs)

  serving.run = run_when_others_wait

  def add(n):
    memory.of(f'n{n % 8}').add(f'fact{n} is a. fact{n} is b')

  threads = [threading.Thread(target=add, args=[n]) for n in range(32)]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  assert sum(n for _, n in serving.batches) == 64
  assert max(n for _, n in serving.batches) == serving.batch
  for n in range(8):
    found = sorted(texts(memory.of(f'n{n}')))
    assert found == sorted(f'fact{m} is b' for m in range(n, 32, 8))


def test_two_processes_may_share_a_store(memory, tmp_path):
  """Two services know nothing of each other but what the store says."""
  other = small_serving.memory(tmp_path / 'm.db')
  memory.add('Ana lives in Rome')
  other.add('Ana lives in Oslo')
  assert texts(memory) == texts(other) == ['Ana lives in Oslo']
  other.undo()
  assert texts(memory) == ['Ana lives in Rome']
  other.clear()
  assert texts(memory) == []
  # What is stored between looking and storing is not overwritten.
  write = memory._service.serving.write
  once = iter([lambda: other.add('Tom has a dog')])

  def slow(*job):
    next(once, lambda: None)()
    return write(*job)

  memory._service.serving.write = slow
  memory.add('Bea has a cat')
  assert texts(memory) == texts(other) == ['Tom has a dog', 'Bea has a cat']
  other.close()


def test_one_of_a_batch_that_fails_takes_no_other_along(memory, tmp_path):
  """A batch is one transaction; Ana's event is older than another process's."""
  other = small_serving.memory(tmp_path / 'm.db')
  memory.add('Ana lives in Rome')
  serving, append = memory._service.serving, memory._service.store.append
  run, stored = serving.run, []
  began, asked = threading.Event(), threading.Event()

  def when_all_have_asked(kind, jobs):
    began.set()
    assert asked.wait(60)
    if len(jobs) == 3:
      other.add('Tom has a dog')
    return run(kind, jobs)

  def counted(added, *given):
    stored.append(sorted(added))
    append(added, *given)

  serving.run, memory._service.store.append = when_all_have_asked, counted
  add = lambda name, text: memory.of(name).adding(text, None, None)
  first = add('eve', 'Eve is here')
  assert began.wait(60)
  told = [add(name, 'Bea has a cat') for name in ('ana', 'bob', 'kim')]
  asked.set()
  assert [future.result().seq for future in (first, *told)] == [1, 3, 1, 1]
  batch = ['ana', 'bob', 'kim']
  assert stored == [['eve'], batch, *([name] for name in batch), ['ana']]
  assert texts(memory) == texts(other) == [
    'Ana lives in Rome', 'Tom has a dog', 'Bea has a cat',
  ]  # fmt: skip
  other.close()


def test_what_was_read_before_others_cleared_is_read_again(memory, tmp_path):
  """The number of the event is free again, and its calls do not fit."""
  other = small_serving.memory(tmp_path / 'm.db')
  memory.add('Ana lives in Rome')
  other.add('Tom has a dog')
  other.clear()
  assert memory.add('Bea has a cat')['event'] == 4
  assert texts(memory) == texts(other) == ['Bea has a cat']
  other.close()


def test_the_notes_that_are_kept_are_bounded(memory, monkeypatch):
  """However many namespaces; what was forgotten is read from the store."""
  monkeypatch.setattr(service_lib, 'NOTES', 10)
  places = memory._service._places
  kept = lambda: {name: p.position.state.top for name, p in places.items()}
  for n in range(24):
    memory.of(f'n{n % 3}').add(f'fact{n} is a')
    assert sum(kept().values()) == memory._service._notes <= 10
  assert list(kept()) == ['n2']
  for n in range(3):
    found = texts(memory.of(f'n{n}'))
    assert found == [f'fact{m} is a' for m in range(n, 24, 3)]
  memory.of('n0').undo()
  assert len(texts(memory.of('n0'))) == 7
  assert memory._service._notes == sum(kept().values()) == 7
  # One that is larger by itself is kept, alone.
  for n in range(8):
    memory.of('n0').add(f'more{n} is a')
  assert kept() == {'n0': 15} and memory._service._notes == 15


def test_a_call_with_another_result_does_not_replay():
  record = LogRecord(
    Op('delete', 'semantic', entry_id=3), 0, Limits(8, 8, 8),
    OpResult(True, entry_id=3), 0,
  )  # fmt: skip
  part = events.Part(log=(record,))
  with pytest.raises(ValueError, match='event 1 does not replay'):
    events.step(events.Position(), part)
