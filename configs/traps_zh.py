"""The traps world in Chinese, which is written without spaces.

python -m mem_alpha_jax.main --config=configs/traps_zh.py --workdir=runs/zh

As configs/traps.py. The tokenizer has few pieces, and sees all words: where no
space ends a word, more pieces would join words, and a character that it never
saw is three bytes.
"""

import ml_collections

from configs import common, traps


def get_config(arg: str = '') -> ml_collections.ConfigDict:
  """Returns the config; `arg` is 'key=value,...' over dotted field names."""
  c = traps.get_config().unlock()
  c.data.source = 'traps_zh'
  c.tokenizer.vocab_size = 700
  c.tokenizer.known_words = 1.0
  c.rollout.prefix_buckets = (80,)
  return common.parse_arg(c, arg)
