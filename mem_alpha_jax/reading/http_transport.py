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
# What may happen to a request besides a reply.
FAULTS = (
  'timeout',  # no whole reply in time
  'connection',  # refused, reset or cut
  'http_429',  # too many requests
  'http_5xx',
  'garbage',  # status 200, but no JSON with a text in it
  'empty',  # status 200, and nothing said: a thought or a filter took it all
  'http_other',  # a wrong key, model or address, or a chat that is too long
)
# Asking again greedily would give the same; the server is well.
FINAL = ('empty', 'http_other')
LONGEST_NOTE = 300  # characters
USAGE = ('prompt_tokens', 'completion_tokens')


class Reply(NamedTuple):
  """What came of a request: a text, or a fault."""

  text: str | None
  fault: str = ''  # one of FAULTS
  usage: tuple[int, int] = (0, 0)  # tokens of prompt and reply
  wait: float | None = None  # seconds that the server asked for
  status: int = 0  # of HTTP
  note: str = ''  # what the server says of a fault, one line


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
  client: httpx2.AsyncClient,
  url: str,
  key: str,
  body: bytes | None,
  timeout: float,
) -> Reply:
  """Posts a chat; whatever the network does becomes a Reply.

  Args:
    body: JSON; None gets what is there.
    timeout: seconds until the reply must be whole, the connection included.
  """
  headers = {'Content-Type': 'application/json'}
  if key:
    headers['Authorization'] = f'Bearer {key}'
  method = 'GET' if body is None else 'POST'
  request = client.stream(method, url, headers=headers, content=body)
  try:
    async with asyncio.timeout(timeout), request as response:
      if response.is_success:
        return _reply(await _read(response))
      now = datetime.datetime.now(datetime.UTC)
      wait = retry.retry_after(response.headers.get('Retry-After'), now)
      status, note = response.status_code, _note(await _read(response), key)
      fault = status_fault(status)
      return Reply(None, fault, wait=wait, status=status, note=note)
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
    choice = value['choices'][0]
    message, finish = choice['message'], choice.get('finish_reason')
    text = content_text(message['content'])
    (text or '').encode()  # half a surrogate pair is valid JSON and no text
  except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
    return Reply(None, 'garbage')
  # '' is an answer, an abstention; but not where something cut it off.
  if text is None or not text.strip() and finish not in (None, 'stop'):
    note = f'the reply says nothing, finish_reason {finish!r}'
    if finish == 'length':
      note += ': all its tokens went into thinking; allow more of them'
      note += ' (a reader has config.reading.answer_tokens)'
    return Reply(None, 'empty', usage(value), note=note)
  return Reply(text, usage=usage(value))


def content_text(content: str | list | None) -> str | None:
  """The text of a content, whole or in parts, None without; else TypeError."""
  if isinstance(content, list):
    texts = [part['text'] for part in content if 'text' in part]
    return ''.join(texts) if texts else None
  if content is None or isinstance(content, str):
    return content
  raise TypeError(f'content is of type {type(content).__name__}')


def _note(body: bytes, key: str) -> str:
  """What the body of an error says, without the key."""
  text = body.decode(errors='replace')
  try:
    value = json.loads(text)
    for name in ('error', 'message', 'detail'):
      value = value.get(name, value) if isinstance(value, dict) else value
    text = value if isinstance(value, str) else text
  except (ValueError, RecursionError):
    pass
  text = ' '.join(text.split())
  return (text.replace(key, '...') if key else text)[:LONGEST_NOTE]


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
