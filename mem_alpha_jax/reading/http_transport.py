"""One request to a chat server, and what came of it: a text or a fault."""

import asyncio
import datetime
import http.cookiejar
import json
import ssl
from typing import NamedTuple

import httpx2

from mem_alpha_jax.reading import retry

LARGEST_BODY = 1 << 20  # bytes of a reply; a longer one is garbage
# What may happen to a request besides a reply; all but the last are retried.
FAULTS = (
  'timeout',  # no whole reply in time
  'connection',  # refused, reset or cut
  'http_429',  # too many requests
  'http_5xx',
  'garbage',  # status 200, but no JSON with a text in it
  'http_other',  # asking again would not help: a wrong key, model or address
)
USAGE = ('prompt_tokens', 'completion_tokens')


class Reply(NamedTuple):
  """What came of a request: a text, or a fault."""

  text: str | None
  fault: str = ''  # one of FAULTS
  usage: tuple[int, int] = (0, 0)  # tokens of prompt and reply
  wait: float | None = None  # seconds that the server asked for


def trusted() -> ssl.SSLContext:
  """The certificates that this machine trusts; slow enough to keep."""
  return ssl.create_default_context()


def connections(context: ssl.SSLContext) -> httpx2.AsyncClient:
  """What requests go out through, as an `async with`.

  A connection a request: one that is kept may be closed by the server at any
  moment, which could not be distinguished from a request that was dropped.
  Redirects are not followed: a key must not go to another host, nor a POST
  become GET. Proxies are those of the environment. Cookies are not kept, so
  that a balancer may send each request to another server.
  """
  nobody = http.cookiejar.DefaultCookiePolicy(allowed_domains=())
  return httpx2.AsyncClient(
    verify=context,
    timeout=None,  # `send` has its own
    limits=httpx2.Limits(max_connections=None, max_keepalive_connections=0),
    # Not compressed: the longest body is counted as it comes.
    headers={'Connection': 'close', 'Accept-Encoding': 'identity'},
    cookies=http.cookiejar.CookieJar(nobody),
    follow_redirects=False,
    trust_env=True,
  )


async def send(
  client: httpx2.AsyncClient, url: str, key: str, body: bytes, timeout: float
) -> Reply:
  """Posts a chat; whatever the network does becomes a Reply.

  Args:
    client: of `connections`.
    url: where to.
    key: sent as bearer token unless ''.
    body: JSON.
    timeout: seconds until the reply must be whole, the connection included.
  """
  headers = {'Content-Type': 'application/json'}
  if key:
    headers['Authorization'] = f'Bearer {key}'
  request = client.stream('POST', url, headers=headers, content=body)
  try:
    async with asyncio.timeout(timeout), request as response:
      if response.is_success:
        return _reply(await _read(response))
      now = datetime.datetime.now(datetime.UTC)
      wait = retry.retry_after(response.headers.get('Retry-After'), now)
      return Reply(None, status_fault(response.status_code), wait=wait)
  except (TimeoutError, httpx2.TimeoutException):
    return Reply(None, 'timeout')
  except (OSError, httpx2.RequestError, httpx2.InvalidURL):
    return Reply(None, 'connection')


async def _read(response: httpx2.Response) -> bytes:
  parts, size = [], 0
  async for part in response.aiter_raw():
    parts.append(part)
    size += len(part)
    if size > LARGEST_BODY:
      return b''
  return b''.join(parts)


def _reply(body: bytes) -> Reply:
  """A chat completion; anything else is garbage."""
  try:
    value = json.loads(body)
    text = value['choices'][0]['message']['content']
    text.encode()  # half a surrogate pair is valid JSON and no text
  except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
    return Reply(None, 'garbage')
  return Reply(text, usage=usage(value))


def usage(value: dict) -> tuple[int, int]:
  """Tokens of prompt and reply that a completion says it used, 0 if not."""
  said = value.get('usage')
  said = said if isinstance(said, dict) else {}
  counts = (said.get(name) for name in USAGE)
  return tuple(n if type(n) is int and n > 0 else 0 for n in counts)


def status_fault(status: int) -> str:
  """The fault that an HTTP status other than 2xx is."""
  if status == 408:
    return 'timeout'
  if status == 429:
    return 'http_429'
  return 'http_5xx' if 500 <= status < 600 else 'http_other'
