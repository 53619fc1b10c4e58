"""As configs/paper/tiny.py, trained on the synthetic world alone.

  python -m mem_alpha_jax.main --config=configs/paper/tiny_world.py \\
    --workdir=runs/paper/tiny_world

experiments/paper_tables asks what such a policy remembers of real data.
"""

import ml_collections

from configs import common
from configs.paper import tiny


def get_config(arg: str = '') -> ml_collections.ConfigDict:
  """Returns the config; `arg` is 'key=value,...' over dotted field names."""
  c = tiny.get_config().unlock()
  # Real words are spelled in as few pieces as for the policy of tiny.py, as
  # by the tokenizer of a language model; the policy never reads them.
  c.tokenizer.source = f'synthetic+{c.data.source}'
  c.data.source = 'synthetic'
  c.num_steps = 80
  c.data.train_chunks = 8
  c.data.batch_episodes = 24
  c.rollout.own_memory = 0.8  # as configs/tiny.py: worlds go on
  c.reward.noop = 1.0
  c.rl.min_gap = 0.02
  return common.parse_arg(c, arg)
