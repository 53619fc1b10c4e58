"""bAbI: the file format, the splits, and notes that suffice to answer."""

import pathlib

import pytest
from tiny_config import get_config as make_config

from mem_alpha_jax.data import babi, content, pipeline
from mem_alpha_jax.data.source import OracleNote
from mem_alpha_jax.evaluation import held_out
from mem_alpha_jax.reading import extractive
from mem_alpha_jax.types import Note

REAL = pathlib.Path(__file__).parents[1] / '../shared/data'
needs_data = pytest.mark.skipif(
  not (REAL / 'babi').exists(), reason='no bAbI files in ../shared/data'
)
STORY = """\
1 Ada went to the attic.
2 Bob moved to the cellar.
3 Where is Ada? \tattic\t1
4 Ada got the lamp there.
5 Ada went back to the porch.
6 Where is the lamp? \tporch\t4 5
"""
PLACES = ('attic', 'cellar', 'porch', 'tower', 'stable', 'barn', 'loft')
PEOPLE = ('Ada', 'Bob', 'Cyd', 'Dee', 'Eli')


def _write(root, text, task='qa1'):
  folder = root / 'babi'
  folder.mkdir(exist_ok=True)
  path = folder / f'{task}_made-up_train.txt'
  path.write_text(text, encoding='utf-8')
  return path


def _all(root, task='qa1'):
  splits = {
    split: babi.load(str(root), task, split) for split in content.ALL_SPLITS
  }
  return splits, sorted(e for split in splits.values() for e in split)


def _many():
  """140 distinct stories four times; the last copies ask another question."""
  stories = [
    (f'1 {a} went to the {p}.\n2 {b} moved to the {q}.\n', a, b, p, q)
    for i, p in enumerate(PLACES)
    for j, (a, q) in enumerate(zip(PEOPLE, PLACES[i:] + PLACES, strict=False))
    for b in PEOPLE[:j] + PEOPLE[j + 1 :]
  ]
  near = [f'{text}3 Where is {b}?\t{q}\t2\n' for text, _, b, _, q in stories]
  far = [f'{text}3 Where is {a}?\t{p}\t1\n' for text, a, _, p, _ in stories]
  return ''.join(near * 3 + far)


def _answers(episode, frames, lexicon):
  """Pairs of gold and the reader's answer from the oracle's notes."""
  notes, pairs = {}, []
  for t, found in enumerate(babi.episode_notes(episode.chunks)):
    for note in found:
      notes[note.key] = Note(note.kind, note.text, t)
    for q in episode.questions:
      if q.last == t:
        seen = tuple(notes.values())
        text = extractive.answer(q.text, seen, '', frames, lexicon, True)
        pairs.append((q.answer, text))
  return pairs


def test_story_becomes_an_episode(tmp_path):
  _write(tmp_path, STORY.replace('\n', '\r\n') + '\n' + STORY[:24])
  _, (first, second) = _all(tmp_path)
  assert first.uid != second.uid
  assert second.chunks == ('Ada went to the attic.',)
  assert first.source == 'babi'
  assert first.chunks == (
    'Ada went to the attic.',
    'Bob moved to the cellar.',
    'Ada got the lamp there.',
    'Ada went back to the porch.',
  )
  assert [tuple(q) for q in first.questions] == [
    ('Where is Ada?', 'attic', 'qa1', 0, 1, True, (), (0,)),
    ('Where is the lamp?', 'porch', 'qa1', 3, 3, True, (), (2, 3)),
  ]


def test_splits_cover_and_never_share_a_story(tmp_path):
  text = _many()
  _write(tmp_path, text)
  splits, episodes = _all(tmp_path)
  assert len(episodes) == text.count('\n1 ') + 1
  assert len({e.uid for e in episodes}) == len(episodes)
  stories = {s: {e.chunks for e in found} for s, found in splits.items()}
  assert all(stories.values())
  assert len(set.union(*stories.values())) == sum(map(len, stories.values()))
  assert len(stories['train']) > 2 * len(stories['validation'])


def test_split_of_a_story_ignores_the_rest_of_the_file(tmp_path):
  _write(tmp_path, _many())
  before, _ = _all(tmp_path)
  _write(tmp_path, STORY + _many(), 'qa2')
  after, _ = _all(tmp_path, 'qa2')
  for split, found in before.items():
    stories = [e.chunks for e in after[split] if len(e.chunks) == 2]
    assert [e.chunks for e in found] == stories


@pytest.mark.parametrize(
  ('text', 'line', 'message'),
  [
    ('1 A went.\nno number\n', 2, 'expected'),
    ('1 A went.\n2\n', 2, 'expected'),
    ('1 A went.\n2 Where is A?\tattic\n', 2, 'expected'),
    ('1 A went.\n2 Where is A?\tattic\tx\n', 2, 'expected'),
    ('1 A went.\n2 Where is A?\tattic\t\n', 2, 'expected'),
    ('1 A went.\n2 Where is A?\t\t1\n', 2, 'expected'),
    ('1 A went.\n3 B went.\n', 2, 'numbered'),
    ('2 A went.\n', 1, 'numbered'),
    ('1 Where is A?\tattic\t1\n', 1, 'supporting'),
    ('1 A went.\n2 Where is A?\tattic\t2\n', 2, 'supporting'),
  ],
)
def test_broken_row_is_named(tmp_path, text, line, message):
  path = _write(tmp_path, text)
  with pytest.raises(ValueError, match=message) as error:
    babi.load(str(tmp_path), 'qa1', 'train')
  assert str(error.value).startswith(f'{path}:{line}: ')


def test_empty_file_is_refused(tmp_path):
  _write(tmp_path, '\n')
  with pytest.raises(ValueError, match='no story'):
    babi.load(str(tmp_path), 'qa1', 'train')


def test_missing_data_says_where_to_get_it(tmp_path):
  for task in ('qa1', 'qa2'):  # no folder at first, then no file in it
    with pytest.raises(FileNotFoundError) as error:
      babi.load(str(tmp_path), task, 'train')
    for part in ('data.root', str(tmp_path), f'{task}_*', '1502.05698'):
      assert part in str(error.value)
    _write(tmp_path, STORY)
  assert '\n' not in str(error.value)


@pytest.mark.parametrize(
  ('task', 'split', 'message'),
  [
    ('qa0', 'train', 'data.babi_tasks'),
    ('qa21', 'train', 'data.babi_tasks'),
    ('../qa1', 'train', 'data.babi_tasks'),
    ('qa1', 'dev', 'validation'),
  ],
)
def test_unknown_task_or_split_is_named(tmp_path, task, split, message):
  _write(tmp_path, STORY)
  with pytest.raises(ValueError, match=message):
    babi.load(str(tmp_path), task, split)


def test_qa1_is_not_qa10(tmp_path):
  _write(tmp_path, STORY, 'qa10')
  with pytest.raises(FileNotFoundError, match='no file qa1_'):
    babi.load(str(tmp_path), 'qa1', 'train')


@pytest.mark.parametrize(
  ('chunk', 'known', 'key', 'text'),
  [
    ('Ada moved to the attic.', (), 'ada', 'Ada attic'),
    ('Ada went back to the attic.', (), 'ada', 'Ada attic'),
    ('Ada travelled to the attic.', (), 'ada', 'Ada attic'),
    ('Ada journeyed to the attic.', (), 'ada', 'Ada attic'),
    ('Ada got the lamp there.', ('Ada attic',), 'lamp', 'lamp Ada'),
    ('Ada picked up the lamp there.', (), 'lamp', 'lamp Ada'),
    ('Ada put down the lamp.', ('Ada attic',), 'lamp', 'lamp attic'),
    ('Ada left the lamp.', ('Ada x', 'Bob y', 'Ada z'), 'lamp', 'lamp z'),
  ],
)
def test_note_of_a_statement(chunk, known, key, text):
  note = OracleNote((key,), 'semantic', text)
  assert babi.oracle_notes(chunk, known) == (note,)


@pytest.mark.parametrize(
  ('chunk', 'known'),
  [
    ('Ada dropped the lamp.', ()),
    ('Ada dropped the lamp.', ('lamp Ada', 'Bob attic', ' ')),
    ('Ada is hungry.', ()),
    ('', ()),
  ],
)
def test_no_note_where_nothing_is_known(chunk, known):
  assert babi.oracle_notes(chunk, known) == ()


def test_statements_of_one_chunk_build_on_each_other():
  chunk = 'Ada went to the attic. Ada took the lamp there. Ada left the lamp.'
  notes = babi.oracle_notes(chunk, ('Ada cellar',))
  assert [n.text for n in notes] == ['Ada attic', 'lamp Ada', 'lamp attic']


def test_lexicon_has_train_words_only(tmp_path):
  # The split is a hash of the statements: try words until one is held out.
  for i in range(100):
    story = f'Zoe{i} went to the place{i}.'
    _write(tmp_path, f'{_many()}1 {story}\n')
    train = babi.load(str(tmp_path), 'qa1', 'train')
    if (story,) not in [e.chunks for e in train]:
      break
  lexicon = babi.lexicon(str(tmp_path), ['qa1'])
  assert lexicon == {
    'person': {name.lower() for name in PEOPLE},
    'location': set(PLACES),
    'object': set(),
  }


def test_unsupported_task_has_no_frames():
  with pytest.raises(ValueError, match=r"data.babi_tasks.*\['qa5'\]"):
    babi.frames(['qa1', 'qa5'])


def test_reader_follows_an_object_from_hand_to_place(tmp_path):
  _write(
    tmp_path,
    '1 Ada went to the attic.\n2 Ada got the lamp there.\n'
    '3 Ada went back to the porch.\n4 Where is the lamp?\tporch\t2 3\n'
    '5 Ada dropped the lamp.\n6 Ada moved to the tower.\n'
    '7 Where is the lamp?\tporch\t5 3\n8 Bob took the lamp there.\n'
    '9 Bob went to the attic.\n10 Where is the lamp?\tattic\t8 9\n',
    'qa2',
  )
  lexicon = {
    'person': frozenset(('ada', 'bob')),
    'location': frozenset(PLACES),
  }
  (episode,) = _all(tmp_path, 'qa2')[1]
  assert _answers(episode, babi.frames(['qa2']), lexicon) == [
    ('porch', 'porch'),
    ('porch', 'porch'),
    ('attic', 'attic'),
  ]


@pytest.mark.parametrize(
  ('task', 'expected'),
  [
    (
      'qa1',
      [('Where is Ada?', 'attic', 1, 4), ('Where is Ada?', 'porch', 5, 7)],
    ),
    # Of the cup nothing is known: whose place is not said.
    (
      'qa2',
      [('Where is Ada?', 'attic', 1, 4), ('Where is the lamp?', 'attic', 2, 4),
       ('Where is Ada?', 'porch', 5, 7), ('Where is the lamp?', 'porch', 5, 7)],
    ),
    ('qa6', []),
  ],
)  # fmt: skip
def test_what_could_be_asked_stands_while_a_place_is_known(task, expected):
  chunks = (
    'Bob picked up the cup there.',
    'Ada went to the attic.',
    'Ada got the lamp there.',
    'Ada put down the lamp.',
    'Ada grabbed the lamp there.',
    'Ada journeyed to the porch.',
    'Ada left the lamp.',
    'Ada is hungry.',
  )
  found = babi.could_be_asked(chunks, task)
  assert [(q.text, q.answer, q.first, q.last) for q in found] == expected
  assert not any(q.asked for q in found)
  assert babi.could_be_asked(chunks[:1], task) == ()


def test_a_place_that_is_lost_and_found_again_is_two_questions():
  chunks = (
    'Ada went to the attic.',
    'Ada got the lamp there.',
    'Ada left the lamp.',
    'Bob took the lamp there.',
    'Bob went to the attic.',
  )
  found = babi.could_be_asked(chunks, 'qa2')
  spans = [(q.first, q.last) for q in found if 'lamp' in q.text]
  assert spans == [(1, 2), (4, 4)]


@needs_data
@pytest.mark.parametrize('task', ['qa1', 'qa2'])
def test_what_is_asked_could_be_asked_and_evaluation_does_not_change(task):
  config = make_config(
    f'data.source=babi,data.babi_tasks={task},data.root={REAL}'
  )
  plain = pipeline.make_source(config, 'validation')
  with config.unlocked():
    config.data.unasked = True
  for old, new in zip(
    plain, pipeline.make_source(config, 'validation'), strict=True
  ):
    count = len(old.questions)
    assert new._replace(questions=new.questions[:count]) == old
    assert held_out.ending(new) == held_out.ending(old)
    for q in old.questions:
      (same,) = (
        x
        for x in new.questions[count:]
        if x.text == q.text and x.first <= q.last <= x.last
      )
      assert same.answer == q.answer and same.first <= q.first


@needs_data
@pytest.mark.parametrize('task', ['qa1', 'qa2', 'qa6'])
def test_oracle_notes_answer_real_held_out_questions(task):
  lexicon = babi.lexicon(str(REAL), [task])
  pairs = [
    pair
    for episode in babi.load(str(REAL), task, 'test')
    for pair in _answers(episode, babi.frames([task]), lexicon)
  ]
  assert len(pairs) > 500
  assert all(gold == found for gold, found in pairs)


@needs_data
@pytest.mark.parametrize('task', ['qa1', 'qa20'])
def test_real_split_is_about_80_10_10(task):
  splits, episodes = _all(REAL, task)
  shares = [len(found) / len(episodes) for found in splits.values()]
  assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.03)
