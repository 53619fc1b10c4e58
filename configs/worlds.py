"""One policy for six worlds, by turns.

  python -m mem_alpha_jax.main --config=configs/worlds.py --workdir=runs/worlds
  python -m mem_alpha_jax.main \\
    --config=configs/worlds.py:data.source=traps+home --workdir=runs/two

A workdir of some of them is asked about another by --mode=eval with
--config=configs/worlds.py:data.source=conflict.
"""

import ml_collections

from configs import common, traps

WORLDS = 'traps', 'home', 'conflict', 'workflow', 'week', 'competences'


def get_config(arg: str = '') -> ml_collections.ConfigDict:
  """Returns the config; `arg` is 'key=value,...' over dotted field names."""
  c = traps.get_config().unlock()
  c.data.source = '+'.join(WORLDS)
  c.tokenizer.source = c.data.source  # of all, whichever are trained on
  c.tokenizer.vocab_size = 1800

  # What any of the six needs; see their configs.
  c.memory.entry_tokens = 24
  c.memory.cap_base = 120
  c.rollout.prefix_buckets = (112,)
  c.rollout.response_buckets = (40,)
  c.reading.top_k = 10
  c.rollout.forced_deletes = 0.3
  c.rollout.own_memory = 0.0
  return common.parse_arg(c, arg)
