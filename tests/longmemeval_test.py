"""LongMemEval: the file format, made up here, chunks, evidence, abstention."""

import json

import pytest

from configs import tiny
from mem_alpha_jax.data import longmemeval, pipeline
from mem_alpha_jax.types import Episode, Question

ROW = {
  'question_id': 'q1',
  'question_type': 'knowledge-update',
  'question': 'Where do I live?',
  'answer': 'Bonn',
  'question_date': '2023/05/30 (Tue) 23:40',
  'haystack_dates': [
    '2023/05/20 (Sat) 02:21',
    '2023/01/08 (Sun) 10:00',
    '2023/05/20 (Sat) 01:59',
  ],
  'haystack_session_ids': ['answer_1', 'answer_0', 'filler'],
  'haystack_sessions': [
    [
      {'role': 'user', 'content': 'I moved to Bonn.', 'has_answer': True},
      {'role': 'assistant', 'content': 'Nice town!\n', 'has_answer': False},
    ],
    [{'role': 'user', 'content': 'I live in Ulm.', 'has_answer': True}],
    [{'role': 'user', 'content': 'Hi.'}],
  ],
  'answer_session_ids': ['answer_0', 'answer_1'],
}
CHUNKS = (
  'Chat on 2023/01/08 (Sun) 10:00\nUser: I live in Ulm.',
  'Chat on 2023/05/20 (Sat) 01:59\nUser: Hi.',
  'Chat on 2023/05/20 (Sat) 02:21\nUser: I moved to Bonn.\n'
  'Assistant: Nice town!',
)


def _load(tmp_path, *changes, turns=0):
  path = tmp_path / 'longmemeval_s.json'
  rows = [ROW | {'question_id': f'q{i}'} | c for i, c in enumerate(changes, 1)]
  path.write_text(json.dumps(rows))
  return longmemeval.load([path], turns)


def test_an_instance_is_an_episode_in_the_order_of_time(tmp_path):
  first, second = _load(tmp_path, {}, {'question_id': 'q2', 'answer': 15})
  question = Question(
    '[2023/05/30 (Tue) 23:40] Where do I live?', 'Bonn', 'knowledge-update',
    first=2, last=2, evidence=(0, 2),
  )  # fmt: skip
  assert first == Episode(0, 'longmemeval', CHUNKS, (question,), (1, 1, 1))
  assert second.uid == 1 and second.questions[0].answer == '15'


def test_abstention_is_in_the_type(tmp_path):
  change = {
    'question_id': 'q1_abs',
    'question_type': 'multi-session',
    'answer': 'You never said where you work.',
  }
  (episode,) = _load(tmp_path, change)
  assert episode.questions[0].type == 'multi-session_abs'
  assert episode.questions[0].answer == 'You never said where you work.'


@pytest.mark.parametrize(
  ('evidence', 'first'),
  [(['answer_0'], 0), (['filler'], 1), ([], 2), (['unknown'], 2)],
)
def test_first_is_the_last_session_of_the_evidence(tmp_path, evidence, first):
  (episode,) = _load(tmp_path, {'answer_session_ids': evidence})
  (question,) = episode.questions
  assert (question.first, question.last) == (first, 2)
  assert question.evidence == ((first,) if first < 2 else ())


def test_nothing_of_a_chunk_tells_where_the_evidence_is(tmp_path):
  plain = [
    [{'role': t['role'], 'content': t['content']} for t in session]
    for session in ROW['haystack_sessions']
  ]
  marked, unmarked = _load(tmp_path, {}, {'haystack_sessions': plain})
  assert marked.chunks == unmarked.chunks


def test_a_session_twice_stays_twice_and_an_empty_one_stays(tmp_path):
  change = {
    'haystack_session_ids': ['filler', 'answer_0', 'filler'],
    'haystack_sessions': [*ROW['haystack_sessions'][:2], []],
  }
  (episode,) = _load(tmp_path, change)
  assert episode.chunks == (
    CHUNKS[0],
    'Chat on 2023/05/20 (Sat) 01:59',
    CHUNKS[2],
  )


def test_instances_are_what_the_file_says(tmp_path):
  _load(tmp_path, {})
  (found,) = longmemeval.instances(tmp_path / 'longmemeval_s.json')
  assert found[:2] == ('q1', 'Where do I live?')
  assert found.question.answer == 'Bonn'
  assert [s.evidence for s in found.sessions] == [True, False, True]
  (turn,) = found.sessions[0].turns
  assert (turn.role, turn.content, turn.has_answer) == (
    'user', 'I live in Ulm.', True
  )  # fmt: skip


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    ({'question_id': 3}, 'question_id: input .* valid string, got 3'),
    ({'question_type': 'riddle'}, "question_type: .*'multi-session'"),
    ({'question': None}, 'question: input .* valid string'),
    ({'answer': None}, r'answer\[0\]: input .* valid string'),
    ({'question_date': 20230530}, 'question_date: input .* valid string'),
    ({'haystack_dates': ROW['haystack_dates'][:2]},
     "'haystack_dates': 2, 'haystack_session_ids': 3"),
    ({'haystack_dates': ['May', *ROW['haystack_dates'][1:]]},
     r'haystack_dates\[0\]: string should match pattern'),
    ({'haystack_sessions': 'x'}, 'haystack_sessions: input .* valid list'),
    ({'haystack_sessions': [[], {}, []]},
     r'haystack_sessions\[1\]: input .* valid list'),
    ({'haystack_sessions': [[], ['hi'], []]},
     r'haystack_sessions\[1\]\[0\]: input .* valid dict'),
    ({'haystack_sessions': [[], [{'role': 'user'}], []]},
     r'haystack_sessions\[1\]\[0\]\.content: field required'),
    ({'haystack_sessions': [[], [], [{'role': 1, 'content': ''}]]},
     r'haystack_sessions\[2\]\[0\]\.role: input'),
    ({'haystack_sessions': [], 'haystack_dates': [],
      'haystack_session_ids': []}, 'haystack_sessions: .* at least 1 item'),
    ({'answer_session_ids': None}, 'answer_session_ids: input .* valid list'),
  ],
)  # fmt: skip
def test_a_broken_row_is_named(tmp_path, change, message):
  with pytest.raises(ValueError, match=message) as error:
    _load(tmp_path, {}, change)
  assert 'longmemeval_s.json: row 1: ' in str(error.value)
  assert '\n' not in str(error.value)


@pytest.mark.parametrize('name', list(ROW))
def test_a_missing_field_is_named(tmp_path, name):
  path = tmp_path / 'x.json'
  path.write_text(json.dumps([{k: v for k, v in ROW.items() if k != name}]))
  with pytest.raises(ValueError, match=f'x.json: row 0: {name}: field req'):
    longmemeval.load([path])


def test_a_missing_file_is_named(tmp_path):
  with pytest.raises(FileNotFoundError, match=r'x\.json.*xiaowu0162'):
    longmemeval.load([tmp_path / 'x.json'])


def test_a_folder_is_read_by_sessions_or_turns(tmp_path):
  def episodes(root, turns=0):
    c = tiny.get_config(f'data.source=longmemeval,data.root={root}')
    c.data.turns = turns
    return pipeline.make_source(c, 'test')

  with pytest.raises(FileNotFoundError, match=r'no \*.json in .*longmemeval'):
    episodes(str(tmp_path))
  folder = tmp_path / 'longmemeval'
  folder.mkdir()
  (folder / 'b.json').write_text(json.dumps([ROW | {'question_id': 'q2'}]))
  (folder / 'a.json').write_text(json.dumps([ROW]))
  one, two = episodes(str(tmp_path))
  assert one.chunks == CHUNKS and one == two._replace(uid=0)
  assert (two.uid, two.sessions, two.questions[0].first) == (1, (1, 1, 1), 2)
  turns, _ = episodes(str(tmp_path), 1)
  assert turns.chunks == (
    *CHUNKS[:2],
    'Chat on 2023/05/20 (Sat) 02:21\nUser: I moved to Bonn.',
    'Chat on 2023/05/20 (Sat) 02:21\nAssistant: Nice town!',
  )
  assert (turns.sessions, turns.questions[0].first) == ((1, 1, 2), 2)
  assert episodes(str(tmp_path), 2)[0] == one
  (folder / 'c.json').write_text(json.dumps([ROW]))
  with pytest.raises(ValueError, match=r'c\.json: question q1 .* \S*a\.json;'):
    episodes(str(tmp_path))
