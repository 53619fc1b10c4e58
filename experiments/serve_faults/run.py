"""A server that is killed at random moments, and stores that fail.

  python -m experiments.serve_faults.run [--kills=50] [--seed=0]

Writes results.json after each kill and each fault; those that are there are not
done again. The notes are written by rules (tests/small_serving.py), for what is
tested is around the model. `disk_full` mounts a small tmpfs and so needs root.
README.md says what is checked.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import pathlib
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator

import httpx2
import uvicorn

from experiments import results
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.serve import events, rest
from mem_alpha_jax.serve.store import Store
from mem_alpha_jax.system import files
from tests import small_serving

CLIENTS, NAMES = 8, 5  # threads, and the namespaces that they share
LONGEST = 1.0  # seconds that a server lives under load
LIMITS = rest.Limits(per_second=1e9, burst=1e9)
_FORK = multiprocessing.get_context('fork')  # imports nothing again
_START = 60  # seconds


def _serve(store: str, port: int) -> None:
  app = rest.make(small_serving.service(store), LIMITS)
  uvicorn.run(app, host='127.0.0.1', port=port, log_level='critical')


@contextlib.contextmanager
def server(store: str) -> Iterator[tuple[httpx2.Client, int]]:
  """A process that serves, by a client with a key and its id."""
  opened = Store(store)
  with contextlib.suppress(ValueError):  # of the server before
    opened.remove_key('load')
  key = opened.make_key('load', ['*'], True)
  opened.close()
  with socket.socket() as found:
    found.bind(('127.0.0.1', 0))
    port = found.getsockname()[1]
  process = _FORK.Process(target=_serve, args=[store, port], daemon=True)
  process.start()
  url = f'http://127.0.0.1:{port}'
  headers = {'Authorization': f'Bearer {key}'}
  with httpx2.Client(base_url=url, headers=headers, timeout=30) as http:
    for _ in range(_START * 20):
      with contextlib.suppress(httpx2.TransportError):
        http.get('/health')
        break
      time.sleep(0.05)
    try:
      yield http, process.pid
    finally:
      process.kill()
      process.join()


def add(http: httpx2.Client, name: str, text: str, **given) -> httpx2.Response:
  where = f'/v1/namespaces/{name}/memories'
  return http.post(where, json={'text': text, **given})


class Load:
  """What clients were told of the adds that they sent; each is numbered."""

  def __init__(self):
    self.acknowledged, self.unknown = set(), set()
    self._next, self._lock = 0, threading.Lock()

  def run(self, http: httpx2.Client, again: list[int]) -> None:
    """Adds until the server is gone; first what nobody knows of."""
    while True:
      with self._lock:
        n = again.pop() if again else self._next
        self._next = max(self._next, n + 1)
        self.unknown.add(n)
      try:
        answer = add(http, _name(n), _text(n), request=f'r{n}')
      except httpx2.TransportError:
        return
      if answer.status_code == 200:
        with self._lock:
          self.acknowledged.add(n)
          self.unknown.remove(n)


def _name(n: int) -> str:
  return f'n{n % NAMES}'


def _text(n: int) -> str:
  return f'fact{n % 40} is {n}. other{n % 40} is {n}. f{n % 7} is {n}'


def kill(store: str, load: Load, seed: int) -> dict:
  """One life of a server, and what is in the store after it."""
  moment = random.Random(seed).uniform(0, LONGEST)
  again = sorted(load.unknown)
  row = {'moment': round(moment, 3), 'sent_again': len(again)}
  with server(store) as (http, process):
    row['state_is_replay'] = all(
      http.get(f'/v1/namespaces/n{n}/memories').json() == _replayed(store, n)
      for n in range(NAMES)
    )
    threads = [
      threading.Thread(target=load.run, args=[http, again])
      for _ in range(CLIENTS)
    ]
    for thread in threads:
      thread.start()
    time.sleep(moment)
    os.kill(process, signal.SIGKILL)
    for thread in threads:
      thread.join()
  stored = [n for name in range(NAMES) for n in _stored(store, name)]
  return row | {
    'acknowledged': len(load.acknowledged),
    'stored': len(stored),
    'lost': len(load.acknowledged - {*stored}),
    'twice': len(stored) - len({*stored}),
  }


def _stored(store: str, name: int) -> list[int]:
  """Numbers of the adds of a namespace, each of which must be whole."""
  opened = Store(store)
  found = opened.events(f'n{name}')
  opened.close()
  assert [event.seq for event in found] == [*range(1, len(found) + 1)]
  assert all(len(event.parts) == 3 for event in found)
  return [int(event.parts[0].text.split()[-1]) for event in found]


def _replayed(store: str, name: int) -> list[dict]:
  """The notes of a namespace, from its log alone."""
  with contextlib.closing(small_serving.memory(store, f'n{name}')) as memory:
    log = memory.events()
    state = events.fold(events.Position(), log).state
    return [
      {'id': e.id, 'kind': e.kind, 'text': e.text}
      for e in state_lib.entries(state)
    ]


def told(answer: httpx2.Response) -> list:
  """Status, and what is said of an error."""
  if answer.status_code == 200:
    return [200]
  return [answer.status_code, answer.json()['error']['message']]


def failing(http: httpx2.Client, broken: contextlib.AbstractContextManager):
  """What a write and a read are told meanwhile, and a write after it."""
  add(http, 'ana', 'Ana lives in Rome').raise_for_status()
  text = ' '.join(f'word{n}' for n in range(2000))  # no page has room for it
  with broken:
    row = {
      'write': told(add(http, 'ana', text)),
      'read': told(http.get('/v1/namespaces/ana/memories')),
    }
  return row | {'write_after': told(add(http, 'ana', 'Ana lives in Oslo'))}


def disk_full(folder: pathlib.Path) -> dict:
  mount = ['mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', str(folder)]
  subprocess.run(mount, check=True)

  @contextlib.contextmanager
  def full():
    filler = folder / 'filler'
    with open(filler, 'wb', buffering=0) as file, contextlib.suppress(OSError):
      while file.write(bytes(4096)):
        pass
    yield
    filler.unlink()

  try:
    with server(str(folder / 'm.db')) as (http, _):
      return failing(http, full())
  finally:
    subprocess.run(['umount', str(folder)], check=False)


def locked(folder: pathlib.Path) -> dict:
  @contextlib.contextmanager
  def held():
    with contextlib.closing(sqlite3.connect(folder / 'm.db')) as other:
      other.execute('BEGIN IMMEDIATE')
      yield

  with server(str(folder / 'm.db')) as (http, _):
    return failing(http, held())


def damaged(folder: pathlib.Path) -> dict:
  """Bytes in the middle of the file are others; what is whole is read."""
  path = folder / 'm.db'
  with server(str(path)) as (http, _):
    for n in range(200):
      add(http, f'n{n % 20}', _text(n)).raise_for_status()
  with contextlib.closing(sqlite3.connect(path)) as other:
    other.execute('PRAGMA wal_checkpoint(TRUNCATE)')
  with open(path, 'r+b') as file:
    file.seek(path.stat().st_size // 2)
    file.write(b'\xff' * 4096)
  with server(str(path)) as (http, _):
    answers = [
      told(http.get(f'/v1/namespaces/n{n}/memories')) for n in range(20)
    ]
  refused = [answer for answer in answers if answer != [200]]
  return {'read': len(answers) - len(refused), 'refused': refused[:1]}


def model_fails(folder: pathlib.Path) -> dict:
  with server(str(folder / 'm.db')) as (http, _):
    add(http, 'ana', 'Ana lives in Rome').raise_for_status()
    return {
      'write': told(add(http, 'ana', 'crash')),
      'read': told(http.get('/v1/namespaces/ana/memories')),
      'write_after': told(add(http, 'ana', 'Ana lives in Oslo')),
    }


def model_missing(folder: pathlib.Path) -> dict:
  program = [sys.executable, '-m', 'mem_alpha_jax.serve', '--run=nowhere']
  done = subprocess.run(
    [*program, f'--store={folder}/m.db'], capture_output=True, text=True
  )
  return {'code': done.returncode, 'said': done.stderr.strip().splitlines()}


FAULTS = [disk_full, locked, damaged, model_fails, model_missing]


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--kills', type=int, default=50)
  parser.add_argument('--seed', type=int, default=0)
  default = pathlib.Path(__file__).with_name('results.json')
  parser.add_argument('--out', type=pathlib.Path, default=default)
  options = results.parse(parser)
  found = {'kills': {}, 'faults': {}}
  if options.out.exists():
    found = json.loads(options.out.read_text())

  def keep(what: str, name: str, row: dict) -> None:
    found[what][name] = row
    files.write_json(options.out, found)
    print(name, json.dumps(row), flush=True)

  for fault in FAULTS:
    if fault.__name__ not in found['faults']:
      with tempfile.TemporaryDirectory() as folder:
        keep('faults', fault.__name__, fault(pathlib.Path(folder)))
  with tempfile.TemporaryDirectory() as folder:
    load = Load()
    for seed in range(options.seed, options.seed + options.kills):
      if str(seed) not in found['kills']:
        keep('kills', str(seed), kill(f'{folder}/m.db', load, seed))


if __name__ == '__main__':
  main()
