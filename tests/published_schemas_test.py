"""PersonaMem, LongMemEval-V2, BEAM, EgoMemReason: files in their schemas."""

import csv
import json

import pytest

from configs import tiny
from experiments.egomemreason import run
from mem_alpha_jax.data import (
  egomemreason,
  longmemeval_v2,
  pipeline,
  sources,
)
from mem_alpha_jax.evaluation import loop
from mem_alpha_jax.reading import judge
from mem_alpha_jax.reward import scoring


def _episodes(name, root, **fields):
  config = tiny.get_config(f'data.source={name},data.root={root}')
  for field, value in fields.items():
    config.data[field] = value
  return list(pipeline.make_source(config, 'test'))


# PersonaMem

COLUMNS = (
  'persona_id', 'question_id', 'question_type', 'topic',
  'context_length_in_tokens', 'user_question_or_message', 'correct_answer',
  'all_options', 'shared_context_id', 'end_index_in_shared_context',
)  # fmt: skip
OPTIONS = "['(a) Try \"quiet\" Ulm.', '(b) Try Rome.', '(c) Try it all.']"
MESSAGES = [
  {'role': 'system', 'content': 'Ada is 30.'},
  {'role': 'user', 'content': 'I like it quiet.'},
  {'role': 'assistant', 'content': 'Noted.'},
  {'role': 'system', 'content': 'Ada is 31.'},
  {'role': 'user', 'content': 'I like it loud.'},
]


def _persona(tmp_path, asked, contexts=('c1',)):
  folder = tmp_path / 'personamem'
  folder.mkdir()
  with (folder / 'questions_32k.csv').open('w', newline='') as file:
    table = csv.DictWriter(file, COLUMNS)
    table.writeheader()
    for key, context, end, *change in asked:
      row = dict.fromkeys(COLUMNS, '') | {
        'question_id': key, 'question_type': 'recall_likes',
        'user_question_or_message': f'{key}: where to?',
        'correct_answer': '(a)', 'all_options': OPTIONS,
        'shared_context_id': context, 'end_index_in_shared_context': end,
      }  # fmt: skip
      table.writerow(row | dict(change))
  lines = (json.dumps({key: MESSAGES}) for key in contexts)
  (folder / 'shared_contexts_32k.jsonl').write_text('\n'.join(lines))
  return folder / 'questions_32k.csv'


def test_personamem_asks_when_so_many_messages_were_said(tmp_path, told):
  path = _persona(
    tmp_path,
    [
      ('late', 'c1', '5', ('correct_answer', '(b)')),
      ('early', 'c1', '2'),
      ('early', 'c1', '2'),
      ('none', 'c1', '0'),
    ],
    ['c1', 'c2'],
  )
  first, second = _episodes('personamem', tmp_path, turns=0)
  assert first.chunks == (
    'System: Ada is 30.\nUser: I like it quiet.',
    'Assistant: Noted.',
    'System: Ada is 31.\nUser: I like it loud.',
  )
  early, late = first.questions
  assert early.text.split('\n')[:3] == [
    'early: where to?', 'A. Try "quiet" Ulm.', 'B. Try Rome.'
  ]  # fmt: skip
  assert early[1:5] == ('A', 'recall_likes', 0, 0)
  assert late[1:5] == ('B', 'recall_likes', 2, 2)
  assert second.uid == 1 and not second.questions
  (line,) = told.messages
  assert f'{path}: 2 contexts, 2 questions' in line
  for why in (
    'questions that come again', 'questions before anything was said',
    'contexts without a question',
  ):  # fmt: skip
    assert f'{why}: 1' in line
  (by_turn, _) = _episodes('personamem', tmp_path, turns=1, file=str(path))
  assert [q.last for q in by_turn.questions] == [1, 4]


@pytest.mark.parametrize(
  ('row', 'match'),
  [
    (('q', 'c9', '2'), r"csv: no context 'c9' beside it"),
    (('q', 'c1', '2', ('correct_answer', 'Ulm')), r"csv:2: .* got 'Ulm', '2'"),
    (('q', 'c1', 'x'), r"csv:2: .* got '\(a\)', 'x'"),
    (('q', 'c1', '2', ('all_options', 'Ulm or Rome')), '2: all_options: no'),
    (('q', 'c1', '2', ('all_options', '[1, 2]')), r'all_options: \[0\]: input'),
  ],
)  # fmt: skip
def test_a_broken_question_of_personamem_is_named(tmp_path, row, match):
  _persona(tmp_path, [row])
  with pytest.raises(ValueError, match=match) as error:
    _episodes('personamem', tmp_path)
  assert '\n' not in str(error.value)


# LongMemEval-V2


def _state(number, action, page):
  return {
    'state_index': number, 'step': number, 'url': f'http://x/{number}',
    'action': action, 'thought': 'So.' if action else None,
    'accessibility_tree': page, 'screenshot': f's/{number}.png',
  }  # fmt: skip


def _trajectory(key, **change):
  return {
    'id': key, 'domain': 'web', 'environment': 'shop', 'goal': f'Do {key}.',
    'start_url': 'http://x', 'outcome': 'done',
    'states': [_state(0, None, 'Welcome'), _state(1, 'click', 'Cart')],
  } | change  # fmt: skip


def _asked(key, kind, how, answer, **change):
  return {
    'id': key, 'domain': 'web', 'environment': 'shop', 'image': None,
    'question_type': kind, 'question': f'{key}?', 'answer': answer,
    'eval_function': f'{how}|require_non_empty=true',
  } | change  # fmt: skip


QUESTIONS = [
  _asked('q1', 'static-environment', 'mc_choice_match', 'B'),
  _asked('q2', 'procedure', 'norm_phrase_set_match_ordered', 'Cart; Pay',
         image='q2.png'),
  _asked('q3', 'procedure-abs', 'llm_abstention_checker', 'There is no cart.'),
  _asked('q4', 'errors-gotchas', 'llm_gotchas_checker', ['It hangs.', 'Wait.']),
]  # fmt: skip
HAYSTACK = {'q1': ['a', 'b'], 'q2': ['a', 'b'], 'q3': ['b'], 'q4': ['a', 'b']}


def _lines(path, items):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text('\n'.join(map(json.dumps, items)))


def _sites(tmp_path, questions=QUESTIONS, haystack=HAYSTACK, keys='abc'):
  folder = tmp_path / 'longmemeval_v2'
  _lines(folder / 'questions.jsonl', questions)
  _lines(folder / 'trajectories.jsonl', map(_trajectory, keys))
  _lines(folder / 'haystacks' / 'lme_v2_small.json', [haystack])
  return folder


def test_a_haystack_of_trajectories_is_an_episode(tmp_path, told):
  folder = _sites(tmp_path)
  many, one = _episodes('longmemeval_v2', tmp_path, turns=1)
  assert many.sessions == (4, 4) and one.sessions == (4,)
  assert one.chunks == (
    'Goal: Do b.\nStart: http://x',
    'Page: http://x/0\nContent: Welcome',
    'Page: http://x/1\nThought: So.\nAction: click\nContent: Cart',
    'Outcome: done',
  )
  assert [q[:5] for q in (*many.questions, *one.questions)] == [
    ('q1?', 'B', 'static-environment_choice', 7, 7),
    ('q2?', 'Cart; Pay', 'procedure_phrases', 7, 7),
    ('q4?', 'It hangs.; Wait.', 'errors-gotchas', 7, 7),
    ('q3?', 'There is no cart.', 'procedure-abs', 3, 3),
  ]
  assert (
    'small.json: 2 haystacks; images of questions left out: 1'
    in (told.messages[0])
  )
  _lines(folder / 'haystacks' / 'lme_v2_medium.json', [HAYSTACK])
  with pytest.raises(ValueError, match='2 tiers in .*name one of the files'):
    _episodes('longmemeval_v2', tmp_path)
  small = str(folder / 'haystacks' / 'lme_v2_small.json')
  assert len(_episodes('longmemeval_v2', tmp_path, file=small)) == 2


def test_premises_are_graded_as_published():
  rule = lambda kind, **kw: sources.rule_of('longmemeval_v2', 'lm', kind, **kw)
  assert rule('procedure_choice', judge=True) == 'choice'
  assert rule('dynamic-environment_phrases') == 'comma_keywords'
  for kind in longmemeval_v2._TYPES:
    assert rule(kind, judge=True) == scoring.JUDGE
    told = judge.criterion(kind)
    assert ('names that flaw' in told) == kind.endswith('-abs')
    for unknown in ('UNKNOWN', 'I do not know.', ''):  # no abstention is right
      assert scoring.score(unknown, 'There is no cart.', rule(kind)) == 0


@pytest.mark.parametrize(
  ('change', 'match'),
  [
    ({'keys': 'a'}, r"trajectories.jsonl: no trajectory 'b'"),
    ({'haystack': {'q1': ['a']}}, r"questions.jsonl:2: lme_v2_small.json has"),
    ({'questions': [_asked('q1', 'x', 'mc_choice_match', 'B')]},
     r'questions.jsonl:1: question_type: input'),
    ({'questions': [_asked('q1', 'procedure', 'guess', 'B')]},
     r'questions.jsonl:1: eval_function: expected one of'),
  ],
)  # fmt: skip
def test_a_broken_file_of_longmemeval_v2_is_named(tmp_path, change, match):
  _sites(tmp_path, **change)
  with pytest.raises(ValueError, match=match) as error:
    _episodes('longmemeval_v2', tmp_path)
  assert '\n' not in str(error.value)


# BEAM


def _message(number, content, **fields):
  role = 'assistant' if number % 2 else 'user'
  return {'role': role, 'id': number, 'content': content} | fields


CHAT = [
  {'batch_number': 1, 'turns': [
    [_message(0, 'I run. ->-> 1,1', time_anchor='March-15-2024'),
     _message(1, 'Good.')],
    [_message(2, 'On Monday. ->-> 1,2')],
  ]},
  {'batch_number': 2, 'turns': [[_message(4, 'I swim now.')]]},
]  # fmt: skip
PROBES = {
  'abstention': [
    {'question': 'Why?', 'ideal_response': 'There is no information.'}
  ],
  'knowledge_update': [
    {'question': 'What sport?', 'answer': 'swimming', 'rubric': ['swimming'],
     'source_chat_ids': {'original_info': [0], 'updated_info': [4, 99]}},
    {'question': 'And then?', 'answer': None},
  ],
  'information_extraction': [
    {'question': 'Which day?', 'answer': 'Monday', 'source_chat_ids': [2]}
  ],
}  # fmt: skip


def _beam(tmp_path, number, name='chat.json', chat=CHAT, probes=PROBES):
  folder = tmp_path / 'beam' / '100K' / str(number)
  (folder / 'probing_questions').mkdir(parents=True, exist_ok=True)
  (folder / name).write_text(json.dumps(chat))
  path = folder / 'probing_questions' / 'probing_questions.json'
  path.write_text(json.dumps(probes))
  return path


def test_a_batch_of_beam_is_a_session(tmp_path, told):
  path = _beam(tmp_path, 2)
  _beam(tmp_path, 10)
  _beam(tmp_path, 10, 'chat_trunecated.json', CHAT[1:])
  two, ten = _episodes('beam', tmp_path, turns=1)
  assert (two.uid, ten.uid) == (0, 1) and two.sessions == (3, 1)
  assert two.chunks == (
    'Chat on March-15-2024\nUser: I run.',
    'Chat on March-15-2024\nAssistant: Good.',
    'Chat on March-15-2024\nUser: On Monday.',
    'User: I swim now.',
  )
  assert ten.chunks == two.chunks[3:]
  assert [q[:5] for q in two.questions] == [
    ('Why?', 'There is no information.', 'abstention', 3, 3),
    ('What sport?', 'swimming', 'knowledge_update', 3, 3),
    ('Which day?', 'Monday', 'information_extraction', 2, 3),
  ]
  assert f'{path}: 3 questions; questions without a gold: 1' in told.messages
  rule = lambda kind: sources.rule_of('beam', 'lm', kind, judge=True)
  assert rule('abstention') == 'abstention'
  assert rule('knowledge_update') == scoring.JUDGE


def test_a_broken_chat_of_beam_is_named(tmp_path):
  _beam(tmp_path, 1, chat=[{'turns': [[{'role': 'user', 'content': 'Hi.'}]]}])
  with pytest.raises(ValueError, match=r'chat.json: .*\]\.id: field'):
    _episodes('beam', tmp_path)


# EgoMemReason


def _caption(time, text, identity='A1_JAKE'):
  return {'identity': identity, 'time': time, 'text': text}


def _video_question(key, time, identity='A1_JAKE', **change):
  return {
    'example_id': key, 'p_id': f'{identity}_q{key}', 'identity': identity,
    'query_time': time, 'question': f'What is {key}?',
    'options': {'A': 'tea', 'B': 'rice', 'C': 'soup'},
    'query_type': 'Activity Pattern',
  } | change  # fmt: skip


CAPTIONS = [
  _caption('DAY2, 09:00:00', 'He eats rice.'),
  _caption('DAY1, 10:00:00', 'He drinks tea.'),
  _caption('DAY1, 12:00:00', 'He sleeps.'),
]
ASKED = [
  _video_question(7, 'DAY2, 19:00:00', correct_answer='B'),
  _video_question(3, 'DAY1, 11:00:00', correct_answer='A'),
  _video_question(4, 'DAY1, 09:00:00'),
  _video_question(5, 'DAY7, 09:00:00', 'A2_ALICE'),
]


def _week(tmp_path, asked=ASKED, captions=CAPTIONS):
  folder = tmp_path / 'egomemreason'
  _lines(folder / 'annotations_public.jsonl', asked)
  _lines(folder / 'captions.jsonl', captions)


def test_egomemreason_asks_after_the_captions_before(tmp_path, told):
  _week(tmp_path)
  (episode,) = _episodes('egomemreason', tmp_path, turns=0)
  assert episode.chunks == (
    'Day 1\n10:00:00 He drinks tea.', 'Day 1\n12:00:00 He sleeps.',
    'Day 2\n09:00:00 He eats rice.',
  )  # fmt: skip
  early, late = episode.questions
  assert early[1:5] == ('A', 'Activity Pattern', 0, 0)
  assert late[1:5] == ('B', 'Activity Pattern', 2, 2)
  assert early.text.split('\n')[:2] == [
    '[DAY1, 11:00:00] What is 3?', 'A. tea'
  ]  # fmt: skip
  assert (
    '1 people, 2 questions; questions before any caption: 2'
    in (told.messages[0])
  )


def test_answers_are_what_its_publisher_wants(tmp_path):
  public = [q | {'correct_answer': ''} for q in ASKED[:2]]
  _week(tmp_path, public)
  with pytest.raises(ValueError, match='experiments.egomemreason.run writes'):
    _episodes('egomemreason', tmp_path)
  people = egomemreason.load(str(tmp_path))
  (person,) = people
  assert person.ids == (3, 7)
  for said, wanted in {
    ('A.', 'The answer is B.'): ['A', 'B'], (None, 'B and C'): ['', ''],
    ('', '(c)'): ['', 'C'],
  }.items():  # fmt: skip
    answered = [
      loop.Answered(1, i, None, (text,), (None,)) for i, text in enumerate(said)
    ]
    record = loop.Record(answered, [], {}, [], [])
    assert run.submission(people, [record]) == [
      {'example_id': 3, 'predicted_answer': wanted[0]},
      {'example_id': 7, 'predicted_answer': wanted[1]},
    ]


@pytest.mark.parametrize(
  ('change', 'match'),
  [
    ({'options': {'A': 'x', 'C': 'y'}}, 'public.jsonl:1: options: expected le'),
    (
      {'query_time': '19:00'},
      'public.jsonl:1: query_time: string sh',
    ),
  ],
)
def test_a_broken_question_of_egomemreason_is_named(tmp_path, change, match):
  _week(tmp_path, [_video_question(1, 'DAY1, 11:00:00', **change)])
  with pytest.raises(ValueError, match=match):
    egomemreason.load(str(tmp_path))
