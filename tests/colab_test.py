"""The notebooks run from top to bottom, at a reduced size."""

import json
import pathlib

import nbclient
import nbformat
import pytest
import tiny_config

ROOT = pathlib.Path(__file__).resolve().parents[1]
FOLDER = ROOT / 'colab'
NAMES = sorted(path.stem for path in FOLDER.glob('*.ipynb'))


def run(name, tmp_path, monkeypatch, overrides, **variables):
  """Runs a notebook; returns its folder of runs, what it printed, images."""
  workdir = tmp_path / 'run'
  variables = {
    'MEM_ALPHA_OVERRIDES': overrides,
    'MEM_ALPHA_WORKDIR': str(workdir),
    'JAX_COMPILATION_CACHE_DIR': str(ROOT / '.jax_cache'),
    'IPYTHONDIR': str(tmp_path / 'ipython'),
    'PYTHONPATH': str(ROOT),
    'XLA_FLAGS': '--xla_backend_optimization_level=0',  # and one device
    **variables,
  }
  for key, value in variables.items():
    monkeypatch.setenv(key, value)
  notebook = nbformat.read(FOLDER / f'{name}.ipynb', as_version=4)
  client = nbclient.NotebookClient(
    notebook,
    timeout=3600,
    kernel_name='python3',
    resources={'metadata': {'path': str(FOLDER)}},
  )
  try:
    client.execute()
  finally:
    outputs = [o for cell in notebook.cells for o in cell.get('outputs', ())]
    printed = ''.join(output.get('text', '') for output in outputs)
    print(printed)  # of a test that fails
  assert 'error:' not in printed and 'Traceback' not in printed
  return (
    workdir,
    printed,
    sum('image/png' in o.get('data', {}) for o in outputs),
  )


@pytest.mark.parametrize('name', NAMES)
def test_it_is_stored_without_outputs(name):
  first, *cells = json.loads((FOLDER / f'{name}.ipynb').read_text())['cells']
  opening = ''.join(first['source'])
  assert 'colab-badge.svg' in opening and '**Time**: ' in opening
  codes = [cell for cell in cells if cell['cell_type'] == 'code']
  assert all(not cell['outputs'] for cell in codes)
  assert all(cell['execution_count'] is None for cell in codes)
  assert max(len(cell['source']) for cell in codes) <= 30


@pytest.mark.slow
def test_a_tiny_policy_is_trained(tmp_path, monkeypatch):
  workdir, printed, images = run(
    'train_tiny', tmp_path, monkeypatch, tiny_config.overrides()
  )
  steps = tiny_config.FIELDS['num_steps']
  assert f'step {steps}/{steps}  reward ' in printed
  assert 'before RL' in printed and 'after RL' in printed
  assert '    insert semantic' in printed  # a call of the oracle
  assert images == 2
  assert (workdir / 'checkpoints' / str(steps)).is_dir()


def check_model(workdir, printed, images, source):
  """What the notebook of a real model did with this one."""
  assert 'fine          policy: prompts of ' in printed
  assert 'broken' not in printed
  assert 'memory of one device' in printed
  assert 'before RL' in printed and 'after RL' in printed
  assert printed.count('right ') + printed.count('WRONG ') >= 2
  assert images == 1
  assert (workdir / 'export' / 'model.safetensors').exists()
  fields = json.loads((workdir / 'adapter/adapter_config.json').read_text())
  assert fields['base_model_name_or_path'] == source
  assert 'adapter_model.safetensors' in printed


@pytest.mark.slow
def test_a_model_of_the_hub_is_trained(tmp_path, monkeypatch):
  pytest.importorskip('qwix')
  small_hub = pytest.importorskip('small_hub')
  small_hub.write(tmp_path / 'hub')
  mine = ('tokenizer.', 'model.', 'warm_start.checkpoint')
  fields = {
    k: v for k, v in tiny_config.FIELDS.items() if not k.startswith(mine)
  }
  fields |= {f'model.{k}': v for k, v in small_hub.SHAPE.items()}
  fields |= {
    'num_steps': 2,
    'model.source': small_hub.NAME,
    'rollout.prefix_buckets': (176,),
    'rollout.own_buckets': (64,),
    'rollout.response_buckets': (40,),
    'warm_start.steps': 1,
    'eval.lengths': (1,),
  }
  found = run(
    'train_qwen3_tpu', tmp_path, monkeypatch, tiny_config.overrides(fields),
    HF_HUB_CACHE=str(tmp_path / 'hub'), HF_HUB_OFFLINE='1',
  )  # fmt: skip
  check_model(*found, small_hub.NAME)


@pytest.mark.slow
def test_estimators_are_compared(tmp_path, monkeypatch):
  changed = {'num_steps': 2, 'warm_start.steps': 0, 'eval.lengths': (1,)}
  fields = tiny_config.FIELDS | changed
  workdir, printed, images = run(
    'compare_credit', tmp_path, monkeypatch, tiny_config.overrides(fields),
    MEM_ALPHA_SEEDS='0,1',
  )  # fmt: skip
  for arm in ('GRPO', 'evidence'):
    for seed in (0, 1):
      assert f'{arm}, seed {seed}: 0.' in printed
      assert (workdir / f'{arm}_seed{seed}' / 'results.json').exists()
  assert 'evidence - GRPO: ' in printed
  assert images == 1
