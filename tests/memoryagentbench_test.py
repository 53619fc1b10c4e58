"""MemoryAgentBench: its columns, made up here, and each kind of breakage."""

import pyarrow
import pyarrow.parquet as parquet
import pytest

from mem_alpha_jax.data import memoryagentbench
from mem_alpha_jax.types import Question

TEXT, TEXTS = pyarrow.string(), pyarrow.list_(pyarrow.string())
TURN = pyarrow.struct(
  [('content', TEXT), ('has_answer', pyarrow.bool_()), ('role', TEXT)]
)
SCHEMA = pyarrow.schema(
  [
    ('context', TEXT),
    ('questions', TEXTS),
    ('answers', pyarrow.list_(TEXTS)),
    (
      'metadata',
      pyarrow.struct(
        [
          ('demo', TEXT),
          (
            'haystack_sessions',
            pyarrow.list_(pyarrow.list_(pyarrow.list_(TURN))),
          ),
          ('keypoints', TEXTS),
          ('previous_events', TEXTS),
          ('qa_pair_ids', TEXTS),
          ('question_dates', TEXTS),
          ('question_ids', TEXTS),
          ('question_types', TEXTS),
          ('source', TEXT),
        ]
      ),
    ),
  ]
)
RULER = {
  'context': 'Document 1:\nAda lives in Ulm.\n\nDocument 2:\nBob left.',
  'questions': ['Where does Ada live?', 'Who left?'],
  'answers': [['Ulm', 'in Ulm', 'Ulm'], ['Bob']],
  'metadata': {'source': 'ruler_qa1_197K', 'qa_pair_ids': ['r_0', 'r_1']},
}
CHAT = [
  'Chat Time: 2023/01/08 (Sun) 10:00',
  [
    {'role': 'user', 'content': "I'm in Ulm.", 'has_answer': True},
    {'role': 'assistant', 'content': 'Nice.', 'has_answer': False},
  ],
  'Chat Time: 2023/05/20 (Sat) 02:21',
  [{'role': 'user', 'content': 'I moved to Bonn.', 'has_answer': True}],
]
MEMORY = {
  'context': repr(CHAT),
  'questions': ['Where do I live?', 'Where do I work?'],
  'answers': [['Bonn'], ['You did not say.']],
  'metadata': {
    'source': 'longmemeval_s*',
    'question_types': ['knowledge-update', 'single-session-user'],
    'question_ids': ['a', 'b_abs'],
    'question_dates': ['2023/05/30 (Tue) 23:40', '2023/05/31 (Wed) 08:00'],
  },
}


def _write(tmp_path, *rows):
  path = tmp_path / 'Accurate_Retrieval-00000-of-00001.parquet'
  parquet.write_table(pyarrow.Table.from_pylist(rows, schema=SCHEMA), path)
  return path


def _of(source, context):
  return {
    'context': context,
    'questions': ['q'],
    'answers': [['a']],
    'metadata': {'source': source},
  }


def test_a_row_is_an_episode_with_all_its_questions(tmp_path):
  (episode,) = memoryagentbench.load(_write(tmp_path, RULER))
  kind = 'ruler_qa1_197K'
  assert (episode.uid, episode.source) == (0, kind)
  assert episode.chunks == (RULER['context'],)
  assert episode.questions == (
    Question('Where does Ada live?', 'Ulm', kind, 0, 0, others=('in Ulm',)),
    Question('Who left?', 'Bob', kind, 0, 0),
  )


def test_chats_have_dates_and_types_and_no_marks(tmp_path):
  (episode,) = memoryagentbench.load(_write(tmp_path, MEMORY))
  assert episode.source == 'longmemeval_s*'
  assert episode.chunks == (
    "Chat on 2023/01/08 (Sun) 10:00\nUser: I'm in Ulm.\nAssistant: Nice.",
    'Chat on 2023/05/20 (Sat) 02:21\nUser: I moved to Bonn.',
  )
  assert [(q.text, q.answer, q.type) for q in episode.questions] == [
    ('[2023/05/30 (Tue) 23:40] Where do I live?', 'Bonn', 'knowledge-update'),
    ('[2023/05/31 (Wed) 08:00] Where do I work?', 'You did not say.',
     'single-session-user_abs'),
  ]  # fmt: skip


def test_a_source_of_ranked_lists_is_left_out(tmp_path):
  recommender = _of('recsys_redial_full', 'A film.')
  path = _write(tmp_path, recommender, RULER, MEMORY)
  assert [(e.uid, e.source) for e in memoryagentbench.load(path)] == [
    (1, 'ruler_qa1_197K'),
    (2, 'longmemeval_s*'),
  ]


def _meta(**change):
  return MEMORY | {'metadata': MEMORY['metadata'] | change}


@pytest.mark.parametrize(
  ('row', 'message'),
  [
    (RULER | {'context': None}, 'context: input .* valid string'),
    (_of('detective_qa', ' \n'), 'context: string should match'),
    (RULER | {'questions': []}, 'questions: .* at least 1 item'),
    (RULER | {'questions': ['a', None]}, r'questions\[1\]: input'),
    (RULER | {'answers': None}, 'answers: input .* valid list'),
    (RULER | {'answers': [['Ulm']]}, 'answers: 1 of 2 questions'),
    (RULER | {'answers': [['Ulm'], []]}, r'answers\[1\]: .* at least 1 item'),
    (RULER | {'answers': [['Ulm'], None]}, r'answers\[1\]\[0\]: input'),
    (RULER | {'metadata': None}, 'metadata: input .* valid dict'),
    (RULER | {'metadata': {}}, r'metadata\.source: input'),
    (MEMORY | {'context': 'Hello.'}, 'context: no list of chats'),
    (MEMORY | {'context': '{}'}, 'context: input .* valid list'),
    (MEMORY | {'context': '[]'}, 'context: 0 items'),
    (MEMORY | {'context': repr(CHAT[:3])}, 'context: 3 items'),
    (MEMORY | {'context': repr(CHAT[1:3])}, r'context\[0\]: input'),
    (MEMORY | {'context': repr(['t', [{'role': 'user'}]])},
     r'context\[1\]: \[0\]\.content: field required'),
    (_meta(question_types=None), 'question_types: 0 of 2 questions'),
    (_meta(question_types=['multi-session']),
     'question_types: 1 of 2 questions'),
    (_meta(question_types=['multi-session', 'riddle']),
     r'metadata\.question_types\[1\]: input should be'),
    (_meta(question_ids=None), 'question_ids: 0 of 2 questions'),
    (_meta(question_dates=['x']), 'question_dates: 1 of 2 questions'),
  ],
)  # fmt: skip
def test_a_broken_row_is_named(tmp_path, row, message):
  path = _write(tmp_path, RULER, row)
  with pytest.raises(ValueError, match=message) as error:
    memoryagentbench.load(path)
  assert str(error.value).startswith(f'{path}: row 1: ')
  assert '\n' not in str(error.value)


@pytest.mark.parametrize('column', SCHEMA.names)
def test_missing_columns_and_files_are_named(tmp_path, column):
  path = tmp_path / 'x.parquet'
  table = pyarrow.Table.from_pylist([RULER], schema=SCHEMA)
  parquet.write_table(table.drop_columns([column]), path)
  with pytest.raises(ValueError, match=rf"x\.parquet: no column \['{column}'"):
    memoryagentbench.load(path)
  with pytest.raises(FileNotFoundError, match=r'y\.parquet.*ai-hyz'):
    memoryagentbench.load(tmp_path / 'y.parquet')
