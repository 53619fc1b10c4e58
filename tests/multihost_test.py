"""Several processes: what crosses, how they fail, and the run of one."""

import types

import pytest

from experiments import local_processes
from mem_alpha_jax import cluster

SECONDS = 300  # after which a process is killed


def given(**flags):
  none = dict.fromkeys(cluster.GIVEN)
  return types.SimpleNamespace(**{'distributed': False} | none | flags)


@pytest.mark.parametrize(
  ('flags', 'told'),
  [
    (dict(coordinator='a:1'), '--num_processes, --process_id missing'),
    (dict(process_id=0), '--coordinator, --num_processes missing'),
    (dict(coordinator='a', num_processes=2, process_id=0), 'use host:port'),
    (dict(coordinator='a:1', num_processes=2, process_id=2), 'use 0 to 1'),
  ],
)
def test_flags_that_disagree_are_told(flags, told):
  with pytest.raises(ValueError, match=told):
    cluster.join(given(**flags), None)


def test_without_flags_nothing_is_joined():
  cluster.join(given(), None)
  assert cluster.leave(2) == 2


def test_two_processes_exchange_and_do_not_outlive_each_other():
  started = local_processes.start(
    [], processes=2, devices=4, module='tests.multihost_process'
  )
  (first, output), (second, failure) = local_processes.finish(started, SECONDS)
  assert 'all crossed' in output, output + failure
  # The first waits in a collective when the second fails: it ends as well.
  assert second == 1 and 'one process fails' in failure
  assert first not in (0, -9), output


def test_processes_of_different_configs_are_told():
  started = local_processes.start(
    ['--differ'], processes=2, devices=1, module='tests.multihost_process'
  )
  for code, output in local_processes.finish(started, SECONDS):
    assert code == 2 and 'processes [1] have another config' in output, output
