"""The writer that Mem-alpha released, by its own protocol, in our tables.

  python -m mem_alpha_jax.main --config=configs/paper/memalpha_4b.py \\
    --workdir=runs/paper/memalpha_4b

Trains nothing: it is evaluated as it comes. One GPU of 80 GiB holds 24 episodes
at a time; more (data.eval_episodes, all are 468) need more of them
(mesh.fsdp). Files and the server of the reader are those of qwen3_4b.py beside
this file; reading.reader='extractive' needs no server. Planned, not run.
"""

import ml_collections

from configs import common
from configs.paper import qwen3_4b


def get_config(arg: str = '') -> ml_collections.ConfigDict:
  """Returns the config; `arg` is 'key=value,...' over dotted field names."""
  c = qwen3_4b.get_config().unlock()
  c.num_steps = 0
  c.data.batch_episodes = 1
  c.data.eval_episodes = 24

  c.memory.prompt_format = 'reference'
  c.memory.prompt_order = 'memory_first'
  c.memory.view = 'newest'

  c.model.source = 'YuWangX/Memalpha-4B'
  c.model.param_dtype = 'bfloat16'
  c.model.attention = 'cudnn'
  c.lora.rank = 8  # so that no moments of all parameters are held

  c.mesh.topology = ''
  c.mesh.data = c.mesh.fsdp = 1
  c.mesh.decode = 'same'

  c.rollout.prefix_buckets = (512,)
  c.rollout.own_buckets = (6144,)
  c.rl.minibatch_rows = 8
  c.rl.microbatches = 8
  c.model.block_logits = 2**28
  return common.parse_arg(c, arg)
