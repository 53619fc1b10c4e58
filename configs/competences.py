"""The laptop run on the competences world: four that a memory needs.

python -m mem_alpha_jax.main --config=configs/competences.py --workdir=runs/four

After MemoryAgentBench (mem_alpha_jax/data/worlds/competences.py); the table of
types has a row for each of the four. The reader by rules finds the one word
that answers: it compares no editions, and of suspects it takes none while two
are noted, so both are for the writer to settle.
"""

import ml_collections

from configs import common, tiny


def get_config(arg: str = '') -> ml_collections.ConfigDict:
  """Returns the config; `arg` is 'key=value,...' over dotted field names."""
  c = tiny.get_config().unlock()
  c.data.source = 'competences'
  c.data.train_chunks = 10
  c.data.overwrite = 0.5  # of examples and chiefs: new ones as often
  c.tokenizer.vocab_size = 1200

  c.memory.entry_tokens = 20
  c.memory.cap_base = 60
  c.memory.cap_rate = 0.5
  c.memory.max_slots = 4096
  c.reading.top_k = 8
  c.reading.hops = 2  # a chief, and then the chief's home
  c.reading.kept = 1

  c.rollout.prefix_buckets = (104,)
  c.rollout.response_buckets = (32,)
  c.rollout.own_memory = 0.0  # another register has other editions

  c.warm_start.checkpoint = ''  # other words, another tokenizer
  return common.parse_arg(c, arg)
