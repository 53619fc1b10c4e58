"""The varied world, second stage: goes on from a finished run of varied.py.

python -m mem_alpha_jax.main --config=configs/varied_second.py \
  --workdir=runs/varied_second

Starts with the policy of runs/varied (warm_start.checkpoint): what it has found
is kept and cleaned, and told apart from what looks like it.
"""

import ml_collections

from configs import common, varied


def get_config(arg: str = '') -> ml_collections.ConfigDict:
  """Returns the config; `arg` is 'key=value,...' over dotted field names."""
  c = varied.get_config().unlock()
  c.num_steps = 500

  # In training that somebody else has the new value, too, is as usual as in
  # long memories: 'Tom hobby chess' is not to become 'Ana hobby chess'.
  c.data.shared = 0.5
  c.memory.view = 'topic'

  # Notes begin with what they are about by now, and a random word before that
  # would be learned wherever inserts are right.
  c.rollout.forced_words = 0.0
  c.reward.size = 0.3

  c.warm_start.checkpoint = 'runs/varied'
  return common.parse_arg(c, arg)
