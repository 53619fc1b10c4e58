"""Prompts of a batch of memories, as padded arrays."""

from typing import Any

import numpy as np

from mem_alpha_jax.roles import chat_prompt
from mem_alpha_jax.roles import prompt as prompt_lib
from mem_alpha_jax.sampling import buckets as buckets_lib
from mem_alpha_jax.system import multihost

PROMPTS = {
  'compact': prompt_lib.compact,
  'chat': chat_prompt.chat,
  'reference': chat_prompt.chat,
}


def render(setup: Any, states, chunks, views) -> dict[str, np.ndarray]:
  """Prompts of N memories, padded to the buckets of those of all processes."""
  build = PROMPTS[setup.config.memory.prompt_format]
  room = prompt_lib.Room(setup.buckets.prefix[-1], setup.buckets.own[-1])
  prompts = [
    build(setup.tokenizer, chunk, state, view, setup.config.memory, room)
    for state, chunk, view in zip(states, chunks, views, strict=True)
  ]
  prefixes, owns = [p.prefix for p in prompts], [p.own for p in prompts]
  lengths = (max(map(len, lists)) for lists in (prefixes, owns))
  longest_prefix, longest_own = multihost.largest(*lengths)
  prefix, prefix_length = _pad(setup, prefixes, longest_prefix, 'prefix')
  own, own_length = _pad(setup, owns, longest_own, 'own')
  return {
    'prefix': prefix,
    'prefix_length': prefix_length,
    'own': own,
    'own_length': own_length,
  }


def _pad(setup: Any, lists, longest: int, name: str):
  """Right-pads token lists to the smallest bucket that holds the longest."""
  width = buckets_lib.pick(setup.buckets, longest, name)
  return buckets_lib.pad(lists, width, setup.tokenizer.pad_id)
