"""Ctrl-C at random moments of training, warm start, evaluation and stream.

  .venv/bin/python -m experiments.ctrl_c.run

Each job runs once to its end, which says how long it takes, and leaves the
workdir that evaluation and stream read. Then the same command is started
again and again and gets one SIGINT, at a moment that is drawn from the whole of
it: imports, compilation and the writing of files among them. What is kept of
each: seconds from the signal to the end, exit code, and the lines that were
printed after the signal. What was stopped last is then started again, and ends.
"""

import argparse
import contextlib
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from typing import Any

from experiments import results
from mem_alpha_jax.report import tables
from mem_alpha_jax.system import files, interrupt

BOUND = 5.0  # seconds
EARLIEST = 0.05  # Python itself is not up before
SMALL = (
  'eval.lengths=1,data.eval_episodes=8,data.batch_episodes=8,'
  'eval.every=2,checkpoint.every=2,log.progress=False,stream.multiple=4,'
)
# Job -> flags; those of one workdir share the config.
TRAIN = f'--config=configs/tiny.py:num_steps=6,{SMALL}'
JOBS = {
  'train': (TRAIN,),
  'warm start': (
    f'--config=configs/tiny.py:warm_start.checkpoint=,num_steps=1,{SMALL}'
    'warm_start.steps=20',
  ),
  'eval': ('--mode=eval',),
  'stream': ('--mode=stream',),
}


def start(name: str, workdir: pathlib.Path) -> subprocess.Popen:
  command = [sys.executable, '-u', '-m', 'mem_alpha_jax.main', *JOBS[name]]
  return subprocess.Popen(
    [*command, f'--workdir={workdir}'],
    stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
  )  # fmt: skip


def whole(name: str, workdir: pathlib.Path) -> float:
  """Seconds of a run that nobody stops."""
  began = time.monotonic()
  process = start(name, workdir)
  said = process.communicate()[0].decode()
  assert process.returncode == 0, said
  return time.monotonic() - began


def stop(name: str, workdir: pathlib.Path, moment: float) -> dict[str, Any]:
  """One job with a SIGINT after so many seconds."""
  process = start(name, workdir)
  os.set_blocking(process.stdout.fileno(), False)
  with contextlib.suppress(subprocess.TimeoutExpired):
    process.wait(moment)
  before = process.stdout.read() or b''
  asked, done = time.monotonic(), process.poll() is not None
  process.send_signal(signal.SIGINT)
  process.wait()
  seconds = time.monotonic() - asked
  lines = (process.stdout.read() or b'').decode().splitlines()
  row = {'job': name, 'moment': moment, 'done': done, 'seconds': seconds}
  row |= {'code': process.returncode, 'lines': lines}
  row['printed_before'] = len(before.decode().splitlines())
  return row


def good(row: dict[str, Any]) -> bool:
  """One line, the documented code, in time; or it was done already."""
  if row['done']:
    return row['code'] == 0
  fits = row['code'] == interrupt.CODE and len(row['lines']) == 1
  return fits and row['seconds'] <= BOUND


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--moments', type=int, default=10, help='of each job')
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument('--within', type=float, default=60.0, help='seconds')
  default = pathlib.Path(__file__).with_name('results.json')
  parser.add_argument('--out', type=pathlib.Path, default=default)
  flags = results.parse(parser)
  rng, rows, took = random.Random(flags.seed), [], {}
  with tempfile.TemporaryDirectory() as made:
    root = pathlib.Path(made)
    for name in JOBS:
      first = root / ('warm start' if name == 'warm start' else 'train')
      took[name] = min(whole(name, first), flags.within)
      for _ in range(flags.moments):
        workdir = root / 'stopped'
        shutil.rmtree(workdir, ignore_errors=True)
        if name in ('eval', 'stream'):
          shutil.copytree(first, workdir)
          shutil.rmtree(workdir / 'stream', ignore_errors=True)
        rows.append(stop(name, workdir, rng.uniform(EARLIEST, took[name])))
        print(json.dumps(rows[-1]), flush=True)
        files.write_json(flags.out, {'seconds': took, 'rows': rows})
    again = whole(name, workdir)  # what was stopped last goes on
  result = {'seconds': took, 'again': again, 'rows': rows}
  result['good'] = sum(map(good, rows))
  result['longest'] = max(row['seconds'] for row in rows)
  files.write_json(flags.out, result)
  print(
    tables.grid(
      ('job', 'at', 'seconds', 'code', 'lines'),
      [
        (r['job'], f'{r["moment"]:.1f}', f'{r["seconds"]:.2f}',
         str(r['code']), str(len(r['lines'])))
        for r in rows
      ],
    )
  )  # fmt: skip
  print(f'{result["good"]} of {len(rows)} in one line and {BOUND:g} s')


if __name__ == '__main__':
  main()
