"""A programme for one GPU, in calls that take up where the last one stopped.

  python -m experiments.gpu.run --part=bench --seconds=500
  python -m experiments.gpu.run --part=train --seconds=560    # again and again
  python -m experiments.gpu.run --part=eval --seconds=200

  bench   speed of SmolLM2 and of Qwen3-4B in shape, beside torch
  train   configs/smollm2_gpu.py, from where its last checkpoint is
  eval    the newest checkpoint and the baselines, at each length
  report  results.json and plots of what is there; the others end with it

All state lies in --out. README.md says what is measured.
"""

import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from typing import Any

from experiments.bench_device import run as device
from experiments.gpu import items, transfer
from mem_alpha_jax.report import metrics, plots, tables
from mem_alpha_jax.system import files

PARTS = ('bench', 'train', 'eval', 'report')
GRACE = 30.0  # seconds that a run has to save what is done
LEAST = 20.0  # seconds, in which an item may still bring something
PLOTTED = ('after', 'before', 'oracle', 'keep_newest')


def command(*parts: str) -> list[str]:
  return [sys.executable, '-m', *map(str, parts)]


def within(argv: list[str], seconds: float, log: pathlib.Path) -> bool:
  """Runs a command; True if it ended by itself. Its output goes to a log.

  After `seconds` it is asked to stop (SIGTERM), and GRACE later it is killed.
  """
  with open(log, 'a', encoding='utf-8') as output:
    job = subprocess.Popen(argv, stdout=output, stderr=subprocess.STDOUT)
    try:
      code = job.wait(max(seconds, 0.0))
      print(f'{log.stem}: exit code {code}', flush=True)
      return True
    except subprocess.TimeoutExpired:
      job.send_signal(signal.SIGTERM)
    try:
      job.wait(GRACE)
    except subprocess.TimeoutExpired:
      job.kill()
      job.wait()
  print(f'{log.stem}: stopped after {seconds:.0f} s', flush=True)
  return False


def bench(out: pathlib.Path, seconds: float, toy: bool) -> None:
  """Measures the items that are not measured yet, while there is time."""
  end = time.monotonic() + seconds
  for name in items.ITEMS:
    path = item_file(out, name)
    left = end - time.monotonic()
    if left > LEAST and not (read(path) or {}).get('done'):
      more = ['--toy'] if toy else []
      log = path.with_suffix('.log')
      log.parent.mkdir(parents=True, exist_ok=True)
      argv = command('experiments.gpu.items', f'--item={name}', f'--out={path}')
      within([*argv, *more], left, log)


def item_file(out: pathlib.Path, name: str) -> pathlib.Path:
  return out / 'bench' / f'{name.replace(" ", "_")}.json'


def run(out: pathlib.Path, seconds: float, config: str, mode: str) -> None:
  """One mode of the program itself, in the folder of the one run."""
  argv = command('mem_alpha_jax.main', f'--config={config}')
  argv += [f'--workdir={out / "run"}', f'--mode={mode}']
  out.mkdir(parents=True, exist_ok=True)
  within(argv, seconds - GRACE, out / f'{mode}.log')


def read(path: pathlib.Path) -> Any:
  """The content of a JSON file, None if there is none."""
  return json.loads(path.read_text()) if path.exists() else None


def measured(out: pathlib.Path) -> dict[str, Any]:
  """All items, with tokens a second and shares of the rates of the card."""
  found = {name: read(item_file(out, name)) for name in items.ITEMS}
  found = {name: one for name, one in found.items() if one}
  for one in found.values():
    rate = one.get('rates') or found.get('rates', {})
    if 'matmul_flops' in rate and one.get('seconds'):
      one['parts'] = device.shares(one, rate)
  return found


def trained(out: pathlib.Path) -> dict[str, Any]:
  """Curve, times of a step, and accuracy before and after at each length."""
  folder, found = out / 'run', {}
  if (folder / metrics.FILE).exists():
    rows = metrics.read(folder / metrics.FILE)
    found['curve'] = [row for row in rows if 'eval/accuracy' in row]
    found['steps'] = len(rows)
    found['step_seconds'] = _step_seconds(rows)
    plots.learning_curve(rows, str(out / 'learning_curve.png'))
  before, after = read(folder / 'before.json'), read(folder / 'eval.json')
  if before:
    found['before'] = before['arms']
  if after:
    found |= {name: after[name] for name in ('config', 'versions', 'length')}
  return found


def _step_seconds(rows: list[dict]) -> dict[str, float]:
  """Medians of the parts of a step; the first ones compile."""
  rows = rows[len(rows) // 4 :]
  names = [name for name in rows[0] if name.startswith('time/')]
  middle = lambda values: sorted(values)[len(values) // 2]
  return {
    name.removeprefix('time/'): middle([row[name] for row in rows])
    for name in names
    if name != 'time/compilations'
  }


def report(out: pathlib.Path) -> dict[str, Any]:
  """Writes results.json and the plots; returns what was written."""
  found = {
    'commit': _output('git', 'rev-parse', 'HEAD')
    or os.environ.get('COMMIT', ''),
    'card': _output(
      'nvidia-smi', '--query-gpu=name,driver_version,memory.total',
      '--format=csv,noheader',
    ),
    'bench': measured(out),
    'train': trained(out),
    'transfer': transfer.table(out / 'transfer'),
  }  # fmt: skip
  length = found['train'].get('length')
  if length:
    before = found['train'].get('before', {})
    for multiple, arms in length.items():
      arms['before'] = before.get(multiple)
    shown = {m: _shown(arms) for m, arms in length.items()}
    plots.length_curve(shown, str(out / 'length.png'))
    print(tables.length_table(length))
  files.write_json(out / 'results.json', found)
  return found


def _shown(arms: dict) -> dict:
  kept = {n: one for n, one in arms['baselines'].items() if n in PLOTTED}
  named = {n: arms[n] for n in ('before', 'after') if arms.get(n)}
  return {**named, 'baselines': kept}


def _output(*argv: str) -> str:
  """What a program prints, '' if it is not there or fails."""
  try:
    return subprocess.run(
      argv, capture_output=True, text=True, check=True
    ).stdout.strip()
  except (OSError, subprocess.CalledProcessError):
    return ''


def main():
  flags = argparse.ArgumentParser()
  flags.add_argument('--part', choices=PARTS, required=True)
  flags.add_argument('--seconds', type=float, default=560.0)
  flags.add_argument('--config', default='configs/smollm2_gpu.py')
  default = pathlib.Path('runs/gpu')
  flags.add_argument('--out', type=pathlib.Path, default=default)
  flags.add_argument('--toy', action='store_true', help='sizes of a check')
  flags = flags.parse_args()
  if flags.part == 'bench':
    bench(flags.out, flags.seconds, flags.toy)
  elif flags.part != 'report':
    run(flags.out, flags.seconds, flags.config, flags.part)
  found = report(flags.out)
  for name, one in found['bench'].items():
    print(name, json.dumps(one.get('parts') or one.get('error') or ''))


if __name__ == '__main__':
  main()
