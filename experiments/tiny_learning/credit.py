"""What did it: from the reference's own credit to this recipe, row by row.

  python -m experiments.tiny_learning.credit [--seeds=0,1,2] [--seconds=180]

Every row starts from the same base checkpoint, adds one thing to the row
above it, and trains for the same wall time; its steps and responses are
reported beside it. Two runs go side by side, one core each.
"""

import json
import os
import pathlib
import sys
import time

from absl import app, flags

from configs import tiny
from experiments import results, side_by_side
from mem_alpha_jax import train
from mem_alpha_jax.data import pipeline
from mem_alpha_jax.evaluation import held_out
from mem_alpha_jax.report import metrics, statistics, tables
from mem_alpha_jax.run import build as build_lib
from mem_alpha_jax.run import learning, progress
from mem_alpha_jax.system import files, machine

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
      'reward.noop': 0.0,
      'memory.prompt_order': 'memory_first',
      'memory.view': 'newest',
      'memory.fixed_width': False,
      'rollout.forced': 0,
      'rollout.own_memory': 0.0,
      'data.batch_episodes': 8,
      'optim.schedule': 'constant',  # runs end by time, not by step
      'optim.learning_rate': 5e-4,
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
      'data.batch_episodes': 24,
    },
  ),
  (
    # With the reference's 0 for storing nothing a policy cannot learn to leave
    # small talk out; with 1 and no dense credit it stores nothing at all.
    '+ dense credit',
    {'reward.when': 'step', 'reward.noop': 1.0},
  ),
  ('+ exploration', {'rollout.forced': 4}),
  ('+ own-memory starts', {'rollout.own_memory': 0.8}),
)
_SEEDS = flags.DEFINE_list('seeds', ['0', '1', '2'], 'Seeds of a row.')
_SECONDS = flags.DEFINE_float('seconds', 180.0, 'Training time of a run.')
_ROW = flags.DEFINE_integer('row', -1, 'Runs one row alone (internal).')
_CORES = flags.DEFINE_list('cores', ['0', '1'], 'Cores, one for each run.')
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
  machine.use_compilation_cache()
  os.makedirs(workdir, exist_ok=True)
  experiment = build_lib.build(config, workdir)
  learner = learning.create(
    experiment.config, experiment.policy, experiment.mesh
  )
  loader = iter(pipeline.make_dataset(config, 'train'))
  now = progress.begin(experiment, learner.tx, loader, workdir, 0.0, print)
  advance = lambda now: train.step(
    experiment, learner, loader, now, metrics.Timer()
  )
  now, _ = advance(now)  # compiles, and is not timed
  started = time.perf_counter()
  with metrics.Writer(workdir, config.num_steps, progress=False) as writer:
    while time.perf_counter() - started < _SECONDS.value:
      now, scalars = advance(now)
      writer.write(now.step, scalars)
  width = config.data.train_chunks * config.rollout.group_size
  responses = now.step * config.data.batch_episodes * width
  arms = {
    str(m): held_out.arm(
      'policy',
      experiment,
      now.state.params,
      pipeline.eval_episodes(config, 'test', m),
    )[0]
    for m in LENGTHS
  }
  files.write_json(
    f'{workdir}/row.json',
    {'steps': now.step, 'responses': responses, 'arms': arms},
  )


def job(row: int, seed: int) -> side_by_side.Job:
  """One row and seed, run by this file in a process of its own."""
  place = f'{_OUT.value}/row{row}_seed{seed}'
  command = [sys.executable, '-m', 'experiments.tiny_learning.credit']
  command += [f'--row={row}', f'--seeds={seed}', f'--out={place}']
  command += [f'--seconds={_SECONDS.value}']
  return side_by_side.Job(command, f'{place}/row.json')


def cells_of(runs: list[dict]) -> dict:
  """Accuracy and overwritten facts at every length, over the seeds."""
  cells = {}
  for m in map(str, LENGTHS):
    arms = [run['arms'][m] for run in runs]
    kinds = {
      'accuracy': [arm['accuracy'] for arm in arms],
      'overwritten': [
        arm['by_type']['overwritten']['accuracy'] for arm in arms
      ],
    }
    for kind, values in kinds.items():
      cells[f'{kind} {m}x'] = statistics.seeds_cell(values)
  return cells


def main(argv):
  del argv
  seeds = [int(seed) for seed in _SEEDS.value]
  if _ROW.value >= 0:
    run(_ROW.value, seeds[0], _OUT.value)
    return
  jobs = {(r, s): job(r, s) for s in seeds for r in range(len(ROWS))}
  side_by_side.run(list(jobs.values()), [int(c) for c in _CORES.value])
  found, lines = [], []
  for row, (name, changes) in enumerate(ROWS):
    runs = [
      json.loads(pathlib.Path(jobs[row, s].done).read_text()) for s in seeds
    ]
    found.append({'row': name, 'changes': changes, 'cells': cells_of(runs)})
    found[-1] |= {k: [r[k] for r in runs] for k in ('steps', 'responses')}
    responses = sum(found[-1]['responses']) / len(runs)
    means = [f'{c["mean"]:.3f}' for c in found[-1]['cells'].values()]
    lines.append((name, *means, f'{responses:.0f}'))
  result = {'seconds': _SECONDS.value, 'seeds': seeds, 'rows': found}
  result['versions'] = machine.versions()
  folder = results.folder(HERE, _OUT.value)
  files.write_json(folder / 'credit.json', result)
  print(tables.grid(('', *found[0]['cells'], 'responses'), lines))


if __name__ == '__main__':
  app.run(main)
