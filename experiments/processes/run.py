"""The same run by one, two and four processes: are its metrics the same?

  python -m experiments.processes.run [--out=runs/processes] [--steps=10]

Runs configs/tiny.py, made small, on a mesh of 2 x 2 x 2 devices that belong
to one process of 8, two of 4, or four of 2; on 4 x 2 x 2 that belong to four
of 4; and on a single device. Compares metrics.jsonl with that of one process
of 8, and two runs of a kind with each other. Writes results.json; runs that
are finished are not run again.
"""

import json
import math
import pathlib
import shutil
import time
from typing import NamedTuple

from absl import app, flags

from experiments import local_processes, results
from mem_alpha_jax.report import metrics
from mem_alpha_jax.system import files, machine

HERE = pathlib.Path(__file__).parent
_OUT = flags.DEFINE_string('out', 'runs/processes', 'Folder of the workdirs.')
_STEPS = flags.DEFINE_integer('steps', 10, 'Training steps of each run.')
_KINDS = flags.DEFINE_list('kinds', None, 'Some of KINDS; all by default.')
_ARG = flags.DEFINE_string('arg', '', 'Config overrides, field=value,...')
TIMEOUT = 1800  # seconds of one run
SMALL = (
  'data.batch_episodes=8,data.train_chunks=4,data.eval_episodes=8,'
  'rl.minibatch_rows=128,eval.lengths=1,eval.every=5,'
  'eval.html_episodes=1,checkpoint.every=100,log.tensorboard=False,'
  'log.progress=False'
)
# Level 0 of XLA compiles in half the time.
XLA_FLAGS = '--xla_backend_optimization_level=0'


class Kind(NamedTuple):
  """Who runs it: processes, devices of each, and the mesh of all."""

  processes: int
  devices: int
  mesh: tuple[int, int, int]  # data, fsdp, tensor


KINDS = {
  '1 process x 8': Kind(1, 8, (2, 2, 2)),
  '2 processes x 4': Kind(2, 4, (2, 2, 2)),
  '4 processes x 2': Kind(4, 2, (2, 2, 2)),
  '1 process x 1': Kind(1, 1, (1, 1, 1)),
  '4 processes x 4': Kind(4, 4, (4, 2, 2)),
}
FIRST = '1 process x 8'  # that the others are compared with
AGAIN = ('2 processes x 4', '4 processes x 2')  # run twice
# Differences of numbers that are equal but for rounding: all of them is noise.
NOISE = ('rl/approx_kl', 'rl/logp_gap_abs_max', 'rl/logp_gap_abs_mean')


def run(name: str, suffix: str = '') -> tuple[list[dict], float]:
  """Metrics of a run without what depends on the machine, and its seconds."""
  kind = KINDS[name]
  folder = pathlib.Path(_OUT.value, name.replace(' ', '_') + suffix)
  done = folder / 'results.json'
  if not done.exists():
    shutil.rmtree(folder, ignore_errors=True)
    data, fsdp, tensor = kind.mesh
    arg = (
      f'num_steps={_STEPS.value},mesh.data={data},mesh.fsdp={fsdp},'
      f'mesh.tensor={tensor},{SMALL}'
    )
    arg = ','.join(filter(None, [arg, _ARG.value]))
    started = local_processes.start(
      [f'--config=configs/tiny.py:{arg}', f'--workdir={folder}'],
      kind.processes,
      kind.devices,
      XLA_FLAGS,
    )
    for code, output in local_processes.finish(started, TIMEOUT):
      if code:
        raise RuntimeError(f'{name}: exit code {code}\n{output[-3000:]}')
  rows = metrics.read_equal(folder / metrics.FILE)
  return rows, json.loads(done.read_text())['seconds']


def compare(mine: list[dict], theirs: list[dict]) -> dict:
  """Largest differences by metric over all steps; relative but for NOISE."""
  worst = {}
  for one, other in zip(mine, theirs, strict=True):
    for name in one:
      a, b = one[name], other[name]
      if a == b:
        continue
      far = abs(a - b) if None not in (a, b) else math.inf
      if name not in NOISE and math.isfinite(far):
        far /= max(abs(a), abs(b))
      worst[name] = max(worst.get(name, 0.0), far)
  order = sorted(worst, key=worst.get, reverse=True)
  relative = [worst[n] for n in order if n not in NOISE]
  return {
    'metrics': len(mine[0]) - 1,
    'equal_to_the_bit': len(mine[0]) - 1 - len(worst),
    'largest_relative': max(relative, default=0.0),
    'largest_noise': max((worst[n] for n in order if n in NOISE), default=0.0),
    'by_metric': {name: worst[name] for name in order},
  }


def first_difference(mine: list[dict], theirs: list[dict]) -> int | None:
  """The first step at which responses differ: a sampled token flipped."""
  name = 'rollout/response_tokens'
  for one, other in zip(mine, theirs, strict=True):
    if one[name] != other[name]:
      return one['step']
  return None


def main(argv):
  del argv
  started = time.time()
  kinds = _KINDS.value or list(KINDS)
  found = {name: run(name) for name in (FIRST, *kinds)}
  again = {
    name: run(name, '_again')[0] == found[name][0]
    for name in AGAIN
    if name in kinds
  }
  rows = {name: rows for name, (rows, _) in found.items()}
  pairs = {
    name: {
      **compare(rows[name], rows[FIRST]),
      'responses_differ_from_step': first_difference(rows[name], rows[FIRST]),
    }
    for name in kinds
    if name != FIRST
  }
  result = {
    'steps': _STEPS.value,
    'config': f'configs/tiny.py:{SMALL}',
    'versions': machine.versions(),
    'seconds': {name: seconds for name, (_, seconds) in found.items()},
    'second_run_equal_to_the_bit': again,
    f'against {FIRST}': pairs,
  }
  folder = results.folder(HERE, _OUT.value)
  files.write_json(folder / 'results.json', result)
  for name, one in pairs.items():
    print(
      f'{name}: {one["equal_to_the_bit"]} of {one["metrics"]} equal, '
      f'others within {one["largest_relative"]:.1e}'
    )
  print(f'again: {again}; {time.time() - started:.0f} s')


if __name__ == '__main__':
  app.run(main)
