"""As configs/paper/smollm2.py, trained on the synthetic world alone.

  python -m mem_alpha_jax.main --config=configs/paper/smollm2_world.py \\
    --workdir=runs/paper/smollm2_world
"""

import ml_collections

from configs import common
from configs.paper import smollm2


def get_config(arg: str = '') -> ml_collections.ConfigDict:
  """Returns the config; `arg` is 'key=value,...' over dotted field names."""
  c = smollm2.get_config().unlock()
  c.data.source = 'synthetic'
  c.data.train_chunks = 4
  return common.parse_arg(c, arg)
