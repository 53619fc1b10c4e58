"""The training run: warm start, reinforcement learning, evaluation, report."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

from mem_alpha_jax.compile import footprint
from mem_alpha_jax.data import pipeline
from mem_alpha_jax.evaluation import held_out as held_out_lib
from mem_alpha_jax.reading import protocol
from mem_alpha_jax.report import metrics as metrics_lib
from mem_alpha_jax.rollout import assemble, collector, fit, samples
from mem_alpha_jax.run import build as build_lib
from mem_alpha_jax.run import checkpoint, learning, summary
from mem_alpha_jax.run import progress as progress_lib
from mem_alpha_jax.run import workdir as workdir_lib
from mem_alpha_jax.run.learning import Learner
from mem_alpha_jax.run.progress import Progress
from mem_alpha_jax.sampling import buckets
from mem_alpha_jax.system import multihost, stopping


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
  started = time.perf_counter()
  with contextlib.ExitStack() as held:
    multihost.on_first(lambda: held.enter_context(workdir_lib.locked(workdir)))
    held.enter_context(
      stopping.Watchdog(config.log.watchdog, config.checkpoint.grace)
    )
    workdir_lib.prepare(workdir, config)
    finished = summary.read(workdir)
    if finished is not None:
      summary.show(finished, workdir)
      return finished
    return _train(config, workdir, started)


def _train(config, workdir: str, started: float) -> dict[str, Any] | None:
  experiment = build_lib.build(config, workdir)
  planned = footprint.make(config, experiment.policy, experiment.mesh)
  print(footprint.table(planned))
  footprint.check(planned, config)
  held_out = held_out_lib.lengths(config, 'test')
  fit.check(experiment.train_setup, held_out[min(held_out)])
  learner = learning.create(config, experiment.policy, experiment.mesh)
  loader = iter(pipeline.make_dataset(config, 'train'))
  with (
    checkpoint.Manager(workdir, config.checkpoint.keep) as manager,
    stopping.GracefulStop() as stop,
  ):
    now = progress_lib.resume(manager, experiment, learner.tx, workdir, started)
    done = now.step if now else 0
    log = config.log.tensorboard, config.log.progress
    with metrics_lib.Writer(workdir, config.num_steps, done, *log) as writer:
      if now is None:
        now = progress_lib.begin(
          experiment, learner.tx, loader, workdir, started, writer.message
        )
        summary.write_before(experiment, now.state.params, held_out, workdir)
        progress_lib.save(manager, now)
      else:
        loader.set_state(now.data_state)
      now = _steps(
        experiment, learner, loader, now, manager, writer, stop.requested
      )
  if now.step < config.num_steps:
    print(f'stopped at step {now.step}; the same command goes on from there')
    return None
  return summary.write(
    experiment, now.state.params, held_out, workdir, now.seconds
  )


def _steps(
  experiment,
  learner: Learner,
  loader: Iterator,
  now: Progress,
  manager: checkpoint.Manager,
  writer: metrics_lib.Writer,
  stop: Callable[[], bool],
) -> Progress:
  """Steps until the last one or a signal, evaluated and saved when due."""
  config = experiment.config
  due = lambda every: now.step % every == 0 or now.step == config.num_steps
  validation = pipeline.eval_episodes(config, 'validation', 1)
  timer = metrics_lib.Timer()
  try:
    while now.step < config.num_steps and not stop():
      now, scalars = step(experiment, learner, loader, now, timer, stop)
      found = {}
      try:
        if due(config.eval.every):
          found = held_out_lib.validation(
            experiment, now.state.params, validation
          )
      finally:  # the step is done, even if the reader fails now
        writer.write(now.step, {**scalars, **found})
        writer.advance(
          now.step,
          reward=scalars['reward/total'],
          accuracy=scalars['rollout/end_accuracy'],
        )
      if due(config.checkpoint.every):
        progress_lib.save(manager, now, found.get('eval/accuracy'))
  except collector.Interrupted:
    pass  # the step that had begun is done again, from the same keys
  except protocol.Unanswered:
    progress_lib.save(manager, now)
    raise
  progress_lib.save(manager, now)
  return now


def step(
  experiment,
  learner: Learner,
  loader: Iterator,
  now: Progress,
  timer: metrics_lib.Timer,
  stop: Callable[[], bool] = lambda: False,
) -> tuple[Progress, dict[str, float]]:
  """One step of training and its metrics; `now` is not to be used again.

  Raises:
    collector.Interrupted: if `stop` said so; `now` is still good.
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
      experiment.train_setup, params, episodes, now.starts, number, stop
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
  starts = collector.next_starts(rollout.ends, config, number + 1, first)
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
    state=state, data_state=data_state, starts=starts, skipped=skipped
  )
  return now, scalars
