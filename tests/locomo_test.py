"""LoCoMo: the file format, made up here, and the real files where they are."""

import collections
import json
import pathlib

import pytest

from mem_alpha_jax.data import locomo
from mem_alpha_jax.reward import scoring

REAL = pathlib.Path(__file__).parents[1] / '../shared/data'
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
  )


def test_a_dialogue_as_a_stream(tmp_path):
  _write(tmp_path, 26, MADE_UP)
  (dialogue,) = locomo.load(str(tmp_path), adversarial=True)
  sessions = locomo.episode(dialogue)
  assert sessions.chunks == (
    '8 May, 2023, Ada: I moved out.\n'
    '8 May, 2023, Bob: Look! (photo: a red kite)',
    '2 June, 2023, Ada: Nice kite.',
  )
  asked = [(q.type, q.answer, q.first, q.last) for q in sessions.questions]
  assert asked == [
    ('temporal', '2023', 1, 1),
    ('open_domain', 'Yes', 1, 1),  # no evidence: at the end
    ('single_hop', 'kite; red', 0, 1),
    ('adversarial', '', 0, 1),
  ]
  turns = locomo.episode(dialogue, turns=1)
  assert [len(c.splitlines()) for c in turns.chunks] == [1, 1, 1]
  assert [q.first for q in turns.questions] == [2, 2, 1, 1]
  assert 'Ada' not in turns.questions[-1].answer


def test_errors_name_the_file(tmp_path):
  with pytest.raises(FileNotFoundError, match='locomo.*data.root'):
    locomo.load(str(tmp_path))
  broken = {k: v for k, v in MADE_UP.items() if k != 'session_2_date_time'}
  for name, data in ((1, broken), (2, []), (4, {'qa': [{}]})):
    _write(tmp_path, name, data)
    with pytest.raises(ValueError, match=rf'{name}.json: no dialogue'):
      locomo.load(str(tmp_path))
    (tmp_path / 'locomo' / f'{name}.json').unlink()


@pytest.mark.skipif(
  not (REAL / 'locomo').exists(), reason='no LoCoMo files in ../shared/data'
)
def test_the_real_dialogues():
  dialogues = locomo.load(str(REAL))
  assert {d.uid: len(d.turns) for d in dialogues} == {26: 419, 30: 369, 41: 663}
  questions = [q for d in dialogues for q in d.questions]
  assert collections.Counter(q.category for q in questions) == {
    'single_hop': 200, 'temporal': 90, 'multi_hop': 74, 'open_domain': 21
  }  # fmt: skip
  assert sum(not q.evidence for q in questions) == 2
  for q in questions:  # every gold is right by its own rule
    rule = scoring.rule_of('locomo', 'lm', q.category)
    assert scoring.score(q.answer, q.answer, rule) == pytest.approx(1.0)
