"""Labelled texts: the files' formats, and episodes that never leak."""

import collections
import json
import pathlib
import re

import pytest

from mem_alpha_jax.data import content, label_files, labelled

REAL = pathlib.Path(__file__).parents[1] / '../shared/data'
NLU_HEADER = (
  'userid;answerid;scenario;intent;status;answer_annotation;notes;'
  'suggested_entities;answer_normalised;answer;question'
)
PUBMED = '###123\nOBJECTIVE\tTo see  whether .\nRESULTS\tIt did .\n\n###124\n'
CLINC = {
  'train': [['a b', 'x']],
  'val': [['c', 'y']],
  'oos_train': [['d', 'oos']],
  'oos_val': [],
}
LINE = re.compile(r'Sample: (.*); Label: (.*)')


def _write(root, name, text, encoding='utf-8'):
  path = root / label_files.SETS[name].file
  path.parent.mkdir(exist_ok=True)
  path.write_bytes(text.encode(encoding))
  return path


def _examples(labels=5, each=60):
  return [
    label_files.Example(f'text {i} on thing{k}', f'my_label:{k}')
    for i in range(each)
    for k in range(labels)
  ]


def _episodes(examples, split='train', seed=0, **changed):
  arguments = {'source': 'toy', 'count': 3, 'per_label': 2, 'questions': 7}
  arguments |= changed
  count = arguments.pop('count')
  make = labelled.maker(examples, split, seed, **arguments)
  return [make(i) for i in range(count)]


def _shown(episode):
  """(text, label) of all samples, in order."""
  return [pair for chunk in episode.chunks for pair in LINE.findall(chunk)]


def _asked(episode):
  return [q.text.split('Sample: ')[1] for q in episode.questions]


@pytest.mark.parametrize(
  ('name', 'text', 'expected'),
  [
    (
      'banking77',
      'text,category\n"Where, oh\nwhere?",lost_card\r\nHi,hello\n',
      [('Where, oh where?', 'lost_card'), ('Hi', 'hello')],
    ),
    (
      'clinc150',
      json.dumps(CLINC),
      [('a b', 'x'), ('c', 'y')],
    ),
    (
      'clinc150_oos',
      json.dumps(CLINC),
      [('a b', 'x'), ('c', 'y'), ('d', 'oos')],
    ),
    ('trec_coarse', 'HUM:ind Who is she ?\n\n', [('Who is she ?', 'HUM')]),
    ('trec_fine', 'HUM:ind Who is she ?\n', [('Who is she ?', 'HUM:ind')]),
    (
      'nlu',
      f'{NLU_HEADER}\n'
      '1;1;alarm;set;null;x;null;x;wake me;Wake me!;q\n'
      '1;2;alarm;set;IRR_XR;x;null;x;no;No;q\n'
      '1;3;iot;hue_on;MOD;x;null;x;null;null;q\n'
      '1;4;iot;hue_on;MOD;x;null;x;on;"On; now";q\n',
      [('Wake me!', 'alarm_set'), ('On; now', 'iot_hue_on')],
    ),
    (
      'pubmed_rct',
      PUBMED,
      [('To see whether .', 'OBJECTIVE'), ('It did .', 'RESULTS')],
    ),
  ],
)  # fmt: skip
def test_formats(tmp_path, name, text, expected):
  _write(tmp_path, name, text)
  assert label_files.load(str(tmp_path), name) == expected


def test_trec_is_latin_1(tmp_path):
  _write(tmp_path, 'trec_fine', 'LOC:city Is it Malmö ?\n', 'latin-1')
  assert label_files.load(tmp_path, 'trec_fine')[0].text == 'Is it Malmö ?'


@pytest.mark.parametrize(
  ('name', 'text', 'message'),
  [
    ('banking77', 'text,label\na,b\n', r"csv:1: no column \['category'\]"),
    ('banking77', 'text,category\na,b\nc\n', 'csv:3: the row is too short'),
    ('banking77', 'text,category\na,b\n ,c\n', 'csv:3: a text and a label'),
    ('banking77', 'text,category\n', 'no example'),
    ('clinc150', '{"train": [["a"]], "val": []}', r'train\[0\]\[1\]: field'),
    ('clinc150', '{"train": [["a", 1]], "val": []}', r'train\[0\]\[1\]: input'),
    ('clinc150', '{"train": []}', 'val: field required'),
    ('clinc150', '[]', 'valid dict'),
    ('clinc150', '{', 'no JSON'),
    ('trec_fine', 'HUM:ind Who ?\nHUM Who ?\n', 'label:2: expected'),
    ('trec_fine', 'HUM:ind\n', 'label:1: expected'),
    ('pubmed_rct', '###1\nRESULTS It did.\n', 'txt:2: expected'),
    ('nlu', 'a;b\n', 'csv:1: no column'),
  ],
)
def test_broken_file_is_named(tmp_path, name, text, message):
  _write(tmp_path, name, text)
  with pytest.raises(ValueError, match=message):
    label_files.load(tmp_path, name)


def test_wrong_encoding_missing_file_and_unknown_name(tmp_path):
  with pytest.raises(
    FileNotFoundError, match=r'banking77/train.csv.*data.root'
  ):
    label_files.load(tmp_path, 'banking77')
  _write(tmp_path, 'banking77', 'text,category\nMalmö,b\n', 'latin-1')
  with pytest.raises(ValueError, match='train.csv.*download'):
    label_files.load(tmp_path, 'banking77')


def test_one_example_a_chunk():
  examples = _examples()
  for episode in _episodes(examples, labels=3):
    shown = _shown(episode)
    assert len(episode.chunks) == len(shown) == 6
    assert collections.Counter(n for _, n in shown) == {'0': 2, '1': 2, '2': 2}
    label_of = dict(examples)
    number_of = {label_of[text]: number for text, number in shown}
    assert len(number_of) == 3
    assert len(episode.questions) == 7
    for q, text in zip(episode.questions, _asked(episode), strict=True):
      assert q.answer == number_of[label_of[text]]
      assert q.first == [n for _, n in shown].index(q.answer)
      assert (q.last, q.type, episode.source) == (5, 'toy', 'toy')
    answers = collections.Counter(q.answer for q in episode.questions)
    assert sorted(answers.values()) == [2, 2, 3]
  assert [e.uid for e in _episodes(examples)] == [0, 1, 2]


def test_examples_share_chunks_evenly_in_a_conversation():
  (episode,) = _episodes(_examples(), count=1, days=4)
  assert len(_shown(episode)) == 10
  assert [len(LINE.findall(c)) for c in episode.chunks] == [3, 3, 2, 2]
  for day, chunk in enumerate(episode.chunks):
    assert f'2024-01-0{day + 1}' in chunk.split('\n')[0]
  where = {
    number: t
    for t in reversed(range(4))
    for _, number in LINE.findall(episode.chunks[t])
  }
  assert all(q.first == where[q.answer] for q in episode.questions)


def test_numbers_are_drawn_again():
  examples = _examples()
  label_of = dict(examples)
  numbers = {
    tuple(sorted({(label_of[t], n) for t, n in _shown(e)}))
    for e in _episodes(examples, count=8)
  }
  assert len(numbers) > 4


def test_no_question_is_an_example_and_splits_share_no_text():
  examples = _examples()
  # The same texts once more, written in another way.
  copies = [label_files.Example(t.upper() + ' !', n) for t, n in examples]
  shown, asked = {}, {}
  for split in content.ALL_SPLITS:
    made = _episodes(examples + copies, split, count=20, questions=99)
    shown[split] = {content.digest(t) for e in made for t, _ in _shown(e)}
    asked[split] = {content.digest(t) for e in made for t in _asked(e)}
  sets = [*shown.values(), *asked.values()]
  assert all(sets)
  assert len(set().union(*sets)) == sum(map(len, sets))
  assert len(asked['train']) == pytest.approx(120, abs=25)  # 0.8 * 0.5 of 300


def test_text_with_two_labels_is_left_out():
  examples = _examples(labels=2)
  extra = [label_files.Example('Text 3 on: thing0', 'my_label:1')]
  made = _episodes(examples + extra, count=9, per_label=99, questions=99)
  made += _episodes(examples, count=1, per_label=99, questions=99)
  found = [
    'text 3 on thing0' in [*_asked(e), *(t for t, _ in _shown(e))] for e in made
  ]
  split = (
    content.bucket(content.digest('text 3 on thing0'), 'split')
    in content.ALL_SPLITS['train']
  )
  assert found == [False] * 9 + [split]
  assert split  # else choose another text for this test


def test_episodes_depend_on_seed_and_split_and_not_on_their_number():
  examples = _examples()
  assert _episodes(examples, count=2) == _episodes(examples, count=5)[:2]
  assert _episodes(examples, seed=1) != _episodes(examples)
  first = _episodes(examples)[0]
  assert first._replace(uid=1) != _episodes(examples)[1]


@pytest.mark.parametrize(
  ('changed', 'message'),
  [
    ({'labels': 6}, '5 labels have .* wanted 6'),
    ({'days': 11}, '10 examples for 11 chunks'),
  ],
)
def test_bad_arguments_are_named(changed, message):
  with pytest.raises(ValueError, match=f'toy: .*{message}'):
    _episodes(_examples(), **changed)


@pytest.mark.skipif(not REAL.exists(), reason='no files in ../shared/data')
@pytest.mark.parametrize(
  ('name', 'labels', 'least'),
  [('banking77', 77, 76), ('clinc150', 150, 148), ('clinc150_oos', 151, 149),
   ('trec_coarse', 6, 6), ('trec_fine', 50, 31)],
)  # fmt: skip
def test_real_files(name, labels, least):
  examples = label_files.load(REAL, name)
  assert len({e.label for e in examples}) == labels
  episode = labelled.maker(
    examples, 'test', 0, source=name, per_label=1, questions=50
  )(0)
  assert len(episode.chunks) == least
  assert len(episode.questions) == 50


def test_the_oracle_keeps_words_and_label():
  rows = [labelled.line("Where's my card?", '12'), labelled.line('3 days', '4')]
  notes = labelled.oracle_notes('\n'.join(rows))
  assert [n.text for n in notes] == ['where s my card 12', '3 days 4']
  assert {n.kind for n in notes} == {'semantic'}
  assert labelled.oracle_notes(labelled.question('x')) == ()
