"""The whole job: what it leaves, how it stops, fails and goes on."""

import gc
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time
import types
from unittest import mock

import jax
import numpy as np
import pytest
import tiny_config

from mem_alpha_jax import train
from mem_alpha_jax.config import sizes
from mem_alpha_jax.data import pipeline
from mem_alpha_jax.evaluation import held_out
from mem_alpha_jax.methods import registry
from mem_alpha_jax.report import metrics as metrics_lib
from mem_alpha_jax.report import page as page_lib
from mem_alpha_jax.reward import parts as parts_lib
from mem_alpha_jax.rollout import assemble, collector, warm_start
from mem_alpha_jax.run import build as build_lib
from mem_alpha_jax.run import (
  checkpoint,
  learning,
  parameters,
  progress,
  summary,
)
from mem_alpha_jax.run import workdir as workdir_lib
from mem_alpha_jax.system import interrupt, stopping

ROOT = pathlib.Path(__file__).resolve().parents[1]
STEPS = 14  # of the runs that are stopped
ARM = ('accuracy', 'interval', 'by_type', 'memory_tokens', 'valid_calls')


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
  """A finished run: its folder and what `train` returned."""
  folder = str(tmp_path_factory.mktemp('train') / 'run')
  return folder, train.train(tiny_config.get_config(), folder)


def read(folder, name):
  return json.loads(pathlib.Path(folder, name).read_text())


def lines(folder):
  """The metrics of each step, without what depends on the machine."""
  return metrics_lib.read_equal(os.path.join(folder, metrics_lib.FILE))


def test_results_have_all_keys(finished):
  folder, returned = finished
  results = read(folder, 'results.json')
  assert set(returned) == set(results)
  assert results['seed'] == results['config']['seed'] == 0
  assert results['versions']['jax'] == jax.__version__
  assert results['seconds'] > 1
  assert 2**24 < results['peak_rss_bytes'] < 2**40
  assert set(results['length']) == {'1', '2'}
  assert results['chunk_time_ratio'] > 0
  assert results['told'] == ['The reader goes by rules.']
  for arms in (results, *results['length'].values()):
    assert set(arms['baselines']) == set(registry.BASELINES)
    for arm in (arms['before'], arms['after'], *arms['baselines'].values()):
      assert set(ARM) <= set(arm) and set(ARM[:3]) <= set(arm['lenient'])
      low, high = arm['interval']
      assert 0 <= low <= arm['accuracy'] <= high <= 1
  for name in ('before', 'after', 'baselines'):
    assert results['length']['1'][name] == results[name]
  assert results['length']['2']['after']['chunks'] == 6


def test_every_part_of_the_reward_is_logged(finished):
  rows = metrics_lib.read(os.path.join(finished[0], metrics_lib.FILE))
  assert [row['step'] for row in rows] == [1, 2, 3, 4]
  for row in rows:
    parts = {f'reward/{name}' for name in (*parts_lib.PARTS, 'total')}
    assert parts | {'rl/loss', 'rl/grad_norm', 'time/rollout'} <= set(row)
    assert row['rl/skipped'] == 0
    # Sampler and trainer agree on the log-probs of what was sampled.
    assert row['rl/logp_gap_abs_max'] < 1e-3
    assert ('eval/accuracy' in row) == (row['step'] % 2 == 0)
  compiled = [row['time/compilations'] for row in rows]
  assert compiled[3] == compiled[2]


def test_plots_and_episodes_are_there(finished):
  folder = pathlib.Path(finished[0])
  for name in ('learning_curve.png', 'length.png'):
    assert (folder / name).read_bytes().startswith(b'\x89PNG\r\n')
  page = (folder / 'episodes.html').read_text()
  assert 'before RL' in page and 'after RL' in page


def test_a_run_records_what_the_page_shows(finished):
  folder = finished[0]
  (episode,) = read(folder, page_lib.EPISODES)
  assert episode['names'] == ['before RL', 'after RL']
  assert len(episode['turns']) == 3 and episode['questions']
  for one in (one for turn in episode['turns'] for one in turn['tries']):
    said = ''.join(piece for piece, _ in one['tokens'])
    assert ' '.join(said.split()) == ' '.join(one['text'].split())
    assert all(logp <= 0 for _, logp in one['tokens'])
  rows = metrics_lib.read(os.path.join(folder, page_lib.TURNS))
  assert [row['step'] for row in rows] == [2, 4]  # as it is evaluated
  for turn in (turn for row in rows for turn in row['turns']):
    assert len(turn['tries']) == 4
    assert sum(one['kept'] for one in turn['tries']) == 1
    assert sum(one['forced'] for one in turn['tries']) == 1
    parts = {*parts_lib.PARTS, 'total'}
    assert all(set(one['reward']) == parts for one in turn['tries'])


def test_a_finished_run_is_not_run_again(finished, monkeypatch):
  folder, returned = finished
  kept = read(folder, 'results.json')
  history = lines(folder)

  def refuse(*_):
    raise AssertionError('trains again')

  monkeypatch.setattr(collector, 'collect', refuse)
  monkeypatch.setattr(warm_start, 'train', refuse)
  again = train.train(tiny_config.get_config(), folder)
  results = read(folder, 'results.json')
  for name in ('before', 'after', 'baselines'):
    for found in (again, results):
      assert _without_seconds(found[name]) == _without_seconds(kept[name])
  assert set(again) == set(returned)
  assert results['seconds'] >= kept['seconds']
  assert lines(folder) == history


def _without_seconds(tree):
  if not isinstance(tree, dict):
    return list(tree) if isinstance(tree, tuple) else tree
  return {k: _without_seconds(v) for k, v in tree.items() if 'seconds' not in k}


def test_another_config_is_refused(finished):
  folder, _ = finished
  with pytest.raises(ValueError, match=r'data\.train_chunks \(3 there, 5 now'):
    train.train(tiny_config.get_config('data.train_chunks=5'), folder)


def test_mode_eval_measures_the_newest_checkpoint(finished, capsys):
  folder, returned = finished
  found = summary.main(tiny_config.get_config('eval.lengths=1'), folder)
  for name in ('after', 'baselines'):
    assert _without_seconds(found[name]) == _without_seconds(returned[name])
  assert set(read(folder, 'eval.json')['length']) == {'1'}
  assert capsys.readouterr().out.count('The reader goes by rules.') == 1
  assert 'before' not in found


@pytest.mark.slow
def test_a_run_reports_the_checkpoint_that_its_config_names(
  finished, tmp_path, monkeypatch
):
  folder = shutil.copytree(finished[0], tmp_path / 'run')
  (folder / 'results.json').unlink()
  # Of the last step all differ: stands for another checkpoint.
  monkeypatch.setattr(parameters, 'saved_params', parameters.start_params)
  config = tiny_config.get_config('eval.checkpoint=best')
  arms = train.train(config, str(folder))['length']['1']
  assert _without_seconds(arms['after']) == _without_seconds(arms['before'])
  assert _without_seconds(arms['after']) != _without_seconds(
    finished[1]['length']['1']['after']
  )


@pytest.mark.slow
def test_a_run_goes_on_from_the_policy_of_another(finished, tmp_path):
  config = tiny_config.get_config(f'warm_start.checkpoint={finished[0]}')
  experiment = build_lib.build(config, str(tmp_path / 'next'))
  theirs, ours = (
    pathlib.Path(folder, 'tokenizer.model').read_bytes()
    for folder in (finished[0], tmp_path / 'next')
  )
  assert theirs == ours
  params = parameters.shipped_params(experiment)
  last = parameters.saved_params(experiment, finished[0])
  jax.tree.map(np.testing.assert_array_equal, params, last)
  first = parameters.start_params(experiment, finished[0])
  same = jax.tree.map(np.array_equal, params, first)
  assert not all(jax.tree.leaves(same))


def test_trial_of_an_evaluation_of_a_mistyped_workdir(tmp_path):
  config = tiny_config.get_config()
  with pytest.raises(FileNotFoundError, match='no run there'):
    summary.main(config, str(tmp_path / 'mistyped'))
  assert not (tmp_path / 'mistyped').exists()
  workdir_lib.prepare(tmp_path, config)
  with pytest.raises(FileNotFoundError, match='no checkpoint to evaluate'):
    summary.main(config, str(tmp_path))


@pytest.mark.slow
def test_trial_of_a_stop_in_an_evaluation(tmp_path, finished, capsys):
  """The step before it is saved, and evaluated when the run goes on."""

  def stopped(*unused):
    raise stopping.Stopped('evaluation')

  folder = str(tmp_path)
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(held_out, 'validation', stopped)
    with pytest.raises(stopping.Stopped, match='step 3'):
      train.train(tiny_config.get_config(), folder)
  assert [row['step'] for row in lines(folder)] == [1]
  assert 'resumed' not in capsys.readouterr().out
  train.train(tiny_config.get_config(), folder)
  assert 'resumed at step 2\n' in capsys.readouterr().out
  assert lines(folder) == lines(finished[0])


def test_validation_promotes_and_the_stage_is_kept(monkeypatch):
  config = tiny_config.get_config(
    'data.horizon=1;2;3,data.promote=9;19,data.promote_at=0.5,num_steps=6,'
    'eval.every=1,checkpoint.every=1'
  )
  accuracy = {1: 0.4, 2: 0.5, 3: np.nan, 4: 0.2, 5: 0.9, 6: 0.9}
  seen, written, saved = [], {}, {}

  def step(experiment, learner, loader, now, timer):
    seen.append({len(e.chunks) for e in next(loader)})
    state = types.SimpleNamespace(step=now.step + 1, params=None)
    now = now._replace(state=state, data_state=loader.get_state())
    return now, {'reward/total': 0.0, 'rollout/end_accuracy': 0.0}

  def validation(experiment, params, episodes):
    return {'eval/accuracy': accuracy[len(seen)]}

  monkeypatch.setattr(train, 'step', step)
  monkeypatch.setattr(held_out, 'validation', validation)
  monkeypatch.setattr(
    progress, 'save', lambda _, now, *__: saved.update({now.step: now})
  )
  writer = mock.Mock(write=lambda number, row: written.update({number: row}))

  def run(now):
    loader = iter(pipeline.make_dataset(config, 'train'))
    loader.set_state(now.data_state)
    experiment = types.SimpleNamespace(config=config)
    train._steps(experiment, None, loader, now, mock.Mock(), writer)

  fresh = iter(pipeline.make_dataset(config, 'train')).get_state()
  state = types.SimpleNamespace(step=0, params=None)
  run(progress.Progress(state, fresh, [], 0, 0.0))
  assert seen == [{1}] * 2 + [{2}] * 3 + [{3}]
  assert [written[t]['data/stage'] for t in range(1, 7)] == [0, 1, 1, 1, 2, 2]
  del seen[3:]
  run(saved[3])
  assert seen[3:] == [{2}, {2}, {3}]


@pytest.fixture
def poison(monkeypatch):
  """Makes the advantages of these calls of `to_rows`, from 1, NaN."""
  healthy, calls, chosen = assemble.to_rows, [], set()

  def poisoned(*args):
    rows, credit = healthy(*args)
    calls.append(1)
    if len(calls) in chosen:
      rows = rows.replace(advantages=rows.advantages * np.nan)
    return rows, credit

  monkeypatch.setattr(assemble, 'to_rows', poisoned)
  return chosen


@pytest.mark.slow
def test_updates_that_are_not_finite_are_skipped_and_stop_after_k(
  tmp_path, poison
):
  folder = str(tmp_path / 'run')
  arg = 'checkpoint.every=1,eval.lengths=1,num_steps=4,optim.max_skipped='
  config = tiny_config.get_config()
  updates = sizes.total_updates(config) // config.num_steps
  limit = updates + 1  # more than one step makes
  poison |= {2, 3}
  with pytest.raises(FloatingPointError, match=rf'{limit} updates .* step 2'):
    train.train(tiny_config.get_config(f'{arg}{limit}'), folder)
  # Step 2 was skipped as a whole and is a step; step 3 never ended.
  rows = lines(folder)
  assert [row['rl/skipped'] for row in rows] == [0, updates]
  assert rows[1]['rl/loss'] is None and rows[1]['reward/total'] is not None
  experiment = build_lib.build(tiny_config.get_config(f'{arg}{limit}'), folder)
  part = {'params': parameters.trained_shapes(experiment)}
  with checkpoint.Manager(folder, 2) as manager:
    assert manager.steps() == [1, 2]
    first, second = (manager._read(step, part).state for step in (1, 2))
    tx = learning.create(
      experiment.config, experiment.policy, experiment.mesh
    ).tx
    now = progress.resume(manager, experiment, tx, folder, 0.0)
  jax.tree.map(np.testing.assert_array_equal, first, second)
  assert all(np.isfinite(x).all() for x in jax.tree.leaves(now.state.params))
  assert now.skipped == updates  # the row goes on where it was
  assert not os.path.exists(os.path.join(folder, 'results.json'))
  # The same command goes on from there (the fault does not come again).
  config = tiny_config.get_config(f'{arg}{limit}')
  assert train.train(config, folder)['after']['accuracy'] >= 0
  assert [row['rl/skipped'] for row in lines(folder)] == [0, updates, 0, 0]


@pytest.mark.slow
def test_the_start_policy_of_the_kl_is_kept(tmp_path, monkeypatch):
  folder = str(tmp_path)
  config = tiny_config.get_config('rl.kl_coef=0.1')
  experiment = build_lib.build(config, folder)
  tx = learning.create(experiment.config, experiment.policy, experiment.mesh).tx
  loader = iter(pipeline.make_dataset(config, 'train'))
  monkeypatch.setattr(
    warm_start, 'train',
    lambda setup, policy, params, *_: jax.tree.map(lambda x: x + 1, params),
  )  # fmt: skip
  with checkpoint.Manager(folder, 2) as manager:
    assert progress.resume(manager, experiment, tx, folder, 0.0) is None
    begun = progress.begin(experiment, tx, loader, folder, 0.0, print)
    progress.save(manager, begun)
    again = progress.resume(manager, experiment, tx, folder, 0.0)
  for now in (begun, again):
    jax.tree.map(
      np.testing.assert_array_equal, now.reference, begun.state.params
    )


@pytest.mark.slow
@pytest.mark.parametrize('arg', ['', 'lora.rank=2'])
def test_trial_a_restore_makes_no_second_state(tmp_path, monkeypatch, arg):
  if arg:
    pytest.importorskip('qwix')
  folder = str(tmp_path)
  config = tiny_config.get_config(arg)
  experiment = build_lib.build(config, folder)
  tx = learning.create(experiment.config, experiment.policy, experiment.mesh).tx
  loader = iter(pipeline.make_dataset(config, 'train'))
  monkeypatch.setattr(
    warm_start, 'train', lambda setup, policy, params, *_: params
  )
  begun = progress.begin(experiment, tx, loader, folder, 0.0, print)
  with checkpoint.Manager(folder, 2) as manager:
    progress.save(manager, begun)
  want, size = jax.device_get(begun.state), _bytes(begun.state)
  del begun
  held = []  # when the file is read, beside what there was before
  restore = checkpoint.Manager.restore

  def watched(manager, example):
    held.append(_live() - before)
    return restore(manager, example)

  monkeypatch.setattr(checkpoint.Manager, 'restore', watched)
  with checkpoint.Manager(folder, 2) as manager:
    before = _live()
    now = progress.resume(manager, experiment, tx, folder, 0.0)
  slack = 2**10  # keys
  assert held[0] <= slack
  assert size <= _live() - before <= size + slack
  jax.tree.map(np.testing.assert_array_equal, jax.device_get(now.state), want)


def _live() -> int:
  gc.collect()
  return _bytes(jax.live_arrays())


def _bytes(tree) -> int:
  return sum(x.nbytes for x in jax.tree.leaves(tree))


class Job:
  """`python -m mem_alpha_jax.main` on a folder, in a process of its own."""

  def __init__(self, folder, arg):
    self.folder = folder
    environment = dict(
      os.environ, JAX_COMPILATION_CACHE_DIR=str(ROOT / '.jax_cache')
    )
    config = f'{ROOT}/tests/tiny_config.py:{arg}'
    self.process = subprocess.Popen(
      [sys.executable, '-m', 'mem_alpha_jax.main', f'--config={config}',
       f'--workdir={folder}'],
      cwd=ROOT, env=environment, text=True,
      stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip

  def wait_for(self, step):
    """Returns when the metrics have a line of that step."""
    path = pathlib.Path(self.folder, metrics_lib.FILE)
    wanted = f'{{"step": {step},'
    while not (path.exists() and wanted in path.read_text()):
      assert self.process.poll() is None, self.process.stdout.read()
      time.sleep(0.01)

  def end(self, number=None):
    """Sends a signal, if one is given; returns (exit code, output)."""
    if number is not None:
      self.process.send_signal(number)
    output, _ = self.process.communicate()
    return self.process.returncode, output


@pytest.mark.slow
def test_killed_and_stopped_runs_go_on_as_if_nothing_had_been(tmp_path):
  """kill -9 and then SIGTERM, each at a random moment of training."""
  arg = f'num_steps={STEPS},eval.lengths=1,eval.every=5,checkpoint.every=3'
  code, output = Job(tmp_path / 'whole', arg).end()
  assert code == 0, output
  whole = lines(tmp_path / 'whole')
  assert [row['step'] for row in whole] == list(range(1, STEPS + 1))

  first, second = sorted(random.sample(range(1, STEPS - 1), 2))
  moments = f'killed at {first}, stopped at {second}'
  folder = tmp_path / 'broken'
  job = Job(folder, arg)
  job.wait_for(first)
  time.sleep(random.random() / 10)
  assert job.end(signal.SIGKILL)[0] == -signal.SIGKILL

  job = Job(folder, arg)
  job.wait_for(second)
  code, output = job.end(signal.SIGTERM)
  assert code == interrupt.CODE, (moments, output)
  assert 'stopped in ' in output.splitlines()[-1], output
  assert not (folder / 'results.json').exists()
  code, output = Job(folder, arg).end()
  assert code == 0, (moments, output)

  # JSON has every digit of a float, so equal numbers are equal to the bit.
  assert lines(folder) == whole, moments
  results = [read(f, 'results.json') for f in (folder, tmp_path / 'whole')]
  for name in ('before', 'after'):
    one, other = (_without_seconds(found[name]) for found in results)
    assert one == other, moments
