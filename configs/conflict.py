"""The laptop run on the conflict world: a store that begins wrong.

python -m mem_alpha_jax.main --config=configs/conflict.py --workdir=runs/store

After ClawForge (mem_alpha_jax/data/worlds/conflict.py). results.json has the
grades of the memories at the end under 'state'.
"""

import ml_collections

from configs import common, tiny


def get_config(arg: str = '') -> ml_collections.ConfigDict:
  """Returns the config; `arg` is 'key=value,...' over dotted field names."""
  c = tiny.get_config().unlock()
  c.data.source = 'conflict'
  c.data.train_chunks = 10  # a line for each trouble of the store, and others
  c.tokenizer.vocab_size = 1000

  c.memory.entry_tokens = 16
  c.memory.cap_base = 120  # the store at the start, and some
  c.memory.max_slots = 4096
  c.reading.top_k = 8

  c.rollout.prefix_buckets = (84,)
  c.rollout.response_buckets = (32,)
  c.rollout.forced_deletes = 0.4  # one of two entries has to go
  c.rollout.own_memory = 0.0  # each episode has a store of its own

  c.warm_start.checkpoint = ''  # other words, another tokenizer
  return common.parse_arg(c, arg)
