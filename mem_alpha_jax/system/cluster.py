"""Joins the processes of a run, by flags or by the pod's environment."""

import errno
import json
import os
import sys
import time
import zlib
from collections.abc import Callable
from typing import Any

import jax
from absl import flags

from mem_alpha_jax.system import interrupt, machine, multihost

GIVEN = ('coordinator', 'num_processes', 'process_id')
LEAVE_SECONDS = 2.0  # that the first process stays behind the others


def define_flags() -> None:
  """Adds the flags that `join` reads."""
  flags.DEFINE_bool('distributed', False, 'Join a pod; JAX finds its hosts.')
  flags.DEFINE_string('coordinator', None, 'Join process 0, at host:port.')
  flags.DEFINE_integer('num_processes', None, 'With --coordinator: how many.')
  flags.DEFINE_integer('process_id', None, 'With --coordinator: which is this.')


def join(given: Any, config: Any) -> None:
  """Joins the other processes, if the flags ask for it.

  Afterwards the first process alone prints to stdout; all may to stderr.

  Args:
    given: the flags; with --distributed alone JAX asks the environment (TPU
      pods, Slurm, Open MPI, Kubernetes).
    config: of the run, which must be the same everywhere.

  Raises:
    ValueError: if flags are missing or disagree, if the others cannot be
      reached, or if their configs differ.
  """
  where = _where({name: getattr(given, name) for name in GIVEN})
  if not where and not given.distributed:
    return
  jax.config.update('jax_cpu_collectives_implementation', 'gloo')
  try:
    jax.distributed.initialize(**where)
  except (RuntimeError, ValueError) as error:
    told = machine.summary(error)
    way = 'start all processes with the same --coordinator, --num_processes'
    if not where:
      way = 'give --coordinator, --num_processes and --process_id'
    raise ValueError(f'cannot join the other processes ({told}); {way}') from (
      error
    )
  sys.excepthook = _crash
  interrupt.install()  # JAX has taken SIGTERM
  if jax.process_index() == 0:
    interrupt.linger(LEAVE_SECONDS)
  _check_equal(config)
  if jax.process_index():
    sys.stdout = open(os.devnull, 'w')  # noqa: SIM115


def run(mode: Callable, config: Any, workdir: str) -> None:
  """Runs a mode of main.

  Raises:
    ConnectionError: if another process of the run is gone.
    OSError: if the disk is full.
  """
  try:
    mode(config, workdir)
  except OSError as error:
    if error.errno != errno.ENOSPC:
      raise
    raise OSError(
      f'--workdir={workdir}: no space left on the device; make room, and the '
      'same command goes on from the newest checkpoint'
    ) from error
  # A broken collective is a ValueError where JAX dispatches it at once.
  except (jax.errors.JaxRuntimeError, ValueError) as error:
    told = machine.summary(error)
    full = 'RESOURCE_EXHAUSTED', 'out of memory'  # of a GPU or TPU, of a CPU
    if any(mark.lower() in str(error).lower() for mark in full):
      raise ValueError(
        f'out of memory ({told}): raise rl.microbatches, or lower what the '
        'plan above names; beside another program on a GPU, lower '
        'XLA_PYTHON_CLIENT_MEM_FRACTION (0.75 if unset) by what that one holds'
      ) from error
    if not jax.distributed.is_initialized() or not _is_lost(error, told):
      raise
    raise ConnectionError(
      f'another process is gone or cannot be reached ({told}); start all '
      'again, the same command goes on from the newest checkpoint'
    ) from error


def _is_lost(error: Exception, told: str) -> bool:
  """Whether an error is about another process, not about this one."""
  if isinstance(error, ValueError):
    return 'gloo' in told.lower()
  marks = ('gloo', 'connection', 'peer', 'unavailable', 'deadline', 'barrier')
  return any(mark in told.lower() for mark in marks)


def leave(code: int) -> int:
  """Returns the exit code; with other processes, ends this one at once.

  An orderly exit would wait for the others, who wait for this one in a
  collective; a connection that breaks ends their waiting. The first process
  keeps the others' connections, so it goes last.
  """
  if jax.distributed.is_initialized():
    sys.stderr.flush()
    sys.stdout.flush()
    if jax.process_index() == 0:
      time.sleep(LEAVE_SECONDS)
    os._exit(code)
  return code


def _crash(*error: Any) -> None:
  sys.__excepthook__(*error)
  leave(1)


def _where(given: dict[str, Any]) -> dict[str, Any]:
  """Arguments of jax.distributed.initialize; none if no flag is given."""
  missing = [f'--{name}' for name, value in given.items() if value is None]
  if len(missing) == len(given):
    return {}
  if missing:
    raise ValueError(
      f'{", ".join(missing)} missing: give --coordinator, --num_processes and '
      '--process_id together, or --distributed alone'
    )
  coordinator, count, process = given.values()
  if not coordinator.rpartition(':')[2].isdigit():
    raise ValueError(
      f'--coordinator={coordinator}: use host:port, of process 0'
    )
  if not 0 <= process < count:
    raise ValueError(
      f'--process_id={process}: use 0 to {count - 1}, below '
      f'--num_processes={count}'
    )
  return dict(
    coordinator_address=coordinator, num_processes=count, process_id=process
  )


def _check_equal(config: Any) -> None:
  text = json.dumps(config.to_dict(), sort_keys=True)
  sums = multihost.gather_lists([zlib.crc32(text.encode())])
  differ = [i for i, one in enumerate(sums) if one != sums[0]]
  if differ:
    raise ValueError(
      f'processes {differ} have another config than process 0; start all with '
      'the same --config and the same fields'
    )
