"""Qwen3-0.6B as writer on one TPU v5e chip (16 GiB), as Colab lends one.

  pip install -e '.[tpu]'
  python -m mem_alpha_jax.main --config=configs/colab_v5e.py \
    --workdir=runs/colab_v5e

As configs/smollm2_gpu.py, with fewer samples and adapters of a model that is
fetched from the hub. Compiled for the chip (--mode=compile), it needs 5.8 GiB
of it; not run yet.
"""

import ml_collections

from configs import common, smollm2_gpu


def get_config(arg: str = '') -> ml_collections.ConfigDict:
  """Returns the config; `arg` is 'key=value,...' over dotted field names."""
  c = smollm2_gpu.get_config().unlock()
  c.num_steps = 150

  c.data.batch_episodes = 8
  c.data.eval_episodes = 32

  c.model.source = 'Qwen/Qwen3-0.6B'
  common.use_preset(c, 'qwen3-0.6b')
  c.model.param_dtype = 'bfloat16'  # the adapters stay float32
  c.model.remat = 'full'
  c.model.block_logits = 2**27  # 512 MiB

  c.mesh.topology = 'v5e:1x1'

  c.rollout.group_size = 8
  c.rollout.prefix_buckets = (512,)
  c.rollout.own_buckets = (128,)
  c.rollout.response_buckets = (128,)
  c.rollout.forced = 2

  c.rl.train_samples = 0
  c.rl.minibatch_rows = 64
  c.rl.microbatches = 4
  c.rl.importance_cap = 2.0  # sampling in bfloat16 differs from training

  c.warm_start.batch = 16

  c.eval.lengths = (1, 4)
  c.eval.length_episodes = 32
  return common.parse_arg(c, arg)
