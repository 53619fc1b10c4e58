"""A model for tests of the service: rules instead of JAX.

Run as a program it adds to a store until it is killed, for serve_store_test.
"""

import sys

from mem_alpha_jax.memory import execution
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.memory.state import Limits, Op
from mem_alpha_jax.serve import events
from mem_alpha_jax.serve.memory import Memory
from mem_alpha_jax.serve.service import Service
from mem_alpha_jax.serve.store import Store
from mem_alpha_jax.types import Note, Request


class Rules:
  """Notes every sentence; one of the same first word replaces the old one."""

  batch = 4

  def __init__(self):
    self.batches = []

  def chunks(self, said, time=None):
    texts = [said] if isinstance(said, str) else [m['content'] for m in said]
    found = [s.strip() for t in texts for s in t.split('.') if s.strip()]
    if not found:
      raise ValueError('there is no word in what is to be added')
    return [f'{time}: {s}' if time else s for s in found]

  def limits(self, read):
    return Limits(8, 8, 64, None)

  def count(self, text):
    return len(text.split())

  def run(self, kind, jobs):
    self.batches.append((kind, len(jobs)))
    return [getattr(self, kind)(*job) for job in jobs]

  def write(self, namespace, position, chunk):
    state, limits = position.state, self.limits(0)
    first = chunk.split()[0]
    old = [e for e in state_lib.entries(state) if e.text.split()[0] == first]
    op = Op('insert', 'semantic', chunk)
    if old:
      op = Op('update', 'semantic', chunk, old[0].id)
    if first == 'crash':
      raise FloatingPointError('log-probs are not finite')
    state, _ = execution.apply(state, op, limits, self.count, position.clock)
    log = tuple(state.log)
    return events.Part(text=chunk, tokens=self.count(chunk), log=log)

  def find(self, namespace, position, text):
    words = set(text.lower().split())
    score = lambda e: len(words & set(e.text.lower().split()))
    found = [e for e in state_lib.entries(position.state) if score(e)]
    return sorted(found, key=score, reverse=True)

  def answer(self, namespace, position, text):
    found = self.find(namespace, position, text)[:2]
    notes = [Note(e.kind, e.text, e.step) for e in found]
    request = Request(text, tuple(notes), position.state.core)
    return request, notes[0].text if notes else ''


def service(path) -> Service:
  return Service(Store(str(path), wait=0.3), Rules())


def memory(path, namespace='ana') -> Memory:
  return Memory(service(path), namespace)


if __name__ == '__main__':
  of = memory(sys.argv[1]).of
  for n in range(int(sys.argv[2]), 10**9):
    of(f'n{n % 3}').add(f'fact{n} is a. fact{n} is b. f{n % 7} is {n}')
    print(n, flush=True)  # acknowledged
