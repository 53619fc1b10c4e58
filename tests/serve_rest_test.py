"""REST: what callers are told, and what they can never read."""

import logging

import hypothesis
import pytest
import small_requests
import small_serving
from fastapi.testclient import TestClient

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


HEADERS = {
  'Content-Type': 'application/json',
  'Accept': 'application/json, text/event-stream',
}


def test_no_request_reads_another_namespace_or_breaks_the_server(calls):
  """Every route and tool with ana's key, any namespace, any body."""

  @hypothesis.given(small_requests.asked(small_requests.routes(calls.client)))
  @hypothesis.settings(max_examples=150, deadline=None)
  def one(asked):
    method, name, path, body = asked
    answer = calls(method, path, content=body, headers=HEADERS)
    assert answer.status_code < 500, (method, path, body, answer.text)
    assert KNOWN not in answer.text, 'what eve alone knows'
    if name == 'eve' and not path.endswith('/mcp'):  # whose errors are told
      assert 400 <= answer.status_code < 500
    eve = memory_lib.Memory(calls.service, 'eve')
    assert [note['text'] for note in eve.all()] == [KNOWN]

  with calls.client:  # MCP answers while the application lives
    one()
    # It is reached, and of eve it tells ana nothing.
    said = {'jsonrpc': '2.0', 'id': 1, 'method': 'tools/call'}
    for tool, given in (('search', {'query': 'zebra'}), ('list', {})):
      call = {'name': f'memory_{tool}', 'arguments': given}
      told = {
        name: calls(
          'POST', f'/v1/namespaces/{name}/mcp', said | {'params': call},
          headers=HEADERS,
        ).json()['result']
        for name in ('ana', 'eve')
      }  # fmt: skip
      assert not told['ana']['isError'] and told['eve']['isError']
