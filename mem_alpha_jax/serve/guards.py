"""What stands before the routes: request ids, limits, counts, and no 500.

Whatever happens in a route, the caller gets JSON with the status, one line and
the id of the request, under which the log has the traceback.
"""

import functools
import itertools
import json
import logging
import re
import threading
import time
import uuid
from collections.abc import Callable

import prometheus_client as prometheus
from starlette.exceptions import HTTPException

from mem_alpha_jax.serve.model import KINDS
from mem_alpha_jax.serve.queue import Queue

ID = 'x-request-id'
_SANE = re.compile(r'[\w.-]{1,64}', re.ASCII)
_log = logging.getLogger(__name__)


def error(status: int, message: str, request_id: str) -> dict:
  """The body of every answer that is none."""
  return {
    'error': {'status': status, 'message': message, 'request': request_id}
  }


class Rate:
  """A token bucket for each caller: so many requests a second, and a burst."""

  def __init__(self, per_second: float, burst: float):
    self._rate, self._burst = per_second, burst
    self._buckets, self._lock = {}, threading.Lock()

  def wait(self, who: str) -> float:
    """Takes a token and returns 0, or the seconds until there is one."""
    now = time.monotonic()
    with self._lock:
      left, then = self._buckets.get(who, (self._burst, now))
      left = min(self._burst, left + (now - then) * self._rate)
      short = max(1 - left, 0)
      self._buckets[who] = left if short else left - 1, now
    return short / self._rate


class Metrics:
  """Counts for Prometheus; no label says whose memory it was."""

  def __init__(self, queue: Queue):
    self._registry = prometheus.CollectorRegistry()
    self._requests = prometheus.Histogram(
      'memory_request_seconds',
      'Time of requests',
      ['method', 'route', 'status'],
      registry=self._registry,
    )
    done = prometheus.Gauge(
      'memory_model_done',
      'Jobs, and batches of them, that the model did',
      ['kind', 'what'],
      registry=self._registry,
    )
    for kind, what in itertools.product(KINDS, ('jobs', 'batches')):
      count = functools.partial(queue.counts.__getitem__, (kind, what))
      done.labels(kind, what).set_function(count)
    waiting = prometheus.Gauge(
      'memory_model_waiting', 'Jobs that wait', registry=self._registry
    )
    waiting.set_function(queue.waiting)

  def seen(self, method: str, route: str, status: int, seconds: float) -> None:
    self._requests.labels(method, route, str(status)).observe(seconds)

  def text(self) -> bytes:
    return prometheus.generate_latest(self._registry)


class Guard:
  """ASGI: numbers requests, bounds their bodies, times and catches."""

  def __init__(self, app: Callable, most_bytes: int, metrics: Metrics):
    self._app, self._most, self._metrics = app, most_bytes, metrics

  async def __call__(self, scope, receive, send) -> None:
    if scope['type'] != 'http':
      await self._app(scope, receive, send)
      return
    given = dict(scope['headers']).get(ID.encode(), b'').decode('latin-1')
    name = given if _SANE.fullmatch(given) else uuid.uuid4().hex
    scope.setdefault('state', {})['request'] = name
    began, status, read = time.perf_counter(), 0, 0

    async def bounded():
      nonlocal read
      message = await receive()
      read += len(message.get('body', b''))
      if read > self._most:
        raise HTTPException(413, f'a body has {self._most} bytes at most')
      return message

    async def named(message):
      nonlocal status
      if message['type'] == 'http.response.start':
        status = message['status']
        message['headers'] = [
          *message.get('headers', []),
          (ID.encode(), name.encode()),
        ]
      await send(message)

    try:
      await self._app(scope, bounded, named)
    except Exception:
      _log.exception('request %s', name)
      if status:  # the answer has begun: nothing can be told any more
        raise
      await _internal(named, name)
    finally:
      route = getattr(scope.get('route'), 'path', 'none')
      seconds = time.perf_counter() - began
      self._metrics.seen(scope['method'], route, status, seconds)


async def _internal(send, name: str) -> None:
  body = error(500, 'an error of the server; its log has it', name)
  headers = [(b'content-type', b'application/json')]
  await send({'type': 'http.response.start', 'status': 500, 'headers': headers})
  await send({'type': 'http.response.body', 'body': json.dumps(body).encode()})
