"""Multiple choice: how it is asked, read by rules, and scored."""

import pytest

from mem_alpha_jax.reading import choices
from mem_alpha_jax.reward import scoring
from mem_alpha_jax.types import Note, Request


@pytest.mark.parametrize(
  ('said', 'gold', 'expected'),
  [
    ('B', 'B', 1),
    ('b', 'B', 1),
    ('(b)', 'B', 1),
    ('B. Rome is quiet', 'B', 1),
    ('B) because Option A is loud', 'B', 1),
    ('The answer is B.', 'B', 1),
    ('Option A is loud. The answer is B.', 'B', 1),
    ('\\boxed{B}', 'B', 1),
    ('B, D', 'B, D', 1),
    ('B and D', 'D, B', 1),
    ('The right options are B and D.', 'B, D', 1),
    ('B', 'B, D', 0),
    ('A, B', 'B', 0),
    ('A cat', 'A', 0),
    ('I am not sure', 'I', 0),
    ("I'm not sure", 'I', 0),
    ('A', 'A', 1),
    ('I.', 'I', 1),
    ('Bath', 'B', 0),
    ('Rome', 'B', 0),
    ('', 'B', 0),
  ],
)
def test_letters_are_scored(said, gold, expected):
  assert scoring.score(said, gold, 'choice') == expected


def test_a_question_has_a_line_a_choice():
  asked = choices.question(' Which\tcity? ', ['loud\nRome', 'Ulm'])
  assert asked.split('\n')[:3] == ['Which\tcity?', 'A. loud Rome', 'B. Ulm']
  for few in ([], ['Rome'], ['Rome'] * 11):
    with pytest.raises(ValueError, match=f'{len(few)} choices, expected 2 to'):
      choices.question('Which?', few)


@pytest.mark.parametrize(
  ('notes', 'strict', 'wanted'),
  [
    (('They moved to Ulm by train.',), True, 'B'),
    (('They moved to Ulm.', 'They liked Rome.'), True, ''),
    (('They moved to Ulm.', 'They liked Rome.'), False, 'A'),
    (('It rained in the city.',), False, ''),
    ((), False, ''),
  ],
)
def test_the_choice_that_a_note_names_is_read(notes, strict, wanted):
  read = choices.make_reader(lambda some: ['free'] * len(some), strict)
  asked = choices.question('Where to?', ['the city of Rome', 'the city of Ulm'])
  notes = tuple(Note('semantic', text, 0) for text in notes)
  said = read([Request(asked, notes), Request('Who?', notes)])
  assert said == [wanted, 'free']
