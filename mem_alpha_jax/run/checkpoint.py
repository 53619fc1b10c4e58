"""Checkpoints of a run (Orbax).

A checkpoint of step k holds all that step k + 1 needs: the train state, the
state of the data iterator and `extra`, whatever JSON-able values the loop
carries from step to step. Nothing in it depends on the mesh or the number of
processes. Orbax writes it in the background under a temporary name and commits
it at the end, so a process killed at any moment leaves whole checkpoints.
"""

import base64
import json
import math
import os
import pathlib
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp
from absl import logging
from orbax.checkpoint import checkpoint_managers

from mem_alpha_jax.system import files, machine, multihost
from mem_alpha_jax.types import TrainState


class Restored(NamedTuple):
  step: int
  state: Any  # TrainState, or the part of it that was asked for
  data_state: Any
  extra: Any


class OtherTokenizer(ValueError):
  """A checkpoint's ids are those of another tokenizer."""


class Manager:
  """The checkpoints of one run, in `<workdir>/checkpoints/<step>`.

  The newest `keep` stay, and beside them the one of the highest metric.
  Every process of a run opens its own Manager and makes the same calls.
  `tokenizer` is the fingerprint of the run's: one of another is refused.
  """

  def __init__(
    self, workdir: str | os.PathLike, keep: int, tokenizer: str = ''
  ):
    self._tokenizer = tokenizer
    self.directory = pathlib.Path(workdir).absolute() / 'checkpoints'
    self._set_aside(_without_metrics(self.directory))
    self._manager = self._open(keep)
    self._unlisted: int | None = None  # the step that is being written

  def _open(self, keep: int) -> ocp.CheckpointManager:
    policy = checkpoint_managers.AnyPreservationPolicy(
      [
        checkpoint_managers.LatestN(keep),
        # Without metrics is what a killed process had half removed.
        checkpoint_managers.BestN(
          get_metric_fn=_metric, n=1, keep_checkpoints_without_metrics=False
        ),
      ]
    )
    options = ocp.CheckpointManagerOptions(
      create=True,
      cleanup_tmp_directories=True,
      enable_async_checkpointing=True,
      best_fn=_metric,
      preservation_policy=policy,
    )
    return ocp.CheckpointManager(
      self.directory,
      options=options,
      item_handlers={
        'state': ocp.PyTreeCheckpointHandler(),
        'host': ocp.JsonCheckpointHandler(),
      },
    )

  def __enter__(self) -> 'Manager':
    return self

  def __exit__(self, kind, *unused) -> None:
    """Waits for what is being written and ends Orbax's threads."""
    if kind is None:
      self.settle()
    self._manager.close()

  def settle(self) -> None:
    """Returns when all that was saved is on disk and listed.

    Raises:
      OSError: if the newest could not be written; those before it are intact.
    """
    step, self._unlisted = self._unlisted, None
    if step is None:
      return
    try:
      self._manager.wait_until_finished()
      # TensorStore does not see flipped bits and reports a short file in
      # thousands of lines; sums find both before it reads.
      if jax.process_index() == 0:
        files.write_sums(self.directory / str(step))
    except Exception as error:  # Orbax and TensorStore raise many kinds
      raise self._unwritten(step, error) from error

  def _unwritten(self, step: int, error: Exception) -> OSError:
    return OSError(
      f'{self.directory}: the checkpoint of step {step} could not be written '
      f'({machine.summary(error)}); those before it are intact: make room, '
      'and the same command goes on'
    )

  def steps(self) -> list[int]:
    """Returns the steps that have a checkpoint, oldest first."""
    return sorted(self._manager.all_steps())

  def save(
    self,
    step: int,
    state: TrainState,
    data_state: Any,
    extra: Any = None,
    metric: float | None = None,
  ) -> None:
    """Starts to write a checkpoint, when the one before is on disk.

    The values are copied before it returns: the caller may change them.

    Args:
      step: updates done so far; a step that has a checkpoint keeps it.
      data_state: of the data iterator, JSON-able or with bytes.
      extra: what else the loop needs, JSON-able or with bytes; like
        `data_state` the same in every process.
      metric: the higher, the better; None or NaN is never the best.

    Raises:
      OSError: if the one before, or this one, cannot be written.
    """
    self.settle()
    if step in self._manager.all_steps():
      return
    host = {
      'data_state': data_state,
      'extra': extra,
      'tokenizer': self._tokenizer,
    }
    text = json.dumps(host, default=_encode)
    scored = metric is not None and math.isfinite(metric)
    try:
      self._manager.save(
        step,
        args=ocp.args.Composite(
          state=ocp.args.PyTreeSave(state),
          host=ocp.args.JsonSave({'text': text}),
        ),
        metrics={'metric': float(metric) if scored else None},
      )
    except (OSError, ValueError) as error:
      raise self._unwritten(step, error) from error
    self._unlisted = step

  def restore(self, example: Any, best: bool = False) -> Restored | None:
    """Reads the newest checkpoint that can be read.

    One that cannot be read is reported in one line, moved aside to
    `unreadable_<step>_<time>` and the newest of the others is used.

    Args:
      example: shapes, dtypes and shardings (jax.ShapeDtypeStruct) of a
        TrainState, or of the part {'params': ...} alone; the rest of the
        checkpoint is not read.
      best: begins with the one of the highest metric, if one has a metric.

    Returns:
      None if the run has no checkpoint yet.

    Raises:
      ValueError: if there are checkpoints and none can be read, or the newest
        that can is of another tokenizer.
    """
    steps, broken = self.steps()[::-1], []
    if best and (first := self._manager.best_step()) in steps:
      steps.sort(key=lambda step: step != first)  # the others as they were
    for candidate in steps:
      try:
        restored = self._read(candidate, example)
      except OtherTokenizer:
        raise
      except Exception as error:  # Orbax and TensorStore raise many kinds
        broken.append(candidate)
        logging.warning(
          'checkpoint %s cannot be read (%s)%s',
          self.directory / str(candidate),
          machine.summary(error),
          '' if candidate == steps[-1] else '; using another',
        )
        continue
      if broken:
        self._set_aside(broken)
        self._manager.reload()
      return restored
    if broken:
      raise ValueError(
        f'{self.directory}: no checkpoint can be read, tried {broken}; '
        'restore the files, or remove the folder to start again'
      )
    return None

  def _read(self, step: int, example: Any) -> Restored:
    files.check_sums(self.directory / str(step))
    read = self._manager.restore(
      step, args=ocp.args.Composite(host=ocp.args.JsonRestore())
    )
    host = json.loads(read['host']['text'], object_hook=_decode)
    theirs = host.get('tokenizer', '')
    if theirs and self._tokenizer and theirs != self._tokenizer:
      raise OtherTokenizer(
        f'{self.directory}: the checkpoint of step {step} is intact, and was '
        'trained with another tokenizer than the one that is there now: put '
        'back the tokenizer.model of this run, or the files of model.source'
      )
    state = ocp.args.PyTreeRestore(
      example,
      ocp.checkpoint_utils.construct_restore_args(example),
      partial_restore=True,
    )
    read = self._manager.restore(step, args=ocp.args.Composite(state=state))
    return Restored(step, read['state'], host['data_state'], host['extra'])

  def _set_aside(self, steps: list[int]) -> None:
    """Frees the names of unreadable checkpoints for those to come."""

    def rename():
      for step in steps:
        name = f'unreadable_{step}_{time.time_ns()}'
        (self.directory / str(step)).rename(self.directory / name)

    multihost.on_first(rename)


def _without_metrics(directory: pathlib.Path) -> list[int]:
  """Returns the steps with a broken metrics file: Orbax cannot open them."""
  broken = []
  for path in sorted(directory.glob('[0-9]*/metrics/metrics')):
    try:
      json.loads(path.read_text())
    except ValueError as error:
      logging.warning('%s cannot be read (%s)', path, machine.summary(error))
      broken.append(int(path.parent.parent.name))
  return broken


def _metric(metrics: Mapping[str, float]) -> float:
  value = metrics['metric']
  return -math.inf if value is None else value


def _encode(value: Any) -> Any:
  """Bytes and NumPy values as JSON."""
  if isinstance(value, bytes):
    return {'__bytes__': base64.b64encode(value).decode()}
  if isinstance(value, np.generic | np.ndarray):
    return value.tolist()
  raise TypeError(
    f'a checkpoint holds JSON-able values, not {type(value).__name__}'
  )


def _decode(value: dict) -> Any:
  if set(value) == {'__bytes__'}:
    return base64.b64decode(value['__bytes__'])
  return value
