"""Leakage: an overlap of each kind is found and named, and nothing else."""

import pytest

from mem_alpha_jax.data import chunking, content, leakage
from mem_alpha_jax.types import Episode, Question

PASSAGE = ' '.join(f'word{i}' for i in range(60))
SHORT = 'A line of just nine words stands by itself.'


def _episode(chunks=(), questions=(), uid=7, source='squad'):
  asked = tuple(
    Question(t, a, source, 0, 0, others=o) for t, a, *o in questions
  )
  return Episode(uid, source, tuple(chunks), asked)


def _ask(text, answer, *others):
  return _episode(questions=[(text, answer, *others)])


HELD = {
  'the test': [
    _episode(
      [f'{SHORT}\n{PASSAGE}', 'Sample: to be labelled; Label: 3'],
      [('Where is Ada?', 'attic', 'loft'), ('Which? Sample: asked of it', '1')],
    )
  ]
}


@pytest.mark.parametrize(
  ('episode', 'kind'),
  [
    (_ask('where is  ADA', 'Attic!'), 'question'),
    (_ask('Where is Ada?', 'barn', 'loft'), 'question'),
    (_ask('Which label number? Sample: To be labelled.', '0'), 'sample'),
    (_episode(['Sample: asked of it; Label: 9']), 'sample'),
    (_episode(['x\nSample: ASKED of it; Label: 9']), 'sample'),
    (_episode([f'a b c\n{SHORT.upper()}\nd']), 'paragraph'),
    (_episode([PASSAGE.replace(' ', ', ')]), 'paragraph'),
    (_episode([' '.join(PASSAGE.split()[5:52])]), 'paragraph'),  # 47 words
    (_episode([f'Before it. {PASSAGE} And after.']), 'paragraph'),
  ],
)
def test_overlap_is_named(episode, kind):
  (found,) = leakage.find([episode], HELD)
  assert found[:4] == (kind, 'squad', 7, 'the test')
  with pytest.raises(ValueError) as error:
    leakage.refuse(leakage.find([_ask('Who?', 'Bob'), episode], HELD))
  message = str(error.value)
  for part in (
    '1 overlap',
    kind,
    'squad episode 7',
    'the test',
    found.text[:9],
  ):
    assert part in message
  assert '\n' not in message


@pytest.mark.parametrize(
  'episode',
  [
    _ask('Where is Ada?', 'cellar'),  # the same words about another story
    _episode(['Sample: to be labelled now; Label: 3']),
    _episode([' '.join(PASSAGE.split()[5:27])]),  # 22 words
    _episode(['Eight words and they are not the same.']),
    _episode(['Just nine words']),
  ],
)
def test_no_overlap_where_there_is_none(episode):
  assert not leakage.find([episode], HELD)


@pytest.mark.parametrize(
  ('train', 'held'),
  [
    (PASSAGE, f'8 May, 2023, Ada: {PASSAGE}'),
    (f'User: {PASSAGE}', f'8 May, 2023, Ada: {PASSAGE}'),
    (f'Bob: {PASSAGE}', ' '.join(PASSAGE.split()[:24])),
  ],
)
def test_who_says_it_hides_nothing(train, held):
  held = {'chats': [_episode([held], source='locomo')]}
  (found,) = leakage.find([_episode([train], source='lme_train')], held)
  assert found.kind == 'paragraph'


@pytest.mark.parametrize(
  ('source', 'found'), [('lme_train', 0), ('perltqa', 1), ('squad', 1)]
)
def test_a_phrase_of_a_chat_is_no_overlap_with_another(source, found):
  held = {'x': [_episode([f'Assistant: {SHORT}'], source='infbench')]}
  train = [_episode([f'User: {SHORT}'], source=source)]
  assert len(leakage.find(train, held)) == found


@pytest.mark.parametrize('sample', ['Where do cats live?', 'pay my card now'])
@pytest.mark.parametrize(
  'train', ['Sample: {}; Label: 3', 'Which label number? Sample: {}']
)
def test_examples_of_memoryagentbench_are_samples(sample, train):
  held = _episode(
    ['Where do cats live?\nlabel: 7\nno\nLabel: 2'],
    [('Question: pay my card now \nlabel:', '1')],
    source='icl_trec_fine_6400shot_balance',
  )
  (found,) = leakage.find([_episode([train.format(sample)])], {'exam': [held]})
  assert found[:5] == ('sample', 'squad', 7, 'exam', sample)
  others = held._replace(source='eventqa_full')
  assert not leakage.find([_episode([train.format(sample)])], {'x': [others]})


def test_the_wrapper_of_chunks_is_no_overlap():
  class First:
    def integers(self, _):
      return 0

  wrapped = chunking.converse(['x'], First())[0]
  assert any(
    len(content.normalize(line).split()) > 7 for line in wrapped.split('\n')
  )
  both = [_episode([wrapped])]
  assert not leakage.find(both, {'test': both})
  hidden = chunking.converse([SHORT], First())[0]
  (found,) = leakage.find([_episode([hidden])], HELD)
  assert found.kind == 'paragraph'


def test_many_overlaps_are_counted_and_their_episodes_can_go():
  bad = [
    _episode([SHORT], [('Where is Ada?', 'attic')], uid=i) for i in range(9)
  ]
  good = [_episode([SHORT], uid=3, source='nlu')._replace(chunks=('fine',))]
  found = leakage.find(bad + good, HELD)
  assert len(found) == 18
  assert leakage.without(bad + good, found) == good
  with pytest.raises(ValueError, match='^18 overlaps') as error:
    leakage.refuse(found)
  assert str(error.value).count(' in the test: ') == 5
