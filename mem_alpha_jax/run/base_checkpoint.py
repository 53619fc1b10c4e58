"""Base checkpoints: a warm-started policy and its tokenizer, in the package.

A run that names one in `warm_start.checkpoint` starts with reinforcement at
once. experiments/base_checkpoint/build.py rebuilds them. The name may be the
workdir of another run, too: its policy is where this one goes on.
"""

import pathlib
import shutil
from typing import Any

from mem_alpha_jax.run import params_file
from mem_alpha_jax.text import tokenizer as tokenizer_lib

FOLDER = pathlib.Path(__file__).parents[1] / 'assets'


def folder_of(name: str) -> pathlib.Path:
  """Where a base checkpoint or a run is; FileNotFoundError if there is none."""
  if is_run(name):
    return pathlib.Path(name)
  folder = FOLDER / name
  if not folder.is_dir():
    raise FileNotFoundError(
      f'warm_start.checkpoint={name!r}: no folder {folder}, and no workdir of '
      'a run; build it with experiments/base_checkpoint/build.py, train the '
      "run, or set the field to ''"
    )
  return folder


def is_run(name: str) -> bool:
  """Whether this is the workdir of a run, and no base checkpoint."""
  return (pathlib.Path(name) / 'checkpoints').is_dir()


def load_params(name: str, example: Any, fingerprint: str) -> Any:
  """Reads parameters in the structure and sharding of `example`.

  Raises:
    ValueError: if they are of another model, naming the first array, or of
      another tokenizer than that of `fingerprint`.
  """
  ours = tokenizer_lib.Tokenizer(str(folder_of(name) / 'tokenizer.model'))
  if ours.fingerprint != fingerprint:
    raise ValueError(
      f'warm_start.checkpoint={name!r}: tokenizer.model of the workdir is '
      'another than that of these parameters; remove it, or give another '
      '--workdir'
    )
  return params_file.load(folder_of(name) / 'params.npz', example)


def copy_tokenizer(name: str, path: str) -> None:
  """Puts the tokenizer that the parameters know into a workdir."""
  pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
  shutil.copy(folder_of(name) / 'tokenizer.model', path)
