"""What did it: from the reference's own credit to this recipe, row by row.

  python -m experiments.tiny_learning.credit [--seeds=0,1,2] [--seconds=120]

Every row starts from the same base checkpoint, adds one thing to the row
above it, and trains for the same wall time; its steps and responses are
reported beside it. Two runs go side by side, one core each.
"""

import json
import os
import pathlib
import subprocess
import sys
import time

from absl import app, flags

from configs import tiny
from mem_alpha_jax import evaluate, report, statistics, train
from mem_alpha_jax import experiment as experiment_lib
from mem_alpha_jax import workdir as workdir_lib
from mem_alpha_jax.data import pipeline

HERE = pathlib.Path(__file__).parent
LENGTHS = (1, 13)
# Each row changes these fields of the row above it.
ROWS = (
  (
    'reference credit',
    {
      'rollout.groups': 'trajectory',
      'rl.group_by': 'episode',
      'reward.when': 'end',
      'memory.prompt_order': 'memory_first',
      'memory.view': 'newest',
      'memory.fixed_width': False,
      'rollout.forced': 0,
      'rollout.own_memory': 0.0,
      'data.batch_episodes': 8,
    },
  ),
  (
    '+ layout',
    {
      'memory.prompt_order': 'chunk_first',
      'memory.view': 'retrieved',
      'memory.fixed_width': True,
    },
  ),
  (
    '+ same-state groups',
    {
      'rollout.groups': 'state',
      'rl.group_by': 'chunk',
      'data.batch_episodes': 32,
    },
  ),
  ('+ dense credit', {'reward.when': 'step'}),
  ('+ exploration', {'rollout.forced': 1}),
  ('+ own-memory starts', {'rollout.own_memory': 0.8}),
)
_SEEDS = flags.DEFINE_list('seeds', ['0', '1', '2'], 'Seeds of a row.')
_SECONDS = flags.DEFINE_float('seconds', 120.0, 'Training time of a run.')
_ROW = flags.DEFINE_integer('row', -1, 'Runs one row alone (internal).')
_OUT = flags.DEFINE_string('out', 'runs/credit', 'Folder of the runs.')


def config_of(row: int, seed: int):
  """The config of a row: all changes up to it."""
  config = tiny.get_config(f'seed={seed},log.progress=False')
  for _, changes in ROWS[: row + 1]:
    config.update_from_flattened_dict(changes)
  return config


def run(row: int, seed: int, workdir: str) -> None:
  """Trains a row for the given time and evaluates it."""
  config = config_of(row, seed)
  os.makedirs(workdir, exist_ok=True)
  experiment = experiment_lib.build(config, workdir)
  loop = train.Run(experiment, workdir, train.Clock())
  loop.open_writer()
  loop.warm_start()
  loop.advance()  # compiles, and is not timed
  started, responses = time.perf_counter(), 0
  while time.perf_counter() - started < _SECONDS.value:
    loop.advance()
    loop.writer.write(loop.step, loop.scalars)
  width = config.data.train_chunks * config.rollout.group_size
  responses = loop.step * config.data.batch_episodes * width
  arms = {
    str(m): evaluate.policy_arm(
      experiment, loop.state.params, pipeline.eval_episodes(config, 'test', m)
    )[0]
    for m in LENGTHS
  }
  workdir_lib.write_json(
    f'{workdir}/row.json',
    {'steps': loop.step, 'responses': responses, 'arms': arms},
  )


def schedule(jobs: list[tuple[int, int, str]]) -> None:
  """Runs the jobs that have no result, two at a time, pinned to a core."""
  jobs = [job for job in jobs if not os.path.exists(f'{job[2]}/row.json')]
  running: dict[int, subprocess.Popen] = {}
  while jobs or running:
    for core in range(2):
      process = running.get(core)
      if process is not None and process.poll() is not None:
        if process.returncode:
          raise RuntimeError(f'{process.args} ended with {process.returncode}')
        del running[core]
      if core not in running and jobs:
        row, seed, workdir = jobs.pop(0)
        running[core] = subprocess.Popen(
          [
            'taskset',
            '-c',
            str(core),
            sys.executable,
            '-m',
            'experiments.tiny_learning.credit',
            f'--row={row}',
            f'--seeds={seed}',
            f'--out={workdir}',
            f'--seconds={_SECONDS.value}',
          ]
        )
    time.sleep(1)


def main(argv):
  del argv
  if _ROW.value >= 0:
    run(_ROW.value, int(_SEEDS.value[0]), _OUT.value)
    return
  place = lambda row, seed: f'{_OUT.value}/row{row}_seed{seed}'
  seeds = [int(seed) for seed in _SEEDS.value]
  schedule(
    [
      (row, seed, place(row, seed))
      for seed in seeds
      for row in range(len(ROWS))
    ]
  )
  found, lines = [], []
  for row, (name, changes) in enumerate(ROWS):
    runs = [
      json.loads(pathlib.Path(f'{place(row, s)}/row.json').read_text())
      for s in seeds
    ]
    cells = {}
    for m in map(str, LENGTHS):
      for kind in ('accuracy', 'overwritten'):
        values = [
          r['arms'][m]['accuracy']
          if kind == 'accuracy'
          else r['arms'][m]['by_type']['overwritten']['accuracy']
          for r in runs
        ]
        mean = statistics.over_seeds(values)
        cells[f'{kind} {m}x'] = {
          'mean': mean.mean,
          'interval': [mean.low, mean.high],
          'seeds': values,
        }
    responses = [r['responses'] for r in runs]
    found.append(
      {
        'row': name,
        'changes': changes,
        'responses': responses,
        'steps': [r['steps'] for r in runs],
        'cells': cells,
      }
    )
    lines.append(
      (
        name,
        *(f'{c["mean"]:.3f}' for c in cells.values()),
        f'{sum(responses) / len(responses):.0f}',
      )
    )
  workdir_lib.write_json(
    HERE / 'credit.json',
    {
      'seconds': _SECONDS.value,
      'seeds': seeds,
      'rows': found,
      'versions': workdir_lib.versions(),
    },
  )
  print(report.grid(('', *found[0]['cells'], 'responses'), lines))


if __name__ == '__main__':
  app.run(main)
