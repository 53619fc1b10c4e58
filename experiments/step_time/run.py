"""Seconds a step of two checkouts, which take turns on one machine.

  python -m experiments.step_time.run --before=../old --rounds=6

Both run the same config. Only one of them is awake at a time: it does one step
that is not counted, for its sleep falls into it, then one that is; then it is
stopped and the other goes on. So what else the machine does meets both alike.
"""

import argparse
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

from experiments import results

ROOT = pathlib.Path(__file__).parents[2]
EVERYWHERE = (
  'num_steps=1000,eval.every=1000,checkpoint.every=1000,eval.lengths=1,'
  'log.tensorboard=False,log.progress=False,'
)
# Config -> options: a short warm start, for how well it writes is no matter.
CONFIGS = {
  'tiny': 'data.eval_episodes=16',
  'babi': 'data.eval_episodes=16,warm_start.steps=60',
  'smollm2': 'data.eval_episodes=4,warm_start.steps=3',
}


class Run:
  """A training run that sleeps unless it is asked for a step."""

  def __init__(self, checkout: pathlib.Path, config: str, folder: pathlib.Path):
    self.metrics = folder / 'metrics.jsonl'
    folder.parent.mkdir(parents=True, exist_ok=True)
    options = EVERYWHERE + CONFIGS[config]
    with open(f'{folder}.log', 'wb') as log:
      self.process = subprocess.Popen(
        [sys.executable, '-m', 'mem_alpha_jax.main', f'--workdir={folder}',
         f'--config=configs/{config}.py:{options}'],
        cwd=checkout, stdout=log, stderr=log,
        env=os.environ | {'PYTHONPATH': str(checkout), 'JAX_PLATFORMS': 'cpu'},
      )  # fmt: skip
    self.rows = self._read()
    next(self.rows)  # compiles
    self.process.send_signal(signal.SIGSTOP)

  def _read(self) -> Iterator[dict[str, float]]:
    """Yields the metrics of each step when it is done, and its wall time."""
    done, before = 0, time.perf_counter()
    while True:
      lines = []
      if self.metrics.exists():
        lines = self.metrics.read_text().split('\n')[:-1]
      if len(lines) > done:
        now = time.perf_counter()
        row = json.loads(lines[done])
        done = len(lines)
        yield row | {'time/step': now - before}
        before = now
      elif self.process.poll() is not None:
        raise RuntimeError(f'the run has ended: see {self.metrics.parent}.log')
      time.sleep(0.005)

  def step(self) -> dict[str, float]:
    """One step that was not interrupted: seconds by part."""
    self.process.send_signal(signal.SIGCONT)
    next(self.rows)
    row = next(self.rows)
    self.process.send_signal(signal.SIGSTOP)
    return {
      name.removeprefix('time/'): value
      for name, value in row.items()
      if name.startswith('time/') and name != 'time/compilations'
    }

  def end(self) -> None:
    self.process.kill()
    self.process.wait()


def compare(
  checkouts: dict[str, pathlib.Path], config: str, rounds: int
) -> dict[str, dict]:
  """Seconds a step of each checkout, and how many times faster `after` is."""
  runs, found = {}, {name: [] for name in checkouts}
  with tempfile.TemporaryDirectory() as folder:
    try:
      for name, checkout in checkouts.items():
        runs[name] = Run(checkout, config, pathlib.Path(folder, name))
      for _ in range(rounds):
        for name, run in runs.items():
          found[name].append(run.step())
    finally:
      for run in runs.values():
        run.end()
  result = {
    name: {part: statistics.median(s[part] for s in steps) for part in steps[0]}
    for name, steps in found.items()
  }
  pairs = zip(*([s['step'] for s in found[n]] for n in checkouts), strict=True)
  times = [before / after for before, after in pairs]
  return result | {
    'times_faster': result['before']['step'] / result['after']['step'],
    'times_faster_by_round': times,
  }


def commit(checkout: pathlib.Path) -> str:
  command = ['git', 'describe', '--always', '--dirty', '--abbrev=12']
  return subprocess.check_output(command, cwd=checkout, text=True).strip()


def main():
  flags = argparse.ArgumentParser()
  flags.add_argument('--before', type=pathlib.Path, required=True)
  flags.add_argument('--after', type=pathlib.Path, default=ROOT)
  flags.add_argument('--configs', default=','.join(CONFIGS))
  flags.add_argument('--rounds', type=int, default=6)
  default = pathlib.Path(__file__).with_name('results.json')
  flags.add_argument('--out', type=pathlib.Path, default=default)
  flags = results.parse(flags)
  flags.out.parent.mkdir(parents=True, exist_ok=True)
  checkouts = {'before': flags.before.resolve(), 'after': flags.after.resolve()}
  result = {
    'commits': {name: commit(path) for name, path in checkouts.items()},
    'cores': os.cpu_count(),
  }
  for config in flags.configs.split(','):
    load = os.getloadavg()
    result[config] = compare(checkouts, config, flags.rounds)
    result[config]['load_average'] = load
    print(config, json.dumps(result[config], indent=2), flush=True)
    flags.out.write_text(json.dumps(result, indent=2) + '\n')


if __name__ == '__main__':
  main()
