"""The reader of free text: what it finds, cuts out and leaves unanswered."""

import pytest

from mem_alpha_jax.reading import sentences
from mem_alpha_jax.types import Note, Request

NOTES = (
  Note('episodic', '8 May, 2023, Ada: Bob and I painted two boats. Nice!', 0),
  Note('episodic', '2 June, 2023, Bob: My sister plays the violin.', 1),
  Note('semantic', 'Ada keeps nine goats near Ulm', 2),
)


def read(question, notes=NOTES, core=''):
  return sentences.answer(question, notes, core)


@pytest.mark.parametrize(
  'question, said',
  [
    ('When did Ada paint the boats?', '8 May, 2023'),  # stands before the dot
    ('When does the sister of Bob play?', '2 June, 2023'),
    ('How many goats does Ada keep?', 'nine'),
    ('How many boats did Ada and Bob paint?', 'two'),  # not the 8 of the date
    ("What instrument does Bob's sister play?", 'violin'),
    ('Who sold the tractor to the museum?', ''),
  ],
)
def test_the_sentence_that_fits_says_what_was_asked(question, said):
  assert read(question) == said


def test_a_date_is_missed_where_none_is_kept():
  bare = [Note('semantic', 'Ada painted boats red', 0)]
  assert read('When did Ada paint the boats?', bare) == 'red'


def test_core_counts_where_notes_do_not():
  core = 'Ada lives in Ulm.\nBob likes chess.'
  assert read('What does Bob like?', (), core) == 'chess'
  assert read('What does Bob like?', (), '') == ''


def test_an_answer_is_short_and_rare_words_decide():
  long = Note('semantic', 'Ada said ' + ' '.join(f'w{i}' for i in range(30)), 0)
  assert len(read('What did Ada say?', [long]).split()) == (
    sentences.ANSWER_WORDS
  )
  # Both share one word with the question; 'ada' is in each note, 'goats' not.
  notes = [Note('semantic', f'Ada saw item{i}', i) for i in range(5)]
  notes.append(Note('semantic', 'goats eat thistles', 5))
  assert read('Goats of Ada?', notes) == 'eat thistles'


def test_as_a_reader_it_answers_every_request():
  requests = [Request('How many goats does Ada keep?', NOTES), Request('?', ())]
  assert sentences.read(requests) == ['nine', '']
