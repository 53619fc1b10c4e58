"""What a new user meets: flags, messages, a workdir, a stop that stops."""

import math
import os
import pathlib
import re
import runpy
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import setuptools
import tiny_config

from configs import tiny
from mem_alpha_jax.compile import footprint
from mem_alpha_jax.config import command, override, validate
from mem_alpha_jax.config.fields import FIELDS
from mem_alpha_jax.model import policy as policy_lib
from mem_alpha_jax.pretrained import registry
from mem_alpha_jax.rollout import play
from mem_alpha_jax.run import (
  base_checkpoint,
  build,
  checkpoint,
  export,
  progress,
)
from mem_alpha_jax.run import workdir as workdir_lib
from mem_alpha_jax.system import (
  cluster,
  files,
  interrupt,
  machine,
  optional,
  sharding,
)

ROOT = pathlib.Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
  ('arg', 'told'),
  [
    ('seed=abc', "config.seed='abc': use an integer, 0 to 2147483647"),
    ('seed=1.5', 'config.seed=1.5: use an integer'),
    ('rl.nope=1', r'config.rl.nope=1: there is no such field'),
    ('rl.kl_coeff=1', 'did you mean rl.kl_coef'),
    ('rl=1', 'config.rl=1: there is no such field'),
    ('eval.bootstrap=1', 'config.eval.bootstrap=1: there is no such field'),
    ('eval.lengths=1,2', 'separated by semicolons: write eval.lengths=1;2'),
    ('eval.lengths=2;1', 'use growing integers, 1 or more'),
    ('rl.kl_coef=1e400', 'config.rl.kl_coef=inf: use a finite number'),
    ('rl.kl_coef=nan', "config.rl.kl_coef='nan': use a finite number"),
    ('rollout.response_buckets=-1', 'use growing integers, 1 or more'),
  ],
)
def test_trial_of_a_wrong_field_names_value_and_way_out(arg, told):
  with pytest.raises(ValueError) as caught:
    validate.validate(tiny.get_config(arg))
  assert told in str(caught.value) and '\n' not in str(caught.value)


def test_trial_of_values_in_their_types():
  config = tiny.get_config('rl.lam=1,eval.lengths=3,reading.strict=False')
  assert config.rl.lam == 1.0 and isinstance(config.rl.lam, float)
  assert config.eval.lengths == (3,) and config.reading.strict is False
  assert override.pairs('a=1,b=x=y') == [('a', '1'), ('b', 'x=y')]


def run_main(*flags, folder=ROOT):
  return subprocess.run(
    [sys.executable, '-m', 'mem_alpha_jax.main', *flags],
    capture_output=True,
    text=True,
    cwd=folder,
    env=dict(os.environ, PYTHONPATH=str(ROOT)),
  )


def test_trial_of_help_from_any_folder(tmp_path):
  done = run_main('--help', folder=tmp_path)
  assert done.returncode == 0 and not done.stderr
  for name, field in FIELDS.items():
    assert f'{name}=' in done.stdout and field.meaning in done.stdout
  assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
  ('workdir', 'told'),
  [
    ('', '--workdir is empty'),
    (' ', '--workdir is empty'),
    ('gs://bucket/run', 'mount the bucket'),
    ('s3://bucket/run', 'mount the bucket'),
  ],
)
def test_trial_of_a_workdir_that_cannot_be(workdir, told):
  with pytest.raises(ValueError, match=told):
    command._check_workdir(workdir)


def test_trial_of_the_config_of_a_workdir(tmp_path):
  config = tiny.get_config('seed=3,eval.lengths=1;5,rl.kl_coef=0.5')
  folder = tmp_path / 'run'
  with pytest.raises(FileNotFoundError, match='no run there'):
    command.of_workdir(str(folder))
  with pytest.raises(FileNotFoundError, match='no run there'):
    workdir_lib.finished(folder, config)
  assert not folder.exists()
  workdir_lib.prepare(folder, config)
  assert command.of_workdir(str(folder)).to_dict() == config.to_dict()
  assert workdir_lib.finished(folder, config) == folder
  assert [path.name for path in folder.iterdir()] == ['config.json']
  for text in ('{"seed": ', '[1]', '[' * 100_000, '"\xff"'):
    (folder / 'config.json').write_bytes(text.encode('latin-1'))
    with pytest.raises(ValueError, match=r'config\.json: not readable as JSON'):
      command.of_workdir(str(folder))
  (folder / 'config.json').write_text('{"seed": 1}')  # of before the others
  assert command.of_workdir(str(folder)) == tiny.get_config('seed=1')
  workdir_lib.finished(folder, tiny.get_config('seed=1'))
  (folder / 'config.json').write_text('{"seed": 1, "old": 2}')
  with pytest.raises(ValueError, match='another version.*give --config'):
    command.of_workdir(str(folder))


def test_trial_of_a_workdir_that_cannot_be_written(tmp_path, monkeypatch):
  workdir_lib.prepare(tmp_path, tiny.get_config())

  def refuse(*unused):
    raise OSError(30, 'Read-only file system')

  monkeypatch.setattr(workdir_lib.files, 'write_text', refuse)
  with pytest.raises(ValueError, match='cannot be written.*Read-only'):
    workdir_lib.finished(tmp_path, tiny.get_config())


def test_trial_of_locks_that_a_file_system_lacks(tmp_path, monkeypatch, caplog):
  def refuse(*unused):
    raise OSError(37, 'No locks available')

  (tmp_path / 'lock').write_text('process 7 on another.node\n')
  with workdir_lib.locked(tmp_path):
    pass
  assert 'process 7 on another.node did not end in order' in caplog.text
  assert (tmp_path / 'lock').read_text() == ''
  monkeypatch.setattr(workdir_lib.fcntl, 'flock', refuse)
  with (
    pytest.raises(ValueError, match='has no locks.*mount it with them'),
    workdir_lib.locked(tmp_path),
  ):
    pass


@pytest.mark.parametrize(
  ('path', 'text', 'told'),
  [
    ('none.py', None, 'no such file'),
    ('notes.txt', 'seed = 1', 'is no Python file'),
    ('empty.py', '', 'has no function get_config'),
  ],
)
def test_trial_of_a_file_that_is_no_config(path, text, told, tmp_path):
  if text is not None:
    (tmp_path / path).write_text(text)
  with pytest.raises((ValueError, FileNotFoundError), match=told):
    command.load(str(tmp_path / path))


def test_trial_of_configs_from_any_folder(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  assert command.load('configs/tiny.py', 'seed=2').seed == 2
  assert command.load('configs/paper/tiny.py').num_steps > 0


_SLEEPS = """
import contextlib, hashlib, sys, time
from mem_alpha_jax.system import interrupt
interrupt.install()
def work():
  {work}
with interrupt.save_within({grace}) if {saves} else contextlib.nullcontext():
  print('ready', flush=True)
  work()
interrupt.end('step 3')
"""


def _python(code: str) -> subprocess.Popen:
  return subprocess.Popen(
    [sys.executable, '-c', code],
    cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
  )  # fmt: skip


@pytest.mark.parametrize(
  ('work', 'saves', 'grace', 'said'),
  [
    ('time.sleep(60)', False, 0, 'stopped in the start'),
    # In C, without the lock of the interpreter: no handler would run.
    ('hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)', False, 0, 'the start'),
    ('while True:\n    try: time.sleep(9)\n    except: pass', False, 0, 'the'),
    ('time.sleep(60)', True, 0.2, 'stopped in the start'),
    ('while not interrupt.asked(): time.sleep(.01)', True, 4, 'in step 3'),
  ],
)
def test_trial_of_a_stop_in_one_line(work, saves, grace, said):
  code = _SLEEPS.format(work=work, saves=saves, grace=grace)
  for number in (signal.SIGINT, signal.SIGTERM):
    process = _python(code)
    assert process.stdout.readline() == 'ready\n'
    time.sleep(0.05)
    process.send_signal(number)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == interrupt.CODE
    assert len(output.splitlines()) == 1 and said in output, output


def test_trial_of_a_second_ctrl_c():
  code = _SLEEPS.format(work='time.sleep(60)', saves=True, grace=50)
  process = _python(code)
  assert process.stdout.readline() == 'ready\n'
  process.send_signal(signal.SIGINT)
  assert 'saving what is done within 50 s' in process.stdout.readline()
  process.send_signal(signal.SIGTERM)  # asks again: nothing new
  time.sleep(0.2)
  assert process.poll() is None
  process.send_signal(signal.SIGINT)
  output, _ = process.communicate(timeout=30)
  assert process.returncode == interrupt.CODE and 'stopped in' in output


def test_trial_of_ctrl_c_when_all_is_done():
  # Python takes the handlers away before it has left.
  code = f"""{_SLEEPS.partition('def work')[0]}
import os
class Last:
  def __del__(self, write=os.write, sleep=time.sleep):
    write(1, b'leaving' + bytes([10]))
    sleep(1)
os.last = Last()
"""
  process = _python(code)
  assert process.stdout.readline() == 'leaving\n'
  process.send_signal(signal.SIGINT)
  assert process.communicate(timeout=30) == ('', None)
  assert process.returncode == 0


def test_trial_of_another_second_evaluation(tmp_path):
  path = tmp_path / 'eval.json'
  for name in ('eval.json', 'eval_2.json', 'eval_3.json'):
    assert files.unused(path) == tmp_path / name
    (tmp_path / name).write_text('')


def test_trial_of_a_user_without_a_name(monkeypatch):
  def refuse():
    raise RuntimeError('Could not determine home directory.')

  told = {}
  monkeypatch.delenv('JAX_COMPILATION_CACHE_DIR', raising=False)
  monkeypatch.setattr(machine.pathlib.Path, 'home', refuse)
  monkeypatch.setattr(
    machine.jax.config, 'update', lambda name, value: told.update({name: value})
  )
  machine.use_compilation_cache()
  assert told['jax_compilation_cache_dir'].startswith(tempfile.gettempdir())


@pytest.mark.parametrize('name', ['nowhere_at_all', 'nowhere_at_all.numpy'])
def test_trial_of_a_package_that_is_missing(name):
  with pytest.raises(ValueError) as caught:
    optional.load(name, 'models')
  told = str(caught.value)
  assert told.startswith('nowhere_at_all is not installed: run `pip install -e')
  assert 'mem_alpha_jax' not in told  # anybody could take that name


@pytest.mark.parametrize(
  ('name', 'repository'),
  [
    ('models/Qwen3-4B', 'Qwen/Qwen3-4B'),
    ('models/Qwen2.5-0.5B', 'Qwen/Qwen2.5-0.5B'),
    ('a/SmolLM2-135M', 'HuggingFaceTB/SmolLM2-135M'),
    ('a/mine', 'OWNER/mine'),
  ],
)
def test_trial_of_a_model_that_is_not_there(name, repository, monkeypatch):
  constants = pytest.importorskip('huggingface_hub.constants')
  monkeypatch.setattr(constants, 'HF_HUB_OFFLINE', True)
  with pytest.raises(FileNotFoundError) as caught:
    registry.open_model(name)
  told = str(caught.value)
  assert f'hf download {repository} --local-dir {name}' in told
  assert '--mode=compile plans without a model' in told and '\n' not in told


def test_trial_of_a_server_that_is_not_there(monkeypatch):
  monkeypatch.setattr(build.urllib.request, 'getproxies', dict)
  arg = 'reading.reader=remote,reading.model=Qwen3-32B,reading.url='
  with socket.socket() as free:
    free.bind(('127.0.0.1', 0))
    url = f'http://127.0.0.1:{free.getsockname()[1]}/v1'
    with pytest.raises(ConnectionError, match=f"{url}'.*vllm serve Qwen3-32B"):
      build.reach(tiny.get_config(f'{arg}{url}'))
    free.listen()
    build.reach(tiny.get_config(f'{arg}{url}'))
  build.reach(tiny.get_config(f'reading.url={url}'))  # nobody asks it


def test_trial_of_a_plan_that_counts_the_warm_start():
  config = tiny_config.get_config('rollout.response_buckets=4000')
  shape = build.model_shape(config, config.tokenizer.vocab_size, None)
  mesh = sharding.create_mesh(config.mesh)
  plan = footprint.make(
    config, policy_lib.make_policy(shape, mesh=mesh), mesh, 2**33
  )
  assert plan.activations == plan.warm_start > 2**33
  with pytest.raises(ValueError, match=r'lower warm_start\.batch=32'):
    footprint.check(plan, config)
  config.warm_start.steps = 0
  plan = footprint.make(
    config, policy_lib.make_policy(shape, mesh=mesh), mesh, 2**33
  )
  assert plan.warm_start == 0


def test_trial_of_the_tokenizer_of_another_run(tmp_path):
  state = {'a': jnp.zeros(2)}
  shapes = jax.eval_shape(lambda: state)
  with checkpoint.Manager(tmp_path, 2, 'theirs') as manager:
    manager.save(7, state, {})
  with checkpoint.Manager(tmp_path, 2, 'mine') as manager:
    with pytest.raises(ValueError, match=r'step 7 is intact.*tokenizer\.model'):
      manager.restore(shapes)
    assert manager.steps() == [7]
  with checkpoint.Manager(tmp_path, 2, 'theirs') as manager:
    assert manager.restore(shapes) is not None
  name = 'tiny_base'
  with pytest.raises(ValueError, match=r'tokenizer\.model of the workdir'):
    base_checkpoint.load_params(name, {}, 'mine')


def test_trial_of_a_notation_that_a_tokenizer_lacks(tmp_path, monkeypatch):
  monkeypatch.setattr(build.compact_calls, 'symbols', lambda: ('<new>',))
  with pytest.raises(ValueError, match="'<new>'.*another notation"):
    build.load_tokenizer(tiny.get_config(), str(tmp_path))


def test_trial_of_an_export_that_nothing_could_load(tmp_path, monkeypatch):
  # Said before packages are missed, and before there is a run.
  monkeypatch.setitem(sys.modules, 'safetensors', None)
  with pytest.raises(ValueError, match='model.'):
    export.export(
      tiny.get_config(), str(tmp_path / 'none'), str(tmp_path / 'o')
    )


def test_trial_of_what_is_installed(monkeypatch):
  given = {}
  monkeypatch.setattr(
    setuptools, 'setup', lambda **kwargs: given.update(kwargs)
  )
  monkeypatch.chdir(ROOT)
  runpy.run_path('setup.py')
  assert {'configs', 'configs.paper', 'mem_alpha_jax'} <= {*given['packages']}
  extras = given['extras_require']
  for name in ('tpu', 'cuda'):
    assert {*extras['models'], *extras['lora']} <= {*extras[name]}


def test_trial_of_what_make_passes_on():
  command = ['make', '-n', 'run', 'READY=', "WORKDIR=runs/it's a b"]
  command += ['ARGS=--config=configs/tiny.py:eval.lengths=1;2 --mode=eval']
  # A make above this one would have it say which folder it enters and leaves.
  above = {'MAKEFLAGS', 'MAKELEVEL', 'MFLAGS'}
  env = {name: text for name, text in os.environ.items() if name not in above}
  said = subprocess.run(
    command, cwd=ROOT, env=env, capture_output=True, text=True
  )
  line = said.stdout.replace('\\\n', ' ').strip().splitlines()[-1]
  assert shlex.split(line)[-3:] == [
    "--workdir=runs/it's a b",
    '--config=configs/tiny.py:eval.lengths=1;2',
    '--mode=eval',
  ]


def test_trial_of_what_make_quick_ends_with():
  said = subprocess.run(
    ['make', '-n', 'quick', 'READY='], cwd=ROOT, capture_output=True, text=True
  ).stdout
  assert 'num_steps=30' in said and '--workdir=runs/quick' in said
  ends = said[said.index('echo') :]
  for told in (
    'learning_curve.png',
    'episodes.html',
    '`make run`',
    'README.md',
  ):
    assert told in ends


def test_trial_of_a_learning_rate_that_is_too_high(tmp_path):
  config = tiny_config.get_config(
    'warm_start.learning_rate=1000,warm_start.steps=2'
  )
  experiment = build.build(config, str(tmp_path))
  monkey = lambda *given: given[4](1, math.nan)
  with (
    mock.patch.object(progress.warm_start, 'train', monkey),
    pytest.raises(FloatingPointError, match=r'lower warm_start\.learning_rate'),
  ):
    progress._start(experiment, print)


def wait_until_caught(process):
  """Until SIGTERM is: before that it is Python that starts, not the package."""
  status = pathlib.Path(f'/proc/{process.pid}/status')
  bit, mask = 1 << signal.SIGTERM - 1, 0
  while status.exists() and not mask & bit:
    mask = int(re.search(r'SigCgt:\s*(\w+)', status.read_text())[1], 16)


@pytest.mark.parametrize('moment', [0.1, 1.5, 4.0])
def test_trial_of_ctrl_c_in_a_run(moment, tmp_path):
  """Imports, then the building of a run; experiments/ctrl_c has all of it."""
  config = f'{ROOT}/tests/tiny_config.py:num_steps=500'
  process = subprocess.Popen(
    [sys.executable, '-m', 'mem_alpha_jax.main', f'--config={config}',
     f'--workdir={tmp_path}/run'],
    cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
  )  # fmt: skip
  wait_until_caught(process)
  time.sleep(moment)
  process.send_signal(signal.SIGINT)
  output, _ = process.communicate(timeout=60)
  assert process.returncode == interrupt.CODE, output
  assert output.splitlines()[-1].startswith('stopped in '), output
  assert 'Traceback' not in output


def test_trial_of_parameters_that_have_blown_up():
  ids, mask = np.full((1, 1, 2), 10**6), np.ones((1, 1, 2), bool)
  logps = np.array([[[-1.0, np.nan]]])
  setup = mock.Mock()
  setup.generate = lambda *unused: (ids, logps, mask, mask[..., 0])
  row = np.zeros((1, 1), np.int32)
  prompts = play.Prompts(row, row[0], row, row[0])
  with pytest.raises(FloatingPointError, match=r'lower optim\.learning_rate'):
    play.sample(setup, None, prompts, row[None], np.zeros(1))
  logps[...] = -1.0
  assert play.sample(setup, None, prompts, row[None], np.zeros(1)).tokens.size


@pytest.mark.parametrize(
  'told',
  [
    'RESOURCE_EXHAUSTED: Out of memory while trying to allocate 9 bytes',
    'INTERNAL: Error dispatching: INTERNAL: Error\nOut of memory allocating 9',
  ],
)
def test_trial_of_too_little_memory(told):
  def mode(*unused):
    raise jax.errors.JaxRuntimeError(told)

  with pytest.raises(ValueError, match='raise rl.microbatches') as caught:
    cluster.run(mode, None, '')
  assert '\n' not in str(caught.value)
