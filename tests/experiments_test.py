"""Every experiment says what it does, and leaves alone what is committed."""

import argparse
import contextlib
import os
import pathlib
import runpy
import subprocess
import sys

import pytest
from absl import flags

from experiments import results

ROOT = pathlib.Path(__file__).resolve().parents[1]
MODULES = sorted(
  '.'.join(path.relative_to(ROOT).with_suffix('').parts)
  for path in ROOT.glob('experiments/*/*.py')
  if '__main__' in path.read_text()
)
# Packages that only `make parity` and the like bring.
BROUGHT = {
  'experiments.bench_lm.run': 'torch',
  'experiments.bench_trl.run': 'safetensors',
  'experiments.big_model.run': 'safetensors',
}


def _help_of_each() -> None:
  """Runs each in a child of this process, which has imported what is slow."""
  import mem_alpha_jax.compile.main
  import mem_alpha_jax.run.stream
  import mem_alpha_jax.train  # noqa: F401

  for name in MODULES:
    sys.stdout.flush()
    child = os.fork()
    if not child:
      sys.argv = [name, '--help']
      os.dup2(os.open(name, os.O_CREAT | os.O_WRONLY), 1)
      os.dup2(1, 2)
      code = 9
      with contextlib.suppress(BaseException):
        try:
          runpy.run_module(name, run_name='__main__', alter_sys=True)
        except SystemExit as ended:
          code = ended.code or 0
        except BaseException as error:
          print(repr(error))
        sys.stdout.flush()
        sys.stderr.flush()
      os._exit(code if isinstance(code, int) else 9)
    print(name, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


@pytest.fixture(scope='module')
def helped(tmp_path_factory):
  """Exit codes and words of all, and whether files were changed."""
  folder = tmp_path_factory.mktemp('help')
  state = lambda: (
    subprocess.run(
      ['git', 'status', '--porcelain'], cwd=ROOT, capture_output=True, text=True
    ).stdout
  )
  before = state()
  done = subprocess.run(
    [sys.executable, __file__], cwd=folder, capture_output=True, text=True,
    env=dict(os.environ, PYTHONPATH=str(ROOT), JAX_PLATFORMS='cpu'),
  )  # fmt: skip
  codes = dict(line.split() for line in done.stdout.splitlines())
  assert set(codes) == set(MODULES), done.stderr
  return folder, codes, before == state()


@pytest.mark.parametrize('name', MODULES)
def test_trial_of_help_that_does_nothing_else(name, helped):
  folder, codes, unchanged = helped
  if name in BROUGHT:
    pytest.importorskip(BROUGHT[name])
  said = (folder / name).read_text()
  assert codes[name] in ('0', '1'), said  # absl's own is 1
  assert '--' in said and 'Error' not in said, said
  assert unchanged
  assert {p.name for p in folder.iterdir()} <= {*MODULES}


@pytest.mark.parametrize(
  ('argv', 'out'),
  [
    ([], 'here/results.json'),
    (['--out=x.json'], 'x.json'),
    (['--rounds=1'], 'runs/here/results.json'),
    (['--rounds=1', '--out=x.json'], 'x.json'),
  ],
)
def test_trial_of_a_part_that_does_not_overwrite_the_whole(
  argv, out, monkeypatch
):
  monkeypatch.setattr(sys, 'argv', ['run', *argv])
  parser = argparse.ArgumentParser()
  parser.add_argument('--rounds', type=int, default=3)
  default = pathlib.Path('here/results.json')
  parser.add_argument('--out', type=pathlib.Path, default=default)
  assert results.parse(parser).out == pathlib.Path(out)


def test_trial_of_absl_flags_of_a_part(monkeypatch):
  values = flags.FlagValues()
  parser, serializer = flags.ArgumentParser(), flags.ArgumentSerializer()
  for name in ('seeds', 'out'):
    flag = flags.Flag(parser, serializer, name, 'default', '')
    flags.DEFINE_flag(flag, values, module_name='experiment')
  monkeypatch.setattr(sys, 'argv', ['experiment'])
  monkeypatch.setattr(results.flags, 'FLAGS', values)
  here = pathlib.Path('here')
  for argv, expected in (
    ([], 'here'), (['--out=y'], 'here'), (['--seeds=0,1'], 'runs/x'),
  ):  # fmt: skip
    values.unparse_flags()
    values(['experiment', *argv])
    assert str(results.folder(here, 'runs/x')) == expected


if __name__ == '__main__':
  _help_of_each()
