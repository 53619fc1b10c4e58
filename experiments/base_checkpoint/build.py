"""Rebuilds the base checkpoint that the package ships.

  python -m experiments.base_checkpoint.build [--config=configs/tiny.py]

A longer warm start than a run would spend on itself, from the same poor
demonstrations (mem_alpha_jax/rollout/warm_start.py): no reinforcement, no
questions.
"""

import json
import pathlib
import shutil
import tempfile
import time

from absl import app, flags
from ml_collections import config_flags

from mem_alpha_jax.data import pipeline
from mem_alpha_jax.evaluation import held_out
from mem_alpha_jax.run import base_checkpoint, learning, params_file, progress
from mem_alpha_jax.run import build as build_lib
from mem_alpha_jax.system import files, machine

_CONFIG = config_flags.DEFINE_config_file('config', 'configs/tiny.py')
_NAME = flags.DEFINE_string('name', 'tiny_base', 'Base checkpoint to write.')
_STEPS = flags.DEFINE_integer('steps', 1100, 'Supervised updates.')


def main(argv):
  del argv
  started = time.time()
  config = _CONFIG.value
  with config.unlocked():
    config.warm_start.checkpoint = ''
    config.warm_start.steps = _STEPS.value
  with tempfile.TemporaryDirectory() as folder:
    experiment = build_lib.build(config, folder)
    tx = learning.create(
      experiment.config, experiment.policy, experiment.mesh
    ).tx
    loader = iter(pipeline.make_dataset(config, 'train'))
    now = progress.begin(experiment, tx, loader, folder, started, print)
    path = base_checkpoint.FOLDER / _NAME.value
    params_file.save(path / 'params.npz', now.state.params)
    shutil.copy(f'{folder}/tokenizer.model', path)
    arm, _ = held_out.arm(
      'policy',
      experiment,
      now.state.params,
      pipeline.eval_episodes(config, 'validation', 1),
    )
  result = {
    'seconds': time.time() - started,
    'bytes': sum(f.stat().st_size for f in path.iterdir()),
    'versions': machine.versions(),
    'config': config.to_dict(),
    'validation': arm,
  }
  folder = pathlib.Path(__file__).parent
  files.write_json(folder / f'{_NAME.value}.json', result)
  print(json.dumps({k: arm[k] for k in ('accuracy', 'valid_calls')}), path)


if __name__ == '__main__':
  app.run(main)
