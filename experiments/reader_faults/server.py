"""A chat server on this machine that answers from the notes, and misbehaves.

The extractive reader stands behind it, so that rewards mean something. What
happens to a request follows from its text and from how often it has come, not
from the order of requests: two runs meet the same faults.
"""

import collections
import hashlib
import http.server
import json
import threading
import time
from collections.abc import Callable, Sequence

from mem_alpha_jax.data import synthetic
from mem_alpha_jax.reading import (
  chat,
  chat_reader,
  extractive,
  http_transport,
)
from mem_alpha_jax.types import Note, Request

FAULTS = ('delay', 'drop', 'http_500', 'http_429', 'garbage')
# The text of a chat does not tell of what kind a note is.
_FRAMES = tuple(
  frame._replace(kinds=('semantic', 'episodic', 'core'))
  for frame in synthetic.FRAMES
)


def answer(text: str) -> str:
  """What the strict extractive reader says to the text of a user."""
  *lines, _, question = text.split('\n')
  notes = [line for line in lines[1:] if line.startswith('- ')]
  core = [line for line in lines[1:] if not line.startswith('- ')]
  return extractive.answer(
    question.removeprefix('Question: '),
    [Note('semantic', n.removeprefix('- '), 0) for n in notes[::-1]],
    ' '.join(core),
    _FRAMES,
    synthetic.LEXICON,
    strict=True,
  )


def faultless(requests: Sequence[Request]) -> list[str]:
  """The reader that the server would be if nothing ever failed."""
  return [
    chat.first_line(answer(chat_reader.user_text(request)))
    for request in requests
  ]


def share(rate: float) -> Callable[[bytes, int], str]:
  """A plan in which `rate` of the requests meet a fault, each as often."""

  def plan(body: bytes, nth: int) -> str:
    digest = hashlib.blake2b(body + str(nth).encode(), digest_size=8).digest()
    drawn = int.from_bytes(digest) / 2**64
    return FAULTS[int(drawn / rate * len(FAULTS))] if drawn < rate else ''

  return plan


def _by_rules(messages: chat.Chat) -> str:
  return answer(messages[-1]['content'])


class Server:
  """Serves on a free port of this machine while its `with` lasts."""

  def __init__(
    self,
    plan: Callable[[bytes, int], str] = lambda body, nth: '',
    delay: float = 0.0,
    reply: Callable[[chat.Chat], str] | None = None,
  ):
    """Args: fault of (body, how often it came before); seconds late; reply."""
    self.plan, self.delay, self.reply = plan, delay, reply or _by_rules
    self.counts = collections.Counter()  # of FAULTS and 'ok'
    self._seen = collections.Counter()
    self._lock = threading.Lock()
    handler = type('Handler', (_Handler,), {'owner': self})
    self._server = _Quiet(('127.0.0.1', 0), handler)
    self.url = f'http://127.0.0.1:{self._server.server_port}/v1'

  def __enter__(self) -> 'Server':
    threading.Thread(
      target=self._server.serve_forever, args=[0.02], daemon=True
    ).start()
    return self

  def __exit__(self, *unused) -> None:
    self._server.shutdown()
    self._server.server_close()

  def fate(self, body: bytes) -> str:
    """Counts a request, and says what happens to it; '' is nothing."""
    with self._lock:
      fault = self.plan(body, self._seen[body])
      self._seen[body] += 1
      self.counts[fault or 'ok'] += 1
    return fault


def _chat(path: str, body: bytes) -> chat.Chat:
  """The messages of a request, parts of a content joined.

  How long a reply may be (max_tokens, max_completion_tokens) changes nothing:
  an answer has a word or two.

  Raises:
    ValueError: it asks for what is not served here.
  """
  if path.rstrip('/') != '/v1/chat/completions':
    raise ValueError(f'{path}: post to /v1/chat/completions')
  value = json.loads(body)
  if value.get('stream') or value.get('n', 1) != 1:
    raise ValueError('stream and n are not served; leave them out')
  try:
    contents = [
      http_transport.content_text(m['content']) or '' for m in value['messages']
    ]
  except (LookupError, TypeError) as error:
    raise ValueError(f'messages: texts, or lists of them ({error!r})') from None
  return [
    {**message, 'content': text}
    for message, text in zip(value['messages'], contents, strict=True)
  ]


class _Quiet(http.server.ThreadingHTTPServer):
  daemon_threads = True
  request_queue_size = 256

  def handle_error(self, *unused):
    """Clients that have gone are no news."""


class _Handler(http.server.BaseHTTPRequestHandler):
  owner: Server

  def do_POST(self):
    body = self.rfile.read(int(self.headers['Content-Length']))
    try:
      chat = _chat(self.path, body)
    except ValueError as error:
      self._json(400, {'error': {'message': str(error)}})
      return
    fault = self.owner.fate(body)
    if fault == 'drop':
      return
    if fault == 'delay':
      time.sleep(self.owner.delay)
    status = int(fault[5:]) if fault.startswith('http_') else 200
    said = self.owner.reply(chat)
    reply = {'choices': [{'message': {'role': 'assistant', 'content': said}}]}
    data = json.dumps(reply).encode()
    self.send_response(status)
    if status == 429:
      self.send_header('Retry-After', '0')
    self.end_headers()
    self.wfile.write(data[: len(data) // 2] if fault == 'garbage' else data)

  def do_GET(self):
    if self.path.rstrip('/') != '/v1/models':
      self._json(404, {'error': {'message': f'{self.path}: nothing is here'}})
      return
    self._json(200, {'object': 'list', 'data': [{'id': 'rules'}]})

  def _json(self, status: int, value: dict) -> None:
    self.send_response(status)
    self.send_header('Content-Type', 'application/json')
    self.end_headers()
    self.wfile.write(json.dumps(value).encode())

  def log_message(self, *unused):
    """Says nothing."""
