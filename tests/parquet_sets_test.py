"""Mem-alpha's parquet schema: read, written, read back, and broken."""

import json

import pyarrow
import pyarrow.parquet as parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


def _episode(uid=0, chunks=('a', 'b'), questions=None):
  questions = questions or (Question('q?', 'x', 'squad', 1, 1),)
  return Episode(uid, 'squad', chunks, questions)


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
    ({'sub_source': 'x', 'question_types': ['a', 'b']}, ['a', 'b']),
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
    ('chunks', '["a", ', 'no JSON'),
    ('chunks', '{"a": 1}', 'expected a list'),
    ('chunks', '[]', 'the list is empty'),
    ('chunks', '["a", 2]', r'\[1\]: expected text, got 2'),
    ('chunks', None, 'expected text, got None'),
    ('questions_and_answers', 'nope', 'no JSON'),
    ('questions_and_answers', '[]', 'the list is empty'),
    ('questions_and_answers', '["q", "a"]', r'\[0\]: expected an object'),
    ('questions_and_answers', '[{"answer": "a"}, {}]',
     r"\[0\]: no field 'question'"),
    ('questions_and_answers',
     '[{"question": "q", "answer": "a"}, {"question": "q"}]',
     r"\[1\]: no field 'answer'"),
    ('questions_and_answers',
     '[{"question": "q", "answer": []}, {"question": "q", "answer": "a"}]',
     r'\[0\]: answer: the list is empty'),
    ('questions_and_answers',
     '[{"question": "q", "answer": {}}, {"question": "q", "answer": "a"}]',
     r'\[0\]: answer: expected text'),
    ('num_chunks', 3, '3, but there are 2'),
    ('num_questions', 1, '1, but there are 2'),
    ('num_questions', None, 'expected a whole number'),
    ('instance_id', None, 'expected a whole number'),
    ('data_source', None, 'expected text'),
    ('prompt', None, 'expected text'),
    ('metadata', '[]', 'expected an object'),
    ('metadata', '', 'no JSON'),
    ('metadata', '{"question_types": ["a"]}', '1 types of 2'),
    ('metadata', '{"question_types": "a"}', 'expected a list'),
    ('metadata', '{"question_spans": [[0, 1, true]]}', '1 spans of 2'),
    ('metadata', '{"question_spans": [[0, 1, true], [1, 0, true]]}',
     r'question_spans\[1\]: expected'),
    ('metadata', '{"question_spans": [[0, 2, true], [1, 1, true]]}',
     r'question_spans\[0\]: expected'),
    ('metadata', '{"session_chunks": 2}', 'expected a list'),
    ('metadata', '{"session_chunks": [2, 1]}', 'add up to 2'),
    ('metadata', '{"session_chunks": [2, 0]}', 'add up to 2'),
  ],
)  # fmt: skip
def test_a_malformed_row_is_named(tmp_path, column, value, message):
  path = _write(tmp_path / 'train.parquet', {}, {column: value}, {})
  with pytest.raises(ValueError, match=message) as error:
    parquet_sets.load(path)
  assert str(error.value).startswith(f'{path}: row 1: {column}')
  assert '\n' not in str(error.value)


@pytest.mark.parametrize('column', SCHEMA.names)
def test_a_missing_column_is_named(tmp_path, column):
  path = tmp_path / 'x.parquet'
  table = pyarrow.Table.from_pylist([ROW], schema=SCHEMA)
  parquet.write_table(table.drop_columns([column]), path)
  with pytest.raises(ValueError, match=rf"x\.parquet: no column \['{column}'"):
    parquet_sets.load(path)


def test_what_is_written_has_the_schema_of_the_release(tmp_path):
  path = tmp_path / 'x.parquet'
  episodes = [_episode(i) for i in range(5)]
  parquet_sets.write(path, episodes, prompt='p', group=2)
  with parquet.ParquetFile(path) as file:
    assert file.schema_arrow.equals(SCHEMA)
    assert file.num_row_groups == 3
    row = file.read_row_group(1).to_pylist()[0]
  assert row == {
    'instance_id': 2,
    'prompt': 'p',
    'chunks': '["a", "b"]',
    'questions_and_answers': '[{"question": "q?", "answer": "x"}]',
    'data_source': 'squad',
    'metadata': '{}',
    'num_chunks': 2,
    'num_questions': 1,
  }
  assert parquet_sets.load(path) == episodes


@st.composite
def _episodes(draw):
  chunks = tuple(draw(st.lists(st.text(), min_size=1, max_size=4)))
  last = st.integers(0, len(chunks) - 1)
  questions = []
  for _ in range(draw(st.integers(1, 3))):
    ends = sorted((draw(last), draw(last)))
    questions.append(
      Question(
        draw(st.text()),
        draw(st.text()),
        draw(st.sampled_from(['squad', 'a type'])),
        *ends,
        draw(st.booleans()),
        tuple(draw(st.lists(st.text(), max_size=2))),
      )
    )
  uid, questions = draw(st.integers(0, 2**31 - 1)), tuple(questions)
  sessions = draw(st.sampled_from([(), (len(chunks),), (1,) * len(chunks)]))
  return _episode(uid, chunks, questions)._replace(sessions=sessions)


@settings(max_examples=50, deadline=None)
@given(st.lists(_episodes(), min_size=1, max_size=3))
def test_what_is_written_is_read_back_equal(tmp_path_factory, episodes):
  path = tmp_path_factory.mktemp('sets') / 'x.parquet'
  parquet_sets.write(path, episodes)
  assert parquet_sets.load(path) == episodes


def test_nothing_is_half_written(tmp_path, monkeypatch):
  path = tmp_path / 'x.parquet'
  parquet_sets.write(path, [_episode()])
  before = path.read_bytes()
  bad = Episode(4, 'squad', (), _episode().questions)
  for episodes, message in (
    ([_episode(), bad], '4: 0 chunks and 1 questions'),
    ([_episode()._replace(questions=())], '0: 2 chunks and 0 questions'),
    ([], 'no episode to write'),
  ):
    with pytest.raises(ValueError, match=rf'x\.parquet: .*{message}'):
      parquet_sets.write(path, episodes)

  def fail(table, where, **_):
    where.write_bytes(b'PAR1')
    raise OSError('the disk is full')

  monkeypatch.setattr(parquet, 'write_table', fail)
  with pytest.raises(OSError, match='full'):
    parquet_sets.write(path, [_episode(1)])
  assert [p.name for p in tmp_path.iterdir()] == ['x.parquet']
  assert path.read_bytes() == before
