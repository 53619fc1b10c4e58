import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from configs import tiny
from mem_alpha_jax.run import workdir as workdir_lib
from mem_alpha_jax.system import files, machine

ROOT = pathlib.Path(__file__).resolve().parents[1]


def run_main(*flags):
  return subprocess.run(
    [sys.executable, '-m', 'mem_alpha_jax.main', *flags],
    capture_output=True,
    text=True,
    cwd=ROOT,
  )


@pytest.mark.parametrize(
  ('flags', 'told'),
  [
    ('--config=configs/none.py', '--config=configs/none.py: no such file'),
    ('--config=configs/tiny.py:rl.advantage=x', "config.rl.advantage='x'"),
    (
      '--config=configs/tiny.py --config.rl.nope=1',
      'config.rl.nope=1: there is no such field',
    ),
    ('', 'no --workdir'),
  ],
)
def test_wrong_flag_is_one_line_and_code_2(flags, told, tmp_path):
  workdir = [f'--workdir={tmp_path}/unused'] if flags else []
  done = run_main(*flags.split(), *workdir)
  assert done.returncode == 2
  assert told in done.stderr
  assert len(done.stderr.splitlines()) == 1
  assert done.stderr.startswith('error: ')


def test_main_is_short():
  source = (ROOT / 'mem_alpha_jax' / 'main.py').read_text()
  assert len(source.splitlines()) <= 64


def test_workdir_writes_the_config_and_takes_it_again(tmp_path):
  folder = tmp_path / 'a' / 'run'
  config = tiny.get_config('seed=3')
  assert workdir_lib.prepare(folder, config) == folder
  written = json.loads((folder / 'config.json').read_text())
  assert written['seed'] == 3
  assert written['eval']['lengths'] == list(config.eval.lengths)
  assert list(written) == sorted(written)
  workdir_lib.prepare(folder, config)
  # These change nothing that is learned.
  workdir_lib.prepare(folder, tiny.get_config('seed=3,log.progress=False'))


def test_workdir_of_another_config_is_refused(tmp_path):
  workdir_lib.prepare(tmp_path, tiny.get_config())
  other = tiny.get_config('seed=4,rl.clip_low=0.1,log.progress=False')
  with pytest.raises(ValueError) as caught:
    workdir_lib.prepare(tmp_path, other)
  told = str(caught.value)
  assert 'seed (0 there, 4 now)' in told
  assert 'rl.clip_low (0.2 there, 0.1 now)' in told
  assert 'log.progress' not in told
  assert 'another --workdir' in told and '\n' not in told


def test_evaluation_may_differ_in_what_is_evaluated(tmp_path):
  workdir_lib.prepare(tmp_path, tiny.get_config())
  longer = tiny.get_config('eval.lengths=1;100')
  workdir_lib.finished(tmp_path, longer)
  with pytest.raises(ValueError, match=r'eval\.lengths'):
    workdir_lib.prepare(tmp_path, longer)


def test_broken_config_file_and_a_file_as_workdir(tmp_path):
  (tmp_path / 'config.json').write_text('{"seed": ')
  with pytest.raises(ValueError, match=r'config\.json: not readable as JSON'):
    workdir_lib.prepare(tmp_path, tiny.get_config())
  with pytest.raises(ValueError, match='is a file'):
    workdir_lib.prepare(tmp_path / 'config.json', tiny.get_config())


def test_write_json_is_whole_plain_and_leaves_nothing(tmp_path):
  path = tmp_path / 'deep' / 'x.json'
  value = {'a': (1, np.float32(0.5)), 'b': float('nan'), 3: np.arange(2)}
  files.write_json(path, value)
  assert json.loads(path.read_text()) == {
    'a': [1, 0.5],
    'b': None,
    '3': [0, 1],
  }
  files.write_json(path, {})
  assert path.read_text() == '{}\n'
  with pytest.raises(TypeError):
    files.write_json(path, {'x': object()})
  assert [p.name for p in path.parent.iterdir()] == ['x.json']
  assert path.read_text() == '{}\n'


def test_versions_and_memory():
  versions = machine.versions()
  assert {'python', 'jax', 'flax', 'grain', 'device'} <= set(versions)
  peak = machine.peak_rss_bytes()
  assert 2**24 < peak < 2**40
