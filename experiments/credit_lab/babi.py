"""bAbI by the best estimators of the synthetic lab, beside the present recipe.

  python -m experiments.credit_lab.babi [--arms='rloo;mem_t, 4x2']

The present recipe is configs/babi.py; any other arm is configs/tiny_paper.py
on its stories, as many of them, with the fields of that arm of `synthetic` and
the reward of the end alone. A cell is one task, arm and seed: a run of its own,
which is taken up again, or only read, where it is there. Without --arms they
are the two of synthetic.json that are best at train length.
"""

import argparse
import json
import pathlib
import sys
from collections.abc import Sequence

from configs import babi, tiny
from experiments import results, side_by_side
from experiments.babi import cells
from experiments.credit_lab import synthetic
from mem_alpha_jax.config import compare
from mem_alpha_jax.data import babi as stories
from mem_alpha_jax.report import metrics, tables
from mem_alpha_jax.system import files, machine

HERE = pathlib.Path(__file__).parent
PRESENT = 'present'
COSTS = ('rl/sampled_tokens', 'rl/trained_tokens')


def best(path: pathlib.Path, count: int = 2) -> list[str]:
  """The best arms of the end alone that stories of any length can have."""
  if not path.exists():
    raise SystemExit(
      f'{path}: missing; run experiments.credit_lab.synthetic, or give --arms'
    )
  rows = json.loads(path.read_text())['rows']
  rows.sort(key=lambda row: -row['accuracy']['1']['mean'])
  arms, known = (
    [row['arm'].partition('; end') for row in rows],
    arms_of_stories(),
  )
  return [arm for arm, end, _ in arms if end and arm in known][:count]


def arms_of_stories() -> list[str]:
  """All but those that choose how long, or how many, episodes are."""
  return [
    arm
    for arm, changes in synthetic.ARMS.items()
    if not any(name.startswith('data.') for name in changes)
  ]


def config_of(task: str, arm: str) -> str:
  """The --config of a cell."""
  needs = [f'data.babi_tasks={task}', cells.TASKS.get(task)]
  needs = ','.join(filter(None, needs))
  if arm == PRESENT:
    return f'configs/babi.py:{needs}'
  plain, own = (
    compare.flatten(config.to_dict())
    for config in (tiny.get_config(), babi.get_config(needs))
  )
  fields = {name: v for name, v in own.items() if v != plain[name]}
  batch = fields['data.batch_episodes'] = 16  # of configs/tiny_paper.py
  episodes = own['num_steps'] * own['data.batch_episodes']
  fields['num_steps'] = episodes // batch
  fields |= synthetic.ARMS[arm]
  if 'rollout.forks' in fields:
    fields['rollout.forks'] = (own['data.train_chunks'] // 2,)
  told = [f'{name}={_text(value)}' for name, value in fields.items()]
  return f'configs/tiny_paper.py:{",".join(told)}'


def _text(value) -> str:
  return ';'.join(map(str, value)) if isinstance(value, tuple) else str(value)


def job(asked: argparse.Namespace, task: str, arm: str, seed: str):
  """The run of a cell, through the command line of the project."""
  place = ''.join(c if c.isalnum() else '_' for c in arm)
  workdir = f'{asked.root}/{task}_{place}_seed{seed}'
  config = ','.join(
    filter(None, [config_of(task, arm), f'seed={seed}', asked.arg])
  )
  command = [sys.executable, '-m', 'mem_alpha_jax.main']
  command += [f'--config={config}', f'--workdir={workdir}']
  return side_by_side.Job(command, f'{workdir}/results.json')


def row(jobs: Sequence[side_by_side.Job]) -> dict:
  """Of one task and arm: the policy over its seeds, and what a run cost."""
  found = [json.loads(pathlib.Path(job.done).read_text()) for job in jobs]
  steps = [
    metrics.read(pathlib.Path(j.done).parent / metrics.FILE) for j in jobs
  ]
  mean = lambda values: sum(values) / len(jobs)
  systems = [tables.systems(one) for one in found]
  return {
    'config': found[0]['config'],
    'systems': {
      name: cells.over_seeds([one[name] for one in systems])
      for name in systems[0]
    },
    **{
      name: mean([sum(r[name] for r in run) for run in steps]) for name in COSTS
    },
    'seconds': mean([one['seconds'] for one in found]),
    'peak_rss_bytes': mean([one['peak_rss_bytes'] for one in found]),
  }


def missing(tasks: Sequence[str], root: str) -> list[str]:
  """The tasks whose file is not there; says what there should be."""
  found = []
  for task in tasks:
    try:
      stories.load(root, task, 'train')
    except FileNotFoundError as error:
      print(f'{task} is left out: {error}', file=sys.stderr)
      found.append(task)
  return found


def table(rows: dict[str, dict]) -> str:
  header = ('', 'before', 'after, strict', 'lenient', 'sampled', 'trained', 's')
  mean = lambda one, system, key: f'{one["systems"][system][key]["mean"]:.3f}'
  lines = [
    (
      name,
      mean(one, 'before', 'accuracy'),
      mean(one, 'after', 'accuracy'),
      mean(one, 'after', 'lenient'),
      *(f'{one[k]:.0f}' for k in (*COSTS, 'seconds')),
    )
    for name, one in rows.items()
  ]
  return tables.grid(header, lines)


def main() -> None:
  by = lambda sign: lambda text: text.split(sign)
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawTextHelpFormatter
  )
  parser.add_argument('--tasks', type=by(','), default=['qa1', 'qa2', 'qa3'])
  parser.add_argument('--arms', type=by(';'), default=[], help='of synthetic')
  parser.add_argument('--seeds', type=by(','), default=['0', '1', '2'])
  parser.add_argument('--arg', default='', help='fields: field=value,...')
  parser.add_argument('--cores', type=by(','), default=['0', '1'])
  parser.add_argument('--root', default='runs/credit_babi', help='of cells')
  parser.add_argument('--out', type=pathlib.Path, default=HERE / 'babi.json')
  asked = results.parse(parser)
  arms = [PRESENT, *(asked.arms or best(HERE / 'synthetic.json'))]
  if unknown := {*arms} - {PRESENT, *arms_of_stories()}:
    raise SystemExit(f'--arms={unknown}: use some of {arms_of_stories()}')
  lost = missing(asked.tasks, babi.get_config(asked.arg).data.root)
  jobs = {
    f'{task}; {arm}': [job(asked, task, arm, seed) for seed in asked.seeds]
    for task in asked.tasks
    if task not in lost
    for arm in arms
  }
  if not jobs:
    raise SystemExit('no task is left; --arg=data.root=... says where they are')
  side_by_side.run(sum(jobs.values(), []), [int(c) for c in asked.cores])
  rows = {name: row(of) for name, of in jobs.items()}
  found = {'seeds': asked.seeds, 'missing': lost, 'rows': rows}
  files.write_json(asked.out, {**found, 'versions': machine.versions()})
  print(table(rows))


if __name__ == '__main__':
  main()
