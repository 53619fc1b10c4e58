"""Parameters of a run that has begun: before RL, and of its last checkpoint."""

import os
from typing import Any

import jax

from mem_alpha_jax.config import validate as validate_lib
from mem_alpha_jax.rl import optimizer
from mem_alpha_jax.rl import update as update_lib
from mem_alpha_jax.run import build as build_lib
from mem_alpha_jax.run import checkpoint, params_file
from mem_alpha_jax.types import TrainState


def initial_state(experiment, tx) -> TrainState:
  """Random parameters, or those of the source, and a fresh optimiser."""
  return update_lib.init_state(
    build_lib.init_params(experiment),
    tx,
    jax.random.clone(experiment.train_setup.key),
    experiment.mesh,
  )


def read_checkpoint(
  manager: checkpoint.Manager, state: TrainState
) -> checkpoint.Restored | None:
  """The newest checkpoint, completed by what `state` has and it has not."""
  trained, frozen = optimizer.split(state.params)
  restored = manager.restore(state.replace(params=trained))
  if restored is None:
    return None
  params = optimizer.join(restored.state.params, frozen)
  return restored._replace(state=restored.state.replace(params=params))


def newest_params(experiment, workdir: str) -> Any:
  """Parameters of the newest checkpoint of a workdir.

  Of its config only the model and the optimiser matter: the data may be of a
  source that has no train split.

  Raises:
    FileNotFoundError: if it has none.
  """
  config = experiment.config
  updates = validate_lib.derive(config).total_updates
  tx, _ = optimizer.create_optimizer(config.optim, updates)
  with checkpoint.Manager(workdir, config.checkpoint.keep) as manager:
    restored = read_checkpoint(manager, initial_state(experiment, tx))
  if restored is None:
    raise FileNotFoundError(
      f'--workdir={workdir}: no checkpoint to evaluate; train first'
    )
  return restored.state.params


def start_params(experiment, workdir: str) -> Any:
  """Parameters of the policy of a workdir before RL.

  Raises:
    FileNotFoundError: if it has not begun.
  """
  params = build_lib.init_params(experiment)
  if starts_from_source(experiment.config):
    return params
  trained, frozen = optimizer.split(params)
  return optimizer.join(params_file.load(start_file(workdir), trained), frozen)


def start_file(workdir: str) -> str:
  """Where the trained part of the policy before RL is kept."""
  return os.path.join(workdir, 'start_params')


def starts_from_source(config) -> bool:
  """True if no warm start changes the model that is loaded."""
  return bool(config.model.source) and not config.warm_start.steps
