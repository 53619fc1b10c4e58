"""bAbI stories (Weston et al. 2015, arXiv 1502.05698) on a laptop.

  python -m mem_alpha_jax.main --config=configs/babi.py --workdir=runs/qa1
  python -m mem_alpha_jax.main \
    --config=configs/babi.py:data.babi_tasks=qa2,reading.hops=2 \
    --workdir=runs/qa2

Same code and same fields as tiny.py; only what the stories need differs.
"""

import ml_collections

from configs import common, tiny


def get_config(arg: str = '') -> ml_collections.ConfigDict:
  """Returns the config; `arg` is 'key=value,...' over dotted field names."""
  c = tiny.get_config().unlock()
  c.data.source = 'babi'  # statements as chunks, questions as given
  c.data.train_chunks = 10  # statements of a qa1 story; sizes a batch
  c.tokenizer.vocab_size = 400  # few words beside the 256 bytes
  c.warm_start.checkpoint = ''  # other words, another tokenizer
  c.warm_start.steps = 300  # the loss is flat from there on
  c.num_steps = 120  # few words: learned sooner than the synthetic world
  c.rollout.own_memory = 0.0  # the same people again: old notes are wrong
  c.reward.noop = 0.0  # every statement says something to remember
  # A statement may go unasked, and then only the size of the memory tells its
  # samples apart: such groups would vote for storing nothing.
  c.rl.min_gap = 0.1
  c.eval.lengths = (1,)  # a story has the length it has
  return common.parse_arg(c, arg)
