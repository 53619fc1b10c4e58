"""The paper's run on a TPU v5e-32 slice (32 chips of 16 GiB).

  python -m mem_alpha_jax.main --config=configs/tpu_v5e.py --distributed \
    --workdir=runs/tpu_v5e

Half the memory of a v4 chip: two chips share a group of rows (mesh.tensor), so
each keeps half of what the backward pass reads, and 16 share the parameters.
"""

import ml_collections

from configs import common, tpu_v4


def get_config(arg: str = '') -> ml_collections.ConfigDict:
  """Returns the config; `arg` is 'key=value,...' over dotted field names."""
  c = tpu_v4.get_config().unlock()
  c.mesh.topology = 'v5e:4x8'
  c.mesh.data = 2
  c.mesh.fsdp = 8  # also splits the eight kv heads while decoding
  c.mesh.tensor = 2
  c.rl.microbatches = 2  # a group of eight rows on two chips
  c.model.block_logits = 2**32  # 1 GiB a chip
  return common.parse_arg(c, arg)
