"""Retrieval from raw chunks: what keep_everything stores, found as it is."""

from mem_alpha_jax.methods import writers
from mem_alpha_jax.methods.memory import MemoryMethod
from mem_alpha_jax.methods.protocol import Given
from mem_alpha_jax.recall import embedders
from mem_alpha_jax.recall.registry import RECALL
from mem_alpha_jax.text import words as words_lib

MANY = 64  # chunks looked up where only the budget bounds them
HASHED_SIZE = 256  # floats, where the config has no embedder


def method(retrieval: str, top: int, given: Given) -> MemoryMethod:
  """Args: retrieval, as reading.retrieval; top chunks found; given."""
  fields = {
    'reading.retrieval': retrieval,
    'reading.top_k': top,
    'memory.slot_terms': _distinct_words(given),
  }
  needs = RECALL[retrieval].vectors
  if needs and given.config.memory.embedder == 'none':
    fields |= {
      'memory.embedder': 'hashed',
      'memory.embedding_size': HASHED_SIZE,
    }
  config = given.config.copy_and_resolve_references().unlock()
  config.update_from_flattened_dict(fields)
  tokenizer = given.parts.eval_setup.tokenizer
  embed = embedders.create(config, given.parts.policy, tokenizer)(given.params)
  given = given._replace(config=config)
  return writers.method('keep_everything', given, embed)


def _distinct_words(given: Given) -> int:
  """Most distinct words of a chunk: all of them are indexed."""
  chunks = (chunk for e in given.episodes for chunk in e.chunks)
  most = max(len(set(words_lib.terms(chunk))) for chunk in chunks)
  return 1 << max(most - 1, 1).bit_length()  # few shapes, so few programs
