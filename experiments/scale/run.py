"""Times the host memory at 10 to 1,000,000 entries, beside the one before.

  python experiments/scale/run.py

The memory before is that of commit OLD, where every version was a tuple of
all entries and of the whole log; it is checked out in a temporary folder
unless --old names one. Each side runs in a process of its own, one after the
other. Writes results.json and scale.png beside this file.
"""

import argparse
import copy
import json
import os
import pathlib
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from importlib import metadata

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
OLD = '6dd14d5'
SIZES = (10, 1000, 100_000, 1_000_000)
WINDOW, PAIRS = 1000, 100  # calls of a window; pairs of early and late ones
FORKS, FORKED = 1000, 10_000  # forks of a memory of so many entries
SECONDS = 2.0  # spent on one cell


def timed(act: Callable[[int], object]) -> dict[str, float]:
  """Median microseconds of a call, by processor and by the clock."""
  cpu, wall = [], []
  spent = 0.0
  while spent < SECONDS and len(cpu) < 2000:
    start, clock = time.process_time(), time.perf_counter()
    act(len(cpu))
    cpu.append(time.process_time() - start)
    wall.append(time.perf_counter() - clock)
    spent += wall[-1]
  return {
    'cpu_us': round(1e6 * statistics.median(cpu), 2),
    'wall_us': round(1e6 * statistics.median(wall), 2),
    'calls': len(cpu),
  }


def new_side() -> dict[str, Callable]:
  """What is measured, by name, of this package."""
  from mem_alpha_jax.memory import execution, state

  entries = lambda n: (
    state.Entry(i + 1, 'semantic', f'note {i}', i, i, 2) for i in range(n)
  )
  return {
    'empty': state.empty,
    'of size': lambda n: state.with_entries(state.empty(), entries(n)),
    'apply': execution.apply,
    'replay': execution.replay,
    'by id': lambda s, i: state.with_id(s, 'semantic', i + 1),
    'by slot': lambda s, i: s.by_slot[i],
    'by text': lambda s, i: state.with_text(s, 'semantic', f'note {i}'),
    'Op': state.Op,
    'Limits': state.Limits,
  }


def old_side() -> dict[str, Callable]:
  """The same of the commit before; it has no look-up by text but a scan."""
  from mem_alpha_jax.memory import state

  def of_size(n):
    notes = (
      state.Entry(i + 1, 'semantic', f'note {i}', i, i, 2) for i in range(n)
    )
    return state.MemoryState(semantic=tuple(notes), next_id=n + 1)

  return {
    'empty': state.empty,
    'of size': of_size,
    'apply': state.apply,
    'replay': state.replay,
    'by id': lambda s, i: state.by_id(s)[i + 1],
    'by slot': lambda s, i: state.by_slot(s)[i],
    'by text': lambda s, i: next(
      e for e in s.semantic if e.text == f'note {i}'
    ),
    'Op': state.Op,
    'Limits': state.Limits,
  }


def count(text: str) -> int:
  return len(text.split())


def cells(side: dict, n: int) -> dict[str, dict]:
  """Op, fork and look-ups in a memory of n entries."""
  rng, limits = random.Random(0), side['Limits'](64, 64, 1 << 30)
  memory = side['of size'](n)
  places = [rng.randrange(n) for _ in range(2000)]

  def write(at: int, tool: str):
    entry_id = None if tool == 'insert' else places[at] + 1
    op = side['Op'](tool, 'semantic', f'new {at}', entry_id)
    state, result = side['apply'](memory, op, limits, count, n)
    assert result.ok, result
    return state

  kept = []
  acts = {
    'insert': lambda at: write(at, 'insert'),
    'update': lambda at: write(at, 'update'),
    'delete': lambda at: write(at, 'delete'),
    # Two versions that go on apart: each takes a call of its own.
    'fork': lambda at: kept.append((write(at, 'insert'), write(at, 'update'))),
    **{
      name: lambda at, name=name: side[name](memory, places[at])
      for name in ('by id', 'by slot', 'by text')
    },
  }
  found = {}
  for name, act in acts.items():
    kept.clear()
    found[name] = timed(act)
  return found


def forks(side: dict) -> dict[str, float]:
  """Bytes that FORKS versions hold which each took one call."""
  limits = side['Limits'](64, 64, 1 << 30)
  memory = side['of size'](FORKED)
  tracemalloc.start()
  kept = []
  for i in range(FORKS):
    op = side['Op']('insert', 'semantic', f'fork {i}')
    kept.append(side['apply'](memory, op, limits, count, FORKED)[0])
  held = tracemalloc.get_traced_memory()[0]
  tracemalloc.stop()
  return {
    'forks': FORKS, 'entries': FORKED, 'bytes_a_fork': round(held / FORKS)
  }  # fmt: skip


class Stream:
  """A memory that takes calls: inserts, a fifth updates, a fifth deletions."""

  def __init__(self, side: dict):
    self.side, self.limits = side, side['Limits'](64, 64, 1 << 30)
    self.rng, self.state, self.alive, self.done = (
      random.Random(0), side['empty'](), [], 0
    )  # fmt: skip

  def fork(self) -> 'Stream':
    other = copy.copy(self)
    other.rng, other.alive = copy.copy(self.rng), list(self.alive)
    return other

  def window(self) -> float:
    """Processor seconds of WINDOW further calls."""
    start = time.process_time()
    for _ in range(WINDOW):
      self.call()
    return time.process_time() - start

  def call(self) -> None:
    alive, step = self.alive, self.done
    tool = self.rng.choice(('insert',) * 3 + ('update', 'delete'))
    place = self.rng.randrange(len(alive)) if alive else None
    entry_id = None
    if place is None:
      tool = 'insert'
    elif tool == 'delete':
      alive[place], alive[-1] = alive[-1], alive[place]
      entry_id = alive.pop()
    elif tool == 'update':
      entry_id = alive[place]
    op = self.side['Op'](tool, 'semantic', f'call {step}', entry_id)
    self.state, result = self.side['apply'](
      self.state, op, self.limits, count, step
    )
    assert result.ok, (op, result)
    if tool == 'insert':
      alive.append(result.entry_id)
    self.done += 1


def stream(side: dict, calls: int, most: float) -> dict[str, object]:
  """A stream of `calls`, or of `most` processor seconds.

  Returns:
    Processor seconds of WINDOW calls along it, and of replaying its log. For
    `last_to_first` the version of a tenth of the calls and the last one take
    PAIRS windows in turns, when all else is done: what another program does
    to the machine meanwhile meets both alike.
  """
  now, spent, early = Stream(side), [], None
  begun = time.process_time()
  while now.done < calls and time.process_time() - begun < most:
    spent.append(now.window())
    if early is None and now.done >= calls // 10:
      early = now.fork()
  start = time.process_time()
  assert side['replay'](now.state.log) == now.state
  replayed = time.process_time() - start
  found = {
    'calls': now.done,
    'entries': len(now.alive),
    'cpu_seconds_to_replay': round(replayed, 1),
    'windows': [
      round(statistics.median(spent[i : i + 10]), 5)
      for i in range(0, len(spent), 10)
    ],
  }
  if early is not None:
    late, pairs = now.fork(), []
    for _ in range(PAIRS):
      pairs.append((early.window(), late.window()))
    first, last = zip(*pairs, strict=True)
    found |= {
      'cpu_seconds_a_thousand_first': round(statistics.median(first), 5),
      'cpu_seconds_a_thousand_last': round(statistics.median(last), 5),
      'last_to_first': round(statistics.median(b / a for a, b in pairs), 3),
    }
  return found


def measure(name: str, flags) -> dict:
  """All of one side; run in a process whose path begins with its root."""
  side = {'old': old_side, 'new': new_side}[name]()
  found = {
    'stream': stream(side, flags.calls, flags.most if name == 'old' else 1e9),
    'forks': forks(side),
    'entries': {},
  }
  for n in flags.sizes:
    found['entries'][str(n)] = cells(side, n)
    print(name, n, json.dumps(found['entries'][str(n)]), file=sys.stderr)
  return found


def run_side(name: str, root: str, flags) -> dict:
  command = [
    sys.executable, __file__, f'--side={name}', f'--calls={flags.calls}',
    f'--most={flags.most}', '--sizes', *map(str, flags.sizes),
  ]  # fmt: skip
  env = {**os.environ, 'PYTHONPATH': root, 'JAX_PLATFORMS': 'cpu'}
  done = subprocess.run(
    command, cwd=root, env=env, stdout=subprocess.PIPE, text=True, check=True
  )
  return json.loads(done.stdout)


def plot(found: dict, path: pathlib.Path) -> None:
  """Times of a call against entries, and of a stream against calls."""
  from matplotlib import pyplot as plt

  figure, axes = plt.subplots(1, 2, figsize=(10, 4))
  for name, style in (('old', '--'), ('new', '-')):
    rows = found[name]['entries']
    for color, act in enumerate(('insert', 'fork', 'by id', 'by text')):
      axes[0].loglog(
        [int(n) for n in rows], [row[act]['cpu_us'] for row in rows.values()],
        style, color=f'C{color}', marker='o', label=f'{act}, {name}',
      )  # fmt: skip
    windows = found[name]['stream']['windows']
    places = [(i + 1) * 10 * WINDOW for i in range(len(windows))]
    axes[1].loglog(places, windows, style, label=name)
  axes[0].set(xlabel='entries', ylabel='microseconds a call')
  axes[1].set(xlabel='calls of the stream', ylabel='seconds a thousand calls')
  for ax in axes:
    ax.legend(fontsize=8)
    ax.grid(alpha=0.3)
  figure.tight_layout()
  figure.savefig(path, dpi=110)


def parse() -> argparse.Namespace:
  flags = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  flags.add_argument('--old', default='', help=f'a checkout of {OLD}')
  flags.add_argument('--calls', type=int, default=1_000_000, help='of a stream')
  flags.add_argument(
    '--most',
    type=float,
    default=60,
    help='seconds of a stream, then it is cut',
  )
  flags.add_argument('--sizes', type=int, nargs='+', default=SIZES)
  flags.add_argument('--side', choices=('', 'old', 'new'), default='')
  return flags.parse_args()


def main() -> None:
  flags = parse()
  if flags.side:
    print(json.dumps(measure(flags.side, flags)))
    return
  with tempfile.TemporaryDirectory() as folder:
    old = flags.old
    if not old:
      git = ['git', '-C', str(ROOT)]
      old = f'{folder}/old'
      subprocess.run(
        [*git, 'worktree', 'add', '-q', '--detach', old, OLD], check=True
      )
    try:
      sides = {'new': str(ROOT), 'old': old}
      found = {
        'machine': {
          'python': platform.python_version(),
          'immutables': metadata.version('immutables'),
          'architecture': platform.machine(),
          'cores': os.cpu_count(),
          'load_average_1min': round(os.getloadavg()[0], 2),
        },
        **{name: run_side(name, root, flags) for name, root in sides.items()},
      }
    finally:
      if not flags.old:
        subprocess.run([*git, 'worktree', 'remove', '-f', old], check=True)
  text = json.dumps(found, indent=1)
  (HERE / 'results.json').write_text(text + '\n')
  plot(found, HERE / 'scale.png')


if __name__ == '__main__':
  main()
