"""The laptop run on the traps world: facts taken for others' or for old ones.

python -m mem_alpha_jax.main --config=configs/traps.py --workdir=runs/traps

After MedMemoryBench (mem_alpha_jax/data/worlds/traps.py). A stream of 2,000
sessions, asked every ten: --mode=stream with stream.multiple=200,
stream.every=10. In Arabic and Hindi: data.source=traps_ar and traps_hi; in
Chinese: configs/traps_zh.py.
"""

import ml_collections

from configs import common, tiny


def get_config(arg: str = '') -> ml_collections.ConfigDict:
  """Returns the config; `arg` is 'key=value,...' over dotted field names."""
  c = tiny.get_config().unlock()
  c.data.source = 'traps'
  c.data.train_chunks = 10  # of two hops both must be told
  c.tokenizer.vocab_size = 1200  # 600 names and values, of which it sees some

  c.memory.entry_tokens = 18
  c.memory.cap_rate = 0.5  # four of five sentences state a fact
  c.memory.max_slots = 4096
  c.reading.top_k = 8
  c.reading.hops = 2  # a doctor, and then the doctor's clinic
  c.reading.kept = 3

  c.rollout.prefix_buckets = (88,)
  c.rollout.response_buckets = (32,)
  # What was planned or taken ends: its note has to go.
  c.rollout.forced_deletes = 0.2

  c.warm_start.checkpoint = ''  # other words, another tokenizer
  return common.parse_arg(c, arg)
