"""Averages by hand, and our numbers beside the printed ones."""

import csv
import io
import math

import numpy as np
import pytest

from experiments.paper_tables import printed, tables
from mem_alpha_jax.report import statistics

# Source a: episodes 1/2 and 4/4; b: 0/1, and one with nothing answered.
COUNTS = {
  'a': np.array([[1, 2], [4, 4]]),
  'b': np.array([[0, 1], [0, 0]]),
}


def test_macro_counts_sources_and_episodes_the_same():
  # a: (1/2 + 1) / 2 = 3/4; b: 0.
  found = statistics.macro(COUNTS)
  assert found.mean == pytest.approx(3 / 8) and found.count == 7
  # Micro: 5 of 7 answers.
  assert statistics.overall(COUNTS).mean == pytest.approx(5 / 7)
  # b has one episode: nothing is known of how its episodes differ.
  assert math.isnan(found.low) and math.isnan(found.high)


def test_macro_interval_is_over_the_episodes_of_each_source():
  found = statistics.macro({'a': COUNTS['a'], 'c': np.ones((2, 2))})
  # c is 1 in every episode; a is 1/2 or 1.
  assert found.mean == pytest.approx(7 / 8)
  assert found.low < 0.5 and found.high > 0.9  # of two episodes
  same = statistics.macro({'c': np.ones((30, 2))})
  assert same[0] == same[2] == 1 and same[1] > 0.85


def test_a_source_without_answers_is_named():
  with pytest.raises(ValueError, match="'b'; leave it out for every system"):
    statistics.macro({'a': COUNTS['a'], 'b': COUNTS['b'][1:]})


TABLE = printed.Table(
  'Table 0: two sources',
  ('squad', 'nlu'),
  {'Theirs': printed.Row((0.5, 0.7), 0.65, (1.5, 0.5), 1.0)},
)
CELLS = [
  tables.Cell('before', 'squad', 0.25, 100.0, 0.2, 0.3),
  tables.Cell('before', 'babi', 0.5, 300.0),
  tables.Cell('after', 'squad', 0.75, 1234.0),
]


def test_ours_stand_beside_the_printed_numbers():
  # Of the paper's sources squad and nlu ours lack nlu: two tables.
  ours, theirs = _grids(tables.markdown(TABLE, CELLS))
  header = ('macro', 'printed avg', 'memory tokens')
  assert ours[0] == ['system', 'squad', 'babi', *header]
  assert theirs[0] == ['system', 'squad', 'nlu', *header]
  # Printed 0.65; the mean of 0.5 and 0.7 is 0.6.
  assert theirs[2:] == [
    ['Theirs (paper)', '0.500', '0.700', '0.600', '0.650', '1,000']
  ]
  assert ours[2] == [
    'before (ours)', '0.250 [0.20, 0.30]', '0.500', '0.375', '-', '200',
  ]  # fmt: skip
  # It lacks babi: an average would be over other sources than that of before.
  assert ours[3] == ['after (ours)', '0.750', '-', '-', '-', '-']
  assert statistics.MACRO in tables.markdown(TABLE, CELLS)


def test_with_all_sources_of_the_paper_it_is_one_table():
  cells = [*CELLS[::2], tables.Cell('before', 'nlu', 0.75, 300.0)]
  (rows,) = _grids(tables.markdown(TABLE, cells))
  assert [row[0] for row in rows[2:]] == [
    'Theirs (paper)', 'before (ours)', 'after (ours)',
  ]  # fmt: skip
  assert rows[3][-3] == '0.500'


def test_a_source_beside_the_others_is_in_no_average():
  text = tables.markdown(TABLE, CELLS, ['babi'])
  ours = _grids(text)[0]
  assert ours[2][-3] == '0.250' and ours[3][-3] == '0.750'
  assert 'babi left out' in text


def _grids(text):
  """Tables of a Markdown text as lists of rows."""
  blocks = [part for part in text.split('\n\n') if part.startswith('|')]
  return [
    [
      [cell.strip() for cell in line.strip('|').split('|')]
      for line in block.splitlines()
    ]
    for block in blocks
  ]


def test_csv_has_the_same_numbers():
  rows = list(csv.DictReader(io.StringIO(tables.csv_text(TABLE, CELLS))))
  by_place = {(r['system'], r['source']): r for r in rows}
  assert len(by_place) == len(rows) == 2 + 2 + 2 + 1 + 1
  first = by_place['before', 'squad']
  assert [first[k] for k in ('origin', 'score', 'low', 'high')] == [
    'ours', '0.25', '0.2', '0.3',
  ]  # fmt: skip
  assert by_place['after', 'squad']['memory_tokens'] == '1234'
  assert by_place['after', 'squad']['low'] == ''
  assert by_place['Theirs', 'macro']['score'] == '0.6'
  assert by_place['Theirs', 'printed_average']['score'] == '0.65'
  assert by_place['Theirs', 'squad']['memory_tokens'] == '1500'
  assert ('after', 'macro') not in by_place


def test_a_number_that_is_given_twice_is_named():
  with pytest.raises(ValueError, match="'after' on 'squad'"):
    tables.lines(TABLE, [*CELLS, CELLS[-1]])


@pytest.mark.parametrize('name', printed.TABLES)
def test_every_printed_table_can_be_shown(name):
  table = printed.TABLES[name]
  paper = _grids(tables.markdown(table, []))[-1]
  assert len(paper) == len(table.rows) + 2
  assert paper[0][1:-3] == list(table.sources)
  main = {line.system: line for line in tables.lines(table, [])[1]}
  if name == 'main':
    assert main['Mem-alpha'].average == pytest.approx(0.619, abs=5e-4)
    assert main['Mem-alpha'].printed_average == 0.642
