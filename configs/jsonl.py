"""Your own texts or conversations, with questions, on a laptop.

  python -m mem_alpha_jax.main \\
    --config=configs/jsonl.py:data.file=notes.jsonl --workdir=runs/notes

What a line of the file is: mem_alpha_jax/data/jsonl.py. A sentence or a message
is a chunk; the reader goes by rules, the sentence that is most like the
question.
"""

import ml_collections

from configs import common, tiny


def get_config(arg: str = '') -> ml_collections.ConfigDict:
  """Returns the config; `arg` is 'key=value,...' over dotted field names."""
  c = tiny.get_config().unlock()
  c.num_steps = 120
  c.data.source = 'jsonl'
  c.data.turn_words = 24  # as many as a prompt has room for
  c.data.batch_episodes = 8
  c.data.eval_episodes = 48
  c.tokenizer.vocab_size = 1000  # fewer where the file has fewer words
  c.memory.entry_tokens = 24
  c.warm_start.checkpoint = ''  # other words, another tokenizer
  c.rollout.prefix_buckets = (144,)
  c.rollout.response_buckets = (28,)
  c.rollout.own_memory = 0.0  # the next text is of others
  c.reward.noop = 0.0  # a text that is asked about says something
  c.rl.min_gap = 0.1  # a sample may be like no question: see configs/babi.py
  c.eval.lengths = (1,)  # an episode has the length it has
  return common.parse_arg(c, arg)
