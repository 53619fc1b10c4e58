"""Asks a chat model behind an OpenAI-compatible server, and survives it.

Time-outs, retries with back-off, bounded concurrency, a circuit breaker. What
could not be had is None, never an empty text. The standard library is enough.
"""

import collections
import concurrent.futures
import dataclasses
import datetime
import http.client
import json
import random
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from absl import logging

from mem_alpha_jax.reading import retry

Chat = Sequence[dict[str, str]]  # messages with 'role' and 'content'

LARGEST_BODY = 1 << 20  # bytes of a reply; a longer one is garbage
_POLL = 0.05  # seconds between two looks at an open breaker

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
COUNTS = (
  'requests',  # sent = answers + retries + failures
  'answers',
  'retries',  # requests sent after one that failed
  'failures',  # chats given up after their last request
  'refused',  # chats that the open breaker let send nothing
  'openings',  # of the breaker
  *USAGE,  # that the server says it read and wrote
  *FAULTS,
)


@dataclasses.dataclass(frozen=True)
class Endpoint:
  """A server and how it is asked.

  Attributes:
    url: its address without '/chat/completions', often ending in '/v1'.
    model: name of the model there.
    key: sent as bearer token unless ''; never shown.
    timeout: seconds for the connection, for each silence of the server, and
      for the body of a reply to be whole.
    retries: further requests after one that failed.
    backoff: longest wait before the first retry, seconds; doubles.
    concurrency: requests at a time.
    breaker_limit: failures in a row that open the breaker; 0 is off.
    breaker_pause: seconds until an open breaker lets a probe pass.
  """

  url: str
  model: str
  key: str = dataclasses.field(default='', repr=False)
  timeout: float = 60.0
  retries: int = 4
  backoff: float = 0.5
  concurrency: int = 16
  breaker_limit: int = 20
  breaker_pause: float = 30.0


class Reply(NamedTuple):
  """What came of a request: a text, or a fault."""

  text: str | None
  fault: str = ''  # one of FAULTS
  usage: tuple[int, int] = (0, 0)  # tokens of prompt and reply
  wait: float | None = None  # seconds that the server asked for


class Client:
  """Sends chats to an endpoint; threads are its own business."""

  def __init__(
    self,
    endpoint: Endpoint,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    draw: Callable[[], float] = random.random,
  ):
    """Args: an endpoint; a clock, a sleep and a draw from [0, 1) for tests."""
    self.endpoint = endpoint
    self._now, self._sleep, self._draw = now, sleep, draw
    self._lock = threading.Lock()
    self._breaker = retry.Breaker()
    self._counts = collections.Counter()
    # A key must not follow a redirect to another host, nor a POST become GET.
    self._opener = urllib.request.build_opener(_NoRedirect)

  def complete(self, chats: Sequence[Chat], tokens: int) -> list[str | None]:
    """Returns a greedy reply of at most `tokens` to each; None if it failed."""
    bodies = [_body(self.endpoint.model, chat, tokens) for chat in chats]
    pool = concurrent.futures.ThreadPoolExecutor(self.endpoint.concurrency)
    try:
      return list(pool.map(self._answer, bodies))
    finally:  # Ctrl-C waits for what is out, not for what is not
      pool.shutdown(cancel_futures=True)

  def take(self) -> dict[str, int]:
    """Returns COUNTS since the last call."""
    with self._lock:
      taken, self._counts = self._counts, collections.Counter()
    return {name: taken[name] for name in COUNTS}

  def _answer(self, body: bytes) -> str | None:
    attempt = 0
    while True:
      admitted = self._admit()
      if admitted == 'refuse':
        self._count('failures' if attempt else 'refused')
        return None
      self._count('requests', *['retries'] * (attempt > 0))
      reply = self._send(body)
      self._settle(reply, admitted == 'probe')
      if reply.text is not None:
        self._count('answers')
        self._add_usage(reply.usage)
        return reply.text
      self._count(reply.fault)
      asked = reply.wait or 0.0
      last = attempt == self.endpoint.retries or reply.fault == 'http_other'
      if last or asked > retry.LONGEST_WAIT:
        self._count('failures')
        return None
      wait = retry.backoff(attempt, self.endpoint.backoff, self._draw())
      self._sleep(asked + wait)
      attempt += 1

  def _count(self, *names: str) -> None:
    with self._lock:
      self._counts.update(names)

  def _add_usage(self, tokens: tuple[int, int]) -> None:
    with self._lock:
      for name, n in zip(USAGE, tokens, strict=True):
        self._counts[name] += n

  def _admit(self) -> str:
    """Waits while the breaker says so: 'send', 'probe' or 'refuse'."""
    while True:
      with self._lock:
        may, self._breaker = retry.admit(self._breaker, self._now())
      if may != 'wait':
        return may
      self._sleep(_POLL)

  def _settle(self, reply: Reply, probe: bool) -> None:
    # A server that refuses one request is well: the next may be better.
    alive = reply.text is not None or reply.fault == 'http_other'
    e = self.endpoint
    with self._lock:
      before = self._breaker
      self._breaker = retry.settle(
        before, alive, probe, self._now(), e.breaker_limit, e.breaker_pause
      )
      opened = self._breaker.state == 'open' != before.state
      self._counts['openings'] += opened
    if opened:
      logging.warning(
        '%s: %d requests failed in a row, the last by %s; the next is sent in '
        '%g s', e.url, self._breaker.failures, reply.fault, e.breaker_pause,
      )  # fmt: skip

  def _send(self, body: bytes) -> Reply:
    """One request; whatever the network does becomes a Reply."""
    headers = {'Content-Type': 'application/json'}
    if self.endpoint.key:
      headers['Authorization'] = f'Bearer {self.endpoint.key}'
    url = f'{self.endpoint.url.rstrip("/")}/chat/completions'
    timeout = self.endpoint.timeout
    deadline = self._now() + timeout
    try:
      # A connection a request: one that is kept may be closed by the server
      # at any moment, which could not be told from a request that was dropped.
      with self._opener.open(
        urllib.request.Request(url, body, headers), timeout=timeout
      ) as response:
        body = self._read(response, deadline)
    except urllib.error.HTTPError as error:
      with error:
        asked = error.headers.get('Retry-After')
      now = datetime.datetime.now(datetime.UTC)
      wait = retry.retry_after(asked, now)
      return Reply(None, status_fault(error.code), wait=wait)
    except (OSError, http.client.HTTPException) as error:
      # urllib wraps what happens before the request is out.
      cause = getattr(error, 'reason', error)
      late = isinstance(cause, TimeoutError)
      return Reply(None, 'timeout' if late else 'connection')
    text = content(body)
    if text is None:
      return Reply(None, 'garbage')
    return Reply(text, usage=usage(body))

  def _read(self, response: http.client.HTTPResponse, deadline: float) -> bytes:
    """The body; b'' if it is too long.

    Raises:
      TimeoutError: it trickles past the deadline.
      http.client.IncompleteRead: the connection ended before it did.
    """
    parts, size = [], 0
    while part := response.read1(1 << 16):
      parts.append(part)
      size += len(part)
      if size > LARGEST_BODY:
        return b''
      if self._now() > deadline:
        raise TimeoutError
    if response.length:  # read1 does not say so itself
      raise http.client.IncompleteRead(b'')
    return b''.join(parts)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
  def redirect_request(self, *unused):
    return None  # then urllib raises HTTPError


def _body(model: str, chat: Chat, tokens: int) -> bytes:
  request = {
    'model': model,
    'messages': list(chat),
    'max_tokens': tokens,
    'temperature': 0,
  }
  return json.dumps(request).encode()


def content(body: bytes) -> str | None:
  """The text of a chat completion, None if the body is anything else."""
  try:
    text = json.loads(body)['choices'][0]['message']['content']
    text.encode()  # half a surrogate pair is valid JSON and no text
  except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
    return None
  return text


def usage(body: bytes) -> tuple[int, int]:
  """Tokens of prompt and reply that a completion says it used, 0 if not."""
  told = json.loads(body).get('usage')
  told = told if isinstance(told, dict) else {}
  counts = (told.get(name) for name in USAGE)
  return tuple(n if type(n) is int and n > 0 else 0 for n in counts)


def cost(
  counts: Mapping[str, int], prompt_price: float, completion_price: float
) -> float:
  """What the tokens of `Client.take` cost, at prices of a million tokens."""
  prices = (prompt_price, completion_price)
  return sum(
    counts[name] * price / 1e6
    for name, price in zip(USAGE, prices, strict=True)
  )


def status_fault(status: int) -> str:
  """The fault that an HTTP status other than 2xx is."""
  if status == 408:
    return 'timeout'
  if status == 429:
    return 'http_429'
  return 'http_5xx' if 500 <= status < 600 else 'http_other'
