"""Asks a chat model behind an OpenAI-compatible server, and survives it.

Time-outs, retries with back-off, bounded concurrency, a circuit breaker. What
could not be had is None, never an empty text.
"""

import asyncio
import collections
import dataclasses
import datetime
import inspect
import json
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from absl import logging
from anyio import from_thread

from mem_alpha_jax.reading import retry
from mem_alpha_jax.reading.chat import Chat

LARGEST_BODY = 1 << 20  # bytes of a reply; a longer one is garbage
# Fields of a request that are ours, or make replies of another form.
_TAKEN = ('model', 'messages', 'max_tokens', 'temperature', 'stream', 'n')
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
    timeout: seconds until the reply to a request must be whole.
    retries: further requests after one that failed.
    backoff: longest wait before the first retry, seconds; doubles.
    concurrency: requests at a time.
    breaker_limit: failures in a row that open the breaker; 0 is off.
    breaker_pause: seconds until an open breaker lets a probe pass.
    extra: further fields of a request as they are, for what a server has of
      its own: {'chat_template_kwargs': {'enable_thinking': False}} keeps
      Qwen3 behind vLLM from thinking.

  Raises:
    ValueError: a field of `extra` is not free.
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
  extra: Mapping[str, Any] = dataclasses.field(default_factory=dict)

  def __post_init__(self):
    for name in _TAKEN:
      if name in self.extra:
        raise ValueError(
          f'reading.extra: {name!r} cannot be set there; leave it out'
        )

  def fields(self) -> dict[str, Any]:
    """What the model is asked with, besides a chat: greedily."""
    return {'temperature': 0, **self.extra}


class Reply(NamedTuple):
  """What came of a request: a text, or a fault."""

  text: str | None
  fault: str = ''  # one of FAULTS
  usage: tuple[int, int] = (0, 0)  # tokens of prompt and reply
  wait: float | None = None  # seconds that the server asked for


class Client:
  """Sends chats to an endpoint; its event loop is its own business."""

  def __init__(
    self,
    endpoint: Endpoint,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Any] = asyncio.sleep,
    draw: Callable[[], float] = random.random,
  ):
    """Args:
    endpoint: the server.
    now: a clock, for tests.
    sleep: waits, or returns what is awaited, for tests.
    draw: from [0, 1), for tests.
    """
    from mem_alpha_jax.reading import http_transport  # takes long to import

    self.endpoint = endpoint
    self._now, self._sleep, self._draw = now, sleep, draw
    self._lock = threading.Lock()
    self._breaker = retry.Breaker()
    self._counts = collections.Counter()
    self._transport = http_transport
    self._trusted = http_transport.trusted()

  def complete(self, chats: Sequence[Chat], tokens: int) -> list[str | None]:
    """Returns a reply of at most `tokens` to each; None if it failed."""
    if not chats:
      return []
    bodies = [self._body(chat, tokens) for chat in chats]
    # In a thread, as the caller's may have a loop already (notebooks have).
    # What Ctrl-C finds under way is cancelled.
    with from_thread.start_blocking_portal() as portal:
      return portal.call(self._complete, bodies)

  async def _complete(self, bodies: Sequence[bytes]) -> list[str | None]:
    gate = asyncio.Semaphore(self.endpoint.concurrency)
    async with self._transport.connections(self._trusted) as out:

      async def one(body: bytes) -> str | None:
        async with gate:
          return await self._answer(out, body)

      return await asyncio.gather(*map(one, bodies))

  def _body(self, chat: Chat, tokens: int) -> bytes:
    request = {
      'model': self.endpoint.model,
      'messages': list(chat),
      'max_tokens': tokens,
      **self.endpoint.fields(),
    }
    return json.dumps(request).encode()

  def take(self) -> dict[str, int]:
    """Returns COUNTS since the last call."""
    with self._lock:
      taken, self._counts = self._counts, collections.Counter()
    return {name: taken[name] for name in COUNTS}

  async def _answer(self, out, body: bytes) -> str | None:
    attempt = 0
    while True:
      admitted = await self._admit()
      if admitted == 'refuse':
        self._count('failures' if attempt else 'refused')
        return None
      self._count('requests', *['retries'] * (attempt > 0))
      reply = await self._send(out, body)
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
      await self._pause(asked + wait)
      attempt += 1

  def _count(self, *names: str) -> None:
    with self._lock:
      self._counts.update(names)

  def _add_usage(self, tokens: tuple[int, int]) -> None:
    with self._lock:
      for name, n in zip(USAGE, tokens, strict=True):
        self._counts[name] += n

  async def _pause(self, seconds: float) -> None:
    waiting = self._sleep(seconds)
    # One that has slept already lets the others go on all the same.
    await (waiting if inspect.isawaitable(waiting) else asyncio.sleep(0))

  async def _admit(self) -> str:
    """Waits while the breaker says so: 'send', 'probe' or 'refuse'."""
    while True:
      with self._lock:
        may, self._breaker = retry.admit(self._breaker, self._now())
      if may != 'wait':
        return may
      await self._pause(_POLL)

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

  async def _send(self, out, body: bytes) -> Reply:
    """One request; whatever the network does becomes a Reply."""
    e = self.endpoint
    headers = {'Content-Type': 'application/json'}
    if e.key:
      headers['Authorization'] = f'Bearer {e.key}'
    url = f'{e.url.rstrip("/")}/chat/completions'
    try:
      response = await self._transport.post(
        out, url, headers, body, e.timeout, LARGEST_BODY
      )
    except TimeoutError:
      return Reply(None, 'timeout')
    except ConnectionError:
      return Reply(None, 'connection')
    if not 200 <= response.status < 300:
      now = datetime.datetime.now(datetime.UTC)
      wait = retry.retry_after(response.retry_after, now)
      return Reply(None, status_fault(response.status), wait=wait)
    text = content(response.body)
    if text is None:
      return Reply(None, 'garbage')
    return Reply(text, usage=usage(response.body))


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
