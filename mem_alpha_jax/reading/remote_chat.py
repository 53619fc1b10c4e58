"""The chat model behind the server that `config.reading` names."""

import os
from typing import Any

import numpy as np

from mem_alpha_jax.reading import chat, disk_cache, http_client, http_transport
from mem_alpha_jax.system import multihost


def from_config(config: Any) -> chat.ChatModel:
  """The server, with the cache that `reading.cache` names.

  Raises:
    ValueError: if the environment has no key, or one that cannot be sent.
    protocol.Unanswered: if the server says that the key is wrong.
  """
  r = config.reading
  key = os.environ.get(r.key_env, '').strip()
  if r.key_env and not (key and key.isascii() and key.isprintable()):
    raise ValueError(
      f'config.reading.key_env={r.key_env!r}: this environment variable holds '
      "no key; set it, or use '' for a server that needs none"
    )
  client = http_client.Client(r, key)
  client.check()
  if not r.cache:
    return client
  # Not its address: the same model elsewhere would say the same.
  identity = [r.model, client.fields]
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
  million = reading.price_prompt, reading.price_completion
  if any(million):  # USD
    prices = zip(http_transport.USAGE, million, strict=True)
    found['reader/cost'] = sum(total[n] * price / 1e6 for n, price in prices)
  return found
