"""The laptop run on the week world: counts, orders, preferences, habits.

python -m mem_alpha_jax.main --config=configs/week.py --workdir=runs/week

After EgoMemReason (mem_alpha_jax/data/worlds/week.py). The reader by rules
neither counts nor sorts: it finds a note that says the answer, and its letter.
So all counting is the writer's, who must see the last count among the entries
in view and write the next ('Ana gym visits two' to '... three'). A writer that
keeps what it reads has 0, and so has the gold evidence as it was said: what a
tiny policy cannot carry forward, no retrieval brings back. A memory of
sentences needs a reader that is a language model (reading.reader).
"""

import ml_collections

from configs import common, tiny


def get_config(arg: str = '') -> ml_collections.ConfigDict:
  """Returns the config; `arg` is 'key=value,...' over dotted field names."""
  c = tiny.get_config().unlock()
  c.data.source = 'week'
  c.data.train_chunks = 14  # two a day
  c.data.overwrite = 0.8  # more of the same: high counts
  c.tokenizer.vocab_size = 1200

  c.memory.entry_tokens = 18
  c.memory.cap_base = 60
  c.memory.cap_rate = 0.5  # a sentence often makes two notes
  c.memory.max_slots = 4096
  c.reading.top_k = 10  # the choices find notes, too
  c.reading.hops = 2  # whom somebody met, and then where these are
  c.reading.kept = 2

  c.rollout.prefix_buckets = (96,)
  c.rollout.response_buckets = (40,)
  c.rollout.forced_deletes = 0.2  # two places may come to be even
  c.rollout.own_memory = 0.0  # the counts of another week are wrong

  c.warm_start.checkpoint = ''  # other words, another tokenizer
  return common.parse_arg(c, arg)
