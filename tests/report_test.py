"""Tests for results.json, tables and plots."""

import json
import struct

import numpy as np
import pytest

from mem_alpha_jax.evaluation import stream
from mem_alpha_jax.report import plots, statistics, tables
from mem_alpha_jax.run import compare, summary
from mem_alpha_jax.system import files


def near(mean):
  interval = [mean - 0.02, mean + 0.02]
  return {'accuracy': mean, 'interval': interval, 'questions': 100}


NONE = statistics.accuracies({}, ['x'])
NOTHING = {**NONE, 'lenient': NONE}


def make_arm(accuracy, overwritten=0.5):
  types = {'overwritten': near(overwritten), 'who': near(accuracy)}
  lenient = near(0.875) | {'by_type': {'overwritten': near(0.75)}}
  lenient['macro'] = near(0.625)
  return {
    **near(accuracy),
    'by_type': types,
    'macro': near(0.375),
    'lenient': lenient,
    'memory_tokens': np.float32(30),
    'memory_share': 0.3125,
    'valid_calls': 0.99,
    'calls': {'insert': 3},
  }


def make_arms(shift=0.0):
  return {
    'before': make_arm(0.25 + shift),
    'after': make_arm(0.95 - shift),
    'baselines': {'keep_newest': make_arm(0.5), 'oracle': make_arm(0.99)},
  }


LENGTH = {1: make_arms(), 4: make_arms(0.125), 13: make_arms(0.25)}


def test_results_have_the_documented_keys(tmp_path):
  path = tmp_path / 'results.json'
  value = tables.results({'seed': 3, 'a': (1,)}, 12.5, LENGTH[1], LENGTH)
  files.write_json(path, value)
  found = json.loads(path.read_text())
  assert {
    'seed',
    'config',
    'versions',
    'seconds',
    'peak_rss_bytes',
    'before',
    'after',
    'length',
    'baselines',
  } == set(found)
  assert found['seed'] == 3 and found['seconds'] == 12.5
  assert found['peak_rss_bytes'] > 10_000_000 and 'jax' in found['versions']
  assert list(found['length']) == ['1', '4', '13']
  arms = [found['before'], found['after'], *found['baselines'].values()]
  for multiple in found['length'].values():
    arms += [multiple['before'], multiple['after']]
  for one in arms:
    assert {
      'accuracy',
      'interval',
      'by_type',
      'memory_tokens',
      'valid_calls',
    } <= set(one)
  assert found['after']['interval'] == [0.95 - 0.02, 0.95 + 0.02]
  assert found['after']['by_type']['overwritten']['accuracy'] == 0.5
  assert found['after']['memory_tokens'] == 30.0


def table_cells(text):
  return [line.split() for line in text.splitlines()]


def test_trial_summary_has_strict_beside_lenient_and_macro_beside_micro():
  text = tables.summary_table(make_arms())
  lines = text.splitlines()
  assert len(lines) == 2 + 4 + 2
  assert ' '.join(lines[3].split()) == (
    'after RL 0.950 [0.93, 0.97] 0.875 0.375 / 0.625 0.500 / 0.750 31.2% 99.0%'
  )
  assert [line.split()[0] for line in lines[2:-2]] == (
    ['before', 'after', 'keep', 'oracle']
  )
  assert max(map(len, lines)) < 100


def test_tables_show_missing_numbers_as_dashes():
  arms = {'after': dict(NOTHING)}
  row = tables.summary_table(arms).splitlines()[2]
  assert row.split() == ['after', 'RL', '-', '[-,', '-]', *'--/--/---']
  # As they come back from a file, where NaN is null.
  arms['after']['interval'] = [None, None]
  arms['after']['accuracy'] = None
  assert tables.summary_table(arms).splitlines()[2] == row


def test_trial_type_and_length_tables_have_both_readers():
  rows = table_cells(tables.type_table(make_arms()))
  assert rows[2] == ['overwritten', *['0.500', '/', '0.750'] * 4]
  assert rows[3][:5] == ['who', '0.250', '/', '-', '0.950']
  length = {str(m): arms for m, arms in LENGTH.items()}
  del length['4']['baselines']['oracle']
  rows = tables.length_table(length).splitlines()
  assert rows[0].split() == ['strict,', 'lenient', '1x', '4x', '13x']
  assert rows[-1].split()[:2] == ['lenient', '0.875']
  oracle = next(row for row in rows if row.startswith('oracle'))
  assert oracle.split()[3:] == ['1.01]', '-', '0.990', '[0.97,', '1.01]']
  length['4']['baselines']['oracle'] = make_arm(0.99)


def png_size(path):
  data = path.read_bytes()
  assert data[:8] == b'\x89PNG\r\n\x1a\n'
  return struct.unpack('>II', data[16:24])


def test_plots_are_written_with_gaps_in_the_data(tmp_path):
  rows = [
    {
      'step': i,
      'reward/total': i / 9,
      'reward/calls': None,
      'eval/accuracy': i / 10 if i % 4 == 0 else None,
    }
    for i in range(10)
  ]
  path = tmp_path / 'curve.png'
  plots.learning_curve(rows, path, references={'oracle': 0.99})
  assert png_size(path) == (1575, 600)
  plots.learning_curve([], path)
  assert png_size(path) == (1575, 600)
  length = {str(m): arms for m, arms in LENGTH.items()}
  length['64'] = {'after': NOTHING, 'baselines': {}}
  path = tmp_path / 'length.png'
  plots.length_curve(length, path, cap=0.35, train_chunks=8, cap_base=8)
  assert png_size(path) == (1950, 630)
  assert sorted(p.name for p in tmp_path.iterdir()) == [
    'curve.png',
    'length.png',
  ]


def test_trial_streams_have_labels(monkeypatch):
  curve = {'8': [0.9, 0.8, 1.0, 10], '16': [0.5, 0.4, 0.6, 10]}
  one = {
    'accuracy': curve,
    'fixed_lag': {},
    'retention': curve,
    'memory_tokens': {'8': 100.0, '16': 200.0},
    'saturation': 16,
  }
  drawn = []
  monkeypatch.setattr(plots, 'save', lambda fig, path: drawn.append(fig))
  plots.stream_curves(
    {'policy': one, 'rag_bm25': one}, stream.Options(every=8), 'x.png'
  )
  for panel in drawn[0].axes:
    title = panel.get_title(loc='left')
    assert title and 'sessions' in panel.get_xlabel()
    names = {text.get_text() for text in panel.texts}
    empty = title.startswith('Questions')
    assert names == (set() if empty else {'policy', 'rag bm25'})


def test_end_labels_do_not_overlap():
  from matplotlib import figure

  panel = figure.Figure().subplots()
  panel.set_ylim(0, 1)
  plots._end_labels(
    panel, [(0.5, 'a', 'k'), (0.5, 'b', 'k'), (0.51, 'c', 'k'), (0.9, 'd', 'k')]
  )
  places = [text.xy[1] for text in panel.texts]
  assert [text.get_text() for text in panel.texts] == ['a', 'b', 'c', 'd']
  assert np.diff(places).min() > 0.055 and places[-1] == 0.9


@pytest.mark.parametrize(
  'text',
  [b'', b'{"length": {', b'null', b'{}', b'[1]', b'\xff', b'[' * 100_000],
)
def test_trial_damaged_results_are_named_in_one_line(tmp_path, text):
  for name, read in (
    ('results.json', summary.read),
    ('before.json', summary.read_before),
  ):
    (tmp_path / name).write_bytes(text)
    with pytest.raises(
      ValueError, match=f'{name}: damaged .*remove it'
    ) as told:
      read(str(tmp_path))
    assert '\n' not in str(told.value)


def test_runs_beside_each_other(tmp_path, capsys):
  rows = [
    {'step': n, 'reward/total': n / 9, 'eval/accuracy': 0.5} for n in (1, 2)
  ]
  for name, seed in (('a', 1), ('b', 2)):
    config = {'seed': seed, 'rl': {'lam': 1.0}}
    files.write_json(tmp_path / name / 'config.json', config)
    lines = ''.join(f'{json.dumps(row)}\n' for row in rows)
    (tmp_path / name / 'metrics.jsonl').write_text(lines)
  result = tables.results({'seed': 1}, 1.0, LENGTH[1], LENGTH)
  files.write_json(tmp_path / 'a' / 'results.json', result)
  runs, out = [str(tmp_path / name) for name in 'ab'], str(tmp_path / 'c.png')
  assert compare.main([*runs, f'--out={out}']) == 0
  told = capsys.readouterr().out
  assert 'rl.lam' not in told
  lines = [' '.join(line.split()) for line in told.splitlines()]
  assert lines[2] == 'seed 1 2'
  assert 'after RL, 13x 0.700 [0.68, 0.72]' in lines
  assert 'overwritten, 1x 0.500 [0.48, 0.52]' in lines
  assert f'{runs[1]}: not finished' in told
  assert png_size(tmp_path / 'c.png') == (1575, 600)
  assert compare.main([str(tmp_path / 'c')]) == 2
  assert 'no run there' in capsys.readouterr().err
