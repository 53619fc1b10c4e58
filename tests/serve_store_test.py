"""The store: faults of the disk, killed processes, keys."""

import os
import pathlib
import random
import signal
import sqlite3
import subprocess
import sys

import pytest
import small_serving
import sqlalchemy as sa

from mem_alpha_jax.serve import events
from mem_alpha_jax.serve.store import Moved, Store, StoreError

KILLS = 3


@pytest.mark.slow
def test_killed_at_random_every_acknowledged_add_is_there_once(tmp_path):
  """SIGKILL in the middle of adds; the next process goes on."""
  path, acknowledged = tmp_path / 'm.db', []
  rng = random.Random(0)
  environment = {**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path)}
  for kill in range(KILLS):
    with subprocess.Popen(
      [sys.executable, small_serving.__file__, str(path), str(kill * 10**6)],
      stdout=subprocess.PIPE, text=True, env=environment,
    ) as process:  # fmt: skip
      for _ in range(rng.randint(1, 60)):
        acknowledged.append(int(process.stdout.readline()))
      process.send_signal(signal.SIGKILL)
      acknowledged += map(int, process.stdout.read().split())
  memory = small_serving.memory(path)
  for n in range(3):
    name = f'n{n}'
    found = Store(str(path)).events(name)
    added = [event.parts[0].text.split()[0] for event in found]
    assert len(added) == len(set(added))
    assert {f'fact{m}' for m in acknowledged if m % 3 == n} <= set(added)
    assert all(len(event.parts) == 3 for event in found)
    replayed = events.fold(events.Position(), found)
    assert memory.of(name).stats()['steps'] == replayed.clock > 3
    with memory._service.held(name) as now:
      assert now[:4] == replayed[:4]  # the trail is of this process
  memory.close()


def test_a_store_that_is_locked_or_full_says_so_and_is_read_on(tmp_path):
  path = tmp_path / 'm.db'
  memory = small_serving.memory(path)
  memory.add('Ana lives in Rome')
  with sqlite3.connect(path) as other:
    other.execute('BEGIN IMMEDIATE')
    with pytest.raises(StoreError, match='holds its lock; try again'):
      memory.add('Ana lives in Oslo')
    assert memory.all()[0]['text'] == 'Ana lives in Rome'
    other.rollback()
  other.close()
  engine = memory._service.store._engine
  pages = lambda n: sa.event.listen(
    engine, 'checkout', lambda c, *_: c.execute(f'PRAGMA max_page_count={n}')
  )
  pages(1)
  with pytest.raises(StoreError, match='disk is full: nothing was stored'):
    for n in range(100):
      memory.add('. '.join(f'a{n}{m} b c d e f g' for m in range(20)))
  held = memory.all()
  assert held[0]['text'] == 'Ana lives in Rome'
  pages(10**6)
  memory.add('Ana lives in Oslo')
  assert memory.all()[0]['text'] == 'Ana lives in Oslo'
  assert len(memory.all()) == len(held)
  memory.close()


@pytest.mark.parametrize(
  'spoil, said',
  [
    (lambda p: p.write_bytes(b'x' * 5000), 'is no database'),
    (lambda p: p.write_bytes(p.read_bytes()[:8192] + b'\xff' * 90_000),
     'is damaged'),
    (lambda p: (p.unlink(), p.mkdir()), 'cannot be opened'),
  ],
)  # fmt: skip
def test_a_broken_store_is_told_in_one_line(tmp_path, spoil, said):
  path = tmp_path / 'm.db'
  memory = small_serving.memory(path)
  memory.add('. '.join(f'a{n} b c d e f g' for n in range(60)))
  memory.add('. '.join(f'b{n} b c d e f g' for n in range(60)))
  memory.close()
  spoil(path)
  with pytest.raises(StoreError, match=said) as error:
    Store(str(path)).events('ana')
  assert '\n' not in str(error.value)


def test_an_event_that_was_changed_is_damage(tmp_path):
  path = tmp_path / 'm.db'
  memory = small_serving.memory(path)
  memory.add('Ana lives in Rome')
  memory.close()
  with sqlite3.connect(path) as other:
    other.execute(
      'UPDATE events SET event = replace(event, \'true,"",1\', \'true,"",2\')'
    )
  other.close()
  memory = small_serving.memory(path)
  with pytest.raises(StoreError, match='damaged'):
    memory.all()
  memory.of('tom').add('Tom has a dog')
  memory.close()


def test_events_are_stored_all_or_none(tmp_path):
  store = Store(str(tmp_path / 'm.db'))
  one, two, again = (
    events.Event(seq=n, kind='add', at='', request=name)
    for n, name in ((1, 'a'), (2, 'b'), (3, 'a'))
  )
  store.append({'ana': [one]})
  for rows in ([two, one], [two, again]):
    with pytest.raises(Moved):
      store.append({'ana': rows})
  assert store.events('ana') == [one]
  assert store.of_request('ana', 'a') == one
  with pytest.raises(StoreError, match='nowhere'):
    Store('nowhere://x')


def test_keys_are_hashes_with_rights(tmp_path):
  path = tmp_path / 'm.db'
  store = Store(str(path))
  mine = store.make_key('mine', ['ana', 'bob'], False)
  every = store.make_key('every', ['*'], True)
  with pytest.raises(ValueError, match='--new_key=mine'):
    store.make_key('mine', ['ana'], True)
  key = store.key(mine)
  assert key.allows('ana', False) and not key.allows('ana', True)
  assert not key.allows('eve', False) and store.key(every).allows('eve', True)
  assert store.key('') is store.key(mine[:-1]) is None
  files = b''.join(p.read_bytes() for p in pathlib.Path(tmp_path).iterdir())
  assert b'mine' in files
  assert mine.encode() not in files and every.encode() not in files
  store.remove_key('mine')
  assert store.key(mine) is None
  with pytest.raises(ValueError, match='no key of this name'):
    store.remove_key('mine')
