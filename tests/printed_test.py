"""The paper's printed averages against the means of their columns."""

import pytest

from experiments.paper_tables import printed

# Printed averages that are not the mean of their columns, and that mean.
WRONG = {
  ('main', 'MemAgent'): 0.226,
  ('main', 'Mem-alpha'): 0.619,
  ('rl', 'Mem-alpha'): 0.619,
  ('rl', 'Qwen3-4B'): 0.391,
  ('ood', 'Long-Context'): 0.480,
  ('ood', 'RAG-Top2'): 0.532,
  ('grid', 'beta=0 gamma=0.1'): 0.620,
  ('grid', 'beta=0.05 gamma=0.1'): 0.619,
  ('grid', 'beta=0.2 gamma=0.1'): 0.515,
  ('grid_ood', 'beta=0.05 gamma=0'): 0.443,
  ('grid_ood', 'beta=0.2 gamma=0.1'): 0.382,
}
ALL = [(t, row) for t, table in printed.TABLES.items() for row in table.rows]


@pytest.mark.parametrize(('table', 'row'), ALL)
def test_printed_averages(table, row):
  average, mean, agrees = printed.check(printed.TABLES[table])[row]
  assert agrees == ((table, row) not in WRONG), (average, mean)
  expected = WRONG.get((table, row), average)
  assert mean == pytest.approx(expected, abs=0.0011)


@pytest.mark.parametrize('name', printed.TABLES)
def test_a_number_for_every_source(name):
  table = printed.TABLES[name]
  for row in table.rows.values():
    assert len(row.scores) == len(table.sources)
    assert len(row.memory) == len(table.sources)
    assert all(0 <= score <= 1 for score in row.scores)
