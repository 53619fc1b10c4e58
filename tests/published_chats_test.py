"""RealMem, MemoryBank, MedMemoryBench, PrefEval: made-up files, real ones.

Real ones are in ../shared/data, and are skipped where they are not.
"""

import json
import pathlib

import pytest

from configs import tiny
from mem_alpha_jax.data import (
  medmemorybench,
  memorybank,
  pipeline,
  prefeval,
  realmem,
  sources,
)
from mem_alpha_jax.reading import judge
from mem_alpha_jax.reward import scoring

REAL = pathlib.Path(__file__).parents[1] / '../shared/data'
real = pytest.mark.skipif(not REAL.exists(), reason='no ../shared/data')


def _write(path, data):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text(json.dumps(data))
  return path


def _episodes(name, root, **fields):
  config = tiny.get_config(f'data.source={name},data.root={root}')
  for field, value in fields.items():
    config.data[field] = value
  return list(pipeline.make_source(config, 'test'))


# RealMem


def _turn(content, query=False, **fields):
  speaker = fields.pop('speaker', 'User')
  return {'speaker': speaker, 'content': content, 'is_query': query} | fields


def _reply(content, *memories):
  used = [{'session_uuid': s, 'content': text} for s, text in memories]
  return _turn(content, speaker='Assistant', memory_used=used)


def _session(uuid, date, *turns):
  return {'session_identifier': f'Plan:{uuid}', 'session_uuid': uuid,
          'current_time': date, 'dialogue_turns': list(turns),
          'extracted_memory': []}  # fmt: skip


def _person(*sessions):
  return {'_metadata': {'person_name': 'Ada'}, 'dialogues': list(sessions)}


REALMEM = _person(
  _session(
    'c', '2026-01-03 (Saturday)',
    _turn('What next?', True, category_name='Dynamic Updating'),
    _reply('Ulm.', ('a', 'She likes Ulm.'), ('b', 'She has a day.'),
           ('c', 'Now.')),
    _turn('And then?', True), _reply('Home.', ('c', 'Now.')),
    _turn('Thanks!'),
  ),
  _session('a', '2026-01-01 (Thursday)', _turn('I like Ulm.'), _reply('OK.')),
  _session('b', '2026-01-02 (Friday)', _turn('One day.'), _turn('Only.')),
)  # fmt: skip


def test_realmem_asks_when_the_sessions_before_have_been_read(tmp_path, told):
  path = _write(tmp_path / 'realmem' / 'Ada_dialogues_256k.json', REALMEM)
  (episode,) = _episodes('realmem', tmp_path, turns=0)
  assert episode.sessions == (1, 1, 1)
  assert episode.chunks[0] == (
    'Chat on 2026-01-01 (Thursday)\nUser: I like Ulm.\nAssistant: OK.'
  )
  (question,) = episode.questions
  assert question.text == '[2026-01-03 (Saturday)] What next?'
  assert question.type == 'dynamic_updating'
  assert (question.answer, question.others) == (
    'She likes Ulm.', ('She has a day.',)
  )  # fmt: skip
  assert (question.first, question.last) == (1, 1)  # not its own session
  assert question.evidence == (0, 1)
  (line,) = told.messages
  for part in (
    str(path), '3 sessions, 1 questions', 'sessions put into order: 3',
    'memories of no earlier session: 2',
    'questions without a memory of an earlier session: 1',
  ):  # fmt: skip
    assert part in line
  (by_turn,) = _episodes('realmem', tmp_path, turns=1)
  assert by_turn.sessions == (2, 2, 5) and by_turn.questions[0].last == 3
  assert by_turn.questions[0].evidence == (0, 1, 2, 3)


def test_a_long_turn_is_split_and_its_end_counts(tmp_path):
  said = _turn('It is far. It is nice. I like Ulm.')
  data = _person(
    _session('a', '2026-01-01', said), _session('c', '2026-01-03',
    _turn('So?', True), _reply('Ulm.', ('a', 'Ulm.'))),
  )  # fmt: skip
  _write(tmp_path / 'realmem' / 'x.json', data)
  (episode,) = _episodes('realmem', tmp_path, turns=1, turn_words=4)
  assert episode.chunks[:3] == (
    'Chat on 2026-01-01\nUser: It is far.', 'Chat on 2026-01-01\nIt is nice.',
    'Chat on 2026-01-01\nI like Ulm.',
  )  # fmt: skip
  assert episode.questions[0].first == episode.questions[0].last == 2


@real
def test_real_realmem(told):
  (path,) = (REAL / 'realmem').glob('*.json')
  data = json.loads(path.read_text())
  every = [t for s in data['dialogues'] for t in s['dialogue_turns']]
  (episode,) = realmem.load(path, 1)
  assert len(episode.chunks) == len(every) == 1543
  assert len(episode.sessions) == data['_metadata']['total_sessions'] == 191
  queries = sum(turn['is_query'] for turn in every)
  assert len(episode.questions) == queries == 153  # none is left out
  used = sum(len(turn.get('memory_used', ())) for turn in every)
  golds = sum(1 + len(q.others) for q in episode.questions)
  assert golds <= used
  (line,) = told.messages
  assert line.endswith('memories of no earlier session: 1')


# MemoryBank


def _bank(tmp_path, golds=None):
  day = lambda *pairs: [{'query': q, 'response': r} for q, r in pairs]
  user = {
    'name': 'Ada', 'summary': {}, 'history': {
      '2023-05-02': day(('I saw Jaws.', 'Good?')),
      '2023-05-01': day(('Hello.', 'Hi!'), ('I am Ada.', 'Nice.')),
    },
  }  # fmt: skip
  folder = tmp_path / 'memorybank'
  _write(folder / 'memory_bank_en.json', {' Ada ': user, 'Bob': user})
  asked = folder / 'probing_questions_en.jsonl'
  asked.write_text('{"Ada": ["What did I see?", "Who am I?"]}\n')
  if golds:
    (folder / 'probing_answers_en.jsonl').write_text(golds)
  return folder / 'memory_bank_en.json'


def test_memorybank_wants_golds(tmp_path, told):
  path = _bank(tmp_path)
  with pytest.raises(ValueError, match='no golds; write yours into probing_an'):
    _episodes('memorybank', tmp_path)
  assert '2 users; days put into order: 2' in told.messages[0]
  assert 'questions without a gold: 2' in told.messages[0]
  ada, bob = memorybank.load(path)  # what is kept out of training
  assert ada.chunks == bob.chunks and not ada.questions


def test_memorybank_takes_golds_of_yours(tmp_path, told):
  _bank(tmp_path, '{"Ada": ["Jaws", null]}\n')
  ada, bob = _episodes('memorybank', tmp_path, turns=0)
  assert ada.chunks == (
    'Chat on 2023-05-01\nUser: Hello.\nAssistant: Hi!\nUser: I am Ada.\n'
    'Assistant: Nice.',
    'Chat on 2023-05-02\nUser: I saw Jaws.\nAssistant: Good?',
  )
  ((text, gold, *_),) = ada.questions
  assert (text, gold) == ('What did I see?', 'Jaws') and not bob.questions
  assert 'questions without a gold: 1' in told.messages[0]


@pytest.mark.parametrize(
  ('golds', 'match'),
  [
    ('{"Ada": ["Jaws"]}', r"1 answers to the 2 questions of 'Ada'"),
    ('{"Eve": ["Jaws"]}', r"no user 'Eve'"),
    ('{"Ada": [3]}', r'probing_answers_en.jsonl:1: Ada'),
  ],
)
def test_golds_that_do_not_fit_are_named(tmp_path, golds, match):
  path = _bank(tmp_path, golds)
  with pytest.raises(ValueError, match=match) as error:
    memorybank.load(path)
  assert '\n' not in str(error.value)


@real
def test_real_memorybank(told):
  path = REAL / 'memorybank' / 'memory_bank_en.json'
  data = json.loads(path.read_text())
  asked = path.with_name('probing_questions_en.jsonl').read_text()
  questions = [
    q for line in asked.splitlines() for q in [*json.loads(line).values()][0]
  ]
  found = memorybank.load(path, 1)
  assert len(found) == len(data) == 15
  for episode, user in zip(found, data.values(), strict=True):
    days = [day for day in user['history'].values() if day]
    assert len(episode.sessions) == len(days)
    pairs = sum(map(len, days))
    assert len(episode.chunks) == 2 * pairs
  assert len(questions) == 100
  (line,) = told.messages
  assert line.endswith('days without a chat: 1, questions without a gold: 100')


# MedMemoryBench


def _talk(number, text, date='', persona=1):
  talk = {'session_id': number, 'persona_id': persona, 'messages': [
    {'turn': 1, 'role': 'user', 'content': text},
    {'turn': 1, 'role': 'assistant', 'content': 'I see.'}]}  # fmt: skip
  return talk | ({'event_info': {'date': date}} if date else
                 {'noise_id': 1, 'event_info': None})  # fmt: skip


def _query(key, after, kind, answers, told_in=(), **fields):
  return {
    'query_id': key, 'session_id': after, 'query_type': kind,
    'question': f'{key}?', 'metadata': {},
    'answers': [{'content': c, 'is_correct': ok, 'explanation': ''}
                for c, ok in answers],
    'source_key_points': [{'session_id': i, 'content': ''} for i in told_in],
  } | fields  # fmt: skip


QUERIES = [
  _query('who', 2, 'entity_exact_match', [('aspirin', True)], [1]),
  _query('pick', 3, 'multiple_choice',
         [('A. rest', False), ('B. walk', True), ('C. run', True)], [1, 2]),
  _query('who', 2, 'entity_exact_match', [('aspirin', True)]),
  _query('none', 2, 'state_update', [('x', False)]),
  _query('early', 1, 'state_update', [('x', True)], [3]),
  _query('lost', 9, 'state_update', [('x', True)]),
]  # fmt: skip


def _patient(folder, queries=QUERIES, noise=''):
  talks = [
    _talk(1, 'I take aspirin.', '2025-01-01'), _talk(2, 'My dad runs.'),
    _talk(3, 'I walk.', '2025-02-01'),
  ]  # fmt: skip
  _write(folder / f'generated_dialogues{noise}.json', {'sessions': talks})
  return _write(folder / 'generated_queries.json', {'queries': queries})


@pytest.mark.parametrize('noise', ['', '_with_noise'])
def test_medmemorybench_asks_after_sessions(tmp_path, told, noise):
  folder = tmp_path / 'medmemorybench' / ('persona_1/eval' if noise else '')
  path = _patient(folder, noise=noise)
  (episode,) = _episodes('medmemorybench', tmp_path, turns=0)
  assert episode.chunks == (
    'Chat on 2025-01-01\nUser: I take aspirin.\nAssistant: I see.',
    'User: My dad runs.\nAssistant: I see.',
    'Chat on 2025-02-01\nUser: I walk.\nAssistant: I see.',
  )
  who, pick = episode.questions
  assert who[1:5] == ('aspirin', 'entity_exact_match', 0, 1)
  assert pick[1:5] == ('B, C', 'multiple_choice', 1, 2)
  assert (who.evidence, pick.evidence) == ((0,), (0, 1))
  assert pick.text.split('\n')[1:4] == ['A. rest', 'B. walk', 'C. run']
  (line,) = told.messages
  assert f'{path}: 1 patients, 2 questions' in line
  for why in (
    'that come again', 'without a right answer',
    'before what they need was said', 'after a session that is not there',
  ):  # fmt: skip
    assert f'questions {why}: 1' in line
  rule = lambda kind, **kw: sources.rule_of('medmemorybench', 'lm', kind, **kw)
  assert rule('multiple_choice', judge=True) == 'choice'
  assert rule('entity_exact_match', judge=True) == 'keywords'
  assert rule('state_update', judge=True) == scoring.JUDGE
  assert rule('state_update') == 'f1'


def test_patients_of_one_file_need_to_be_told_apart(tmp_path):
  folder = tmp_path / 'medmemorybench'
  _patient(folder)
  talks = [_talk(1, 'a', persona=1), _talk(1, 'b', persona=2)]
  _write(folder / 'generated_dialogues.json', {'sessions': talks})
  with pytest.raises(ValueError, match='no persona_id; keep a folder persona_'):
    _episodes('medmemorybench', tmp_path)
  mine = _query('q', 1, 'state_update', [('x', True)], persona_id=2)
  queries = [QUERIES[3] | {'persona_id': 1}, mine]
  _write(folder / 'generated_queries.json', {'queries': queries})
  one, two = _episodes('medmemorybench', tmp_path)
  assert not one.questions and len(two.questions) == 1
  assert two.chunks[0] == 'User: b'


@real
def test_real_medmemorybench(told):
  folder = REAL / 'medmemorybench'
  read = lambda name: json.loads(
    (folder / f'generated_{name}.json').read_text()
  )
  talks, queries = read('dialogues'), read('queries')
  (episode,) = medmemorybench.load(folder, 1)
  turns = [s['turn_count'] for s in talks['sessions']]
  assert episode.sessions == tuple(turns) and len(turns) == 15
  assert len(episode.questions) == queries['metadata']['total_queries'] == 9
  kinds = [q.type for q in episode.questions]
  counts = queries['metadata']['queries_by_type']
  assert {kind: kinds.count(kind) for kind in kinds} == counts
  assert {q.last for q in episode.questions} == {sum(turns[:10]) - 1}
  assert not told.messages  # nothing is left out


# PrefEval


def _liked(preference, *offered, question='Where to?'):
  return {'preference': preference, 'question': question, 'explanation': '',
          'classification_task_options': list(offered)}  # fmt: skip


def test_prefeval_is_a_user_with_a_preference_of_each_topic(tmp_path, told):
  folder = tmp_path / 'prefeval' / 'mcq_options'
  _write(folder / 'hotel.json', [
    _liked('I like it quiet.', 'Ulm', 'Rome', 'Oslo', 'Bonn'),
    _liked('I like it loud.', 'Rome', 'Ulm'),
  ])  # fmt: skip
  _write(folder / 'food.json', [
    _liked('I eat no nuts.', 'Soup', 'Nuts', question='What to eat?'),
    _liked('I eat no NUTS', 'Soup', 'Nuts', question='What to eat?'),
    _liked('I eat all.', 'Soup', 'Soup', 'Pie'),
  ])  # fmt: skip
  found = _episodes('prefeval', tmp_path)
  assert [e.uid for e in found] == [0, 1]
  assert sorted(found[0].chunks) == [
    'User: I eat no nuts.', 'User: I like it quiet.'
  ]  # fmt: skip
  for episode in found:
    for question in episode.questions:
      chosen = dict(
        line.split('. ', 1) for line in question.text.split('\n')[1:-1]
      )[question.answer]
      assert chosen in ('Ulm', 'Rome', 'Soup')
      assert question.last == len(episode.chunks) - 1
      likes = episode.chunks[question.first]
      assert (question.type == 'food') == ('eat' in likes)
  (line,) = told.messages
  assert '3 questions; questions that come again: 1' in line
  assert 'whose right choice comes again: 1' in line
  assert found == _episodes('prefeval', tmp_path)


def test_a_preference_without_choices_is_named(tmp_path):
  path = tmp_path / 'prefeval' / 'mcq_options' / 'hotel.json'
  _write(path, [_liked('Quiet.', 'Ulm')])
  with pytest.raises(ValueError, match=r'hotel.json: row 0: classification_ta'):
    _episodes('prefeval', tmp_path)


@real
def test_real_prefeval(told):
  paths = sorted((REAL / 'prefeval' / 'mcq_options').glob('*.json'))
  topics = {p.stem: json.loads(p.read_text()) for p in paths}
  every = {
    (r['preference'], r['question']) for some in topics.values() for r in some
  }
  found = prefeval.load(str(REAL))
  assert len(found) == max(map(len, topics.values())) == 62
  assert sum(len(e.questions) for e in found) == len(every) == 997
  again = sum(map(len, topics.values())) - len(every)
  assert f'questions that come again: {again}' in told.messages[0]
  assert 'known to be wrong, marked: 2' in told.messages[0]
  letters = [q.answer for e in found for q in e.questions]
  assert all(220 < letters.count(letter) < 280 for letter in 'ABCD')
  right = {r['classification_task_options'][0].strip()
           for some in topics.values() for r in some}  # fmt: skip
  for episode in found:
    for q in episode.questions:
      line = next(t for t in q.text.split('\n') if t.startswith(f'{q.answer}.'))
      assert line[3:] in {' '.join(text.split()) for text in right}


def test_a_judge_of_realmem_is_told_what_counts():
  criterion = judge.criterion('dynamic_updating')
  assert criterion == judge.criterion('single-session-preference')
