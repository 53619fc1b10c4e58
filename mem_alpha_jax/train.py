"""The training run: warm start, reinforcement learning, evaluation, report."""

import contextlib
import functools
import time
from collections.abc import Iterator
from typing import Any

from mem_alpha_jax.compile import footprint
from mem_alpha_jax.data import pipeline
from mem_alpha_jax.evaluation import held_out as held_out_lib
from mem_alpha_jax.reading import protocol
from mem_alpha_jax.report import metrics as metrics_lib
from mem_alpha_jax.rollout import assemble, collector, fit, samples
from mem_alpha_jax.rollout import starts as starts_lib
from mem_alpha_jax.run import build as build_lib
from mem_alpha_jax.run import checkpoint, learning, parameters, summary
from mem_alpha_jax.run import progress as progress_lib
from mem_alpha_jax.run import workdir as workdir_lib
from mem_alpha_jax.run.learning import Learner
from mem_alpha_jax.run.progress import Progress
from mem_alpha_jax.sampling import buckets
from mem_alpha_jax.system import interrupt, multihost, stopping


def train(config, workdir: str) -> dict[str, Any]:
  """Runs or resumes a whole job; returns the content of results.json.

  Raises:
    stopping.Stopped: if the run was asked to stop; what was done is saved.
    ValueError: for a workdir of another config, or a run that does not fit
      into memory.
    FloatingPointError: if too many updates in a row were skipped.
    protocol.Unanswered: if too many answers are missing; what was done
      before is saved.
  """
  started = time.perf_counter()
  with contextlib.ExitStack() as held:
    multihost.on_first(lambda: held.enter_context(workdir_lib.locked(workdir)))
    held.enter_context(stopping.Watchdog(config.log.watchdog))
    workdir_lib.prepare(workdir, config)
    finished = summary.read(workdir)
    if finished is not None:
      summary.show(finished, workdir)
      return finished
    return _train(config, workdir, started)


def _train(config, workdir: str, started: float) -> dict[str, Any]:
  # Files that are missing are missed before anything is built.
  held_out = held_out_lib.lengths(config, 'test')
  loader = iter(pipeline.make_dataset(config, 'train'))
  experiment = build_lib.build(config, workdir)
  planned = footprint.make(config, experiment.policy, experiment.mesh)
  print(footprint.table(planned))
  footprint.check(planned, config)
  fit.check(experiment.train_setup, held_out[min(held_out)])
  learner = learning.create(config, experiment.policy, experiment.mesh)
  keep, tokenizer = config.checkpoint.keep, experiment.train_setup.tokenizer
  with checkpoint.Manager(workdir, keep, tokenizer.fingerprint) as manager:
    now = progress_lib.resume(manager, experiment, learner.tx, workdir, started)
    done = 0
    if now:
      print(f'resumed at step {now.step}')
      done = now.step - (now.unmeasured is not None)
    log = config.log.tensorboard, config.log.progress, config.log.service
    with metrics_lib.Writer(workdir, config.num_steps, done, *log) as writer:
      if now is None:
        now = progress_lib.begin(
          experiment, learner.tx, loader, workdir, started, writer.message
        )
        summary.write_before(experiment, now.state.params, held_out, workdir)
        progress_lib.save(manager, now)
      else:
        loader.set_state(now.data_state)
      with interrupt.save_within(config.checkpoint.grace):
        now = _steps(experiment, learner, loader, now, manager, writer)
  params = now.state.params
  if config.eval.checkpoint == 'best':
    params = parameters.saved_params(experiment, workdir)
  return summary.write(experiment, params, held_out, workdir, now.seconds)


def _steps(
  experiment,
  learner: Learner,
  loader: Iterator,
  now: Progress,
  manager: checkpoint.Manager,
  writer: metrics_lib.Writer,
) -> Progress:
  """Steps until the last one or a signal, evaluated and saved when due."""
  validation = pipeline.eval_episodes(experiment.config, 'validation', 1)
  measure = functools.partial(_measure, experiment, validation, manager, writer)
  timer, stage = metrics_lib.Timer(), 0
  try:
    now = measure(now)  # what a stop, or a reader that failed, left
    while now.step < experiment.config.num_steps:
      if now.stage > stage:
        stage, loader = now.stage, _loader(experiment.config, now)
      now, scalars = step(experiment, learner, loader, now, timer)
      now = now._replace(unmeasured=scalars)  # kept if the next line stops
      now = measure(now)
    progress_lib.save(manager, now)
    stopping.beat('the evaluation after RL')
  # The step that had begun is done again, from the same keys.
  except (stopping.Stopped, protocol.Unanswered) as error:
    progress_lib.save(manager, now)
    manager.settle()
    if isinstance(error, stopping.Stopped):
      raise stopping.Stopped(f'step {now.step + 1}') from error
    raise
  return now


def _loader(config, now: Progress) -> Iterator:
  """The batches that come next, of the stage that was reached."""
  dataset = pipeline.make_dataset(config, 'train', reached=now.stage)
  loader = iter(dataset)
  loader.set_state(now.data_state)
  return loader


def _measure(experiment, validation, manager, writer, now: Progress):
  """Evaluates, logs and saves after a step, once, where that is due."""
  config, scalars, found = experiment.config, now.unmeasured, {}
  if scalars is None:
    return now
  stage = now.stage
  due = lambda every: now.step % every == 0 or now.step == config.num_steps
  if due(config.eval.every):
    found = held_out_lib.validation(experiment, now.state.params, validation)
    if now.shown:
      writer.show(now.step, now.shown)
    accuracy = found['eval/accuracy']
    stage = pipeline.promoted(config, now.step, stage, accuracy)
  if config.data.promote_at:
    found['data/stage'] = stage
  writer.write(now.step, {**scalars, **found})
  writer.advance(
    now.step,
    reward=scalars['reward/total'],
    accuracy=scalars['rollout/end_accuracy'],
  )
  now = now._replace(unmeasured=None, shown=None, stage=stage)
  if due(config.checkpoint.every):
    progress_lib.save(manager, now, found.get('eval/accuracy'))
  return now


def step(
  experiment,
  learner: Learner,
  loader: Iterator,
  now: Progress,
  timer: metrics_lib.Timer,
) -> tuple[Progress, dict[str, float]]:
  """One step of training and its metrics; `now` is not to be used again.

  Raises:
    stopping.Stopped: if the run is to stop; `now` is still good.
    protocol.Unanswered: if too many answers are missing; the same.
  """
  config, params, number = experiment.config, now.state.params, now.step
  first = multihost.share(range(config.data.batch_episodes))[0]
  values = None
  if config.rl.advantage == 'gae':
    values = lambda rows: multihost.whole(learner.values(params, rows))
  with timer('rollout'):
    episodes = next(loader)
    rollout = collector.collect(
      experiment.train_setup, params, episodes, now.starts, number
    )
  samples.warn_of_cuts(rollout.metrics)
  stopping.beat(f'step {number + 1}, update')
  for what in samples.ASKED:
    protocol.check_missing(
      rollout.metrics[f'rollout/missing_{what}'],
      config.reading.max_missing,
      f'the {what} of step {number}',
      experiment.reader_counts,
    )
  with timer('advantages'):
    rows, credit = assemble.to_rows(rollout.samples, config, values, number)
  with timer('update'):
    state, learned, skipped = learning.learn(
      learner, config, now.state, rows, now.reference, now.skipped
    )
  starts = starts_lib.next_starts(rollout.ends, config, number + 1, first)
  scalars = {
    **rollout.metrics,
    **credit,
    **learned,
    **experiment.reader_counts(),
    **timer.take(),
    'time/compilations': buckets.compile_count(),
  }
  data_state = loader.get_state()
  now = now._replace(
    state=state, data_state=data_state, starts=starts, skipped=skipped,
    shown=rollout.shown,
  )  # fmt: skip
  return now, scalars
