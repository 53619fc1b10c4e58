"""Several processes: what crosses, how they fail, and the run of one."""

import json
import types

import jax
import numpy as np
import pytest

from experiments import local_processes
from mem_alpha_jax.report import metrics
from mem_alpha_jax.system import cluster

SECONDS = 900  # after which a process is killed
MODULE = 'tests.multihost_process'
MESH = 'data.batch_episodes=8,mesh.data=4,mesh.fsdp=2'
# Differences of log-probs that are equal but for rounding: noise, near 0.
NOISE = {'rl/approx_kl', 'rl/logp_gap_abs_max', 'rl/logp_gap_abs_mean'}


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


@pytest.mark.parametrize(
  ('error', 'told'),
  [
    (ValueError('UNKNOWN: Gloo AllGather failed: reset'), 'process is gone'),
    (jax.errors.JaxRuntimeError('Connection closed by peer'), 'is gone'),
    (ValueError('config.x=1: no connection'), 'config.x=1'),
    (jax.errors.JaxRuntimeError('INTERNAL: a bug'), 'a bug'),
  ],
)
def test_a_lost_process_is_told_from_other_errors(error, told, monkeypatch):
  def mode(config, workdir):
    raise error

  monkeypatch.setattr(jax.distributed, 'is_initialized', lambda: True)
  kind = ConnectionError if 'gone' in told else type(error)
  with pytest.raises(kind, match=told):
    cluster.run(mode, None, 'x')
  monkeypatch.setattr(jax.distributed, 'is_initialized', lambda: False)
  with pytest.raises(type(error)):
    cluster.run(mode, None, 'x')


def test_without_flags_nothing_is_joined():
  cluster.join(given(), None)
  assert cluster.leave(2) == 2


@pytest.mark.slow
@pytest.mark.parametrize('processes', [2, 4])
def test_processes_exchange_and_do_not_outlive_each_other(processes):
  started = local_processes.start([], processes, devices=4, module=MODULE)
  *others, (code, failure) = local_processes.finish(started, SECONDS)
  # The others wait in a collective when the last one fails: they end as well.
  assert code == 1 and 'one process fails' in failure
  for code, output in others:
    assert code not in (0, -9), output
  assert 'all crossed' in others[0][1], others[0][1] + failure


@pytest.mark.slow
def test_processes_of_different_configs_are_told():
  started = local_processes.start(['--differ'], 2, devices=1, module=MODULE)
  for code, output in local_processes.finish(started, SECONDS):
    assert code == 2 and 'processes [1] have another config' in output, output


def two_steps(folder, processes):
  """Metrics of two steps on eight devices, and a baseline's numbers."""
  arg = f'{MESH},data.eval_episodes=5,num_steps=2'
  started = local_processes.start(
    ['--task=steps', f'--workdir={folder}', f'--arg={arg}'],
    processes,
    devices=8 // processes,
    xla_flags='--xla_backend_optimization_level=0',
    module=MODULE,
  )
  for code, output in local_processes.finish(started, SECONDS):
    assert code == 0, output
  rows = metrics.read(folder / metrics.FILE)
  return rows, json.loads((folder / 'arm.json').read_text())


@pytest.mark.slow
def test_two_processes_train_and_evaluate_as_one(tmp_path, monkeypatch):
  cache = str(local_processes.ROOT / '.jax_cache')
  monkeypatch.setenv('JAX_COMPILATION_CACHE_DIR', cache)
  one, arm = two_steps(tmp_path / 'one', 1)
  two, arm_of_two = two_steps(tmp_path / 'two', 2)
  assert arm_of_two == arm and arm['episodes'] == 5
  assert [row['step'] for row in two] == [1, 2]
  for mine, theirs in zip(two, one, strict=True):
    assert set(mine) == set(theirs)
    for name in mine:
      if name.startswith('time/'):
        continue
      np.testing.assert_allclose(
        mine[name],
        theirs[name],
        rtol=0 if name.startswith(('rollout/', 'reward/')) else 1e-5,
        atol=1e-5 if name in NOISE else 0,
        err_msg=name,
      )
