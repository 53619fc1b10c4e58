"""Starts one run as several processes of this machine, on simulated devices."""

import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import IO, NamedTuple

ROOT = pathlib.Path(__file__).parents[1]
DEVICES = '--xla_force_host_platform_device_count'


class Started(NamedTuple):
  """A process, and the file that its stdout and stderr go to."""

  process: subprocess.Popen
  output: IO[str]


def start(
  flags: Sequence[str],
  processes: int,
  devices: int,
  xla_flags: str = '',
  module: str = 'mem_alpha_jax.main',
) -> list[Started]:
  """Starts the processes of one run.

  Args:
    flags: of all, for example --config and --workdir.
    processes: how many; one alone joins nobody.
    devices: simulated CPU devices of each.
    xla_flags: more of them.
    module: what they run.
  """
  command = [sys.executable, '-m', module, *flags]
  if processes > 1:
    command += [f'--coordinator=localhost:{free_port()}']
    command += [f'--num_processes={processes}']
  environment = dict(
    os.environ,
    JAX_PLATFORMS='cpu',
    XLA_FLAGS=f'{DEVICES}={devices} {xla_flags}',
  )
  started = []
  for i in range(processes):
    output = tempfile.TemporaryFile('w+')  # noqa: SIM115  `finish` closes it
    process = subprocess.Popen(
      command + [f'--process_id={i}'] * (processes > 1),
      cwd=ROOT,
      env=environment,
      stdout=output,
      stderr=subprocess.STDOUT,
    )
    started.append(Started(process, output))
  return started


def finish(started: Sequence[Started], seconds: float) -> list[tuple[int, str]]:
  """Exit code and output of each; what runs longer is killed (code -9)."""
  end = time.monotonic() + seconds
  ended = []
  try:
    for process, _ in started:
      try:
        process.wait(max(end - time.monotonic(), 0))
      except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for process, output in started:
      output.seek(0)
      ended.append((process.returncode, output.read()))
  finally:  # also when this process is interrupted
    for process, output in started:
      process.kill()
      output.close()
  return ended


def free_port() -> int:
  """A port that nobody listens on."""
  with socket.socket() as one:
    one.bind(('localhost', 0))
    return one.getsockname()[1]
