"""bAbI stories: before and after RL, task by task.

  python -m experiments.babi.run [--tasks=qa1,qa2,qa6] [--seeds=0,1,2]

Runs (or takes up, or only reads) runs/babi/<task>_seed<k>, two at a time, and
writes these tasks into results.json beside this file; others in it stay.
"""

import json
import pathlib
import sys

from absl import app, flags

from experiments import results, side_by_side
from experiments.babi.cells import CONFIGS, NUMBERS, TASKS, over_seeds
from mem_alpha_jax.report import tables
from mem_alpha_jax.system import files

HERE = pathlib.Path(__file__).parent
_TASKS = flags.DEFINE_list('tasks', ['qa1', 'qa2', 'qa6'], 'bAbI tasks.')
_SEEDS = flags.DEFINE_list('seeds', ['0', '1', '2'], 'Seeds of a task.')
_CORES = flags.DEFINE_list('cores', ['0', '1'], 'Cores, one for each run.')
_OUT = flags.DEFINE_string('out', 'runs/babi', 'Folder of the runs.')


def job(task: str, seed: str) -> side_by_side.Job:
  """The run of one task and seed, through the command line of the project."""
  workdir = f'{_OUT.value}/{task}_seed{seed}'
  needs = '' if task in CONFIGS else TASKS.get(task)
  fields = [f'data.babi_tasks={task}', f'seed={seed}', needs]
  config = CONFIGS.get(task, 'configs/babi.py')
  config = f'{config}:{",".join(filter(None, fields))}'
  command = [sys.executable, '-m', 'mem_alpha_jax.main']
  command += [f'--config={config}', f'--workdir={workdir}']
  return side_by_side.Job(command, f'{workdir}/results.json')


def main(argv):
  del argv
  jobs = {t: [job(t, s) for s in _SEEDS.value] for t in _TASKS.value}
  side_by_side.run(sum(jobs.values(), []), [int(c) for c in _CORES.value])
  path, rows = results.folder(HERE, _OUT.value) / 'results.json', []
  tasks = json.loads(path.read_text()) if path.exists() else {}
  for task, runs in jobs.items():
    runs = [json.loads(pathlib.Path(job.done).read_text()) for job in runs]
    systems = [tables.systems(r) for r in runs]
    table = {n: over_seeds([s[n] for s in systems]) for n in systems[0]}
    tasks[task] = {
      'seeds': [r['seed'] for r in runs],
      'systems': table,
      'seconds': [r['seconds'] for r in runs],
      'questions': [r['after']['questions'] for r in runs],
      'versions': runs[0]['versions'],
      'config': runs[0]['config'],
    }
    rows += [
      (
        task,
        tables.label(n),
        *(f'{t[k]["mean"]:.3f}' if k in t else '-' for k in NUMBERS),
      )
      for n, t in table.items()
    ]
  files.write_json(path, tasks)
  print(tables.grid(('task', '', *NUMBERS), rows))


if __name__ == '__main__':
  app.run(main)
