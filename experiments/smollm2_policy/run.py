"""SmolLM2-135M-Instruct as writer: as it comes, after warm start, after RL.

  .venv/bin/python -m experiments.smollm2_policy.run [--out=FOLDER]

Runs configs/smollm2.py in the folder (or takes it up, or only reads it),
evaluates the model as it comes on the same test episodes, and writes
results.json beside this file.
"""

import json
import pathlib
import subprocess
import sys

import numpy as np
from absl import app, flags

from configs import smollm2
from experiments import results
from mem_alpha_jax.data import pipeline
from mem_alpha_jax.evaluation import held_out
from mem_alpha_jax.report import metrics, tables
from mem_alpha_jax.run import build as build_lib
from mem_alpha_jax.system import files

HERE = pathlib.Path(__file__).parent
_OUT = flags.DEFINE_string('out', 'runs/smollm2_policy', 'Folder of the run.')
_ARG = flags.DEFINE_string(
  'arg', 'reading.reader=extractive', 'Fields over configs/smollm2.py.'
)
ENDS = 4  # steps whose mean reward is the first or the last


def as_it_comes(config, folder: pathlib.Path) -> tables.Arm:
  """The model without any training; measured once."""
  path = folder / 'raw.json'
  if not path.exists():
    experiment = build_lib.build(config, str(folder))
    params = build_lib.init_params(experiment)
    episodes = pipeline.eval_episodes(config, 'test', 1)
    arm, _ = held_out.arm('policy', experiment, params, episodes)
    files.write_json(path, arm)
  return json.loads(path.read_text())


def rewards(folder: pathlib.Path) -> dict:
  """Mean reward and its parts over the first and the last steps of RL."""
  steps = metrics.read(folder / metrics.FILE)
  names = [n for n in steps[0] if n.startswith(('reward/', 'rollout/'))]

  def mean(some):
    known = {n: [s[n] for s in some if s.get(n) is not None] for n in names}
    return {n: float(np.mean(v)) for n, v in known.items() if v}

  return {'first': mean(steps[:ENDS]), 'last': mean(steps[-ENDS:])}


def main(argv):
  del argv
  folder = pathlib.Path(_OUT.value)
  source = f'configs/smollm2.py:{_ARG.value}'
  command = [sys.executable, '-m', 'mem_alpha_jax.main']
  command += [f'--config={source}', f'--workdir={folder}']
  subprocess.run(command, check=True)
  run = json.loads((folder / 'results.json').read_text())
  raw = as_it_comes(smollm2.get_config(_ARG.value), folder)
  systems = {'as it comes': raw, **tables.systems(run)}
  found = {
    'systems': systems,
    'rewards': rewards(folder),
    'steps': run['config']['num_steps'],
    'seconds': run['seconds'],
    'peak_rss_bytes': run['peak_rss_bytes'],
    'versions': run['versions'],
    'config': run['config'],
  }
  where = results.folder(HERE, _OUT.value + '_report')
  files.write_json(where / 'results.json', found)
  numbers = ('accuracy', 'memory_share', 'valid_calls')
  rows = [
    (tables.label(name), *(f'{arm[n] or 0:.3f}' for n in numbers))
    for name, arm in systems.items()
  ]
  print(tables.grid(('', *numbers), rows))
  print(found['rewards'])


if __name__ == '__main__':
  app.run(main)
