"""Runs commands at once, each pinned to a core of its own.

Runs of a tiny policy keep little more than one core busy, so that two of them
side by side finish sooner than one after the other.
"""

import os
import subprocess
import time
from collections.abc import Sequence
from typing import NamedTuple


class Job(NamedTuple):
  """A command, and the file that exists once it has finished."""

  command: Sequence[str]
  done: str


def run(jobs: Sequence[Job], cores: Sequence[int]) -> None:
  """Runs the jobs that are not done; the output of each goes to done + '.log'.

  Raises:
    RuntimeError: when a job fails, naming its log; the others are stopped.
  """
  waiting = [job for job in jobs if not os.path.exists(job.done)]
  running: dict[int, tuple[Job, subprocess.Popen]] = {}
  try:
    while waiting or running:
      for core in cores:
        if core in running:
          job, process = running[core]
          if process.poll() is None:
            continue
          del running[core]
          if process.returncode:
            raise RuntimeError(f'see {job.done}.log: {" ".join(job.command)}')
        if waiting:
          job = waiting.pop(0)
          running[core] = (job, _start(job, core))
      time.sleep(1)
  finally:
    for _, process in running.values():
      process.terminate()


def _start(job: Job, core: int) -> subprocess.Popen:
  os.makedirs(os.path.dirname(job.done), exist_ok=True)
  print(f'core {core}: {" ".join(job.command)}', flush=True)
  with open(f'{job.done}.log', 'wb') as log:
    return subprocess.Popen(
      ['taskset', '-c', str(core), *job.command],
      stdout=log,
      stderr=subprocess.STDOUT,
    )
