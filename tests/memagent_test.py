"""MemAgent's files: both formats, made up here, and each kind of breakage."""

import json

import pyarrow
import pyarrow.parquet as parquet
import pytest

from mem_alpha_jax.data import memagent
from mem_alpha_jax.types import Episode, Question

DOCUMENTS = (
  'Document 1:\nAda\nAda was born in Ulm.',
  'Document 2:\nBob\nBob is her son.',
  'Document 3:\nUlm\nUlm lies on the Danube.',
)
CONTEXT = '\n\n'.join(DOCUMENTS)
EVALUATION = {
  'context': CONTEXT,
  'input': 'On which river was the mother of Bob born?',
  'answers': ['Danube', 'the Danube'],
  'num_docs': 3,
  'index': 41,
}
TRAINING = {
  'data_source': 'hotpotqa',
  'prompt': [{'role': 'user', 'content': EVALUATION['input']}],
  'context': CONTEXT,
  'ability': 'memory',
  'reward_model': {'style': 'rule', 'ground_truth': ['Danube', 'the Danube']},
  'extra_info': {
    'index': 41, 'question': EVALUATION['input'], 'num_docs': 3
  },
}  # fmt: skip


def _words(text):
  return len(text.split())


def _json(tmp_path, *changes):
  path = tmp_path / 'eval_50.json'
  path.write_text(json.dumps([EVALUATION | c for c in changes], indent=4))
  return path


def _parquet(tmp_path, *changes):
  path = tmp_path / 'hotpotqa_train.parquet'
  rows = [TRAINING | change for change in changes]
  parquet.write_table(pyarrow.Table.from_pylist(rows), path)
  return path


@pytest.mark.parametrize('write', [_json, _parquet])
def test_documents_are_packed_into_chunks(tmp_path, write):
  (episode,) = memagent.load(write(tmp_path, {}), 16, _words)
  question = Question(
    EVALUATION['input'], 'Danube', 'memagent', 1, 1, others=('the Danube',)
  )
  chunks = (f'{DOCUMENTS[0]}\n\n{DOCUMENTS[1]}', DOCUMENTS[2])
  assert episode == Episode(41, 'memagent', chunks, (question,))


def test_a_document_that_is_too_long_is_split_at_a_sentence(tmp_path):
  context = 'Document 1:\nOne two three. Four five six.'
  path = _json(tmp_path, {'context': context})
  (episode,) = memagent.load(path, 5, _words)
  assert episode.chunks == ('Document 1: One two three.', 'Four five six.')


def test_rows_come_one_by_one(tmp_path):
  path = _json(tmp_path, {}, {'index': 'x'})
  found = memagent.episodes(path, 16, _words)
  assert next(found).uid == 41
  with pytest.raises(ValueError, match='row 1: index'):
    next(found)


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    ({'context': [3, 1, 2]}, r'context: expected text, got \[3, 1, 2\]'),
    ({'context': 'Ada was born.'}, "context: expected 'Document 1:' first"),
    ({'input': None}, 'input: expected text'),
    ({'answers': 'Danube'}, "answers: expected a list, got 'Danube'"),
    ({'answers': []}, 'answers: the list is empty'),
    ({'answers': [None]}, r'answers\[0\]: expected text'),
    ({'index': '41'}, "index: expected a whole number, got '41'"),
  ],
)
def test_a_broken_evaluation_row_is_named(tmp_path, change, message):
  with pytest.raises(ValueError, match=message) as error:
    memagent.load(_json(tmp_path, {}, change), 16, _words)
  assert 'eval_50.json: row 1: ' in str(error.value)
  assert '\n' not in str(error.value)


@pytest.mark.parametrize('name', ['context', 'input', 'answers', 'index'])
def test_a_missing_field_is_named(tmp_path, name):
  path = tmp_path / 'x.json'
  row = {key: value for key, value in EVALUATION.items() if key != name}
  path.write_text(json.dumps([row]))
  with pytest.raises(ValueError, match=f"x.json: row 0: no field '{name}'"):
    memagent.load(path, 16, _words)


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    ({'prompt': []}, 'prompt: the list is empty'),
    ({'prompt': 'Who?'}, 'prompt: expected a list'),
    ({'prompt': [{'role': 'user'}]}, r"prompt\[0\]: no field 'content'"),
    ({'context': None}, 'context: expected text'),
    ({'reward_model': None}, 'reward_model: expected an object'),
    ({'reward_model': {'style': 'rule'}},
     "reward_model: no field 'ground_truth'"),
    ({'reward_model': {'ground_truth': []}}, 'ground_truth: the list is empty'),
    ({'extra_info': {'question': 'q'}}, "extra_info: no field 'index'"),
    ({'extra_info': {'index': None}}, 'extra_info: index: expected a whole'),
  ],
)  # fmt: skip
def test_a_broken_training_row_is_named(tmp_path, change, message):
  path = _parquet(tmp_path, change)
  with pytest.raises(ValueError, match=message) as error:
    memagent.load(path, 16, _words)
  assert 'hotpotqa_train.parquet: row 0: ' in str(error.value)


def test_missing_columns_files_and_other_suffixes_are_named(tmp_path):
  path = tmp_path / 'x.parquet'
  rows = [{k: v for k, v in TRAINING.items() if k != 'context'}]
  parquet.write_table(pyarrow.Table.from_pylist(rows), path)
  with pytest.raises(ValueError, match=r"x\.parquet: no column \['context'\]"):
    memagent.load(path, 16, _words)
  with pytest.raises(FileNotFoundError, match=r'y\.json.*BytedTsinghua'):
    memagent.load(tmp_path / 'y.json', 16, _words)
  with pytest.raises(ValueError, match=r"x\.csv: expected one of \['\.json'"):
    memagent.load(tmp_path / 'x.csv', 16, _words)
