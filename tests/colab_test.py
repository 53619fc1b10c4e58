"""The notebook runs from top to bottom, at a reduced size."""

import json
import pathlib

import nbclient
import nbformat
import pytest
import tiny_config

ROOT = pathlib.Path(__file__).resolve().parents[1]
PATH = ROOT / 'colab' / 'train_tiny.ipynb'


def test_it_is_stored_without_outputs():
  cells = json.loads(PATH.read_text())['cells']
  codes = [cell for cell in cells if cell['cell_type'] == 'code']
  assert all(not cell['outputs'] for cell in codes)
  assert all(cell['execution_count'] is None for cell in codes)
  assert max(len(cell['source']) for cell in codes) <= 30


@pytest.mark.slow
def test_it_runs(tmp_path, monkeypatch):
  workdir = tmp_path / 'run'
  monkeypatch.setenv('MEM_ALPHA_OVERRIDES', tiny_config.overrides())
  monkeypatch.setenv('MEM_ALPHA_WORKDIR', str(workdir))
  monkeypatch.setenv('JAX_COMPILATION_CACHE_DIR', str(ROOT / '.jax_cache'))
  monkeypatch.setenv('IPYTHONDIR', str(tmp_path / 'ipython'))
  notebook = nbformat.read(PATH, as_version=4)
  client = nbclient.NotebookClient(
    notebook,
    timeout=600,
    kernel_name='python3',
    resources={'metadata': {'path': str(PATH.parent)}},
  )
  client.execute()
  printed, images = '', 0
  for cell in notebook.cells:
    for output in cell.get('outputs', ()):
      printed += output.get('text', '')
      images += 'image/png' in output.get('data', {})
  steps = tiny_config.FIELDS['num_steps']
  assert f'step {steps}/{steps}  reward ' in printed
  assert 'before RL' in printed and 'after RL' in printed
  assert '    insert semantic' in printed  # a call of the oracle
  assert images == 2
  assert (workdir / 'checkpoints' / str(steps)).is_dir()
