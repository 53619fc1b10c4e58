"""Many clients add to many namespaces over REST: batched, and one by one.

  nice python -m experiments.serve_load.run [--run=] [--seconds=300]

Starts the server twice, with --batch and with --batch=1, on a new store each;
clients are tasks of this process, each with one request in flight on a
connection of its own: bytes over a socket, for they share the cores with the
server. Sentences are those of the synthetic world. After it has ended the log
of each namespace is replayed. Writes results.json; README.md has what is in it.
"""

import argparse
import asyncio
import itertools
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

import httpx2
import numpy as np
import psutil

from experiments import results
from mem_alpha_jax.data import synthetic
from mem_alpha_jax.serve import events
from mem_alpha_jax.serve.store import Store
from mem_alpha_jax.system import files, machine

HERE = pathlib.Path(__file__).parent
WAIT = 600  # seconds for the server to compile
_LENGTH = re.compile(rb'content-length: (\d+)')


def arguments() -> argparse.Namespace:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--run', default='', help="'': the shipped writer")
  parser.add_argument('--seconds', type=float, default=300)
  parser.add_argument('--clients', type=int, default=32)
  parser.add_argument('--namespaces', type=int, default=200)
  parser.add_argument('--batch', type=int, default=16)
  parser.add_argument('--cores', default='0,1', help='of the server')
  parser.add_argument('--out', type=pathlib.Path, default=HERE / 'results.json')
  return results.parse(parser)


def serve(store: str, batch: int, port: int, run: str, cores: str):
  """The process of a server that answers, and a key."""
  program = [sys.executable, '-m', 'mem_alpha_jax.serve', f'--store={store}']
  key = subprocess.run(
    [*program, '--new_key=load', '--namespaces=*'],
    capture_output=True, text=True, check=True,
  ).stdout.strip()  # fmt: skip
  process = subprocess.Popen(
    ['taskset', '-c', cores, *program, f'--run={run}', f'--port={port}',
     f'--batch={batch}', '--rate=1e9'],
    env={**os.environ, 'JAX_PLATFORMS': 'cpu'},
  )  # fmt: skip
  for _ in range(WAIT):
    try:
      httpx2.get(f'http://127.0.0.1:{port}/health').raise_for_status()
      return process, key
    except httpx2.TransportError:
      time.sleep(1)
  raise TimeoutError(f'no server after {WAIT} s')


def sentences(number: int) -> Iterator[str]:
  world = synthetic.WorldConfig()
  for uid in itertools.count():
    yield from synthetic.episode(world, 'test', uid, 16, seed=number).chunks


async def client(
  number: int, port: int, key: str, names: int, until: float, found: list
) -> None:
  """Adds the sentences of a world, one after the other, until it is time."""
  rng = random.Random(number)
  reader, writer = await asyncio.open_connection('127.0.0.1', port)
  for text in sentences(number):
    body = json.dumps({'text': text}).encode()
    head = (
      f'POST /v1/namespaces/n{rng.randrange(names)}/memories HTTP/1.1\r\n'
      f'Host: load\r\nAuthorization: Bearer {key}\r\n'
      f'Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n'
    )
    began = time.perf_counter()
    writer.write(head.encode() + body)
    answer = (await reader.readuntil(b'\r\n\r\n')).lower()
    await reader.readexactly(int(_LENGTH.search(answer)[1]))
    found.append((time.perf_counter() - began, int(answer.split()[1])))
    if time.monotonic() > until:
      break
  writer.close()


async def load(
  options: argparse.Namespace, process: psutil.Process, port: int, key: str
) -> tuple[list, list]:
  """(seconds, status) of each add; MiB of the server, second by second."""
  found, memory = [], []
  until = time.monotonic() + options.seconds
  clients = [
    asyncio.create_task(client(n, port, key, options.namespaces, until, found))
    for n in range(options.clients)
  ]
  while time.monotonic() < until:
    memory.append(process.memory_info().rss / 2**20)
    await asyncio.sleep(1)
  await asyncio.gather(*clients)
  return found, memory


def measure(options: argparse.Namespace, batch: int) -> dict:
  with tempfile.TemporaryDirectory() as folder:
    store, port = f'{folder}/memory.db', 8700 + batch
    process, key = serve(store, batch, port, options.run, options.cores)
    began = time.monotonic()
    found, memory = asyncio.run(
      load(options, psutil.Process(process.pid), port, key)
    )
    seconds = time.monotonic() - began
    counts = httpx2.get(f'http://127.0.0.1:{port}/metrics').text
    process.terminate()
    process.wait()
    checked = replayed(store, options.namespaces)
  times = [t for t, status in found if status == 200]
  done = {
    what: float(line.split()[-1])
    for line in counts.splitlines()
    for what in ('jobs', 'batches')
    if line.startswith(f'memory_model_done{{kind="write",what="{what}"')
  }
  return {
    'adds': len(times),
    'failed': len(found) - len(times),
    'adds_per_second': len(times) / seconds,
    **{f'p{q}_ms': 1e3 * np.percentile(times, q) for q in (50, 95, 99)},
    'mean_batch': done['jobs'] / done['batches'],
    'mib_at_tenths': memory[:: max(len(memory) // 10, 1)],
    'events': checked,
  }


def replayed(store: str, names: int) -> int:
  """Events of all namespaces; each log gives every result again."""
  opened, count = Store(store), 0
  for n in range(names):
    log = opened.events(f'n{n}')
    events.fold(events.Position(), log, events.taken_back(log))
    count += len(log)
  opened.close()
  return count


def main() -> None:
  options = arguments()
  found = {
    'clients': options.clients,
    'namespaces': options.namespaces,
    'seconds': options.seconds,
    'versions': machine.versions(),
  }
  for batch in (options.batch, 1):
    found[f'batch_{batch}'] = measure(options, batch)
    print(json.dumps(found[f'batch_{batch}'], indent=2), flush=True)
  speed = [found[f'batch_{b}']['adds_per_second'] for b in (options.batch, 1)]
  found['speedup'] = speed[0] / speed[1]
  files.write_json(options.out, found)


if __name__ == '__main__':
  main()
