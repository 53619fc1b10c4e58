"""The client against a server that sends, byte for byte, what it is told."""

import asyncio
import json
import logging
import signal
import socketserver
import threading
import time

import httpx2
import pytest

from configs import tiny
from experiments.reader_faults import server as server_lib
from mem_alpha_jax.reading import (
  http_client,
  http_transport,
  protocol,
  remote_chat,
)

CHAT = [{'role': 'user', 'content': 'Who?'}]


class Server(socketserver.ThreadingTCPServer):
  """Answers by `say(number of the request, body)`: bytes, or pieces."""

  daemon_threads, request_queue_size = True, 64

  def __init__(self, say):
    super().__init__(('127.0.0.1', 0), Handler)
    self.say, self.heads, self.bodies = say, [], []
    self.busy, self.busiest = 0, 0
    self.lock = threading.Lock()
    self.url = f'http://127.0.0.1:{self.server_address[1]}/v1/'

  def __enter__(self):
    threading.Thread(
      target=self.serve_forever, args=[0.02], daemon=True
    ).start()
    return self

  def __exit__(self, *unused):
    self.shutdown()
    self.server_close()

  def handle_error(self, *unused):
    pass


class Handler(socketserver.StreamRequestHandler):
  def handle(self):
    head = []
    while (line := self.rfile.readline()) != b'\r\n':
      head.append(line.decode().strip())
    sizes = [x for x in head if x.lower().startswith('content-length:')]
    body = self.rfile.read(int(sizes[0].split(':')[1])) if sizes else b'{}'
    server = self.server
    with server.lock:
      nth = len(server.heads)
      server.heads.append(head)
      server.bodies.append(json.loads(body))
      server.busy += 1
      server.busiest = max(server.busiest, server.busy)
    said = server.say(nth, server.bodies[nth])
    with server.lock:
      server.busy -= 1
    for piece in [said] if isinstance(said, bytes) else said:
      self.wfile.write(piece)
      self.wfile.flush()


def http(status, body=b'', *headers):
  head = [f'HTTP/1.1 {status} X', f'Content-Length: {len(body)}', *headers]
  return '\r\n'.join([*head, '', '']).encode() + body


def ok(content='Tom.'):
  reply = {'choices': [{'message': {'content': content}}]}
  return http(200, json.dumps(reply).encode())


class Clock:
  """Time that passes by sleeping alone."""

  def __init__(self):
    self.slept, self.time = [], 0.0

  def now(self):
    return self.time

  async def sleep(self, seconds):
    self.slept.append(seconds)
    self.time += seconds
    await asyncio.sleep(0)  # the others go on


def client(url, now=time.monotonic, sleep=asyncio.sleep, key='', **fields):
  reading = tiny.get_config().unlock().reading
  reading.update(url=url, model='small', **fields)
  return http_client.Client(reading, key, now, sleep, lambda: 1.0)


def client_of(server, clock=None, **options):
  fields = dict(timeout=5.0, concurrency=1, breaker_limit=0) | options
  clock = clock or Clock()
  return client(server.url, clock.now, clock.sleep, **fields)


def counted(client, chats):
  """The client's counts, which must add up."""
  counts = client.take()
  assert tuple(counts) == http_client.COUNTS
  sent = counts['answers'] + counts['retries'] + counts['failures']
  assert counts['requests'] == sent
  faults = sum(counts[name] for name in http_transport.FAULTS)
  assert faults == counts['requests'] - counts['answers']
  ended = counts['answers'] + counts['failures'] + counts['refused']
  assert ended == chats
  return counts


def test_a_request_is_what_the_protocol_asks_for():
  with Server(lambda *_: ok('Tom.\nBob')) as server:
    client = client_of(server, key='secret')
    assert client.complete([CHAT, CHAT], 7) == ['Tom.\nBob'] * 2
    assert client.complete([], 7) == []
  assert server.bodies[0] == {
    'model': 'small', 'messages': CHAT, 'max_tokens': 7, 'temperature': 0,
  }  # fmt: skip
  head = server.heads[0]
  assert head[0].startswith('POST /v1/chat/completions ')
  assert {'Authorization: Bearer secret', 'Content-Type: application/json'} <= {
    *head
  }
  assert counted(client, 2)['requests'] == 2
  assert counted(client, 0)['requests'] == 0


def test_extra_fields_are_sent_as_they_are():
  extra = {'chat_template_kwargs': {'enable_thinking': False}}
  with Server(lambda *_: ok()) as server:
    client = client_of(server, extra=json.dumps(extra))
    assert client.complete([CHAT], 7) == ['Tom.']
  assert server.bodies == [
    {
      'model': 'small', 'messages': CHAT, 'max_tokens': 7, 'temperature': 0,
      **extra,
    }
  ]  # fmt: skip


@pytest.mark.parametrize('name', ['temperature', 'messages', 'stream', 'n'])
def test_extra_fields_change_nothing_that_is_read_here(name):
  with pytest.raises(ValueError, match=f'extra.*{name}.*leave it out'):
    client('', extra=json.dumps({name: 1}))


def page(text):
  return http(
    200, text if isinstance(text, bytes) else json.dumps(text).encode()
  )


def choice(message):
  return page({'choices': [{'message': message}]})


FAULTS = {
  'nothing at all': (b'', 'connection'),
  'no http': (b'hello\r\n\r\n', 'connection'),
  'cut': (ok()[:-3], 'connection'),
  'a 500': (http(500, b'{}'), 'http_5xx'),
  'a 503 that says when': (http(503, b'', 'Retry-After: 3'), 'http_5xx'),
  'a 429': (http(429), 'http_429'),
  'a 429 that says when': (http(429, b'', 'Retry-After: 3'), 'http_429'),
  'a 408': (http(408), 'timeout'),
  'a page': (page(b'<html>'), 'garbage'),
  'no body': (http(204), 'garbage'),
  'not utf-8': (page(b'\xff\xfe'), 'garbage'),
  'no choices': (page({'choices': []}), 'garbage'),
  'a list': (page([1]), 'garbage'),
  'no message': (page({'choices': [{}]}), 'garbage'),
  'a number': (choice({'content': 3}), 'garbage'),
  'half a pair': (choice({'content': '\ud83d'}), 'garbage'),
  'too deep': (page(b'[' * 100_000), 'garbage'),
  'too long': (ok('a' * http_transport.LARGEST_BODY), 'garbage'),
}


@pytest.fixture(scope='module')
def script():
  """One server, and what it says by the number of the request."""
  said = []
  with Server(lambda *_: said.pop(0)) as server:
    yield server, said


@pytest.mark.parametrize('name', FAULTS)
def test_a_fault_is_counted_and_the_request_sent_again(script, name):
  server, said = script
  fault, kind = FAULTS[name]
  said[:] = [fault, ok()]
  clock = Clock()
  client = client_of(server, clock)
  assert client.complete([CHAT], 7) == ['Tom.']
  counts = counted(client, 1)
  assert counts[kind] == counts['retries'] == counts['answers'] == 1
  assert clock.slept == [3.5 if 'says when' in name else 0.5]
  said[:] = [fault]  # nothing but faults: missing, not empty
  assert client_of(server, retries=0).complete([CHAT], 7) == [None]


@pytest.mark.parametrize(
  'reply',
  [
    http(400), http(402, b'no such model'),
    http(302, b'', 'Location: http://127.0.0.1:9/elsewhere'),
    http(429, b'', 'Retry-After: 3600'),
  ],
  ids=['wrong chat', 'unpaid', 'moved', 'an hour'],
)  # fmt: skip
def test_what_waiting_will_not_mend_is_given_up_at_once(script, reply):
  server, said = script
  said[:] = [reply]
  client = client_of(server, clock := Clock())
  assert client.complete([CHAT], 7) == [None]
  counts = counted(client, 1)
  assert counts['failures'] == counts['requests'] == 1 and not clock.slept


def error(status, message):
  return http(status, json.dumps({'error': {'message': message}}).encode())


@pytest.mark.parametrize(
  ('status', 'field'),
  [(401, 'reading.key_env'), (403, 'reading.key_env'), (404, 'reading.model')],
)
def test_trial_what_is_refused_at_first_ends_at_once(script, status, field):
  server, said = script
  reply = error(status, 'no: secret')
  said[:] = [reply, ok(), reply]
  before = len(server.heads)
  client = client_of(server, clock := Clock(), key='secret')
  with pytest.raises(protocol.Unanswered, match=field) as told:
    client.complete([CHAT], 7)
  assert len(server.heads) == before + 1 and not clock.slept  # in no time
  assert f'HTTP {status} (no: ...)' in str(told.value)
  # Once it has answered, a refusal is one missing answer.
  assert client.complete([CHAT], 7) == ['Tom.']
  assert client.complete([CHAT], 7) == [None]


@pytest.mark.parametrize('status', [401, 501])
def test_trial_a_wrong_key_is_told_before_anything_is_built(script, status):
  server, said = script
  said[:] = [http(status)]
  config = tiny.get_config().unlock()
  config.reading.update(url=server.url, model='small')
  if status == 401:
    with pytest.raises(protocol.Unanswered, match='HTTP 401'):
      remote_chat.from_config(config)
  else:
    remote_chat.from_config(config)
  assert server.heads[-1][0].startswith('GET /v1/models ')


def test_trial_the_fields_that_newer_models_refuse():
  with Server(lambda *_: ok()) as server:
    client = client_of(
      server, reply_limit='max_completion_tokens', temperature='none'
    )
    assert client.complete([CHAT], 7) == ['Tom.']
  assert server.bodies == [
    {'model': 'small', 'messages': CHAT, 'max_completion_tokens': 7}
  ]


def test_trial_what_a_400_says_reaches_the_user_once(script, caplog):
  server, said = script
  known = 'maximum context length is 4096'
  newer = "Unsupported parameter: use 'max_completion_tokens' instead."
  said[:] = [error(400, known), error(400, known), error(400, newer)]
  said += [http(400, b'plain\n text'), http(422, b'{"detail": "no \\n"}')]
  client = client_of(server)
  with caplog.at_level(logging.WARNING):
    assert client.complete([CHAT] * 5, 7) == [None] * 5
  assert caplog.text.count(known) == 1
  assert 'config.reading.reply_limit' in caplog.text
  assert 'HTTP 400: plain text' in caplog.text
  assert 'HTTP 422: no' in caplog.text
  assert counted(client, 5)['http_other'] == 5


def finished(message, reason, **more):
  choices = [{'message': message, 'finish_reason': reason}]
  return page({'choices': choices, **more})


def test_trial_replies_without_a_text(script, caplog):
  server, said = script
  parts = [{'type': 'text', 'text': 'To'}, {'type': 'text', 'text': 'm.'}]
  said[:] = [
    finished({'content': None}, 'length'),
    finished({'content': ''}, 'length'),
    finished({'content': ''}, 'content_filter'),
    finished({'content': None, 'tool_calls': []}, 'tool_calls'),
    finished({'content': ''}, 'stop'),  # an abstention
    finished({'content': parts}, 'stop'),
    finished({'content': 'cut of'}, 'length'),
    finished({'content': [{'type': 'image'}]}, 'stop'),
  ]
  client = client_of(server)
  with caplog.at_level(logging.WARNING):
    assert client.complete([CHAT] * 8, 7) == [
      *[None] * 4, '', 'Tom.', 'cut of', None,
    ]  # fmt: skip
  counts = counted(client, 8)
  assert counts['empty'] == 5 and counts['retries'] == 0
  assert 'went into thinking' in caplog.text
  assert "'content_filter'" in caplog.text


@pytest.mark.parametrize(('read', 'warned'), [(40, 1), (90, 0), (0, 0)])
def test_trial_a_server_that_cuts_prompts_is_told_once(
  script, caplog, read, warned
):
  server, said = script
  usage = {'prompt_tokens': read, 'completion_tokens': 1}
  said[:] = [finished({'content': 'x'}, 'stop', usage=usage)] * 2
  chat = [{'role': 'user', 'content': 'word ' * 100}]
  with caplog.at_level(logging.WARNING):
    client_of(server).complete([chat] * 2, 7)
  assert caplog.text.count('the server cuts prompts') == warned


def test_trial_the_server_of_experiments_joins_parts_and_refuses_streams():
  ask = lambda server, path, value=None: httpx2.request(
    'POST' if value else 'GET', f'{server.url}{path}', json=value
  )
  parts = [{'type': 'text', 'text': 'a'}, {'type': 'text', 'text': 'b'}]
  chat = {'messages': [{'role': 'user', 'content': parts}]}
  with server_lib.Server(reply=lambda chat: chat[0]['content']) as server:
    post = lambda **more: ask(server, '/chat/completions', {**chat, **more})
    said = post(max_completion_tokens=3).json()
    assert said['choices'][0]['message']['content'] == 'ab'
    assert post(stream=True).status_code == 400
    assert 'stream' in post(stream=True).json()['error']['message']
    assert post(messages=[{'content': 3}]).status_code == 400
    assert ask(server, '/models').json()['data'][0]['id']
    assert ask(server, '/nothing').status_code == 404


def test_an_empty_text_is_an_answer(script):
  server, said = script
  said[:] = [ok('')]
  assert client_of(server).complete([CHAT], 7) == ['']


def test_nobody_there():
  with Server(lambda *_: ok()) as server:
    pass
  client = client_of(server, retries=2)
  assert client.complete([CHAT], 7) == [None]
  assert counted(client, 1)['connection'] == 3


def test_an_address_that_is_none_is_no_crash():
  made = client('http://host:port/v1', retries=0)
  assert made.complete([CHAT], 7) == [None]
  assert counted(made, 1)['connection'] == 1


def test_cookies_are_not_kept():
  with Server(lambda *_: http(500, b'', 'Set-Cookie: a=b')) as server:
    assert client_of(server, retries=1).complete([CHAT], 7) == [None]
  assert len(server.heads) == 2
  assert not any('cookie' in line.lower() for line in server.heads[1])


def test_it_may_be_called_from_within_a_loop():
  async def notebook():
    return client_of(server).complete([CHAT], 7)

  with Server(lambda *_: ok()) as server:
    assert asyncio.run(notebook()) == ['Tom.']


def test_a_chat_that_waits_holds_up_no_other():
  """Two of three slots wait until the third has done all the rest."""

  def say(nth, body):
    text = body['messages'][0]['content']
    again = sum(b == body for b in server.bodies) > 1
    return ok(text) if again or text not in '01' else http(500)

  async def sleep(seconds):
    while len(server.bodies) < 9:
      await asyncio.sleep(0.01)

  chats = [[{'role': 'user', 'content': str(i)}] for i in range(9)]
  with Server(say) as server:
    made = client(server.url, sleep=sleep, concurrency=3)
    assert made.complete(chats, 7) == [str(i) for i in range(9)]
  asked = [body['messages'][0]['content'] for body in server.bodies]
  assert sorted(asked[-2:]) == ['0', '1'] and len(asked) == 11


def test_an_interrupt_sends_nothing_more():
  def interrupt(*unused):
    raise KeyboardInterrupt

  with Server(lambda *_: time.sleep(2) or ok()) as server:
    client = client_of(server, concurrency=2)
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
      signal.setitimer(signal.ITIMER_REAL, 0.5)
      with pytest.raises(KeyboardInterrupt):
        client.complete([CHAT] * 9, 7)
    finally:
      signal.signal(signal.SIGALRM, before)
    assert len(server.heads) <= 2


def test_retries_are_bounded_and_wait_longer_each_time():
  with Server(lambda *_: http(500)) as server:
    client = client_of(server, clock := Clock(), retries=4)
    assert client.complete([CHAT], 7) == [None]
  assert clock.slept == [0.5, 1, 2, 4]
  counts = counted(client, 1)
  assert counts['http_5xx'] == len(server.heads) == 5
  assert counts['retries'] == 4 and counts['failures'] == 1


@pytest.mark.parametrize('late', ['never', 'trickles'])
def test_a_slow_reply_is_a_timeout_within_a_bound(late):
  def say(*_):
    if late == 'never':
      time.sleep(2)
      return b''
    head, body = ok('a' * 100).split(b'\r\n\r\n')
    pieces = [head + b'\r\n\r\n', *(body[i : i + 1] for i in range(len(body)))]
    return (time.sleep(0.03) or piece for piece in pieces)

  with Server(say) as server:
    made = client(server.url, timeout=0.2, retries=0)
    assert made.complete([CHAT], 7) == [None]  # a whole one takes 4 s
  assert counted(made, 1)['timeout'] == 1


def test_as_many_requests_at_a_time_as_allowed_and_answers_in_order():
  met = threading.Barrier(3)

  def say(nth, body):
    met.wait(60)  # until as many are there
    return ok(body['messages'][0]['content'])

  chats = [[{'role': 'user', 'content': str(i)}] for i in range(24)]
  with Server(say) as server:
    client = client_of(server, concurrency=3)
    assert client.complete(chats, 7) == [str(i) for i in range(24)]
  assert server.busiest == 3


def test_breaker_spares_a_dead_server_and_finds_it_again(caplog):
  away = [True]
  with Server(lambda *_: http(500) if away[0] else ok()) as server:
    client = client_of(
      server, clock := Clock(), retries=0, key='secret',
      breaker_limit=3, breaker_pause=30.0,
    )  # fmt: skip
    with caplog.at_level(logging.WARNING):
      assert client.complete([CHAT] * 9, 7) == [None] * 9
    counts = counted(client, 9)
    # Three open it; the fourth waits, is the probe, and fails; five refused.
    assert counts['requests'] == len(server.heads) == 4
    assert counts['refused'] == 5 and counts['openings'] == 2
    assert sum(clock.slept) == pytest.approx(30, abs=0.1)
    told = caplog.text
    assert '3 requests failed in a row' in told and 'http_5xx' in told
    assert 'secret' not in told
    away[0] = False
    assert client.complete([CHAT], 7) == [None]  # still within the pause
    clock.time += 30
    assert client.complete([CHAT] * 2, 7) == ['Tom.'] * 2
    counts = counted(client, 3)
    assert counts['refused'] == 1 and counts['answers'] == 2


def test_a_short_break_costs_no_answer():
  clock = Clock()
  with Server(lambda *_: http(503) if clock.time < 20 else ok()) as server:
    client = client_of(
      server, clock, retries=1, breaker_limit=2, breaker_pause=30.0
    )  # fmt: skip
    assert client.complete([CHAT] * 5, 7) == [None, *['Tom.'] * 4]
  assert counted(client, 5)['openings'] == 1
