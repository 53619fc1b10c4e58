"""A language model behind a server as reader."""

import json
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

from mem_alpha_jax.reading import chat, disk_cache, http_client, protocol
from mem_alpha_jax.types import Request


class Server(NamedTuple):
  """A chat server: its client, and the model behind the cache there may be."""

  client: http_client.Client
  model: chat.ChatModel

  def take(self) -> dict[str, int]:
    """Counts since the last call; `cached` with `reading.cache` alone."""
    counts = self.client.take()
    if isinstance(self.model, disk_cache.CachedModel):
      counts['cached'] = self.model.take()
    return counts


def make_server(config: Any) -> Server:
  """The server that `config.reading` names; errors as of `make_client`."""
  client = make_client(config)
  return Server(client, make_model(config, client))


def make_reader(
  model: chat.ChatModel,
  answer_tokens: int,
  instructions: chat.Instructions = chat.INSTRUCTIONS,
) -> protocol.Reader:
  """Returns a reader that answers with what the model says.

  Args:
    model: behind the server; a chat that it could not answer is missing.
    answer_tokens: longest answer.
    instructions: what every request begins with.
  """

  def read(requests: Sequence[Request]) -> list[str | None]:
    chats = [
      chat.messages(instructions, chat.user_text(request, request.notes))
      for request in requests
    ]
    said = model.complete(chats, answer_tokens)
    return [None if text is None else chat.answer_text(text) for text in said]

  return protocol.cached(read)


def make_model(
  config: Any, client: http_client.Client | None = None
) -> chat.ChatModel:
  """The server as a chat model, with the cache that `reading.cache` names."""
  client = client or make_client(config)
  if not config.reading.cache:
    return client
  # Not its address: the same model elsewhere would say the same.
  identity = [client.endpoint.model, client.options.fields()]
  return disk_cache.CachedModel(client, identity, config.reading.cache)


def make_client(
  config: Any, options: http_client.Options | None = None
) -> http_client.Client:
  """The client of the server that `config.reading` names.

  Greedy, with the fields of `reading.extra`, unless `options` says otherwise.

  Raises:
    ValueError: if the environment has no key, or one that cannot be sent.
  """
  r = config.reading
  if options is None:
    options = http_client.Options(extra=json.loads(r.extra or '{}'))
  key = os.environ.get(r.key_env, '').strip()
  if r.key_env and not (key and key.isascii() and key.isprintable()):
    raise ValueError(
      f'config.reading.key_env={r.key_env!r}: this environment variable holds '
      "no key; set it, or use '' for a server that needs none"
    )
  return http_client.Client(
    http_client.Endpoint(
      url=r.url,
      model=r.model,
      key=key,
      timeout=r.timeout,
      retries=r.retries,
      backoff=r.backoff,
      concurrency=r.concurrency,
      breaker_limit=r.breaker_limit,
      breaker_pause=r.breaker_pause,
    ),
    options=options,
  )
