"""The chat model behind the server that `config.reading` names."""

import json
import os
from typing import Any

import numpy as np

from mem_alpha_jax.reading import chat, disk_cache, http_client
from mem_alpha_jax.system import multihost


def from_config(config: Any) -> chat.ChatModel:
  """The server, with the cache that `reading.cache` names.

  Raises:
    ValueError: if the environment has no key, or one that cannot be sent.
  """
  r = config.reading
  key = os.environ.get(r.key_env, '').strip()
  if r.key_env and not (key and key.isascii() and key.isprintable()):
    raise ValueError(
      f'config.reading.key_env={r.key_env!r}: this environment variable holds '
      "no key; set it, or use '' for a server that needs none"
    )
  same = ('url', 'model', 'timeout', 'retries', 'backoff', 'concurrency',
          'breaker_limit', 'breaker_pause')  # fmt: skip
  endpoint = http_client.Endpoint(
    key=key,
    extra=json.loads(r.extra or '{}'),
    **{name: r[name] for name in same},
  )
  client = http_client.Client(endpoint)
  if not r.cache:
    return client
  # Not its address: the same model elsewhere would say the same.
  identity = [endpoint.model, endpoint.fields()]
  return disk_cache.CachedModel(client, identity, r.cache)


def metrics(model: chat.ChatModel, reading: Any) -> dict[str, float]:
  """What the models of all processes counted and what it cost, `reader/...`.

  Every process calls it.
  """
  taken = model.take()
  if not taken:
    return {}
  counts = multihost.gather(np.array([[*taken.values()]], np.int32)).sum(0)
  total = dict(zip(taken, counts.tolist(), strict=True))
  found = {f'reader/{name}': n for name, n in total.items()}
  prices = reading.price_prompt, reading.price_completion
  if any(prices):
    found['reader/cost'] = http_client.cost(total, *prices)
  return found
