"""The tables' pipeline: what is trained, asked, kept and reported."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tiny_config

from experiments.paper_tables import cells, printed, report, scales
from mem_alpha_jax.config import validate as validate_lib
from mem_alpha_jax.evaluation import held_out
from mem_alpha_jax.methods import registry
from mem_alpha_jax.report import statistics

COLUMNS = (
  scales.Column('world'),
  scales.Column(
    'other',
    {'data.overwrite': 0.9, 'data.train_chunks': 8},
    lacks=('oracle',),
  ),
  scales.Column('world, no facts', types=('fact',), cells='world'),
)
SYSTEMS = ('keep_newest', 'oracle', scales.BEFORE, scales.AFTER)
ROWS = tuple(scales.Row(f'the {s}', 'mix', s) for s in SYSTEMS)
TABLE = scales.Table(ROWS, COLUMNS)
SCALE = scales.Scale({'mix': ''}, {'main': TABLE, 'parts': TABLE})


def config_of(run):
  assert run == 'mix'
  return tiny_config.get_config('num_steps=2,eval.lengths=1,seed=3')


def contents(folder):
  return {
    path.relative_to(folder): path.read_bytes()
    for path in folder.rglob('*.json')
  }


@pytest.fixture(scope='module')
def filled(tmp_path_factory):
  """Filled after it was killed at the third cell; what each attempt did."""
  out = tmp_path_factory.mktemp('tables')
  said, real, asked = [], cells.compare, []

  def killed(name, *rest):
    asked.append(name)
    if len(asked) == 3:
      raise KeyboardInterrupt
    return real(name, *rest)

  wanted = cells.needed(SCALE, ['main'])
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(cells, 'compare', killed)
    with pytest.raises(KeyboardInterrupt):
      cells.fill(wanted, config_of, 3, out, said.append)
    before = contents(out / 'cells')
    metrics = (out / 'mix_seed3' / 'metrics.jsonl').stat()
    cells.fill(wanted, config_of, 3, out, said.append)
  return out, before, metrics, asked, said


@pytest.mark.slow
def test_a_killed_run_goes_on_and_does_nothing_twice(filled):
  out, before, metrics, asked, said = filled
  after = contents(out / 'cells')
  # oracle cannot read one of the two columns; a part of a column is no cell.
  assert len(before) == 2 and len(after) == 2 * len(SYSTEMS) - 1
  assert {path: after[path] for path in before} == before
  assert len(asked) == len(after) + 1  # the third was begun twice
  again = (out / 'mix_seed3' / 'metrics.jsonl').stat()
  assert again.st_mtime_ns == metrics.st_mtime_ns  # it was not trained again
  assert '2 of 7 cells are there' in said
  assert '5 of 5 cells, about 0.0 min left' in said[-1]


@pytest.mark.slow
def test_the_report_has_every_number_of_the_cells(filled, tmp_path):
  out = filled[0]
  folder = tmp_path / 'report'
  folder.mkdir()
  written = report.write(SCALE, ['main', 'parts'], [3], out, folder)
  assert '### Not in the paper' in written['parts'].read_text()
  text = written['main'].read_text()
  assert printed.TABLES['main'].title in text and 'Mem-alpha (paper)' in text
  assert 'Reader: strict' in text and 'Reader: lenient' in text
  assert text.count('The reader goes by rules.') == 1
  table = json.loads((folder / 'main.json').read_text())
  assert table['seeds'] == [3]
  by_place = {(f['system'], f['source']): f for f in table['strict']}
  assert len(by_place) == len(SYSTEMS) * len(COLUMNS) - 1
  cell = cells.Cell('mix', COLUMNS[0], 'oracle')
  kept = cells.read(cells.path_of(out, cell, 3))
  counts = kept['scores']['strict']
  found = by_place['the oracle', 'world']
  means = [
    sum(table[i][0] for table in counts.values())
    / sum(table[i][1] for table in counts.values())
    for i in range(len(next(iter(counts.values()))))
  ]
  assert found['scores'] == [pytest.approx(sum(means) / len(means))]
  total = [sum(row[k] for t in counts.values() for row in t) for k in (0, 1)]
  assert found['sums'] == [total]
  columns = [c for c in by_place.values() if c['system'] == 'the keep_newest']
  columns = [c['sums'][0] for c in columns if 'no facts' not in c['source']]
  micro = sum(c[0] for c in columns) / sum(c[1] for c in columns)
  assert f'{statistics.MICRO}: the keep_newest {micro:.3f}' in text
  assert found['questions'] == kept['questions'] > 0
  assert found['memory_tokens'] == [kept['memory_tokens']]
  for reader in held_out.READERS:
    assert (folder / f'main_{reader}.png').stat().st_size > 5000
    assert (folder / f'main_{reader}.csv').read_text().count('ours') > 10


@pytest.mark.slow
def test_cells_say_what_was_asked_and_shown(filled):
  out = filled[0]
  newest, before, after = (
    cells.read(cells.path_of(out, cells.Cell('mix', COLUMNS[0], name), 3))
    for name in ('keep_newest', scales.BEFORE, scales.AFTER)
  )
  assert newest['questions'] == before['questions'] == after['questions']
  assert 0 < newest['memory_tokens'] < newest['read_tokens']
  assert newest['shown_tokens'] > 0 and newest['missing'] == 0
  assert before['examples'] != after['examples'] or before != after
  assert all(len(example) == 4 for example in newest['examples'])


def test_types_left_out_of_a_column_do_not_count():
  counts = {'a': [[1, 2], [0, 2]], 'b': [[2, 2], [2, 2]]}
  every = scales.Column('x')
  assert report._score(counts, every) == pytest.approx((3 / 4 + 2 / 4) / 2)
  some = scales.Column('x', types=('b',))
  assert report._score(counts, some) == pytest.approx(1 / 4)


def test_a_column_without_episodes_is_named():
  config = config_of('mix')
  some = cells._episodes(config, scales.Column('x', only='synthetic'))
  assert some and {e.source for e in some} == {'synthetic'}
  with pytest.raises(ValueError, match='column squad: no test episode of sou'):
    cells._episodes(config, scales.Column('squad', only='squad'))


def test_an_unknown_table_is_named():
  with pytest.raises(ValueError, match="no table 'mian'; use some of"):
    cells.check(SCALE, ['mian'])


@pytest.mark.slow
def test_what_a_user_can_mend_is_one_line_and_code_2(tmp_path):
  command = [sys.executable, '-m', 'experiments.paper_tables.run']
  ended = subprocess.run(
    [*command, '--table=mian', f'--out={tmp_path}'],
    capture_output=True,
    text=True,
    cwd=pathlib.Path(__file__).parents[1],
  )
  assert ended.returncode == 2
  (line,) = ended.stderr.strip().splitlines()
  assert line.startswith("error: no table 'mian'; use some of ['main', 'ood',")
  assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('name', scales.SCALES)
def test_every_scale_has_valid_configs_and_known_systems(name):
  scale = scales.SCALES[name]()
  cells.check(scale, list(scale.tables))
  assert set(scale.tables) == set(printed.TABLES) | {'parts'}
  wanted = cells.needed(scale, list(scale.tables))
  assert {cell.run for cell in wanted} == set(scale.runs)
  for run in scale.runs:
    config = _config(scale, run)
    validate_lib.validate(config)
    columns = {c.column.read_as: c.column for c in wanted if c.run == run}
    for column in columns.values():
      fields = config.copy_and_resolve_references().unlock()
      fields.update_from_flattened_dict(dict(column.fields))
      validate_lib.validate(fields)
  names = {row.system for table in scale.tables.values() for row in table.rows}
  baselines = names - {scales.BEFORE, scales.AFTER, *scales.CHAT}
  # Another BM25, and the rankings of views, which are not compared.
  other = ('rag_rank_bm25', 'rag_coverage', 'rag_topic')
  baselines |= {n for n in registry.METHODS if n.startswith(other)}
  policies = {n for n in registry.METHODS if n.startswith('policy')}
  assert baselines == set(registry.METHODS) - (policies - set(scales.PARTS)) - (
    set(scales.CHAT)
  )


def _config(scale, run):
  from experiments.paper_tables import run as run_lib

  return run_lib.config_of(scale, run, 5, '')


def test_some_columns_alone():
  some = scales.with_columns(SCALE, ['other'])
  assert [c.system for c in cells.needed(some, ['main'])] == [
    s for s in SYSTEMS if s != 'oracle'
  ]
  with pytest.raises(ValueError, match="no column 'wrld'; use some of"):
    scales.with_columns(SCALE, ['other', 'wrld'])


def test_the_grid_has_the_weights_of_the_paper():
  scale = scales.SCALES['qwen3_4b']()
  for row in scale.tables['grid'].rows:
    assert row.label in printed.TABLES['grid'].rows
    config = _config(scale, row.run)
    label = f'beta={config.reward.size:g} gamma={config.reward.content:g}'
    assert label == row.label and config.seed == 5


def test_trial_intervals_are_over_seeds_and_episodes():
  rng = np.random.default_rng(0)
  table = np.stack([rng.integers(0, 4, 16), np.full(16, 4)], 1)
  counts, column = {'a': table.tolist()}, scales.Column('x')
  one, three = (report._interval([counts] * n, column) for n in (1, 3))
  assert one[0] < report._score(counts, column) < one[1]
  # Seeds that agree are no more episodes.
  assert np.diff(three) == pytest.approx(np.diff(one), rel=0.01)
  found = {
    'system': 's', 'source': 'x', 'scores': [0.5, 0.7], 'interval': [0.4, 0.8],
    'memory_tokens': [10.0, 20.0],
  }  # fmt: skip
  (cell,) = report._mean_cells([found])
  assert cell == ('s', 'x', pytest.approx(0.6), 15, 0.4, 0.8)
