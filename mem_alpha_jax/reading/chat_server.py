"""A chat model behind a small OpenAI-compatible HTTP server.

For a model that several processes share, and for trying what talks to such
servers. One chat at a time, greedy; no keys, so keep it on a trusted network.
"""

import contextlib
import http.server
import json
import threading
from collections.abc import Iterator

from mem_alpha_jax.reading import chat as chat_lib

MOST_TOKENS = 1024  # of a reply
LARGEST_BODY = 1 << 22  # bytes of a request


@contextlib.contextmanager
def serve(
  model: chat_lib.ChatModel, name: str, host: str = '127.0.0.1', port: int = 0
) -> Iterator[str]:
  """Serves POST /v1/chat/completions; yields the address that ends in /v1.

  Args:
    model: replies to the chats, one call at a time.
    name: of the model, in replies.
    host: to listen at.
    port: 0 takes one that is free.
  """
  handler = type('Handler', (_Handler,), {})
  handler.model, handler.name = model, name
  handler.lock = threading.Lock()
  server = http.server.ThreadingHTTPServer((host, port), handler)
  thread = threading.Thread(target=server.serve_forever, daemon=True)
  thread.start()
  try:
    yield f'http://{host}:{server.server_port}/v1'
  finally:
    server.shutdown()
    server.server_close()
    thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
  """One request; what is wrong with it is told with status 4xx."""

  def do_POST(self):
    if self.path != '/v1/chat/completions':
      self._send(404, {'error': {'message': f'no such path: {self.path}'}})
      return
    try:
      chat, tokens = self._read()
    except (ValueError, TypeError, KeyError) as error:
      self._send(400, {'error': {'message': f'not a chat: {error!r}'}})
      return
    with self.lock:
      (reply,) = self.model.complete([chat], tokens)
    if reply is None:
      self._send(413, {'error': {'message': 'the chat is too long'}})
      return
    message = {'role': 'assistant', 'content': reply}
    choice = {'index': 0, 'message': message, 'finish_reason': 'stop'}
    self._send(200, {'object': 'chat.completion', 'model': self.name,
                     'choices': [choice]})  # fmt: skip

  def _read(self) -> tuple[list[dict[str, str]], int]:
    size = int(self.headers['Content-Length'])
    if size > LARGEST_BODY:
      raise ValueError(f'{size} bytes, at most {LARGEST_BODY}')
    body = json.loads(self.rfile.read(size))
    chat = [
      {'role': str(m['role']), 'content': str(m['content'])}
      for m in body['messages']
    ]
    if not chat:
      raise ValueError('messages is empty')
    return chat, max(1, min(int(body.get('max_tokens', 256)), MOST_TOKENS))

  def _send(self, status: int, value: dict) -> None:
    body = json.dumps(value).encode()
    self.send_response(status)
    self.send_header('Content-Type', 'application/json')
    self.send_header('Content-Length', str(len(body)))
    self.end_headers()
    self.wfile.write(body)

  def log_message(self, *unused):
    """Nothing: requests are the caller's to log."""
