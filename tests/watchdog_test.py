"""A run in which nothing happens is ended; a second job is kept out."""

import os
import subprocess
import sys
import time

import pytest

from mem_alpha_jax.run import workdir as workdir_lib
from mem_alpha_jax.system import stopping


def watch(seconds, act):
  """What the watchdog said, up to two seconds after `act`."""
  said = []
  with stopping.Watchdog(seconds, said.append):
    act()
    end = time.monotonic() + 2
    while not said and time.monotonic() < end:
      time.sleep(0.05)
  return said


def test_silence_ends_a_run_and_says_where():
  (said,) = watch(0.3, lambda: stopping.beat('step 7, update'))
  assert 'step 7, update' in said and 'log.watchdog' in said


def test_beats_and_zero_keep_it_alive():
  def beats():
    for _ in range(20):
      time.sleep(0.05)
      stopping.beat('a step')

  said = []
  with stopping.Watchdog(0.6, said.append):
    beats()
  assert not said
  assert not watch(0, lambda: None)


def test_it_ends_the_process_with_its_own_code():
  code = (
    'import time; from mem_alpha_jax.system import stopping\n'
    'with stopping.Watchdog(0.3): time.sleep(60)'
  )
  ended = subprocess.run(
    [sys.executable, '-c', code], capture_output=True, text=True, timeout=120
  )
  assert ended.returncode == stopping.CODE
  assert ended.stderr.startswith('error: nothing happened for 0.3 s')
  assert 'most recent call first' in ended.stderr  # where each thread hangs


def test_a_second_job_on_a_workdir_is_refused(tmp_path):
  with (
    workdir_lib.locked(tmp_path / 'run'),
    pytest.raises(ValueError, match=f'in use by process {os.getpid()} on'),
    workdir_lib.locked(tmp_path / 'run'),
  ):
    pass
  with workdir_lib.locked(tmp_path / 'run'):
    pass  # free again


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
  (tmp_path / 'file').write_text('')
  with (
    pytest.raises(ValueError, match='cannot be written.*give a folder'),
    workdir_lib.locked(tmp_path / 'file' / 'run'),
  ):
    pass
