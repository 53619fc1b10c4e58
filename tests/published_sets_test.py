"""Published evaluation files, made up here in exactly their formats."""

import copy
import json

import pyarrow as pa
import pytest
from pyarrow import parquet

from mem_alpha_jax.data import (
  longmemeval,
  memagent,
  memoryagentbench,
  parquet_sets,
)
from mem_alpha_jax.types import Episode, Question


def count(text: str) -> int:
  return len(text.split())


def write_json(path, value):
  path.write_text(json.dumps(value))
  return path


# --- Memalpha's parquet files ------------------------------------------------

ROW = {
  'instance_id': 7,
  'prompt': 'Remember it.',
  'chunks': json.dumps(['Ünï one', 'two']),
  'questions_and_answers': json.dumps(
    [
      {'question': 'Which?', 'answer': 'one'},
      {'question': 'Who?', 'answer': ['Ada', 'Ada L.']},
    ]
  ),
  'data_source': 'squad',
  'metadata': json.dumps({'sub_source': 'x'}),
  'num_chunks': 2,
  'num_questions': 2,
}


def write_rows(path, rows, **types):
  columns = {**parquet_sets.COLUMNS, **types}
  columns = {name: kind for name, kind in columns.items() if kind}
  table = pa.Table.from_pylist(
    [{name: row[name] for name in columns} for row in rows],
    pa.schema(list(columns.items())),
  )
  parquet.write_table(table, path)
  return path


def test_a_row_of_the_reference(tmp_path):
  path = write_rows(tmp_path / 'train.parquet', [ROW])
  (instance,) = parquet_sets.load(path)
  assert instance.prompt == 'Remember it.'
  assert instance.metadata == {'sub_source': 'x'}
  assert instance.episode == Episode(
    7,
    'squad',
    ('Ünï one', 'two'),
    (
      Question('Which?', 'one', 'squad', 1, 1),
      Question('Who?', 'Ada', 'squad', 1, 1, others=('Ada L.',)),
    ),
  )


def test_what_is_written_is_read_back(tmp_path):
  first = write_rows(tmp_path / 'a.parquet', [ROW, ROW | {'instance_id': 8}])
  instances = list(parquet_sets.load(first))
  again = tmp_path / 'deep' / 'b.parquet'
  parquet_sets.write(again, instances)
  assert list(parquet_sets.load(again)) == instances
  read = parquet.read_table(again)
  assert read.schema.equals(parquet.read_table(first).schema)
  assert [
    {
      k: json.loads(v) if k in ('chunks', 'metadata') else v
      for k, v in r.items()
    }
    for r in read.drop(['questions_and_answers']).to_pylist()
  ] == [
    {
      k: json.loads(v) if k in ('chunks', 'metadata') else v
      for k, v in r.items()
    }
    for r in parquet.read_table(first)
    .drop(['questions_and_answers'])
    .to_pylist()
  ]
  assert not list(again.parent.glob('.*'))


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    ({'chunks': '["a", '}, 'row 1: chunks is not JSON'),
    ({'chunks': '[]'}, 'row 1: chunks is an empty list'),
    ({'chunks': '["a", 3]'}, r'row 1: chunks\[1\]: expected str, got int'),
    ({'chunks': None}, 'row 1: chunks is null'),
    ({'num_chunks': 3}, 'row 1: num_chunks is 3, and there are 2'),
    ({'num_questions': 1}, 'row 1: num_questions is 1, and there are 2'),
    (
      {'questions_and_answers': '[{"question": "q"}, {}]'},
      r"row 1: questions_and_answers\[0\] has no 'answer'",
    ),
    (
      {'questions_and_answers': '[{"question": "q", "answer": 5}, {}]'},
      r'row 1: questions_and_answers\[0\].answer: expected str or list',
    ),
    ({'metadata': '[1]'}, 'row 1: metadata: expected dict, got list'),
  ],
)
def test_a_malformed_row_is_named(change, message, tmp_path):
  path = write_rows(tmp_path / 'x.parquet', [ROW, ROW | change])
  with pytest.raises(ValueError, match=f'x.parquet: {message}'):
    list(parquet_sets.load(path))


def test_a_malformed_file_is_named(tmp_path):
  with pytest.raises(FileNotFoundError, match='none.parquet: no such file'):
    list(parquet_sets.load(tmp_path / 'none.parquet'))
  (tmp_path / 'text.parquet').write_text('hello')
  with pytest.raises(ValueError, match='text.parquet: not a parquet file'):
    list(parquet_sets.load(tmp_path / 'text.parquet'))
  path = write_rows(tmp_path / 'c.parquet', [ROW], data_source=None)
  with pytest.raises(ValueError, match="c.parquet: no column 'data_source'"):
    list(parquet_sets.load(path))
  row = ROW | {'instance_id': '7'}
  path = write_rows(tmp_path / 'd.parquet', [row], instance_id='string')
  with pytest.raises(ValueError, match="column 'instance_id' is string"):
    list(parquet_sets.load(path))


# --- MemoryAgentBench as published -------------------------------------------

BENCH = {
  'context': 'One is here. Two is there.\nThree is gone.',
  'questions': ['Where is one?', 'Where is four?'],
  'answers': [['here', 'right here', 'here'], ['unknown']],
  'metadata': {
    'source': 'ruler_qa1_197K',
    'question_types': ['place', 'place'],
    'question_ids': ['q1', 'q2_abs'],
  },
}


def test_memoryagentbench(tmp_path):
  rows = [BENCH, BENCH | {'metadata': {'source': 'icl_x'}}]
  parquet.write_table(pa.Table.from_pylist(rows), tmp_path / 'b.parquet')
  first, second = memoryagentbench.load(tmp_path / 'b.parquet', 6, count)
  assert first.chunks == ('One is here.\nTwo is there.', 'Three is gone.')
  assert first.questions == (
    Question('Where is one?', 'here', 'place', 1, 1, others=('right here',)),
    Question('Where is four?', '', 'place_abs', 1, 1),
  )
  assert (second.uid, second.source) == (1, 'icl_x')
  assert {q.type for q in second.questions} == {'icl_x'}


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    ({'context': ''}, 'row 0: context is empty'),
    ({'answers': [['a']]}, 'row 0: there are 2 questions and 1 answers'),
    ({'metadata': {'source': ''}}, 'row 0: metadata has no source'),
    ({'answers': [['a'], []]}, 'row 0: question 1 has no text or no answer'),
    (
      {'metadata': {'source': 's', 'question_types': ['a']}},
      'row 0: metadata: question_types',
    ),
  ],
)
def test_a_malformed_row_of_memoryagentbench(change, message, tmp_path):
  table = pa.Table.from_pylist([BENCH | change])
  parquet.write_table(table, tmp_path / 'b.parquet')
  with pytest.raises(ValueError, match=f'b.parquet: {message}'):
    list(memoryagentbench.load(tmp_path / 'b.parquet', 6, count))


# --- LongMemEval -------------------------------------------------------------

LONG = {
  'question_id': 'q1',
  'question_type': 'single-session-user',
  'question': 'Which bike do I ride?',
  'answer': 'a red one',
  'question_date': '2023/05/30 (Tue) 23:40',
  'haystack_dates': ['2023/05/20 (Sat) 02:21', '2023/05/21 (Sun) 10:00'],
  'haystack_session_ids': ['s1', 's2'],
  'haystack_sessions': [
    [
      {'role': 'user', 'content': 'My bike is red.', 'has_answer': True},
      {'role': 'assistant', 'content': 'How nice that it is red.'},
    ],
    [{'role': 'user', 'content': 'Hello.'}],
  ],
  'answer_session_ids': ['s1'],
}


def test_longmemeval(tmp_path):
  unanswerable = LONG | {'question_id': 'q2_abs', 'answer': 'Not said.'}
  path = write_json(tmp_path / 'oracle.json', [LONG, unanswerable])
  first, second = longmemeval.load(path, 12, count, uid=40)
  assert (first.uid, second.uid, first.source) == (40, 41, 'longmemeval')
  assert first.chunks == (
    'Session of 2023/05/20 (Sat) 02:21\nuser: My bike is red.',
    'Session of 2023/05/20 (Sat) 02:21\nassistant: How nice that it is red.',
    'Session of 2023/05/21 (Sun) 10:00\nuser: Hello.',
  )
  text = 'Which bike do I ride? (asked on 2023/05/30 (Tue) 23:40)'
  kind = 'single-session-user'
  assert first.questions == (Question(text, 'a red one', kind, 1, 2),)
  assert second.questions == (Question(text, '', f'{kind}_abs', 1, 2),)
  (whole, _) = longmemeval.load(path, 100, count)
  assert len(whole.chunks) == 2


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    ({'haystack_dates': []}, '2 haystack_sessions, 2 haystack_session_ids'),
    ({'answer_session_ids': ['s9']}, "answer_session_ids: no session 's9'"),
    ({'question': 3}, 'question: expected str, got int'),
    ({'haystack_sessions': [[{'role': 'user'}], []]}, "no field 'content'"),
  ],
)
def test_a_malformed_item_of_longmemeval(change, message, tmp_path):
  path = write_json(tmp_path / 's.json', [LONG, copy.deepcopy(LONG) | change])
  with pytest.raises(ValueError, match=f's.json: item 1: .*{message}'):
    list(longmemeval.load(path, 12, count))


# --- MemAgent ----------------------------------------------------------------

AGENT = {
  'index': 0,
  'input': 'Who wrote it?',
  'context': 'Document 1:\nA book.\n\nDocument 2:\nBy Ada.\n\n'
  'Document 3:\nEnd.',
  'answers': ['Ada', 'Ada L.'],
  'num_docs': 3,
}


def test_memagent(tmp_path):
  path = write_json(tmp_path / 'eval_50.json', [AGENT])
  (episode,) = memagent.load(path, 8, count)
  assert episode.chunks == (
    'Document 1:\nA book.\n\nDocument 2:\nBy Ada.',
    'Document 3:\nEnd.',
  )
  assert episode.questions == (
    Question('Who wrote it?', 'Ada', 'memagent', 1, 1, others=('Ada L.',)),
  )


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    ({'num_docs': 4}, 'num_docs is 4, and context has 3'),
    ({'answers': []}, 'answers is an empty list'),
    ({'input': None}, 'input: expected str, got NoneType'),
  ],
)
def test_a_malformed_item_of_memagent(change, message, tmp_path):
  path = write_json(tmp_path / 'e.json', [AGENT | change])
  with pytest.raises(ValueError, match=f'e.json: item 0: .*{message}'):
    list(memagent.load(path, 8, count))


def test_files_that_are_no_lists_are_named(tmp_path):
  (tmp_path / 'e.json').write_text('{')
  with pytest.raises(ValueError, match='e.json: not JSON'):
    list(memagent.load(tmp_path / 'e.json', 8, count))
  write_json(tmp_path / 'f.json', {})
  with pytest.raises(ValueError, match='f.json: not a list of question'):
    list(longmemeval.load(tmp_path / 'f.json', 8, count))
  with pytest.raises(FileNotFoundError, match='g.json: no such file'):
    list(longmemeval.load(tmp_path / 'g.json', 8, count))
