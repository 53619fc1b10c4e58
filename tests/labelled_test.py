"""Labelled sets: formats made up here, streams, and no leakage."""

import json
import pathlib

import pytest

from mem_alpha_jax import config_rules
from mem_alpha_jax.data import content, labelled, leakage
from mem_alpha_jax.types import Episode, Question

REAL = pathlib.Path(__file__).parents[1] / '../shared/data'
needs_data = pytest.mark.skipif(
  not (REAL / 'banking77').exists(), reason='no files in ../shared/data'
)


def put(root, name, text, encoding='utf-8'):
  path = root / labelled.FILES[name][0]
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text(text, encoding=encoding)
  return path


FORMATS = {
  'banking77': 'text,category\nMy card?,card\n"Where, then?",where\n',
  'clinc150': json.dumps(
    {
      'train': [['My card?', 'card']],
      'val': [['Where, then?', 'where']],
      'oos_train': [['Anything', 'oos']],
    }
  ),
  'trec_fine': 'card:x My card?\nwhere:y Where, then?\n',
  'nlu': 'scenario;intent;answer\nca;rd;My card?\nwh;ere;"Where, then?"\n',
  'pubmed-rct': '###1\ncard\tMy card?\n\n###2\nwhere\tWhere, then?\n',
}


@pytest.mark.parametrize('name', FORMATS)
def test_formats(name, tmp_path):
  put(tmp_path, name, FORMATS[name])
  examples = labelled.load(str(tmp_path), name)
  assert [e.text for e in examples] == ['My card?', 'Where, then?']
  labels = {'trec_fine': ['card:x', 'where:y'], 'nlu': ['ca_rd', 'wh_ere']}
  assert [e.label for e in examples] == labels.get(name, ['card', 'where'])


def test_configs_know_the_sets():
  assert set(config_rules.LABELLED) == set(labelled.FILES)


def test_coarse_labels_and_texts_with_two(tmp_path):
  lines = 'A:b One é ?\nA:c one É?\nB:d Two two\nC:e two, TWO!\n'
  put(tmp_path, 'trec_coarse', lines, 'latin-1')
  # The same words twice with one label are one example; with two, none.
  assert labelled.load(str(tmp_path), 'trec_coarse') == [('One é ?', 'A')]


@pytest.mark.parametrize(
  ('name', 'text', 'message'),
  [
    ('banking77', 'text,intent\na,b\n', "train.csv: no column 'category'"),
    ('banking77', 'text,category\na,b\nc,\n', 'train.csv:3: no text or no'),
    ('clinc150', '{"train": [["a", "b"]]}', "no part 'val'"),
    ('clinc150', '{"train": [["a"]], "val": []}', r'train\[0\] is not'),
    ('trec_fine', 'X:y ok\nnonsense here\n', r"label:2: expected 'COARSE"),
    ('pubmed-rct', 'LABEL only\n', "txt:1: expected 'LABEL<tab>"),
  ],
)
def test_malformed_rows_are_named(name, text, message, tmp_path):
  put(tmp_path, name, text)
  with pytest.raises(ValueError, match=message):
    labelled.load(str(tmp_path), name)


def test_missing_files_and_unknown_sets(tmp_path):
  with pytest.raises(FileNotFoundError, match=r'data\.root.*banking77'):
    labelled.load(str(tmp_path), 'banking77')
  with pytest.raises(ValueError, match="no labelled set 'x'; use.*banking77"):
    labelled.load(str(tmp_path), 'x')


EXAMPLES = [
  labelled.Example(f'text {label} number {i}', label)
  for label in ('one', 'two', 'three', 'four')
  for i in range(300)
]
SHAPE = labelled.Shape(labels=3, per_label=4, per_chunk=2, questions=10)


def texts_of(episode):
  shown = [
    line.removeprefix('Sample: ').rpartition('; Label: ')[::2]
    for chunk in episode.chunks
    for line in chunk.splitlines()
  ]
  asked = [
    (q.text.removeprefix('Label of: '), q.answer) for q in episode.questions
  ]
  return shown, asked


def test_an_instance():
  make = labelled.source(EXAMPLES, 'banking77', 'test', SHAPE, seed=1)
  episode = make(5)
  assert episode == make(5) != make(6)
  shown, asked = texts_of(episode)
  assert len(episode.chunks) == 6 and len(shown) == 12 and len(asked) == 10
  assert {number for _, number in shown} == {'1', '2', '3'}
  labels = dict(EXAMPLES)
  number_of = {labels[text]: number for text, number in shown}
  assert len(number_of) == 3
  for text, number in asked:
    assert number_of[labels[text]] == number
  for question in episode.questions:
    chunk = episode.chunks[question.first]
    assert f'Label: {question.answer}' in chunk
    before = '\n'.join(episode.chunks[: question.first])
    assert f'Label: {question.answer}' not in before
    assert question.last == 5
  # The numbers of labels are drawn anew.
  assert (
    len({tuple(sorted(dict(texts_of(make(u))[0]).items())) for u in range(9)})
    == 9
  )


def test_the_oracle_keeps_words_and_label():
  chunk = "Sample: Where's my card?; Label: 12\nSample: in 3 days; Label: 4"
  notes = labelled.oracle_notes(chunk)
  assert [n.text for n in notes] == ['where s my card 12', 'in 3 days 4']
  assert {n.kind for n in notes} == {'semantic'}
  assert labelled.oracle_notes('Label of: x') == ()


def test_no_text_is_in_two_splits_or_both_shown_and_asked():
  seen = {}
  for split in content.SPLITS:
    make = labelled.source(EXAMPLES, 'banking77', split, SHAPE, seed=1)
    for uid in range(20):
      shown, asked = texts_of(make(uid))
      assert not {t for t, _ in shown} & {t for t, _ in asked}
      seen.setdefault(split, set()).update(t for t, _ in shown + asked)
  assert not seen['train'] & seen['test']
  assert not seen['train'] & seen['validation']
  assert not seen['validation'] & seen['test']


def test_too_few_texts_are_refused():
  with pytest.raises(ValueError, match='only 4 labels.*test split, 5 wanted'):
    labelled.source(EXAMPLES, 'x', 'test', SHAPE._replace(labels=5), 0)
  with pytest.raises(ValueError, match='only 0 labels'):
    labelled.source(EXAMPLES, 'x', 'test', SHAPE._replace(words=2), 0)


@needs_data
@pytest.mark.parametrize(
  ('name', 'labels'),
  [('banking77', 77), ('clinc150', 150), ('trec_coarse', 6), ('trec_fine', 50)],
)
def test_the_real_sets(name, labels):
  examples = labelled.load(str(REAL), name)
  assert len({e.label for e in examples}) == labels
  assert len(examples) > 5000
  train, test = (
    labelled.source(examples, name, split, SHAPE, 0)(0)
    for split in ('train', 'test')
  )
  leakage.check([train], [test])


# --- leakage -----------------------------------------------------------------


def episode(source, uid, chunk, question='q'):
  return Episode(uid, source, (chunk,), (Question(question, 'a', 'x', 0, 0),))


CLEAN = episode(
  'squad', 3, 'The river rises in the high mountains.', 'Where to?'
)
HELD_OUT = episode(
  'ruler_qa1', 0,
  'Conversation on a day.\nThe castle was built by a rich old duke. Yes.',
  'Who built the castle?',
)  # fmt: skip


def test_no_overlap_passes():
  leakage.check([CLEAN], [HELD_OUT])
  # Short sentences are anyone's.
  leakage.check([episode('squad', 1, 'Yes. No. Maybe so.', 'x')], [HELD_OUT])


@pytest.mark.parametrize(
  ('chunk', 'question', 'kind'),
  [
    ('Hm. The castle, was built by a RICH old duke!', 'x', 'sentence'),
    (
      'Nothing to see here, really nothing.',
      'who built the castle',
      'question',
    ),
  ],
)
def test_a_planted_overlap_is_named(chunk, question, kind):
  planted = episode('hotpotqa', 9, chunk, question)
  with pytest.raises(ValueError, match='1 texts of training') as caught:
    leakage.check([CLEAN, planted], [HELD_OUT])
  assert f'{kind} of hotpotqa 9 is a {kind} of ruler_qa1' in str(caught.value)
  found = leakage.overlaps([CLEAN, planted], [HELD_OUT])
  assert leakage.by_source(found) == {('hotpotqa', 'ruler_qa1'): 1}


def test_a_sample_that_is_asked_about_later_is_a_leak():
  held_out = episode('trec', 0, 'x', 'Label of: How far is the moon from here?')
  lines = (
    'Sample: Who?; Label: 2\nSample: how far is the moon from here; Label: 7'
  )
  with pytest.raises(
    ValueError, match='sentence of nlu 4 is a question of trec'
  ):
    leakage.check([episode('nlu', 4, lines)], [held_out])


def test_wrapping_may_be_shared():
  wrapped = 'I would like you to look at this.\nSomething else is here for you.'
  one, two = (episode(s, 0, wrapped, s) for s in ('a', 'b'))
  shared = [
    'I would like you to look at this.',
    'Something else is here for you.',
  ]
  leakage.check([one], [two], shared)
  with pytest.raises(ValueError, match='2 texts'):
    leakage.check([one], [two])
