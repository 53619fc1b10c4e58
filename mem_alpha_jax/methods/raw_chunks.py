"""Retrieval from raw chunks: what keep_everything stores, found as it is."""

from mem_alpha_jax.methods import writers
from mem_alpha_jax.methods.memory import MemoryMethod
from mem_alpha_jax.methods.protocol import Given
from mem_alpha_jax.recall import embedders
from mem_alpha_jax.recall.registry import RECALL

MANY = 64  # chunks looked up where only the budget bounds them
HASHED_SIZE = 256  # floats, where the config has no embedder


def method(retrieval: str, top: int, given: Given) -> MemoryMethod:
  """Args: retrieval, as reading.retrieval; top chunks found; given."""
  fields = {'reading.retrieval': retrieval, 'reading.top_k': top}
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
