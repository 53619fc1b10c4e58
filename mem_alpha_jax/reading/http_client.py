"""Asks a chat model behind an OpenAI-compatible server, and survives it.

Time-outs, retries with back-off, bounded concurrency, a circuit breaker. What
could not be had is None, never an empty text.
"""

import asyncio
import collections
import json
import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from absl import logging
from anyio import from_thread

from mem_alpha_jax.reading import http_transport, retry
from mem_alpha_jax.reading.chat import Chat

COUNTS = (
  'requests',  # sent = answers + retries + failures
  'answers',
  'retries',  # requests sent after one that failed
  'failures',  # chats given up after their last request
  'refused',  # chats that the open breaker let send nothing
  'openings',  # of the breaker
  *http_transport.USAGE,  # that the server says it read and wrote
  *http_transport.FAULTS,
)
# Fields of a request that are ours, or make replies of another form.
_TAKEN = {'model', 'messages', 'max_tokens', 'temperature', 'stream', 'n'}
_POLL = 0.05  # seconds between two looks at an open breaker


class Client:
  """A `chat.ChatModel`; its event loop is its own business."""

  def __init__(
    self,
    reading: Any,
    key: str = '',
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Any] = asyncio.sleep,
    draw: Callable[[], float] = random.random,
  ):
    """Args:
    reading: `config.reading`: where the server is, and how it is asked.
    key: sent as bearer token unless ''; never shown.
    now: a clock, for tests.
    sleep: waits, for tests.
    draw: from [0, 1), for tests.

    Raises:
      ValueError: a field of `reading.extra` is not free.
    """
    self.reading, self._key = reading, key
    extra = json.loads(reading.extra or '{}')
    if taken := _TAKEN & extra.keys():
      raise ValueError(
        f'config.reading.extra: {min(taken)!r} cannot be set there; leave it '
        'out'
      )
    # Besides a chat: greedily.
    self.fields = {'temperature': 0, **extra}
    self._now, self._sleep, self._draw = now, sleep, draw
    self._lock = threading.Lock()
    self._breaker = retry.Breaker()
    self._counts = collections.Counter()
    self._trusted = http_transport.trusted()

  def complete(self, chats: Sequence[Chat], tokens: int) -> list[str | None]:
    if not chats:
      return []
    bodies = [self._body(chat, tokens) for chat in chats]
    # In a thread, as the caller's may have a loop already (notebooks have).
    # What Ctrl-C finds under way is cancelled.
    with from_thread.start_blocking_portal() as portal:
      return portal.call(self._complete, bodies)

  def take(self) -> dict[str, int]:
    """COUNTS since the last call."""
    with self._lock:
      taken, self._counts = self._counts, collections.Counter()
    return {name: taken[name] for name in COUNTS}

  async def _complete(self, bodies: Sequence[bytes]) -> list[str | None]:
    gate = asyncio.Semaphore(self.reading.concurrency)
    async with http_transport.connections(self._trusted) as out:

      async def one(body: bytes) -> str | None:
        async with gate:
          return await self._answer(out, body)

      return await asyncio.gather(*map(one, bodies))

  def _body(self, chat: Chat, tokens: int) -> bytes:
    request = {
      'model': self.reading.model,
      'messages': list(chat),
      'max_tokens': tokens,
      **self.fields,
    }
    return json.dumps(request).encode()

  async def _answer(self, out, body: bytes) -> str | None:
    r, attempt = self.reading, 0
    url = f'{r.url.rstrip("/")}/chat/completions'
    while True:
      admitted = await self._admit()
      if admitted == 'refuse':
        self._count('failures' if attempt else 'refused')
        return None
      self._count('requests', *['retries'] * (attempt > 0))
      reply = await http_transport.send(out, url, self._key, body, r.timeout)
      self._settle(reply, admitted == 'probe')
      if reply.text is not None:
        used = dict(zip(http_transport.USAGE, reply.usage, strict=True))
        self._count('answers', **used)
        return reply.text
      self._count(reply.fault)
      asked = reply.wait or 0.0
      last = attempt == r.retries or reply.fault == 'http_other'
      if last or asked > retry.LONGEST_WAIT:
        self._count('failures')
        return None
      await self._sleep(asked + retry.backoff(attempt, r.backoff, self._draw()))
      attempt += 1

  def _count(self, *names: str, **numbers: int) -> None:
    with self._lock:
      self._counts.update(names)
      self._counts.update(numbers)

  async def _admit(self) -> str:
    """Waits while the breaker says so: 'send', 'probe' or 'refuse'."""
    while True:
      with self._lock:
        may, self._breaker = retry.admit(self._breaker, self._now())
      if may != 'wait':
        return may
      await self._sleep(_POLL)

  def _settle(self, reply: http_transport.Reply, probe: bool) -> None:
    # A server that refuses one request is well: the next may be better.
    alive = reply.text is not None or reply.fault == 'http_other'
    r = self.reading
    with self._lock:
      before = self._breaker
      self._breaker = retry.settle(
        before, alive, probe, self._now(), r.breaker_limit, r.breaker_pause
      )
      opened = self._breaker.state == 'open' != before.state
      self._counts['openings'] += opened
    if opened:
      logging.warning(
        '%s: %d requests failed in a row, the last by %s; the next is sent in '
        '%g s', r.url, self._breaker.failures, reply.fault, r.breaker_pause,
      )  # fmt: skip
