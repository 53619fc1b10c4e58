"""Parameters of a run that has begun: before RL, and of its checkpoints."""

import os
from typing import Any

from absl import logging

from mem_alpha_jax.rl import optimizer
from mem_alpha_jax.run import base_checkpoint, checkpoint, params_file
from mem_alpha_jax.run import build as build_lib
from mem_alpha_jax.system import sharding


def trained_shapes(experiment) -> Any:
  """Shapes and places of what is trained: what the files of a run hold."""
  shapes = sharding.param_shapes(experiment.policy, experiment.mesh)
  return optimizer.split(shapes)[0]


def saved_params(experiment, workdir: str) -> Any:
  """Parameters of a workdir's checkpoint that eval.checkpoint names.

  No moments are read. Of its config only the model matters: the data may be of
  a source that has no train split. FileNotFoundError if it has no checkpoint.
  """
  keep = experiment.config.checkpoint.keep
  best = experiment.config.eval.checkpoint == 'best'
  tokenizer = experiment.train_setup.tokenizer.fingerprint
  with checkpoint.Manager(workdir, keep, tokenizer) as manager:
    example = {'params': trained_shapes(experiment)}
    restored = manager.restore(example, best)
  if restored is None:
    raise FileNotFoundError(
      f'--workdir={workdir}: no checkpoint to evaluate; train first'
    )
  logging.info('%s: the checkpoint of step %d', workdir, restored.step)
  return build_lib.init_params(experiment, restored.state['params'])


def start_params(experiment, workdir: str) -> Any:
  """Parameters of a workdir before RL; FileNotFoundError if it never began."""
  trained = None
  if not starts_from_source(experiment.config):
    trained = trained_start(experiment, workdir)
  return build_lib.init_params(experiment, trained)


def shipped_params(experiment) -> Any:
  """Parameters that a new run starts from; ValueError if it must train them."""
  config = experiment.config
  if name := config.warm_start.checkpoint:
    if base_checkpoint.is_run(name):
      return saved_params(experiment, name)
    shapes = sharding.param_shapes(experiment.policy, experiment.mesh)
    tokenizer = experiment.train_setup.tokenizer.fingerprint
    return base_checkpoint.load_params(name, shapes, tokenizer)
  if starts_from_source(config):
    return build_lib.init_params(experiment)
  raise ValueError(
    'config.warm_start: this config starts from nothing that is there; give '
    'the workdir of a run'
  )


def trained_start(experiment, workdir: str) -> Any:
  """The trained part of the policy before RL, as `start_file` has it."""
  return params_file.load(start_file(workdir), trained_shapes(experiment))


def start_file(workdir: str) -> str:
  """Where the trained part of the policy before RL is kept."""
  return os.path.join(workdir, 'start_params')


def starts_from_source(config) -> bool:
  """True if no warm start changes the model that is loaded."""
  return bool(config.model.source) and not config.warm_start.steps
