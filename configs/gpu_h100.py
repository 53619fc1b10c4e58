"""The paper's run on one node of eight H100 (80 GiB each), by cuDNN attention.

  python -m mem_alpha_jax.main --config=configs/gpu_h100.py \
    --workdir=runs/gpu_h100

NVLink joins the eight: parameters are split over all of them in training, and
their eight kv heads while decoding.
"""

import ml_collections

from configs import common, tpu_v4


def get_config(arg: str = '') -> ml_collections.ConfigDict:
  """Returns the config; `arg` is 'key=value,...' over dotted field names."""
  c = tpu_v4.get_config().unlock()
  c.mesh.topology = ''
  c.mesh.data = 1
  c.mesh.fsdp = 8
  c.model.attention = 'cudnn'
  c.rl.microbatches = 4  # a group of eight rows on each GPU
  c.model.block_logits = 2**31  # 1 GiB a GPU
  return common.parse_arg(c, arg)
