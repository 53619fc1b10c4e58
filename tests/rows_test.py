"""Rows of files: one by one, and each kind of breakage by file and row."""

import json
import re

import pyarrow
import pyarrow.parquet as parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mem_alpha_jax.data import rows

JSON = st.recursive(
  st.none() | st.booleans() | st.integers() | st.text(),
  lambda inner: (
    st.lists(inner, max_size=3)
    | st.dictionaries(st.text(max_size=3), inner, max_size=3)
  ),
  max_leaves=5,
)


def _json(path):
  return list(rows.from_json(path, 'its publisher'))


@settings(max_examples=50, deadline=None)
@given(
  data=st.lists(st.dictionaries(st.text(), JSON, max_size=3), min_size=1),
  indent=st.sampled_from([None, 2]),
  block=st.integers(1, 40),
)
def test_any_list_is_read_whatever_the_block(
  tmp_path_factory, data, indent, block
):
  path = tmp_path_factory.mktemp('json') / 'x.json'
  text = json.dumps(data, indent=indent, ensure_ascii=True)
  path.write_text(f'\n {text} \n')
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(rows, '_BLOCK', block)
    assert _json(path) == [
      (f'{path}: row {i}', row) for i, row in enumerate(data)
    ]


def test_a_row_longer_than_a_block_and_a_byte_order_mark(tmp_path):
  path = tmp_path / 'x.json'
  data = [{'a': 'é' * (rows._BLOCK * 3)}, {'a': ''}]
  path.write_text(json.dumps(data, ensure_ascii=False), encoding='utf-8-sig')
  assert [row for _, row in _json(path)] == data


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    ('', 'x.json: row 0: no JSON (the file ends here)'),
    ('{"a": 1}', 'x.json: expected a JSON list of rows'),
    ('[]', 'x.json: row 0: no JSON'),
    ('[{"a": 1}, {"a"', 'x.json: row 1: no JSON'),
    ('[{"a": 1}', 'x.json: row 1: no JSON (the file ends here)'),
    ('[{"a": 1}, ]', 'x.json: row 1: no JSON'),
    ('[{"a": 1}] {}', 'x.json: row 1: no JSON'),
    ('[{"a": nope}]', 'x.json: row 0: no JSON'),
    ('[{"a": 1}, [2]]', 'x.json: row 1: expected an object, got [2]'),
  ],
)
def test_broken_json_is_named(tmp_path, text, message):
  (tmp_path / 'x.json').write_text(text)
  with pytest.raises(ValueError, match=re.escape(message)) as error:
    _json(tmp_path / 'x.json')
  assert '\n' not in str(error.value)


def test_other_encodings_and_missing_files_are_named(tmp_path):
  (tmp_path / 'x.json').write_bytes('[{"a": "é"}]'.encode('latin-1'))
  with pytest.raises(ValueError, match=r'x\.json: .*utf-8.*download'):
    _json(tmp_path / 'x.json')
  with pytest.raises(FileNotFoundError, match=r'y\.json.*its publisher'):
    _json(tmp_path / 'y.json')
  with pytest.raises(FileNotFoundError, match=r'y\.parquet.*its publisher'):
    list(rows.from_parquet(tmp_path / 'y.parquet', ['a'], 'its publisher'))


def test_parquet_rows_of_all_groups(tmp_path):
  path = tmp_path / 'x.parquet'
  table = pyarrow.table({'a': [1, 2, 3], 'b': [[], ['x'], None], 'c': [0] * 3})
  parquet.write_table(table, path, row_group_size=2)
  assert list(rows.from_parquet(path, ['b', 'a'], '')) == [
    (f'{path}: row 0', {'b': [], 'a': 1}),
    (f'{path}: row 1', {'b': ['x'], 'a': 2}),
    (f'{path}: row 2', {'b': None, 'a': 3}),
  ]


def test_broken_parquet_is_named(tmp_path):
  path = tmp_path / 'x.parquet'
  table = pyarrow.table({'a': [str(i) for i in range(2000)]})
  parquet.write_table(table, path, row_group_size=1000, compression='snappy')
  with pytest.raises(ValueError, match=r"x\.parquet: no column \['b'\]"):
    list(rows.from_parquet(path, ['a', 'b'], ''))
  good = path.read_bytes()
  path.write_bytes(good[:4] + b'\xff' * 3000 + good[3004:])
  with pytest.raises(ValueError, match=r'x\.parquet: row 0: broken') as error:
    list(rows.from_parquet(path, ['a'], ''))
  assert '\n' not in str(error.value)
  path.write_bytes(good[:-20])
  with pytest.raises(ValueError, match=r'x\.parquet: row 0: broken'):
    list(rows.from_parquet(path, ['a'], ''))
  parquet.write_table(table.slice(0, 0), path)
  with pytest.raises(ValueError, match=r'x\.parquet: the file has no row'):
    list(rows.from_parquet(path, ['a'], ''))


def test_fields_of_the_wrong_kind_are_named():
  row = {'n': True, 't': 'x' * 100, 'l': [], 'm': ['a', 1]}
  for name, kind, message in (
    ('z', str, "r: no field 'z', only ['l', 'm', 'n', 't']"),
    ('n', int, 'r: n: expected a whole number, got True'),
    ('t', list, f'r: t: expected a list, got {"x" * 56!r}'[:-1] + '...'),
  ):
    with pytest.raises(ValueError, match=f'^{re.escape(message)}$'):
      rows.field(row, name, kind, 'r')
  with pytest.raises(ValueError, match='r: the list is empty'):
    rows.texts(row['l'], 'r')
  with pytest.raises(ValueError, match=r'r\[1\]: expected text, got 1'):
    rows.texts(row['m'], 'r')
  with pytest.raises(ValueError, match=r'r\[0\]: expected an object'):
    rows.objects(row['m'], 'r')


def test_golds():
  assert rows.golds('a', 'r') == ('a',)
  assert rows.golds(15, 'r') == ('15',)
  assert rows.golds(['a', 2.5], 'r') == ('a', '2.5')
  for value, message in (
    ([], 'r: the list is empty'),
    (None, 'r: expected text, got None'),
    (True, 'r: expected text, got True'),
    (['a', {}], r'r\[1\]: expected text'),
  ):
    with pytest.raises(ValueError, match=message):
      rows.golds(value, 'r')
