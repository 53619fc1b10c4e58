"""Runs that are killed, starved of disk or robbed of files, and then go on.

  python -m experiments.chaos.run [--kinds=kill,disk,files,move] [--seed=0]

Each run is disturbed once and started again by the same command; its metrics
must end up as those of the run that nothing happened to. `disk` mounts a small
tmpfs and so needs root. Writes results.json after each run; those that are
there are not run again. README.md says what is disturbed how.
"""

import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile
import time

from experiments import local_processes, results
from mem_alpha_jax.report import metrics
from mem_alpha_jax.system import files as files_lib
from tests import tiny_config

COUNTS = {'kill': 20, 'disk': 10, 'files': 10, 'move': 2}
PROCESSES = {'kill': 2, 'disk': 1, 'files': 1, 'move': 2}
DEVICES = 1  # of each process
MESH = {1: 'mesh.fsdp=1', 2: 'mesh.fsdp=2'}
ARG = (
  'num_steps=8,data.batch_episodes=4,data.eval_episodes=2,eval.lengths=1,'
  'eval.every=8,checkpoint.every=2,warm_start.steps=5,rl.minibatch_rows=32'
)
XLA_FLAGS = '--xla_backend_optimization_level=0'  # compiles in half the time
LIMIT = 300  # seconds of a run
DISK = '24m'  # of the tmpfs


def start(folder: pathlib.Path, processes: int) -> list:
  arg = ','.join([tiny_config.overrides(), ARG, MESH[processes]])
  flags = [f'--config=configs/tiny.py:{arg}', f'--workdir={folder}']
  return local_processes.start(flags, processes, DEVICES, XLA_FLAGS)


def lines(folder: pathlib.Path) -> list[dict]:
  """Metrics of all steps, without what depends on the machine."""
  path = folder / metrics.FILE
  return metrics.read_equal(path) if path.exists() else []


def told(ended: list[tuple[int, str]]) -> list[str]:
  """Exit code and last line of each process."""
  found = []
  for code, output in ended:
    last = [one for one in output.splitlines() if 'error:' in one]
    found.append(f'{code}: {(last or [""])[-1][:200]}')
  return found


def kill(folder: pathlib.Path, rng: random.Random, seconds: float) -> dict:
  """SIGKILL to one of the processes, at any moment of the run."""
  started = start(folder, PROCESSES['kill'])
  victim, moment = rng.randrange(len(started)), rng.uniform(0, seconds)
  time.sleep(moment)
  done = len(lines(folder))
  began = time.monotonic()
  started[victim].process.send_signal(signal.SIGKILL)
  ended = local_processes.finish(started, LIMIT)
  return {
    'moment': round(moment, 1),
    'victim': victim,
    'steps_done': done,
    'others_ended_after': round(time.monotonic() - began, 1),
    'told': told(ended),
  }


def disk(folder: pathlib.Path, rng: random.Random, seconds: float) -> dict:
  """Fills the disk after a step, until the run ends by itself."""
  folder.mkdir(parents=True)
  mount = ['mount', '-t', 'tmpfs', '-o', f'size={DISK}', 'tmpfs', str(folder)]
  subprocess.run(mount, check=True)
  started = start(folder, PROCESSES['disk'])
  wanted = rng.randrange(1, 9)
  wait_for(folder, started, wanted)
  filler = folder / 'filler'
  with open(filler, 'wb', buffering=0) as file:
    try:
      while True:
        file.write(bytes(1 << 16))
    except OSError:
      pass
  ended = local_processes.finish(started, LIMIT)
  filler.unlink()
  return {'filled_after_step': wanted, 'told': told(ended)}


def files(folder: pathlib.Path, rng: random.Random, seconds: float) -> dict:
  """Kills the run and cuts up to three files of one of its checkpoints."""
  started = start(folder, PROCESSES['files'])
  wait_for(folder, started, rng.randrange(5, 9))
  started[0].process.send_signal(signal.SIGKILL)
  local_processes.finish(started, LIMIT)
  steps = sorted(
    int(p.name) for p in (folder / 'checkpoints').iterdir() if p.name.isdigit()
  )
  step = rng.choice(steps)
  there = [
    p for p in (folder / 'checkpoints' / str(step)).rglob('*') if p.is_file()
  ]
  cut = rng.sample(there, min(rng.randrange(1, 4), len(there)))
  for path in cut:
    size = path.stat().st_size
    with open(path, 'r+b') as file:
      file.truncate(rng.randrange(max(size, 1)))
  names = [str(p.relative_to(folder)) for p in cut]
  return {'checkpoints': steps, 'cut': names}


def wait_for(folder: pathlib.Path, started: list, step: int) -> None:
  """Returns when that step is done, or the run has ended."""
  while started[0].process.poll() is None and len(lines(folder)) < step:
    time.sleep(0.05)


def move(folder: pathlib.Path, rng: random.Random, seconds: float) -> dict:
  """Kills both processes after a step; one of another mesh goes on."""
  started = start(folder, PROCESSES['move'])
  wanted = rng.randrange(3, 8)
  wait_for(folder, started, wanted)
  for one in started:
    one.process.send_signal(signal.SIGKILL)
  local_processes.finish(started, LIMIT)
  return {'killed_after_step': wanted}


def close(rows: list[dict], others: list[dict]) -> float:
  """Largest difference of rewards, accuracies and losses, in all steps."""
  names = ('reward/total', 'rollout/end_accuracy', 'eval/accuracy', 'rl/loss')
  return max(
    abs(row.get(name, 0.0) - other.get(name, 0.0))
    for row, other in zip(rows, others, strict=True)
    for name in names
  )


DISTURB = {'kill': kill, 'disk': disk, 'files': files, 'move': move}


def one(kind: str, seed: int, root: pathlib.Path, whole: dict) -> dict:
  """A disturbed run, and the same command again."""
  folder, rng = root / f'{kind}{seed}', random.Random(seed)
  after = 1 if kind == 'move' else PROCESSES[kind]
  try:
    row = DISTURB[kind](folder, rng, whole['seconds'])
    ended = local_processes.finish(start(folder, after), LIMIT)
    rows = lines(folder)
    row['restored_step'] = restored_step(ended)
    row['again'] = told(ended)
    row['equal'] = rows == whole['lines'] and (folder / 'results.json').exists()
    if kind == 'move':
      row['difference'] = close(rows, whole['lines'])
      row['equal'] = row['difference'] < 1e-4
  finally:
    if kind == 'disk':
      subprocess.run(['umount', str(folder)], check=False)
    shutil.rmtree(folder, ignore_errors=True)
  return row


def restored_step(ended: list[tuple[int, str]]) -> str:
  """What the second start says about unreadable checkpoints."""
  said = [o for o in ended[0][1].splitlines() if 'cannot be read' in o]
  return said[-1][-160:] if said else ''


def undisturbed(root: pathlib.Path, processes: int) -> dict:
  folder = root / f'whole{processes}'
  began = time.monotonic()
  ended = local_processes.finish(start(folder, processes), 2 * LIMIT)
  assert all(code == 0 for code, _ in ended), ended
  return {'lines': lines(folder), 'seconds': time.monotonic() - began}


def main():
  # Compiling takes most of such a short run: keep the smallest programs, too.
  os.environ['JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS'] = '0'
  flags = argparse.ArgumentParser()
  flags.add_argument('--kinds', default=','.join(COUNTS))
  flags.add_argument('--seed', type=int, default=0)
  default = pathlib.Path(__file__).with_name('results.json')
  flags.add_argument('--out', type=pathlib.Path, default=default)
  flags = results.parse(flags)
  result = json.loads(flags.out.read_text()) if flags.out.exists() else {}
  with tempfile.TemporaryDirectory() as made:
    root = pathlib.Path(made)
    for kind in flags.kinds.split(','):
      found = result.setdefault(kind, {})
      missing = [
        seed
        for seed in range(flags.seed, flags.seed + COUNTS[kind])
        if str(seed) not in found
      ]
      whole = undisturbed(root, PROCESSES[kind]) if missing else {}
      for seed in missing:
        found[str(seed)] = one(kind, seed, root, whole)
        print(kind, seed, json.dumps(found[str(seed)]), flush=True)
        files_lib.write_json(flags.out, result)
      shutil.rmtree(root / f'whole{PROCESSES[kind]}', ignore_errors=True)
      equal = sum(row['equal'] for row in found.values())
      print(f'{kind}: {equal} of {len(found)} as if nothing had happened')


if __name__ == '__main__':
  main()
