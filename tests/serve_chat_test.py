"""Chat completions: what is answered, what is learned, and whose it is."""

import json

import pytest
import small_serving
from fastapi.testclient import TestClient

from mem_alpha_jax.serve import chat, rest

WHERE = '/v1/chat/completions'


@pytest.fixture
def served(tmp_path):
  """The memory of ana, and requests with a key of a name."""
  memory = small_serving.memory(tmp_path / 'm.db')
  store = memory._service.store
  keys = {
    'ana': store.make_key('ana', ['ana'], True),
    'look': store.make_key('look', ['ana'], False),
    'all': store.make_key('all', ['*'], True),
  }
  client = TestClient(rest.make(memory._service))

  def ask(*said, key='ana', headers=(), **fields):
    roles = ('user', 'assistant')
    messages = [
      {'role': roles[i % 2], 'content': text} for i, text in enumerate(said)
    ]
    return client.post(
      WHERE,
      json={'model': 'memory', 'messages': messages} | fields,
      headers={'Authorization': f'Bearer {keys[key]}', **dict(headers)},
    )

  yield memory, ask
  memory.close()


def texts(memory):
  return [note['text'] for note in memory.all()]


def test_a_conversation_is_learned_and_answered(served):
  memory, ask = served
  said = ['Ana lives in Rome']
  body = ask(*said).raise_for_status().json()
  (choice,) = body['choices']
  assert choice['message'] == {'role': 'assistant', 'content': chat.NOTED}
  assert choice['finish_reason'] == 'stop'
  assert body['object'] == 'chat.completion' and body['model'] == 'memory'
  assert body['usage'] == {
    'prompt_tokens': 4, 'completion_tokens': 1, 'total_tokens': 5,
  }  # fmt: skip
  said += [chat.NOTED, [{'type': 'text', 'text': 'tell where Ana lives'}]]
  reply = ask(*said, temperature=0.3).json()['choices'][0]['message']
  assert reply['content'] == 'Ana lives in Rome'
  # Only what is new was read, once.
  assert texts(memory) == ['Ana lives in Rome', 'tell where Ana lives']
  assert memory.stats()['events'] == 2
  assert ask('.').status_code == 422
  assert ask('Ana', 'yes').status_code == 422


def test_what_is_sent_again_is_learned_once(served):
  memory, ask = served
  once = {'Idempotency-Key': 'turn-1'}
  for _ in range(2):
    ask('Ana lives in Rome', headers=once).raise_for_status()
  assert memory.stats()['events'] == 1


def test_the_memory_is_that_of_the_user_or_the_key(served):
  memory, ask = served
  ask('Ana lives in Rome')
  answer = ask('lives', key='look').json()['choices'][0]['message']['content']
  assert answer == 'Ana lives in Rome'
  assert memory.stats()['events'] == 1  # that key may not write
  assert ask('lives', user='bob').status_code == 403
  assert ask('lives', user='a b').status_code == 422
  told = ask('lives', key='all').json()['error']['message']
  assert told.startswith('user: ')
  ask('Bob lives in Oslo', key='all', user='bob').raise_for_status()
  assert texts(memory.of('bob')) == ['Bob lives in Oslo']
  assert texts(memory) == ['Ana lives in Rome']


def test_a_reply_is_streamed_as_events(served):
  _, ask = served
  ask('Ana lives in Rome')
  options = {'include_usage': True}
  answer = ask('who lives', key='look', stream=True, stream_options=options)
  assert answer.headers['content-type'].startswith('text/event-stream')
  *lines, end, last = answer.text.split('\n\n')
  assert (end, last) == ('data: [DONE]', '')
  bodies = [json.loads(line.removeprefix('data: ')) for line in lines]
  assert len({body['id'] for body in bodies}) == 1
  assert {body['object'] for body in bodies} == {'chat.completion.chunk'}
  choices = [choice for body in bodies for choice in body['choices']]
  said = [choice['delta'].get('content', '') for choice in choices]
  assert ''.join(said) == 'Ana lives in Rome'
  assert [choice['finish_reason'] for choice in choices] == [None, 'stop']
  assert bodies[-1]['usage']['completion_tokens'] == 4


def test_a_reader_that_fails_is_no_answer_and_teaches_nothing(served):
  memory, ask = served
  rules = memory._service.serving
  rules.answer = lambda *job: (type(rules).answer(rules, *job)[0], None)
  assert ask('Ana lives in Rome').status_code == 503
  assert memory.stats()['events'] == 0


def test_the_client_of_openai(served):
  openai = pytest.importorskip('openai')
  memory, ask = served
  ask('Ana lives in Rome')
  key = memory._service.store.make_key('openai', ['ana'], False)
  client = openai.OpenAI(
    api_key=key,
    base_url='http://testserver/v1',
    http_client=TestClient(rest.make(memory._service)),
    max_retries=0,
  )
  assert [one.id for one in client.models.list()] == [chat.MODEL]
  given = dict(model='memory', messages=[{'role': 'user', 'content': 'lives?'}])
  whole = client.chat.completions.create(**given, temperature=0)
  assert whole.choices[0].message.content == chat.UNKNOWN
  given['messages'][0]['content'] = 'who lives'
  parts = client.chat.completions.create(**given, stream=True)
  said = [part.choices[0].delta.content or '' for part in parts]
  assert ''.join(said) == 'Ana lives in Rome'
  with pytest.raises(openai.PermissionDeniedError, match='may not read'):
    client.chat.completions.create(**given, user='bob')
