"""REST: what callers are told, and what they can never read."""

import json
import logging
import string
import urllib.parse

import hypothesis
import pytest
import small_serving
from fastapi.testclient import TestClient
from hypothesis import strategies as st

from mem_alpha_jax.serve import memory as memory_lib
from mem_alpha_jax.serve import rest

KNOWN = 'zebra is here'  # to eve alone
LIMITS = rest.Limits(body_bytes=4096, per_second=1e6, burst=1e6)


class Calls:
  """A service, and requests to it with a key."""

  def __init__(self, path, limits=LIMITS):
    self.service = small_serving.service(path)
    store = self.service.store
    self.keys = {
      'ana': store.make_key('ana', ['ana', 'ana.2'], True),
      'eve': store.make_key('eve', ['eve'], True),
      'look': store.make_key('look', ['*'], False),
    }
    self.client = TestClient(
      rest.make(self.service, limits), raise_server_exceptions=False
    )

  def __call__(self, method, path, body=None, key='ana', **given):
    headers = given.pop('headers', {})
    if key:
      headers = {'Authorization': f'Bearer {self.keys.get(key, key)}'} | headers
    if body is not None:
      given['json'] = body
    return self.client.request(method, path, headers=headers, **given)


@pytest.fixture(scope='module')
def calls(tmp_path_factory):
  made = Calls(tmp_path_factory.mktemp('rest') / 'm.db')
  made('POST', '/v1/namespaces/eve/memories', {'text': KNOWN}, 'eve')
  yield made
  made.service.close()


def test_the_calls_of_a_memory(calls):
  at = '/v1/namespaces/ana.2'
  ok = lambda *given: calls(*given).raise_for_status().json()
  done = ok('POST', f'{at}/memories', {'text': 'Ana lives in Rome. Tom is old'})
  assert [c['id'] for c in done['calls']] == [1, 2]
  again = {'text': 'Ana lives in Oslo', 'request': 'r1', 'time': '3 May'}
  first = ok('POST', f'{at}/memories', again)
  assert ok('POST', f'{at}/memories', again) == first
  said = {'messages': [{'role': 'user', 'content': 'Bea has a cat'}]}
  ok('POST', f'{at}/memories', said)
  found = ok('POST', f'{at}/search', {'query': 'who has a cat', 'k': 1})
  assert [n['text'] for n in found] == ['Bea has a cat']
  assert ok('POST', f'{at}/answer', {'question': 'Bea'})['notes'] == found
  ok('PUT', f'{at}/memories/2', {'text': 'Tom is young'})
  ok('PUT', f'{at}/memories/core', {'text': 'I am Ana'})
  assert ok('DELETE', f'{at}/memories/2')['calls'][0]['tool'] == 'delete'
  assert [r['what'] for r in ok('GET', f'{at}/memories/2/history')] == [
    'add', 'update', 'delete',
  ]  # fmt: skip
  assert len(ok('GET', f'{at}/memories/core/history')) == 1
  assert ok('POST', f'{at}/undo', {})[0]['event'] == 6
  everything = ok('GET', f'{at}/memories')
  assert everything[0]['id'] == 'core'
  assert ok('GET', f'{at}/memories?kind=core') == everything[:1]
  assert ok('GET', f'{at}/memories?offset=1&limit=2') == everything[1:3]
  assert ok('GET', f'{at}/stats')['events'] == 7
  assert len(ok('GET', f'{at}/history')) == 7
  value = ok('GET', f'{at}/export')
  ok('DELETE', at)
  assert ok('GET', f'{at}/memories') == []
  assert ok('POST', f'{at}/import', value)['imported'] == len(everything)
  assert ok('GET', f'{at}/memories') == everything


@pytest.mark.parametrize(
  'method, path, body, key, status',
  [
    ('GET', '/v1/namespaces/ana/stats', None, None, 401),
    ('GET', '/v1/namespaces/ana/stats', None, 'mem_x', 401),
    ('GET', '/v1/namespaces/eve/stats', None, 'ana', 403),
    ('DELETE', '/v1/namespaces/ana', None, 'look', 403),
    ('DELETE', '/v1/namespaces/ana/memories/9', None, 'ana', 404),
    ('PUT', '/v1/namespaces/ana/memories/9', {'text': 'x'}, 'ana', 404),
    ('PUT', '/v1/namespaces/ana/memories/core', {'text': 'a ' * 9}, 'ana', 422),
    ('GET', '/v1/nothing', None, 'ana', 404),
    ('PATCH', '/v1/namespaces/ana/stats', None, 'ana', 405),
    ('POST', '/v1/namespaces/ana/memories', {}, 'ana', 422),
    ('POST', '/v1/namespaces/ana/memories', {'text': ' '}, 'ana', 422),
    ('POST', '/v1/namespaces/ana/memories', {'text': 'x' * 5000}, 'ana', 413),
    ('POST', '/v1/namespaces/ana/memories', {'text': 'crash'}, 'ana', 500),
    ('POST', '/v1/namespaces/ana/import', {'format': 'x'}, 'ana', 422),
  ],
)  # fmt: skip
def test_errors_have_a_status_a_line_and_the_id_of_the_request(
  calls, method, path, body, key, status, caplog
):
  answer = calls(method, path, body, key, headers={'X-Request-Id': 'mine-1'})
  error = answer.json()['error']
  assert answer.status_code == error['status'] == status
  assert error['request'] == answer.headers['x-request-id'] == 'mine-1'
  assert '\n' not in error['message']
  assert status != 500 or 'request mine-1' in caplog.text


def test_a_key_that_asks_too_much_waits(tmp_path, caplog):
  caplog.set_level(logging.DEBUG)
  calls = Calls(tmp_path / 'm.db', rest.Limits(4096, 0.01, 2))
  path = '/v1/namespaces/ana/stats'
  told = [calls('GET', path).status_code for _ in range(3)]
  assert told == [200, 200, 429]
  assert int(calls('GET', path).headers['retry-after']) > 50
  assert calls('GET', '/v1/namespaces/eve/stats', key='eve').status_code == 200
  # Health and counts need no key and name nobody.
  assert calls('GET', '/health', key=None).json()['status'] == 'ok'
  counts = calls('GET', '/metrics', key=None).text
  route = 'route="/v1/namespaces/{name}/stats"'
  assert f'method="GET",{route},status="429"}} 2.0' in counts
  assert 'ana' not in counts
  assert not any(key in caplog.text for key in calls.keys.values())
  calls.service.store.remove_key('ana')
  assert calls('GET', path).status_code == 401
  calls.service.close()


def test_a_store_that_fails_is_no_error_of_the_server(tmp_path):
  calls = Calls(tmp_path / 'm.db')
  calls.service.store._engine.dispose()
  (tmp_path / 'm.db').write_bytes(b'x' * 5000)
  answer = calls('GET', '/v1/namespaces/ana/stats')
  assert answer.status_code == 503
  assert 'is no database' in answer.json()['error']['message']
  calls.service.close()


def routes(calls):
  paths = calls.client.get('/openapi.json').json()['paths']
  return sorted(
    (method.upper(), path) for path, how in paths.items() for method in how
  )


_FIELDS = (
  'text', 'messages', 'role', 'content', 'time', 'request', 'query', 'k',
  'question', 'n', 'format', 'events', 'results', 'memory', 'seq', 'kind',
  'at', 'parts', 'limits', 'calls', 'user', 'stream',
)  # fmt: skip
_JSON = st.recursive(
  st.none()
  | st.booleans()
  | st.integers(-5, 2**70)
  | st.floats()
  | st.text(max_size=20)
  | st.sampled_from(['core', 'semantic', 'mem_alpha_jax memory 1', 'zebra']),
  lambda inner: (
    st.lists(inner, max_size=3)
    | st.dictionaries(
      st.sampled_from(_FIELDS),
      inner,
      max_size=4,
    )
  ),
  max_leaves=8,
)
quote = lambda text: urllib.parse.quote(text, safe='')
_WORD = st.text(string.printable, min_size=1, max_size=12)
# As they are meant to be asked, so that it is not all refused at the door.
_GOOD = st.sampled_from(
  [
    {'text': 'Ana lives in Rome'},
    {'text': 'zebra gone', 'request': 'r'},
    {'messages': [{'role': 'user', 'content': 'hello'}]},
    {'query': 'zebra'},
    {'question': 'zebra'},
    {'n': 3},
    *(
      {'messages': [{'role': 'user', 'content': 'zebra'}], 'user': name}
      for name in ('ana', 'eve')
    ),
    {'results': [{'memory': 'a b'}]},
    {},
  ]
)  # fmt: skip


@hypothesis.given(st.data())
@hypothesis.settings(max_examples=150, deadline=None)
def test_no_request_reads_another_namespace_or_breaks_the_server(calls, data):
  """Every route with ana's key, any namespace, any body."""
  method, route = data.draw(st.sampled_from(routes(calls)))
  name = data.draw(st.sampled_from(['ana', 'eve', 'Eve', '*']) | _WORD)
  note = data.draw(st.sampled_from(['1', '2', 'core']) | _WORD)
  path = route.replace('{name}', quote(name)).replace('{id}', quote(note))
  body = data.draw(st.binary(max_size=30) | (_GOOD | _JSON).map(json.dumps))
  kind = {'Content-Type': 'application/json'}
  answer = calls(method, path, content=body, headers=kind)
  assert answer.status_code < 500, (method, path, body, answer.text)
  assert KNOWN not in answer.text, 'what eve alone knows'
  if name == 'eve' and '{name}' in route:
    assert 400 <= answer.status_code < 500
  eve = memory_lib.Memory(calls.service, 'eve')
  assert [note['text'] for note in eve.all()] == [KNOWN]
