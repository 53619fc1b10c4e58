"""experiments/gpu at toy size: what is measured, trained, stopped, taken up."""

import json
import os
import pathlib
import subprocess
import sys

import pytest
import tiny_config

from experiments.bench_device import run as device
from experiments.gpu import items, transfer
from experiments.gpu import run as programme
from mem_alpha_jax.model import presets
from mem_alpha_jax.rl import optimizer
from mem_alpha_jax.run import build as build_lib
from mem_alpha_jax.run import params_file
from mem_alpha_jax.types import Episode, Question

ROOT = pathlib.Path(__file__).resolve().parents[1]
CONFIG = (
  'tests/tiny_config.py:eval.length_episodes=2,data.eval_episodes=2,'
  'warm_start.steps=2,num_steps=2'
)


def call(out, part, *more):
  """Runs one call of the programme, as on a card."""
  argv = [sys.executable, '-m', 'experiments.gpu.run', f'--part={part}']
  argv += [f'--out={out}', f'--config={CONFIG}', '--toy', *more]
  env = os.environ | {'JAX_PLATFORMS': 'cpu', 'PYTHONPATH': str(ROOT)}
  done = subprocess.run(
    argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False
  )
  assert done.returncode == 0, done.stderr
  return json.loads((out / 'results.json').read_text())


@pytest.mark.slow
def test_a_run_is_trained_and_evaluated_over_calls(tmp_path):
  stopped = call(tmp_path, 'train', '--seconds=0')
  assert 'length' not in stopped['train']
  found = call(tmp_path, 'train', '--seconds=600')
  assert found['train']['steps'] == 2
  assert found['train']['step_seconds']['rollout'] > 0
  found = call(tmp_path, 'eval')['train']
  assert set(found['length']) == {'1', '2'}
  for arms in found['length'].values():
    assert {'before', 'after', 'baselines'} <= set(arms)
    assert {'oracle', 'keep_newest'} <= set(arms['baselines'])
  assert (tmp_path / 'length.png').exists()
  assert (tmp_path / 'learning_curve.png').exists()


def test_items_are_measured_once_and_what_fails_is_kept(tmp_path, monkeypatch):
  started = []

  def within(argv, seconds, log):
    del seconds, log
    started.append(argv[3])
    path = pathlib.Path(argv[4].removeprefix('--out='))
    path.write_text('{"done": true, "error": "out of memory"}')

  monkeypatch.setattr(programme, 'within', within)
  programme.bench(tmp_path, programme.LEAST - 1, toy=True)
  assert not started
  programme.bench(tmp_path, 600.0, toy=True)
  programme.bench(tmp_path, 600.0, toy=True)
  assert started == [f'--item={name}' for name in items.ITEMS]
  assert set(programme.measured(tmp_path)) == set(items.ITEMS)


@pytest.mark.slow
def test_a_writer_is_asked_about_other_texts_once(tmp_path, monkeypatch):
  config = tiny_config.get_config('eval.lengths=1')
  experiment = build_lib.build(config, str(tmp_path))
  trained, _ = optimizer.split(build_lib.init_params(experiment))
  params = str(tmp_path / 'params')
  params_file.save(params, trained)
  fill = lambda: transfer.fill(
    config, params, 'start', ['world'], ['policy', 'oracle'], tmp_path
  )
  fill()
  found = transfer.table(tmp_path)['world']
  assert found['oracle']['score'] > 0.5 > found['start']['score']
  monkeypatch.setattr(transfer.cells, 'compare', None)
  fill()  # all cells are there
  assert transfer.table(tmp_path) == {'world': found}


def test_sentences_of_a_text_are_chunks_and_questions_keep_their_place():
  asked = (
    Question('Who?', 'Ana', 'squad', 0, 1, evidence=(0,)),
    Question('Where?', 'Rome', 'squad', 1, 1, evidence=(1,)),
  )
  whole = Episode(
    3, 'squad', ('Ana is here. She sings.', 'Rome is far.'), asked
  )
  parts = transfer.by_sentence(whole)
  assert parts.chunks == ('Ana is here.', 'She sings.', 'Rome is far.')
  assert [(q.first, q.last) for q in parts.questions] == [(1, 2), (2, 2)]
  assert [q.evidence for q in parts.questions] == [(0, 1), (2,)]


def test_shares_are_of_the_rates_of_the_card():
  task = device.Task('smollm2-135m', 2, 4, 8, 2, 4, 1)
  found = {
    'task': task._asdict(),
    'seconds': {'prefill': 2.0, 'decode': 0.5},
    'work': {'prefill': {'flops': 100.0}, 'decode': {'bytes': 30.0}},
  }
  parts = device.shares(found, {'matmul_flops': 100.0, 'copy_bytes': 120.0})
  assert parts['prefill'] == {
    'tokens_per_second': 8.0,
    'share_of_matmul_flops': pytest.approx(0.5),
  }
  assert parts['decode'] == {
    'tokens_per_second': 48.0,
    'share_of_copy_bytes': pytest.approx(0.5),
  }


def test_work_counts_each_weight_once_a_token():
  task = device.Task('smollm2-135m', 1, 1, 1, 1, 2, 1)
  shape = presets.preset('smollm2-135m', dtype='bfloat16')
  flops = device.work(task, shape)['prefill']['flops']
  layers = 30 * (2 * 576 * 576 + 2 * 576 * 192 + 3 * 576 * 1536)
  assert flops == pytest.approx(2 * layers, rel=0.01)
