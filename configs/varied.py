"""The laptop run on the varied world: many wordings, several facts a chunk.

python -m mem_alpha_jax.main --config=configs/varied.py --workdir=runs/varied

Training sees some templates of each fact; `test_templates` has others.
"""

import ml_collections

from configs import common, tiny


def get_config(arg: str = '') -> ml_collections.ConfigDict:
  """Returns the config; `arg` is 'key=value,...' over dotted field names."""
  c = tiny.get_config().unlock()
  c.num_steps = 300

  c.data.wording = 'varied'
  c.data.chunk_sentences = 3

  # Fewer notes take words of several sentences.
  c.memory.mark_sentences = True

  c.tokenizer.vocab_size = 1100  # more function words

  c.rollout.prefix_buckets = (112, 144)
  c.rollout.response_buckets = (32,)

  # Of two notes about a fact one can go: its deletion is tried, too.
  c.rollout.forced_deletes = 0.2

  # Else it inserts a note, repeats it in an update and has no room for more.
  c.reward.again = 1.0

  c.warm_start.checkpoint = 'varied_base'
  c.warm_start.apart = True  # a second call is about another sentence
  c.warm_start.reordered = 0.3  # 'Tom is the boss of Ana' is about Ana
  return common.parse_arg(c, arg)
