"""Programs and services that have a run's numbers beside metrics.jsonl.

A project, an address or a key is in the environment variables of their own
packages: WANDB_PROJECT, MLFLOW_TRACKING_URI, MLFLOW_EXPERIMENT_NAME and others.
A run that is taken up again goes on in the same run there.
"""

import pathlib
from collections.abc import Callable, Mapping
from typing import NamedTuple

from mem_alpha_jax.system import files, optional


class Sink(NamedTuple):
  write: Callable[[int, Mapping[str, float]], None]  # step, finite numbers
  close: Callable[[], None]


def _tensorboard(folder: pathlib.Path, start: int) -> Sink:
  import tensorboardX  # half a second that a run without it saves

  board = tensorboardX.SummaryWriter(
    str(folder / 'tensorboard'), purge_step=start + 1
  )

  def write(step: int, scalars: Mapping[str, float]) -> None:
    for name, value in scalars.items():
      board.add_scalar(name, value, step)

  return Sink(write, board.close)


def _wandb(folder: pathlib.Path, unused_start: int) -> Sink:
  """Weights & Biases, which leaves out steps that it has."""
  wandb = optional.load('wandb', 'wandb')
  run = wandb.init(
    dir=str(folder), name=folder.name, id=_before(folder, 'wandb'),
    resume='allow',
  )  # fmt: skip
  files.write_text(folder / 'wandb.id', run.id)
  return Sink(lambda step, scalars: run.log(dict(scalars), step), run.finish)


def _mlflow(folder: pathlib.Path, unused_start: int) -> Sink:
  mlflow = optional.load('mlflow', 'mlflow')
  run = mlflow.start_run(_before(folder, 'mlflow'), run_name=folder.name)
  files.write_text(folder / 'mlflow.id', run.info.run_id)
  return Sink(
    lambda step, scalars: mlflow.log_metrics(dict(scalars), step=step),
    mlflow.end_run,
  )


def _before(folder: pathlib.Path, name: str) -> str | None:
  """The id that the run has there, None for a new one."""
  path = folder / f'{name}.id'
  return path.read_text() if path.exists() else None


SERVICES: dict[str, Callable[[pathlib.Path, int], Sink]] = {
  'tensorboard': _tensorboard,
  'wandb': _wandb,
  'mlflow': _mlflow,
}
