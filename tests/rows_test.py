"""Rows of files: one by one, and each kind of breakage by file and row."""

import json
import re

import pyarrow
import pyarrow.parquet as parquet
import pydantic
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mem_alpha_jax.data import rows

JSON = st.recursive(
  st.none()
  | st.booleans()
  | st.integers()
  | st.floats(allow_nan=False, allow_infinity=False)
  | st.text(),
  lambda inner: (
    st.lists(inner, max_size=3)
    | st.dictionaries(st.text(max_size=3), inner, max_size=3)
  ),
  max_leaves=5,
)


class Pair(rows.Row):
  a: str | None
  b: list[str] | None = None


class Both(rows.Row):
  b: list[str] | None
  a: int


def _json(path, prefix='item'):
  return list(rows.stream(path, dict, 'its publisher', prefix))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.dictionaries(st.text(), JSON, max_size=3), min_size=1))
@example([{'': -(2**63)}, {'id': 10**30, 'share': [0.1, {'x': 1e-300}]}])
def test_any_list_is_read(tmp_path_factory, data):
  path = tmp_path_factory.mktemp('json') / 'x.json'
  path.write_text(f'\n {json.dumps(data)} \n')
  assert _json(path) == [
    (f'{path}: row {i}', row) for i, row in enumerate(data)
  ]


def test_a_long_row_a_byte_order_mark_and_a_list_in_a_field(tmp_path):
  path = tmp_path / 'x.json'
  data = [{'a': 'é' * 200_000, 'b': 2.5}, {'a': ''}]
  path.write_text(json.dumps(data, ensure_ascii=False), encoding='utf-8-sig')
  assert [row for _, row in _json(path)] == data
  path.write_text(json.dumps({'version': 1, 'data': data}))
  assert [row for _, row in _json(path, 'data.item')] == data


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    ('', 'x.json: row 0: no JSON'),
    ('{"a": 1}', 'x.json: no row in a JSON list'),
    ('[]', 'x.json: no row in a JSON list'),
    ('[{"a": 1}, {"a"', 'x.json: row 1: no JSON'),
    ('[{"a": 1}', 'x.json: row 1: no JSON'),
    ('[{"a": 1}, ]', 'x.json: row 1: no JSON'),
    ('[{"a": 1}] {}', 'x.json: row 1: no JSON'),
    ('[{"a": nope}]', 'x.json: row 0: no JSON'),
    ('[{"a": 1}, [2]]', 'x.json: row 1: input should be a valid dict'),
  ],
)
def test_broken_json_is_named(tmp_path, text, message):
  (tmp_path / 'x.json').write_text(text)
  with pytest.raises(ValueError, match=re.escape(message)) as error:
    _json(tmp_path / 'x.json')
  assert '\n' not in str(error.value)


def test_other_encodings_and_missing_files_are_named(tmp_path):
  (tmp_path / 'x.json').write_bytes('[{"a": "é"}]'.encode('latin-1'))
  with pytest.raises(ValueError, match=r'x\.json: .*download'):
    _json(tmp_path / 'x.json')
  with pytest.raises(ValueError, match=r'x\.json: .*utf-8.*download'):
    list(rows.lines(tmp_path / 'x.json', ''))
  with pytest.raises(FileNotFoundError, match=r'y\.json.*its publisher'):
    _json(tmp_path / 'y.json')
  with pytest.raises(FileNotFoundError, match=r'y\.parquet.*its publisher'):
    list(rows.parquet(tmp_path / 'y.parquet', Pair, 'its publisher'))


def test_parquet_rows_of_all_groups(tmp_path):
  path = tmp_path / 'x.parquet'
  table = pyarrow.table({'a': [1, 2, 3], 'b': [[], ['x'], None], 'c': [0] * 3})
  parquet.write_table(table, path, row_group_size=2)
  assert list(rows.parquet(path, Both, '')) == [
    (f'{path}: row 0', Both(b=[], a=1)),
    (f'{path}: row 1', Both(b=['x'], a=2)),
    (f'{path}: row 2', Both(b=None, a=3)),
  ]


def test_broken_parquet_is_named(tmp_path):
  path = tmp_path / 'x.parquet'
  table = pyarrow.table({'a': [str(i) for i in range(2000)]})
  parquet.write_table(table, path, row_group_size=1000, compression='snappy')
  with pytest.raises(ValueError, match=r"x\.parquet: no column \['b'\]"):
    list(rows.parquet(path, Pair, ''))

  class One(rows.Row):
    a: str

  good = path.read_bytes()
  path.write_bytes(good[:4] + b'\xff' * 3000 + good[3004:])
  with pytest.raises(ValueError, match=r'x\.parquet: row 0: broken') as error:
    list(rows.parquet(path, One, ''))
  assert '\n' not in str(error.value)
  path.write_bytes(good[:-20])
  with pytest.raises(ValueError, match=r'x\.parquet: row 0: broken'):
    list(rows.parquet(path, One, ''))
  parquet.write_table(table.slice(0, 0), path)
  with pytest.raises(ValueError, match=r'x\.parquet: the file has no row'):
    list(rows.parquet(path, One, ''))


def test_the_first_fault_is_named_on_one_line():
  class Deep(rows.Row):
    n: int
    rows: list[Pair]

  for row, message in (
    ({'rows': []}, 'r: n: field required'),
    (
      {'n': True, 'rows': []},
      'r: n: input should be a valid integer, got True',
    ),
    ({'n': 1, 'rows': [{'a': None}, {}]}, 'r: rows[1].a: field required'),
    (
      {'n': 1, 'rows': 'x' * 99},
      "r: rows: input should be a valid list, got 'xx",
    ),
    ({'n': 1, 'rows': [{'a': 'x\ny', 'b': ['', 1]}]}, 'r: rows[0].b[1]: input'),
    ([], 'r: input should be a valid dict'),
  ):
    with pytest.raises(ValueError, match=f'^{re.escape(message)}') as error:
      rows.check(Deep, row, 'r')
    assert '\n' not in str(error.value) and len(str(error.value)) < 130


def test_golds():
  golds = lambda value: rows.check(rows.Golds, value, 'r')
  assert golds('a') == ['a']
  assert golds(15) == ['15']
  assert golds(['a', 2.5]) == ['a', '2.5']
  for value in ([], None, True, ['a', {}]):
    with pytest.raises(ValueError, match='^r'):
      golds(value)
  assert rows.check(pydantic.Json[Pair], '{"a": "x"}', 'r').a == 'x'
