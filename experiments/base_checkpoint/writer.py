"""Rebuilds the trained writer that the package ships, from a finished run.

make run && python -m experiments.base_checkpoint.writer --run=runs/tiny
"""

import argparse
import shutil

from mem_alpha_jax.config import command
from mem_alpha_jax.run import base_checkpoint, parameters, params_file
from mem_alpha_jax.run import build as build_lib
from mem_alpha_jax.serve import model


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--run', default='runs/tiny')
  parser.add_argument('--name', default='tiny_writer')
  options = parser.parse_args()
  experiment = build_lib.build(command.load(model.SHIPPED[0]), options.run)
  params = parameters.saved_params(experiment, options.run)
  path = base_checkpoint.FOLDER / options.name
  params_file.save(path / 'params.npz', params)
  shutil.copy(f'{options.run}/tokenizer.model', path)
  print(path, sum(file.stat().st_size for file in path.iterdir()), 'bytes')


if __name__ == '__main__':
  main()
