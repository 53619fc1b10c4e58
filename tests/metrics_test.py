import json
import math
import subprocess
import sys
import types

import jax.numpy as jnp
import numpy as np
import pytest

from mem_alpha_jax.report import metrics


def open_writer(folder, start=0, **kwargs):
  options = {'tensorboard': False, 'progress': False, **kwargs}
  return metrics.Writer(folder, total=5, start=start, **options)


def test_lines_are_json_with_null_for_what_is_not_finite(tmp_path):
  with open_writer(tmp_path) as writer:
    writer.write(1, {'a': jnp.float32(0.5), 'b': math.nan, 'c': np.inf, 'n': 3})
    # Flushed: readable before the writer is closed.
    line = (tmp_path / metrics.FILE).read_text()
  assert line == '{"step": 1, "a": 0.5, "b": null, "c": null, "n": 3}\n'


def test_array_is_refused_by_name(tmp_path):
  with open_writer(tmp_path) as writer, pytest.raises(ValueError, match="'a'"):
    writer.write(1, {'a': np.zeros(2)})


def test_resumed_file_equals_an_uninterrupted_one(tmp_path):
  def steps(folder, first, last, start):
    with open_writer(folder, start=start) as writer:
      for step in range(first, last + 1):
        writer.write(step, {'loss': 1 / step})

  steps(tmp_path / 'whole', 1, 5, start=0)
  steps(tmp_path / 'cut', 1, 4, start=0)
  path = tmp_path / 'cut' / metrics.FILE
  with open(path, 'a') as file:
    file.write('{"step": 5, "lo')  # killed in the middle of a line
  steps(tmp_path / 'cut', 3, 5, start=2)  # its newest checkpoint is step 2's
  assert path.read_bytes() == (tmp_path / 'whole' / metrics.FILE).read_bytes()
  assert [row['step'] for row in metrics.read(path)] == [1, 2, 3, 4, 5]


def test_read_names_file_and_line(tmp_path):
  path = tmp_path / 'm.jsonl'
  for broken in ('broken', '{"loss": 2}', '3'):
    path.write_text(json.dumps({'step': 1}) + f'\n{broken}\n')
    with pytest.raises(ValueError, match=r'm\.jsonl:2'):
      metrics.read(path)
  path.write_text('{"step": 1, "a": 2.0}\n{"step": 2, "a"')  # cut short
  assert metrics.read(path) == [{'step': 1, 'a': 2.0}]


def test_timer_adds_up_phases_and_starts_anew():
  timer = metrics.Timer()
  for _ in range(2):
    with timer('rollout'):
      sum(range(1000))
  with pytest.raises(RuntimeError), timer('update'):
    raise RuntimeError
  taken = timer.take()
  assert set(taken) == {'time/rollout', 'time/update'}
  assert all(seconds > 0 for seconds in taken.values())
  assert timer.take() == {}


def test_progress_bar_shows_step_and_reward(tmp_path, capsys):
  with open_writer(tmp_path, start=2, progress=True) as writer:
    writer.message('a line')
    writer.advance(4, reward=0.25)
  shown = capsys.readouterr()
  assert '4/5' in shown.err and 'reward 0.250' in shown.err
  assert 'a line' in shown.out


def test_tensorboard_events_need_no_tensorflow(tmp_path):
  code = f"""
import sys
from mem_alpha_jax.report import metrics
with metrics.Writer({str(tmp_path)!r}, total=2, progress=False) as writer:
  writer.write(1, {{'a': 1.0, 'b': float('nan')}})
assert 'tensorflow' not in sys.modules
"""
  subprocess.run([sys.executable, '-c', code], check=True)
  (events,) = (tmp_path / 'tensorboard').glob('events.*')
  data = events.read_bytes()
  assert b'\x01a' in data and b'\x01b' not in data


class Fake:
  """Stands for wandb or mlflow and writes down what it is asked."""

  def __init__(self, name):
    self.asked = asked = []
    run = types.SimpleNamespace(
      id='r7', info=types.SimpleNamespace(run_id='r7'),
      log=lambda scalars, step: asked.append((step, scalars)),
      finish=lambda: asked.append('end'),
    )  # fmt: skip

    def begin(run_id=None, **given):
      asked.append(given.get('id', run_id))
      return run

    self.init = self.start_run = begin
    self.log_metrics = lambda scalars, step: run.log(scalars, step)
    self.end_run = run.finish


@pytest.mark.parametrize('name', ['wandb', 'mlflow'])
def test_a_service_has_the_numbers_and_a_resumed_run_goes_on_there(
  tmp_path, monkeypatch, name
):
  fake = Fake(name)
  monkeypatch.setitem(sys.modules, name, fake)
  for start in (0, 1):
    with open_writer(tmp_path, start, service=name) as writer:
      writer.write(start + 1, {'a': 0.5, 'b': math.nan})
  assert fake.asked == [
    None,
    (1, {'a': 0.5}),
    'end',
    'r7',
    (2, {'a': 0.5}),
    'end',
  ]
  assert len(metrics.read(tmp_path / metrics.FILE)) == 2
  monkeypatch.setitem(sys.modules, name, None)
  with pytest.raises(ValueError, match=rf'{name} is not installed.*\[{name}\]'):
    open_writer(tmp_path, service=name)
