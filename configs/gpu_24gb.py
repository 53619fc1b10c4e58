"""Qwen3-4B as writer on one GPU of 24 GB, by adapters.

  XLA_PYTHON_CLIENT_MEM_FRACTION=0.92 python -m mem_alpha_jax.main \
    --config=configs/gpu_24gb.py --workdir=runs/gpu_24gb

As configs/colab_v5e.py. The kernels are bfloat16, of which a decode loop has a
copy of its own: twice 7.5 GiB. Planned, not run.
"""

import ml_collections

from configs import colab_v5e, common


def get_config(arg: str = '') -> ml_collections.ConfigDict:
  """Returns the config; `arg` is 'key=value,...' over dotted field names."""
  c = colab_v5e.get_config().unlock()
  c.mesh.topology = ''
  c.data.batch_episodes = 4
  c.data.eval_episodes = 16
  c.model.source = 'Qwen/Qwen3-4B'
  common.use_preset(c, 'qwen3-4b')
  c.rl.minibatch_rows = 32
  c.warm_start.batch = 4
  c.eval.lengths = (1,)
  return common.parse_arg(c, arg)
