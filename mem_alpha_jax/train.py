"""The training run: warm start, reinforcement learning, evaluation, report."""

import contextlib
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from mem_alpha_jax.compile import footprint
from mem_alpha_jax.config import validate as validate_lib
from mem_alpha_jax.data import pipeline
from mem_alpha_jax.evaluation import held_out as held_out_lib
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.reading import protocol
from mem_alpha_jax.rl import batching, optimizer
from mem_alpha_jax.rl import update as update_lib
from mem_alpha_jax.rollout import assemble, collector, warm_start
from mem_alpha_jax.run import (
  base_checkpoint,
  checkpoint,
  parameters,
  params_file,
  summary,
)
from mem_alpha_jax.run import build as build_lib
from mem_alpha_jax.run import metrics as metrics_lib
from mem_alpha_jax.run import workdir as workdir_lib
from mem_alpha_jax.sampling import buckets
from mem_alpha_jax.system import multihost, stopping
from mem_alpha_jax.types import Question


def train(config, workdir: str) -> dict[str, Any] | None:
  """Runs or resumes a whole job.

  Returns:
    The content of results.json, or None if the run was asked to stop.

  Raises:
    ValueError: for a workdir of another config, or a run that does not fit
      into memory.
    FloatingPointError: if too many updates in a row were skipped.
    protocol.Unanswered: if too many answers are missing; what was done
      before is saved.
  """
  with contextlib.ExitStack() as held:
    multihost.on_first(lambda: held.enter_context(workdir_lib.locked(workdir)))
    held.enter_context(
      stopping.Watchdog(config.log.watchdog, config.checkpoint.grace)
    )
    return _train(config, workdir, Clock())


def _train(config, workdir: str, clock: 'Clock') -> dict[str, Any] | None:
  workdir_lib.prepare(workdir, config)
  finished = summary.read(workdir)
  if finished is not None:
    summary.show(finished, workdir)
    return finished
  experiment = build_lib.build(config, workdir)
  planned = footprint.make(config, experiment.policy, experiment.mesh)
  print(footprint.table(planned))
  footprint.check(planned, config)
  held_out = held_out_lib.lengths(config, 'test')
  run = Run(experiment, workdir, clock)
  with (
    checkpoint.Manager(workdir, config.checkpoint.keep) as manager,
    stopping.GracefulStop() as stop,
  ):
    if not run.restore(manager):
      run.warm_start()
      summary.write_before(experiment, run.state.params, held_out, workdir)
      run.save(manager, None)
    try:
      while run.step < config.num_steps and not stop.requested():
        run.advance(stop.requested)
        accuracy = run.validate()
        if run.due(config.checkpoint.every):
          run.save(manager, accuracy)
    except collector.Interrupted:
      pass  # the step that had begun is done again, from the same keys
    except protocol.Unanswered:
      run.save(manager, None)
      run.writer.close()
      raise
    run.save(manager, None)
    run.writer.close()
  if run.step < config.num_steps:
    print(f'stopped at step {run.step}; the same command goes on from there')
    return None
  return summary.write(
    experiment, run.state.params, held_out, workdir, clock.seconds
  )


class Clock:
  """Wall seconds of a run, those before a resume included."""

  def __init__(self):
    self.earlier, self._start = 0.0, time.perf_counter()

  def seconds(self) -> float:
    return self.earlier + time.perf_counter() - self._start


class Run:
  """What moves while training: state, data, memories, and where they go."""

  def __init__(self, experiment, workdir: str, clock: Clock):
    config = experiment.config
    self.experiment, self.config, self.clock = experiment, config, clock
    self.workdir = workdir
    self.tx, self.schedule = optimizer.create_optimizer(
      config.optim, validate_lib.derive(config).total_updates
    )
    self.state = parameters.initial_state(experiment, self.tx)
    self.loader = iter(pipeline.make_dataset(config, 'train'))
    self.rows = multihost.share(range(config.data.batch_episodes))
    self.starts = [collector.empty_start()] * len(self.rows)
    self.data_state = self.loader.get_state()  # after the last whole step
    self.validation = pipeline.eval_episodes(config, 'validation', 1)
    self.timer = metrics_lib.Timer()
    self.writer = None
    self.update = update_lib.make_update_fn(
      experiment.policy,
      self.tx,
      config.rl,
      config.rollout.temperature,
      experiment.mesh,
      horizon=config.rollout.response_buckets[-1],
      skip_norm=config.optim.skip_norm,
      schedule=self.schedule,
    )
    self.logps = update_lib.make_logps_fn(
      experiment.policy, config.rollout.temperature, experiment.mesh
    )
    self.values = None
    if config.rl.advantage == 'gae':
      values = update_lib.make_values_fn(experiment.policy)
      self.values = lambda rows: values(self.state.params, rows)
    self.reference = None  # what was trained of the start policy
    self.skipped = 0  # newest updates, in a row

  @property
  def step(self) -> int:
    return int(self.state.step)

  def due(self, every: int) -> bool:
    return self.step % every == 0 or self.step == self.config.num_steps

  def restore(self, manager: checkpoint.Manager) -> bool:
    """Takes up the newest checkpoint; False if there is none."""
    restored = parameters.read_checkpoint(manager, self.state)
    if restored is not None:
      self.state = restored.state
      self.data_state = restored.data_state
      self.loader.set_state(self.data_state)
      starts = [_unpack(start) for start in restored.extra['starts']]
      self.starts = multihost.share(starts)
      self.clock.earlier = restored.extra['seconds']
      self.skipped = restored.extra.get('skipped', 0)
    self.open_writer()
    if restored is not None and self.config.rl.kl_coef:
      self.reference = params_file.load(
        parameters.start_file(self.workdir),
        optimizer.split(self.state.params)[0],
      )
    return restored is not None

  def open_writer(self) -> None:
    self.writer = metrics_lib.Writer(
      self.workdir,
      self.config.num_steps,
      self.step,
      self.config.log.tensorboard,
      self.config.log.progress,
    )

  def save(self, manager: checkpoint.Manager, metric: float | None) -> None:
    """Writes all that the next step needs."""
    extra = {
      'starts': multihost.gather_lists([_pack(s) for s in self.starts]),
      'seconds': self.clock.seconds(),
      'skipped': self.skipped,
    }
    # What is never trained is in the model's own files.
    trained, _ = optimizer.split(self.state.params)
    state = self.state.replace(params=trained)
    manager.save(self.step, state, self.data_state, extra, metric)

  def warm_start(self) -> None:
    """The supervised stage; its result is the policy 'before RL'."""
    name = self.config.warm_start.checkpoint
    if name:
      params = base_checkpoint.load_params(name, self.state.params)
    else:
      params = self._demonstrate()
    self.state = self.state.replace(params=params)
    trained, _ = optimizer.split(params)
    if self.config.rl.kl_coef or not parameters.starts_from_source(self.config):
      params_file.save(parameters.start_file(self.workdir), trained)
    if self.config.rl.kl_coef:
      self.reference = jax.tree.map(jnp.copy, trained)

  def _demonstrate(self) -> Any:
    def say(step, loss):
      stopping.beat(f'warm start, step {step + 1}')
      if step % 100 == 99 or step + 1 == self.config.warm_start.steps:
        self.writer.message(f'warm start {step + 1}: loss {float(loss):.3f}')

    # Every process reads all of it: the demonstrations are its own arrays.
    loader = iter(pipeline.make_dataset(self.config, 'train', 0, 1))
    return warm_start.train(
      self.experiment.train_setup,
      self.experiment.policy,
      self.state.params,
      loader,
      say,
    )

  def advance(self, interrupted: Callable[[], bool] = lambda: False) -> None:
    """One step: collect, assemble, update; see collector.collect."""
    with self.timer('rollout'):
      episodes = next(self.loader)
      rollout = collector.collect(
        self.experiment.train_setup,
        self.state.params,
        episodes,
        self.starts,
        self.step,
        interrupted,
      )
    stopping.beat(f'step {self.step + 1}, update')
    protocol.check_missing(
      rollout.metrics['rollout/missing_answers'],
      self.config.reading.max_missing,
      f'step {self.step}',
      self.experiment.reader_counts,
    )
    with self.timer('advantages'):
      rows, credit = assemble.to_rows(rollout.samples, self.config, self.values)
    with self.timer('update'):
      learned = self._update(rows)
    self.starts = collector.next_starts(
      rollout.ends, self.config, self.step + 1, self.rows[0]
    )
    self.state = self.state.replace(step=self.state.step + 1)
    self.data_state = self.loader.get_state()
    self.scalars = {
      **rollout.metrics,
      **credit,
      **learned,
      **self.experiment.reader_counts(),
      **self.timer.take(),
      'time/compilations': buckets.compile_count(),
    }
    self.writer.advance(
      self.step,
      reward=credit['reward/total'],
      accuracy=rollout.metrics['rollout/end_accuracy'],
    )

  def validate(self) -> float | None:
    """Accuracy on validation episodes at its cadence; writes the metrics."""
    found = {}
    try:
      if self.due(self.config.eval.every):
        found = held_out_lib.validation(
          self.experiment, self.state.params, self.validation
        )
    finally:  # the step is done, even if the reader fails now
      self.writer.write(self.step, {**self.scalars, **found})
    return found.get('eval/accuracy')

  def _update(self, rows) -> dict[str, float]:
    """All minibatches of a batch; metrics are their means (or largest)."""
    size = self.config.rl.minibatch_rows // collector.prompt_width(self.config)
    seed = (self.config.seed, self.step, 5)
    parts = list(batching.minibatches(rows, seed, size))
    old = [None] * len(parts)
    if self.config.rl.importance_cap:
      # Against the sampler's log-probs these correct for what differs there.
      old = [self.logps(self.state.params, part) for part in parts]
    found = []
    for part, old_logps in zip(parts, old, strict=True):
      self.state, scalars = self.update(
        self.state, part, self._reference_logps(part), old_logps
      )
      found.append(scalars)
    found = jax.device_get(found)
    longest, self.skipped = update_lib.skipped_in_a_row(self.skipped, found)
    if longest >= self.config.optim.max_skipped:
      raise FloatingPointError(
        f'{longest} updates in a row were skipped by step {self.step}: loss '
        'or gradient was not finite, or its norm above optim.skip_norm; the '
        'newest checkpoint is older and intact: lower optim.learning_rate'
      )
    return update_lib.over_updates(found)

  def _reference_logps(self, rows):
    """Log-probs under the start policy, None where no KL is asked for."""
    if self.reference is None:
      return None
    _, frozen = optimizer.split(self.state.params)
    return self.logps(optimizer.join(self.reference, frozen), rows)


def _pack(start: collector.Start) -> dict:
  return {
    **start._asdict(),
    'state': state_lib.to_json(start.state),
    'history': list(start.history.values()),
  }


def _unpack(packed: dict) -> collector.Start:
  questions = [Question(*fields) for fields in packed['history']]
  history = {q.text: q._replace(others=tuple(q.others)) for q in questions}
  state = state_lib.from_json(packed['state'])
  return collector.Start(**{**packed, 'state': state, 'history': history})
