"""Tests for results.json, tables, plots and the page of episodes."""

import html.parser
import json
import struct

import numpy as np
import pytest

from mem_alpha_jax.evaluation import stream
from mem_alpha_jax.report import html as html_lib
from mem_alpha_jax.report import plots, statistics, tables
from mem_alpha_jax.report.html import Trace, TraceAnswer, TraceStep
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


EVIL = '<script>alert("x")</script> & \'q\' \ud800'
STEPS = (
  TraceStep(
    'Marta is a baker.',
    '<ins><sem> Marta job baker',
    [('insert', True, '')],
    [('semantic', 1, 'Marta job baker')],
  ),
  TraceStep(
    'Now a pilot.',
    '<upd><1> Marta job pilot',
    [('update', True, '')],
    [('semantic', 1, 'Marta job pilot'), ('episodic', 2, '3 May Leo')],
    'core of it',
  ),
  TraceStep(EVIL, EVIL, [(EVIL, False, EVIL)], [('episodic', 2, EVIL)]),
)
ANSWERS = (
  TraceAnswer('Marta?', 'overwritten', 'pilot', 'pilot', True, ('a job',)),
  TraceAnswer('Leo?', 'who', 'leo', '', False, ()),
  TraceAnswer(EVIL, EVIL, EVIL, EVIL, None, None),
)


class Page(html.parser.HTMLParser):
  """Collects tags and checks that they are balanced."""

  def __init__(self, text):
    super().__init__()
    self.tags, self.open, self.marked = [], [], []
    self.feed(text)
    assert self.open == []

  def handle_starttag(self, tag, attrs):
    self.tags.append(tag)
    self.marked.append(dict(attrs).get('class', ''))
    if tag != 'meta':
      self.open.append(tag)

  def handle_endtag(self, tag):
    assert self.open.pop() == tag


def written(tmp_path, *traces):
  path = tmp_path / 'episodes.html'
  html_lib.write(path, [(EVIL, traces)])
  return path.read_text(encoding='utf-8')


def test_page_is_balanced_escaped_and_self_contained(tmp_path):
  text = written(
    tmp_path, Trace('before RL', STEPS, ANSWERS), Trace(EVIL, STEPS, ANSWERS)
  )
  page = Page(text)
  assert not {'script', 'img', 'link', 'iframe'} & set(page.tags)
  assert 'http://' not in text and 'https://' not in text
  assert '&lt;script&gt;' in text and '&#55296;' in text
  assert '&lt;ins&gt;&lt;sem&gt; Marta job baker' in text


def test_page_marks_changes_and_answers(tmp_path):
  text = written(tmp_path, Trace('one', STEPS, ANSWERS))
  text = text.replace('<bdi>', '').replace('</bdi>', '')
  assert '<li class="new"><span class="id">1</span>Marta job baker' in text
  assert 'Marta job pilot <del>Marta job baker</del></li>' in text
  assert 'class="gone"><span class="id">1</span><del>Marta job pilot' in text
  assert '<del>core of it</del>' in text
  assert '1 of 2 right' in text and '1 not scored' in text
  assert text.count('>retrieved<') == 2  # not where it was not kept
  assert '1 failed calls' in text


def test_trial_page_isolates_directions_and_shows_controls(tmp_path):
  turned = 'a\u202eb \x00 \x1b[0m \x85'  # overrides what follows
  step = TraceStep(turned, turned, [(turned, False, turned)], [], turned)
  answer = TraceAnswer(turned, turned, turned, turned, False, (turned,))
  text = written(tmp_path, Trace(turned, [step], [answer]))
  shown = 'a\u202eb \u2400 \u241b[0m \\x85'
  assert text.count(shown) == text.count(f'<bdi>{shown}</bdi>') == 13
  assert not set('\x00\x1b\x85') & set(text)


def test_trial_page_limits_the_height_of_long_texts(tmp_path):
  long = 'x' * 100_000
  step = TraceStep(long, long, [(long, True, '')], [('semantic', 1, long)])
  answer = TraceAnswer(long, 'who', 'x', long, False, (long,))
  text = written(tmp_path, Trace('one', [step], [answer]))
  limited = text[: text.index('max-height: 14em; overflow: auto')]
  limited = limited[limited.rindex('}') :]
  for place in ('.chunk > bdi', '.chunk > span', '.cell p', '.memory li'):
    assert place in limited
  assert '.notes li' in limited and '.calls li' in limited
  assert text.count(long) == 7


def test_page_folds_many_unchanged_entries(tmp_path):
  memory = [('semantic', i, f'note {i}') for i in range(9)]
  steps = [
    TraceStep('a', '', (), memory),
    TraceStep('b', '', (), [*memory, ('semantic', 9, 'fresh')]),
  ]
  text = written(tmp_path, Trace('one', steps, ()))
  assert '<summary>9 unchanged</summary>' in text
  assert text.count('class="new">') == 10


def test_traces_of_different_episodes_are_refused(tmp_path):
  with pytest.raises(ValueError, match='differ in their chunks'):
    written(tmp_path, Trace('a', STEPS, ()), Trace('b', STEPS[:2], ()))
  with pytest.raises(ValueError, match='differ in their questions'):
    written(tmp_path, Trace('a', STEPS, ANSWERS), Trace('b', STEPS, ()))


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
