"""The laptop run: a synthetic world, minutes on two cores, no downloads.

python -m mem_alpha_jax.main --config=configs/tiny.py --workdir=runs/tiny

The defaults of mem_alpha_jax/config/sections/, where every field has its
meaning, unit and rule.
"""

import ml_collections

from configs import common
from mem_alpha_jax.config import fields


def get_config(arg: str = '') -> ml_collections.ConfigDict:
  """Returns the config; `arg` is 'key=value,...' over dotted field names."""
  return common.parse_arg(fields.defaults(), arg)
