"""The laptop run on the workflow world: sites, their forms and requests.

python -m mem_alpha_jax.main --config=configs/workflow.py --workdir=runs/flow

After LongMemEval-V2 (mem_alpha_jax/data/worlds/workflow.py).
"""

import ml_collections

from configs import common, tiny


def get_config(arg: str = '') -> ml_collections.ConfigDict:
  """Returns the config; `arg` is 'key=value,...' over dotted field names."""
  c = tiny.get_config().unlock()
  c.data.source = 'workflow'
  c.data.train_chunks = 10
  c.tokenizer.vocab_size = 1200

  c.memory.entry_tokens = 24  # a site, a form, what of it, and the value
  c.memory.cap_rate = 0.5
  c.memory.max_slots = 4096
  c.reading.top_k = 8

  c.rollout.prefix_buckets = (112,)
  c.rollout.response_buckets = (32,)
  c.rollout.forced_deletes = 0.1  # a gotcha is gone; the rest is replaced

  c.warm_start.checkpoint = ''  # other words, another tokenizer
  return common.parse_arg(c, arg)
