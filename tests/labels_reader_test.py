"""Labels by the nearest examples, worked out by hand."""

import pytest

from mem_alpha_jax.reading import labels
from mem_alpha_jax.types import Note, Request


def notes(*texts):
  return tuple(Note('semantic', t, i) for i, t in enumerate(texts))


@pytest.mark.parametrize(
  ('found', 'strict', 'expected'),
  [
    (('lost my card 3', 'what is the rate 1'), True, '3'),
    # Two words of three, 0.82, against one of two twice, 2 x 0.5.
    (('card lost soon 1', 'card fee 2', 'card pin 02'), True, '2'),
    (('card x 1', 'card y 2'), True, ''),
    (('card x 1', 'card y 2'), False, '2'),
    (('card x 2', 'card y 1'), False, '1'),
    (('the rate 4',), True, ''),
    (('my card',), True, ''),  # no label
    (('card 7 days; Label: 5',), True, '5'),
    (('Sample: a card; Label: 5\nSample: rate; Label: 6',), True, '5'),
    ((), True, ''),
  ],
)
def test_nearest_examples(found, strict, expected):
  assert labels.answer('card lost', notes(*found), '', strict) == expected


def test_core_counts_and_other_questions_go_elsewhere():
  asked = []

  def otherwise(requests):
    asked.extend(r.question for r in requests)
    return ['Rome', None][: len(requests)]

  read = labels.make_reader('Label of: ', otherwise, True)
  requests = [
    Request('Where?', ()),
    Request('Label of: my card', notes('rate 2'), 'card 4'),
    Request('When?', ()),
  ]
  assert read(requests) == ['Rome', '4', None]
  assert asked == ['Where?', 'When?']
  assert read(requests[1:2]) == ['4'] and len(asked) == 2
