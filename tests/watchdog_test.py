"""A run in which nothing happens is ended; a second job is kept out."""

import os
import subprocess
import sys
import time

import pytest

from mem_alpha_jax.run import workdir as workdir_lib
from mem_alpha_jax.system import watchdog


def watch(seconds, grace, act):
  """What the watchdog said, up to two seconds after `act`."""
  said = []
  with watchdog.Watchdog(seconds, grace, said.append):
    act()
    end = time.monotonic() + 2
    while not said and time.monotonic() < end:
      time.sleep(0.05)
  return said


def test_silence_ends_a_run_and_says_where():
  (said,) = watch(0.3, 0, lambda: watchdog.beat('step 7, update'))
  assert 'step 7, update' in said and 'log.watchdog' in said


def test_beats_and_zero_keep_it_alive():
  def beats():
    for _ in range(20):
      time.sleep(0.05)
      watchdog.beat('a step')

  said = []
  with watchdog.Watchdog(0.6, 0, said.append):
    beats()
  assert not said
  assert not watch(0, 0, lambda: None)


def test_a_run_that_was_asked_to_stop_has_its_grace():
  (said,) = watch(0, 0.3, watchdog.stopping)
  assert 'checkpoint.grace' in said
  watchdog.beat('nobody watches any more')  # and nothing happens


def test_it_ends_the_process_with_its_own_code():
  code = (
    'import time; from mem_alpha_jax import watchdog\n'
    'with watchdog.Watchdog(0.3, 0): time.sleep(60)'
  )
  ended = subprocess.run(
    [sys.executable, '-c', code], capture_output=True, text=True, timeout=120
  )
  assert ended.returncode == watchdog.CODE
  assert ended.stderr.startswith('error: nothing happened for 0.3 s')
  assert ended.stderr.count('\n') == 1


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
