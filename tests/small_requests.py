"""Requests to the service as anybody might send them, for hypothesis.

Every route, and MCP as one more of them; any namespace, id and body.
"""

import json
import string
import urllib.parse

from hypothesis import strategies as st

MCP = 'POST', '/v1/namespaces/{name}/mcp'  # not in the OpenAPI docs
TOOLS = ('add', 'search', 'answer', 'list', 'delete')
_FIELDS = (
  'text', 'messages', 'role', 'content', 'time', 'request', 'query', 'k',
  'question', 'n', 'format', 'events', 'results', 'memory', 'seq', 'kind',
  'at', 'parts', 'limits', 'calls', 'user', 'stream', 'jsonrpc', 'id',
  'method', 'params', 'items',
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
    | st.dictionaries(st.sampled_from(_FIELDS), inner, max_size=4)
  ),
  max_leaves=8,
)
_WORD = st.text(string.printable, min_size=1, max_size=12)
_GIVEN = st.sampled_from(
  [{'text': 'Ana has a cat'}, {'query': 'zebra'}, {'question': 'zebra'}, {}]
)
_CALL = st.builds(
  lambda tool, given: {
    'jsonrpc': '2.0', 'id': 1, 'method': 'tools/call',
    'params': {'name': f'memory_{tool}', 'arguments': given},
  },
  st.sampled_from(TOOLS), _GIVEN | _JSON,
)  # fmt: skip
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


def routes(client) -> list[tuple[str, str]]:
  paths = client.get('/openapi.json').json()['paths']
  found = [(method.upper(), p) for p, how in paths.items() for method in how]
  return sorted([*found, MCP])


@st.composite
def asked(draw, routes) -> tuple[str, str, str, bytes | str]:
  """Method, the namespace it names, path and body of a request."""
  method, route = draw(st.sampled_from(routes))
  name = draw(st.sampled_from(['ana', 'eve', 'Eve', '*']) | _WORD)
  note = draw(st.sampled_from(['1', '2', 'core']) | _WORD)
  quote = lambda text: urllib.parse.quote(text, safe='')
  path = route.replace('{name}', quote(name)).replace('{id}', quote(note))
  bodies = (_GOOD | _JSON).map(json.dumps) | st.binary(max_size=30)
  if (method, route) == MCP:
    bodies = _CALL.map(json.dumps) | bodies
  return method, name if '{name}' in route else '', path, draw(bodies)
