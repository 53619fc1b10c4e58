"""What a run hands from step to step: begun, saved and taken up again."""

import math
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mem_alpha_jax.data import pipeline, source
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.rl import optimizer
from mem_alpha_jax.rl import update as update_lib
from mem_alpha_jax.rollout import starts as starts_lib
from mem_alpha_jax.rollout import warm_start
from mem_alpha_jax.run import build as build_lib
from mem_alpha_jax.run import checkpoint, parameters, params_file
from mem_alpha_jax.system import multihost, sharding, stopping
from mem_alpha_jax.types import TrainState


class Progress(NamedTuple):
  """What one step hands to the next."""

  state: TrainState  # on the devices; the next update takes its memory
  data_state: Any  # of the data iterator, after the last whole step
  starts: list[starts_lib.Start]  # memories of the next batch, of this process
  skipped: int  # newest updates that were skipped, in a row
  started: float  # of time.perf_counter(), had the run never been interrupted
  reference: Any = None  # what is trained, before RL; None without rl.kl_coef
  unmeasured: dict[str, float] | None = None  # the step's, until it was logged
  shown: Callable[[], dict] | None = None  # of its batch, the same
  stage: int = 0  # of data.horizon, that data.promote_at reached

  @property
  def step(self) -> int:
    return int(self.state.step)

  def seconds(self) -> float:
    return time.perf_counter() - self.started


def begin(
  experiment,
  tx: Any,
  loader: Iterator,
  workdir: str,
  started: float,
  say: Callable[[str], None],
) -> Progress:
  """Step 0: parameters after the supervised stage, empty memories."""
  config = experiment.config
  params = _start(experiment, say)
  trained, _ = optimizer.split(params)
  if config.rl.kl_coef or not parameters.starts_from_source(config):
    params_file.save(parameters.start_file(workdir), trained)
    multihost.largest(0)  # the others wait for the file of the first
  # A copy: the state's own arrays are donated to the first update.
  reference = jax.tree.map(jnp.copy, trained) if config.rl.kl_coef else None
  mine = multihost.share(range(config.data.batch_episodes))
  return Progress(
    update_lib.init_state(params, tx, experiment.mesh),
    loader.get_state(),
    [starts_lib.empty()] * len(mine),
    0,
    started,
    reference,
  )


def _start(experiment, say: Callable[[str], None]) -> Any:
  """Parameters of a base checkpoint, or of a warm start made here."""
  config = experiment.config
  warm = config.warm_start

  def report(step, loss):
    stopping.beat(f'warm start, step {step + 1}')
    if step % 100 == 99 or step + 1 in (warm.steps, warm.answers):
      say(f'warm start {step + 1}: loss {float(loss):.3f}')
      if not math.isfinite(loss):
        raise FloatingPointError(
          f'warm start {step + 1}: the loss is not finite: lower '
          f'warm_start.learning_rate={warm.learning_rate:g}'
        )

  def supervised(params, answers: bool):
    # Every process reads all of it: the demonstrations are its own arrays.
    episodes = iter(pipeline.make_dataset(config, 'train', 0, 1))
    setup, policy = experiment.train_setup, experiment.policy
    shown = warm_start.batches(setup, episodes, answers)
    steps = warm.answers if answers else warm.steps
    return warm_start.train(setup, policy, params, shown, report, steps)

  if warm.checkpoint:
    params = parameters.shipped_params(experiment)
  else:
    params = supervised(build_lib.init_params(experiment), False)
  return supervised(params, True) if warm.answers else params


def resume(
  manager: checkpoint.Manager, experiment, tx: Any, workdir: str, started: float
) -> Progress | None:
  """The newest checkpoint, None if there is none.

  It is read into shapes and places: no other state is ever made.
  """
  shapes = sharding.param_shapes(experiment.policy, experiment.mesh)
  example = update_lib.abstract_state(shapes, tx, experiment.mesh)
  trained, _ = optimizer.split(shapes)
  restored = manager.restore(example.replace(params=trained))
  if restored is None:
    return None
  state, extra = restored.state, restored.extra
  params = build_lib.init_params(experiment, state.params)
  reference = None
  if experiment.config.rl.kl_coef:
    reference = parameters.trained_start(experiment, workdir)
  return Progress(
    state.replace(params=params),
    restored.data_state,
    multihost.share([_unpack(start) for start in extra['starts']]),
    extra.get('skipped', 0),
    started - extra['seconds'],
    reference,
    extra.get('unmeasured'),
    stage=extra.get('stage', 0),
  )


def save(
  manager: checkpoint.Manager, now: Progress, metric: float | None = None
) -> None:
  """Writes all that the next step needs; every process calls it."""
  extra = {
    'starts': multihost.gather_lists([_pack(s) for s in now.starts]),
    'seconds': now.seconds(),
    'skipped': now.skipped,
    'unmeasured': now.unmeasured,
    'stage': now.stage,
  }
  # What is never trained is in the model's own files.
  trained, _ = optimizer.split(now.state.params)
  state = now.state.replace(params=trained)
  manager.save(now.step, state, now.data_state, extra, metric)


def _pack(start: starts_lib.Start) -> dict:
  return {
    **start._asdict(),
    'state': state_lib.to_json(start.state),
    'history': list(start.history.values()),
  }


def _unpack(packed: dict) -> starts_lib.Start:
  history = {q.text: q for q in map(source.question, packed['history'])}
  state = state_lib.from_json(packed['state'])
  return starts_lib.Start(**{**packed, 'state': state, 'history': history})
