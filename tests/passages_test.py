"""SQuAD and HotpotQA, made up here, as streams."""

import json

import pytest

from mem_alpha_jax.data import chunking, content, leakage, passages


def count(text: str) -> int:
  return len(text.split())


def squad(articles: int):
  """Paragraphs of twelve words with two questions each."""
  paragraph = lambda i: {
    'context': f'Fact {i} alpha is that river number {i} is in land {i}.',
    'qas': [
      {
        'question': f'Where is river number {i}?',
        'answers': [{'text': f'land {i}'}, {'text': f'in land {i}'}],
      },
      {'question': f'Why {i}?', 'answers': []},
      {'question': f'What {i}?', 'answers': [{'text': 'a b c d e'}]},
    ],
  }  # fmt: skip
  return {
    'data': [
      {'paragraphs': [paragraph(10 * a + i) for i in range(10)]}
      for a in range(articles)
    ]
  }


def put(root, name, file, value):
  (root / name).mkdir(parents=True, exist_ok=True)
  (root / name / file).write_text(json.dumps(value))


SHAPE = passages.Shape(chunks=4, low=20, high=40, questions=6, fewest=3)


def test_squad_as_streams(tmp_path):
  put(tmp_path, 'squad', 'train-v1.1.json', squad(40))
  found = passages.load(str(tmp_path), 'squad')
  assert len(found) == 400 and len(found[0].questions) == 2
  make = lambda split: list(
    passages.episodes(found, 'squad', split, SHAPE, 1, count)
  )
  train, test = make('train'), make('test')
  assert train == make('train') and len(train) > 10 and len(test) >= 1
  for episode in train + test:
    assert len(episode.chunks) == 4 and 3 <= len(episode.questions) <= 6
    for question in episode.questions:
      number = question.text.removeprefix('Where is river number ')[:-1]
      assert question.answer == f'land {number}'
      assert question.others == (f'in land {number}',)
      # The passage ends in this chunk, and what follows comes later.
      assert f'land {number}.' in episode.chunks[question.first]
      assert question.last == 3
  # Nothing is in two instances, none in two splits.
  said = [c for e in train for c in e.chunks]
  assert len(said) == len(set(said))
  leakage.check(train, test, chunking.wrapping(SHAPE.chunks))
  assert all(content.split_of(p.key) in content.SPLITS for p in found)


def test_questions_may_be_left_out(tmp_path):
  put(tmp_path, 'squad', 'train-v2.0.json', squad(40))
  found = passages.load(str(tmp_path), 'squad')
  odd = lambda q: int(q.text.removeprefix('Where is river number ')[:-1]) % 2
  some = list(
    passages.episodes(
      found, 'squad', 'train', SHAPE, 1, count, lambda q: odd(q)
    )
  )
  assert some
  assert all(odd(q) for e in some for q in e.questions)


def test_a_passage_longer_than_an_instance_does_not_stop_it():
  long = passages.Passage('word ' * 500, (), 'k0')
  found = [long._replace(key=f'k{i}') for i in range(200)]
  assert list(passages.episodes(found, 'x', 'test', SHAPE, 0, count)) == []


HOTPOT = {
  'question': 'Who is older?',
  'answer': 'Ada',
  'supporting_facts': [['Ada', 0], ['Bob', 1], ['Ada', 1]],
  'context': [
    ['Zed', ['Never shown.']],
    ['Ada', ['Ada was born first.', ' In a town.']],
    ['Bob', ['Bob came.', ' He was second.']],
  ],
}


def test_hotpotqa_keeps_what_supports_and_whole_splits(tmp_path):
  names = [f'N{i}' for i in range(60)]

  def item(a, b):
    facts, context = [[a, 0], [b, 0]], [[a, [f'{a} is.']], [b, [f'{b} was.']]]
    return HOTPOT | {'supporting_facts': facts, 'context': context}

  pairs = list(zip(names, names[1:], strict=False))
  items = [HOTPOT, *(item(a, b) for a, b in pairs)]
  put(tmp_path, 'hotpotqa', 'hotpot_train_v1.1.json', items)
  found = passages.load(str(tmp_path), 'hotpotqa')
  same = lambda a, b: content.split_of(a) == content.split_of(b)
  assert len(found) == sum(same(a, b) for a, b in [('Ada', 'Bob'), *pairs])
  if same('Ada', 'Bob'):
    assert 'Ada was born first. In a town.\n\nBob\nBob came.' in found[0].text
  assert not any('Never' in p.text for p in found)


def test_malformed_files_are_named(tmp_path):
  with pytest.raises(FileNotFoundError, match=r'data\.root.*train-v1.1.json'):
    passages.load(str(tmp_path), 'squad')
  with pytest.raises(ValueError, match="no set of passages 'x'"):
    passages.load(str(tmp_path), 'x')
  put(tmp_path, 'squad', 'train-v1.1.json', {'data': [{'paragraphs': [{}]}]})
  with pytest.raises(ValueError, match=r'v1.1.json: article 0: .*context'):
    passages.load(str(tmp_path), 'squad')
  put(tmp_path, 'squad', 'train-v1.1.json', {})
  with pytest.raises(ValueError, match="v1.1.json: no 'data'"):
    passages.load(str(tmp_path), 'squad')
  broken = HOTPOT | {'context': []}
  put(tmp_path, 'hotpotqa', 'hotpot_train_v1.1.json', [broken])
  with pytest.raises(ValueError, match=r"item 0: no field 'Ada'"):
    passages.load(str(tmp_path), 'hotpotqa')
