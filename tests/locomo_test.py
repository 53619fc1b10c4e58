"""LoCoMo: the file format, made up here, and the real files where they are."""

import collections
import json
import pathlib

import pytest

from mem_alpha_jax.data import locomo, sources
from mem_alpha_jax.reward import scoring
from mem_alpha_jax.types import Question

REAL = pathlib.Path(__file__).parents[1] / '../shared/data'
needs_data = pytest.mark.skipif(
  not (REAL / 'locomo').exists(), reason='no LoCoMo files in ../shared/data'
)
MADE_UP = {
  'speaker_a': 'Ada',
  'speaker_b': 'Bob',
  'session_1_date_time': '1:56 pm on 8 May, 2023',
  'session_1': [
    {'speaker': 'Ada', 'dia_id': 'D1:1', 'text': 'I moved\nout.'},
    {
      'speaker': 'Bob',
      'dia_id': 'D1:2',
      'text': 'Look!',
      'blip_caption': 'a red kite',
    },
  ],
  'session_2_date_time': '9:00 am on 2 June, 2023',
  'session_2': [{'speaker': 'Ada', 'dia_id': 'D2:1', 'text': 'Nice kite.'}],
  'session_3_date_time': '9:00 am on 3 June, 2023',  # held, but not recorded
  'qa': [
    {'question': 'When? ', 'answer': 2023, 'category': 2,
     'evidence': ['D1:1; D2:1', 'D', 'D9:9', 'D1:1']},
    {'question': 'Would Bob fly?', 'answer': 'Yes; he has a kite',
     'category': 3, 'evidence': []},
    {'question': 'What?', 'answer': 'kite; red', 'category': 4,
     'evidence': ['D1:2']},
    {'question': 'Who?', 'adversarial_answer': 'Ada', 'category': 5,
     'evidence': ['D1:2']},
  ],
}  # fmt: skip


def _write(root, name, data):
  folder = root / 'locomo'
  folder.mkdir(exist_ok=True)
  (folder / f'{name}.json').write_text(json.dumps(data))


def test_turns_and_questions(tmp_path):
  _write(tmp_path, 26, MADE_UP)
  _write(tmp_path, 3, MADE_UP | {'qa': []})
  empty, dialogue = locomo.load(str(tmp_path))
  assert (empty.uid, dialogue.uid) == (3, 26) and not empty.questions
  assert [locomo.note(turn) for turn in dialogue.turns] == [
    '8 May, 2023, Ada: I moved out.',
    '8 May, 2023, Bob: Look! (photo: a red kite)',
    '2 June, 2023, Ada: Nice kite.',
  ]
  assert [turn.session for turn in dialogue.turns] == [1, 1, 2]
  assert dialogue.questions == (
    ('When?', '2023', 'temporal', ('D1:1', 'D2:1')),
    ('Would Bob fly?', 'Yes', 'open_domain', ()),
    ('What?', 'kite; red', 'single_hop', ('D1:2',)),
    ('Who?', '', 'adversarial', ('D1:2',)),
  )


def test_a_turn_or_more_or_a_session_is_a_chunk(tmp_path):
  _write(tmp_path, 26, MADE_UP)
  notes = [
    '8 May, 2023, Ada: I moved out.',
    '8 May, 2023, Bob: Look! (photo: a red kite)',
    '2 June, 2023, Ada: Nice kite.',
  ]
  by_session = ('\n'.join(notes[:2]), notes[2])
  for kwargs, chunks in (
    ({'turns': 1}, tuple(notes)),
    ({'turns': 2}, by_session),
    ({'turns': 9}, by_session),
    ({}, by_session),
  ):
    (episode,) = locomo.episodes(str(tmp_path), **kwargs)
    assert (episode.uid, episode.source) == (26, 'locomo')
    assert episode.chunks == chunks


def test_long_turns_are_split_after_sentences(tmp_path):
  text = 'One two three. Four five six seven eight nine. Ten.'
  turn = {'speaker': 'Ada', 'dia_id': 'D1:1', 'text': text}
  _write(tmp_path, 26, MADE_UP | {'session_1': [turn, *MADE_UP['session_1']]})
  (episode,) = locomo.episodes(str(tmp_path), 1, words=4)
  head = '8 May, 2023, Ada: '
  assert episode.chunks[:4] == (
    f'{head}One two three.',
    f'{head}Four five six seven',
    f'{head}eight nine. Ten.',
    f'{head}I moved out.',
  )
  # Nothing is lost, and evidence is known when its last piece has been read.
  whole = locomo.episodes(str(tmp_path), 1)[0]
  said = lambda e: [w for c in e.chunks for w in c.split(': ')[1].split()]
  assert said(episode) == said(whole)
  kite = episode.questions[2]  # 'Look! (photo: a red | kite)'
  assert (kite.first, kite.evidence) == (5, (4, 5))


def test_questions_hold_from_their_last_evidence(tmp_path):
  _write(tmp_path, 26, MADE_UP)
  (episode,) = locomo.episodes(str(tmp_path), 1)
  assert episode.questions == (
    Question('When?', '2023', 'temporal', 2, 2, evidence=(0, 2)),
    Question('Would Bob fly?', 'Yes', 'open_domain', 2, 2),
    Question('What?', 'kite; red', 'single_hop', 1, 2, evidence=(1,)),
    Question('Who?', '', 'adversarial', 1, 2, evidence=(1,)),
  )
  (by_session,) = locomo.episodes(str(tmp_path))
  assert [q.first for q in by_session.questions] == [1, 1, 0, 0]


def test_a_trap_never_becomes_a_gold(tmp_path):
  trap = {
    'question': 'Who sang?', 'adversarial_answer': 'Zed', 'answer': 'Zed',
    'category': 5, 'evidence': ['D1:1'],
  }  # fmt: skip
  _write(tmp_path, 26, MADE_UP | {'qa': [trap]})
  assert 'Zed' not in repr(locomo.episodes(str(tmp_path)))


def test_the_published_file_has_all_dialogues(tmp_path):
  conversation = {k: v for k, v in MADE_UP.items() if k != 'qa'}
  samples = [
    {'sample_id': f'conv-{i}', 'conversation': conversation, 'qa': qa}
    for i, qa in ((30, []), (26, MADE_UP['qa']))
  ]
  _write(tmp_path, 'locomo10', samples)
  _write(tmp_path, 'notes', {})
  both = locomo.load(str(tmp_path))
  assert [(d.uid, len(d.questions)) for d in both] == [(26, 4), (30, 0)]
  _write(tmp_path, 26, MADE_UP)
  with pytest.raises(ValueError, match=r'locomo10\.json: dialogue 26 is also'):
    locomo.load(str(tmp_path))


def test_one_file_is_read_by_session_with_all_its_questions(tmp_path):
  _write(tmp_path, 26, MADE_UP)
  _write(tmp_path, 30, MADE_UP)
  folder = tmp_path / 'locomo'
  (one,) = locomo.sessions(folder / '30.json')
  assert one._replace(uid=26) == locomo.episodes(str(tmp_path))[0]
  assert one.uid == 30 and len(one.questions) == 4
  with pytest.raises(FileNotFoundError, match=r'31\.json; download'):
    locomo.sessions(folder / '31.json')
  (folder / 'x.json').write_text('{}')
  with pytest.raises(
    ValueError, match=r'x\.json: .*locomo10\.json or <number>'
  ):
    locomo.sessions(folder / 'x.json')


def test_errors_name_the_file(tmp_path):
  with pytest.raises(FileNotFoundError, match='locomo.*data.root'):
    locomo.load(str(tmp_path))
  broken = {k: v for k, v in MADE_UP.items() if k != 'session_2_date_time'}
  for name, data, message in (
    (1, broken, '1.json: session_2_date_time: '),
    (2, [], '2.json: input should be a valid dict'),
    (3, {'qa': []}, '3.json: no dialogue of LoCoMo .*session_1'),
    (4, {k: v for k, v in MADE_UP.items() if k != 'qa'}, '4.json: qa: '),
    (5, MADE_UP | {'qa': [*MADE_UP['qa'], {}]}, r'5.json: qa.*\[4\]\.category'),
    (6, MADE_UP | {'qa': [{'category': 5}]}, r'6.json: qa.*\[0\]: question'),
    ('locomo10', {}, 'locomo10.json: no row'),
    ('locomo10', [{'qa': []}], 'locomo10.json: row 0: .*sample_id'),
    ('locomo10', [{'sample_id': 'x', 'conversation': {}, 'qa': []}],
     'locomo10.json: row 0: sample_id: '),
  ):  # fmt: skip
    _write(tmp_path, name, data)
    with pytest.raises(ValueError, match=message) as error:
      locomo.episodes(str(tmp_path))
    assert '\n' not in str(error.value)
    (tmp_path / 'locomo' / f'{name}.json').unlink()
  (tmp_path / 'locomo' / '7.json').write_text('{"qa": ')
  with pytest.raises(ValueError, match='7.json: no JSON'):
    locomo.load(str(tmp_path))


@needs_data
def test_the_real_dialogues():
  dialogues = locomo.load(str(REAL))
  assert {d.uid: len(d.turns) for d in dialogues} == {26: 419, 30: 369, 41: 663}
  questions = [
    q for d in dialogues for q in d.questions if q.category != 'adversarial'
  ]
  assert collections.Counter(q.category for q in questions) == {
    'single_hop': 192, 'temporal': 88, 'temporal_erratum': 2,
    'single_hop_erratum': 8, 'multi_hop_erratum': 1,
    'multi_hop': 73, 'open_domain': 21, 'adversarial_answered': 2,
  }  # fmt: skip
  assert sum(not q.evidence for q in questions) == 2
  for q in questions:  # every gold is right by its own rule
    rule = sources.rule_of('locomo', 'lm', q.category)
    assert scoring.score(q.answer, q.answer, rule) == pytest.approx(1.0)


@needs_data
def test_real_episodes_have_all_five_categories():
  episodes = locomo.episodes(str(REAL), turns=4)
  assert [e.uid for e in episodes] == [26, 30, 41]
  questions = [q for e in episodes for q in e.questions]
  counts = collections.Counter(q.type for q in questions)
  assert sum(counts.values()) == 497
  assert (counts['adversarial'], counts['adversarial_answered']) == (110, 2)
  for episode, dialogue in zip(episodes, locomo.load(str(REAL)), strict=True):
    lines = '\n'.join(episode.chunks).split('\n')
    assert lines == [locomo.note(turn) for turn in dialogue.turns]
    assert all(
      0 <= q.first <= q.last == len(episode.chunks) - 1
      for q in episode.questions
    )
  for q in questions:
    assert bool(q.answer) == (q.type != 'adversarial')
