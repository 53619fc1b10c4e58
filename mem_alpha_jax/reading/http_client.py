"""Asks a chat model behind an OpenAI-compatible server, and survives it.

Time-outs, retries with back-off, bounded concurrency, a circuit breaker. What
could not be had is None, never an empty text.
"""

import asyncio
import collections
import json
import random
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from absl import logging
from anyio import from_thread

from mem_alpha_jax.reading import http_transport, protocol, retry
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
_TAKEN = {'model', 'messages', 'max_tokens', 'max_completion_tokens'}
_TAKEN |= {'temperature', 'stream', 'n'}
_NOTES = 16  # different faults that are told
# What is in the note of a fault -> what may help.
_HINTS = {
  'max_completion_tokens': 'set config.reading.reply_limit to it',
  'temperature': "set config.reading.temperature='none'",
}
# Statuses that no chat gets around: the key, the address or the model.
_KEY = (
  'the key in the environment variable config.reading.key_env={r.key_env!r}'
)
_REFUSED = {
  401: _KEY,
  403: _KEY,
  404: 'config.reading.url={r.url!r} or config.reading.model={r.model!r}',
}
_LOOK = 3.0  # seconds that the first look at a server may take
_POLL = 0.05  # seconds between two looks at an open breaker


class Client:
  """A `chat.ChatModel`; its event loop is its own business."""

  def __init__(
    self,
    reading: Any,  # config.reading
    key: str = '',  # sent as bearer token unless ''; never shown
    # Others in tests:
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Any] = asyncio.sleep,
    draw: Callable[[], float] = random.random,
  ):
    """Raises ValueError if a field of `reading.extra` is not free."""
    self.reading, self._key = reading, key
    extra = json.loads(reading.extra or '{}')
    if taken := _TAKEN & extra.keys():
      raise ValueError(
        f'config.reading.extra: {min(taken)!r} cannot be set there; leave it '
        'out'
      )
    greedy = {'temperature': 0} if reading.temperature == 'zero' else {}
    self.fields = {**greedy, **extra}  # besides a chat and its limit
    self._now, self._sleep, self._draw = now, sleep, draw
    self._lock = threading.Lock()
    self._breaker = retry.Breaker()
    self._counts = collections.Counter()
    self._trusted = ssl.create_default_context()  # slow enough to keep
    self._told: set[str] = set()
    self._answered = False  # ever

  def complete(self, chats: Sequence[Chat], tokens: int) -> list[str | None]:
    if not chats:
      return []
    # In a thread, as the caller's may have a loop already (notebooks have).
    # What Ctrl-C finds under way is cancelled.
    with from_thread.start_blocking_portal() as portal:
      return portal.call(self._complete, chats, tokens)

  def check(self) -> None:
    """Asks the server for its models, to hear at once that a key is wrong.

    Raises:
      protocol.Unanswered: it is. A server that is away may come back.
    """

    async def look():
      async with http_transport.connections(self._trusted) as out:
        url = f'{self.reading.url.rstrip("/")}/models'
        return await http_transport.send(out, url, self._key, None, _LOOK)

    with from_thread.start_blocking_portal() as portal:
      reply = portal.call(look)
    if reply.status == 401:
      self._refuse(reply)

  def take(self) -> dict[str, int]:
    """COUNTS since the last call."""
    with self._lock:
      taken, self._counts = self._counts, collections.Counter()
    return {name: taken[name] for name in COUNTS}

  async def _complete(
    self, chats: Sequence[Chat], tokens: int
  ) -> list[str | None]:
    gate = asyncio.Semaphore(self.reading.concurrency)
    async with http_transport.connections(self._trusted) as out:

      async def one(chat: Chat) -> str | None:
        async with gate:
          reply = await self._answer(out, self._body(chat, tokens))
        if reply and 0 < reply.usage[0] < _words(chat) / 2:
          self._tell(
            f'{reply.usage[0]} tokens were read of a prompt of '
            f'{_words(chat)} words: the server cuts prompts, or does not count '
            'what it remembers; raise its context length',
            'cut',
          )
        return reply and reply.text

      return await asyncio.gather(*map(one, chats))

  def _body(self, chat: Chat, tokens: int) -> bytes:
    request = {
      'model': self.reading.model,
      'messages': list(chat),
      self.reading.reply_limit: tokens,
      **self.fields,
    }
    return json.dumps(request).encode()

  async def _answer(self, out, body: bytes) -> http_transport.Reply | None:
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
        self._answered = True
        return reply
      self._count(reply.fault)
      if reply.fault in http_transport.FINAL:
        if reply.status in _REFUSED and not self._answered:
          self._refuse(reply)
        status = f'HTTP {reply.status}: ' if reply.status else ''
        self._tell(f'{status}{reply.note}')
      asked = reply.wait or 0.0
      last = attempt == r.retries or reply.fault in http_transport.FINAL
      if last or asked > retry.LONGEST_WAIT:
        self._count('failures')
        return None
      await self._sleep(asked + retry.backoff(attempt, r.backoff, self._draw()))
      attempt += 1

  def _refuse(self, reply: http_transport.Reply) -> None:
    raise protocol.Unanswered(
      f'{self.reading.url}: HTTP {reply.status} ({reply.note}); look at '
      + _REFUSED[reply.status].format(r=self.reading)
    )

  def _tell(self, note: str, kind: str = '') -> None:
    """Says a fault, each once."""
    with self._lock:
      if (kind or note) in self._told or len(self._told) >= _NOTES:
        return
      self._told.add(kind or note)
    hints = [hint for word, hint in _HINTS.items() if word in note]
    logging.warning('%s: %s', self.reading.url, '; '.join([note, *hints]))

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
    alive = reply.text is not None or reply.fault in http_transport.FINAL
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


def _words(chat: Chat) -> int:
  return sum(len(message['content'].split()) for message in chat)
