"""Mem-alpha's parquet schema: read, and broken."""

import json

import pyarrow
import pyarrow.parquet as parquet
import pytest

from mem_alpha_jax.data import parquet_sets
from mem_alpha_jax.types import Episode, Question

ROW = {
  'instance_id': 7,
  'prompt': 'Remember what follows.',
  'chunks': json.dumps(['Ada moved.', 'Bob stayed.']),
  'questions_and_answers': json.dumps(
    [
      {'question': 'Who moved?', 'answer': 'Ada'},
      {'question': 'Who stayed?', 'answer': ['Bob', 'Robert']},
    ]
  ),
  'data_source': 'squad',
  'metadata': '{}',
  'num_chunks': 2,
  'num_questions': 2,
}
SCHEMA = pyarrow.schema(
  [
    ('instance_id', pyarrow.int64()),
    ('prompt', pyarrow.string()),
    ('chunks', pyarrow.string()),
    ('questions_and_answers', pyarrow.string()),
    ('data_source', pyarrow.string()),
    ('metadata', pyarrow.string()),
    ('num_chunks', pyarrow.int64()),
    ('num_questions', pyarrow.int64()),
  ]
)


def _write(path, *changes):
  rows = [ROW | change for change in changes]
  parquet.write_table(pyarrow.Table.from_pylist(rows, schema=SCHEMA), path)
  return path


def test_a_released_row_is_an_episode(tmp_path):
  path = _write(tmp_path / 'test.parquet', {}, {'instance_id': 8})
  first, second = parquet_sets.load(path)
  assert first == Episode(
    7,
    'squad',
    ('Ada moved.', 'Bob stayed.'),
    (
      Question('Who moved?', 'Ada', 'squad', 1, 1),
      Question('Who stayed?', 'Bob', 'squad', 1, 1, others=('Robert',)),
    ),
  )
  assert second == first._replace(uid=8)


@pytest.mark.parametrize(
  ('metadata', 'types'),
  [
    ({'sub_source': 'ruler_qa1'}, ['ruler_qa1'] * 2),
    ({'sub_source': ''}, ['squad'] * 2),
    ({'sub_source': None}, ['squad'] * 2),
  ],
)
def test_metadata_may_give_a_finer_type(tmp_path, metadata, types):
  path = _write(tmp_path / 'x.parquet', {'metadata': json.dumps(metadata)})
  (episode,) = parquet_sets.load(path)
  assert [q.type for q in episode.questions] == types
  assert episode.source == 'squad'


@pytest.mark.parametrize(
  ('column', 'value', 'message'),
  [
    ('chunks', '["a", ', 'invalid JSON'),
    ('chunks', '{"a": 1}', 'valid list'),
    ('chunks', '[]', 'at least 1 item'),
    ('chunks', '["a", 2]', r'\[1\]: input should be a valid string, got 2'),
    ('chunks', None, 'JSON input should be string'),
    ('questions_and_answers', 'nope', 'invalid JSON'),
    ('questions_and_answers', '["q", "a"]', r'\[0\]: input should be a valid'),
    ('questions_and_answers', '[{"answer": "a"}, {}]',
     r'\[0\].question: field required'),
    ('questions_and_answers',
     '[{"question": "q", "answer": "a"}, {"question": "q"}]',
     r'\[1\].answer: field required'),
    ('questions_and_answers',
     '[{"question": "q", "answer": []}, {"question": "q", "answer": "a"}]',
     r'\[0\].answer: list should have at least 1 item'),
    ('questions_and_answers',
     '[{"question": "q", "answer": {}}, {"question": "q", "answer": "a"}]',
     r'\[0\].answer\[0\]: input should be a valid string'),
    ('num_questions', None, 'valid integer'),
    ('instance_id', None, 'valid integer'),
    ('data_source', None, 'valid string'),
    ('metadata', '[]', 'valid dict'),
    ('metadata', '', 'invalid JSON'),
  ],
)  # fmt: skip
def test_a_malformed_row_is_named(tmp_path, column, value, message):
  path = _write(tmp_path / 'train.parquet', {}, {column: value}, {})
  with pytest.raises(ValueError, match=f'(?i){message}') as error:
    parquet_sets.load(path)
  assert str(error.value).startswith(f'{path}: row 1: {column}')
  assert '\n' not in str(error.value)


@pytest.mark.parametrize(
  'change',
  [{'num_chunks': 3}, {'num_questions': 1}, {'questions_and_answers': '[]'}],
)
def test_counts_that_do_not_agree_are_named(tmp_path, change):
  path = _write(tmp_path / 'train.parquet', {}, change)
  with pytest.raises(ValueError, match='row 1: num_chunks, num_questions: '):
    parquet_sets.load(path)


@pytest.mark.parametrize('column', [n for n in SCHEMA.names if n != 'prompt'])
def test_a_missing_column_is_named(tmp_path, column):
  path = tmp_path / 'x.parquet'
  table = pyarrow.Table.from_pylist([ROW], schema=SCHEMA)
  parquet.write_table(table.drop_columns([column]), path)
  with pytest.raises(ValueError, match=rf"x\.parquet: no column \['{column}'"):
    parquet_sets.load(path)
