"""The laptop run on the home world: habits that change, commands as JSON.

python -m mem_alpha_jax.main --config=configs/home.py --workdir=runs/home

After MemHome (mem_alpha_jax/data/worlds/home.py). Its reward as a vector,
beside reward.calls (format) and reward.answers (commands): reward.gold=True,
reward.operation=0.1,reward.target=0.1,reward.wording=0.1.
"""

import ml_collections

from configs import common, tiny


def get_config(arg: str = '') -> ml_collections.ConfigDict:
  """Returns the config; `arg` is 'key=value,...' over dotted field names."""
  c = tiny.get_config().unlock()
  c.data.source = 'home'
  c.data.train_chunks = 10
  c.tokenizer.vocab_size = 1000

  c.memory.entry_tokens = 24  # who, when, the device and its setting
  c.memory.cap_rate = 0.5  # four of five sentences state or end a habit
  c.memory.max_slots = 4096
  c.reading.top_k = 8

  c.rollout.prefix_buckets = (112,)
  c.rollout.response_buckets = (32,)
  c.rollout.forced_deletes = 0.4  # habits are revoked
  c.rollout.own_memory = 0.0  # the rules of another house are wrong

  c.warm_start.checkpoint = ''  # other words, another tokenizer
  return common.parse_arg(c, arg)
