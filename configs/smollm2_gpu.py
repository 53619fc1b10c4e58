"""SmolLM2-135M-Instruct as writer on one GPU of 40 GiB or more.

  make models
  python -m mem_alpha_jax.main --config=configs/smollm2_gpu.py \
    --workdir=runs/smollm2_gpu

As configs/smollm2.py, with the batches that a GPU has room for, the reader by
rules, and evaluations at 4 and 13 times the train length. The learning rate
stays where it is, so that a run may be stopped and evaluated at any step.
"""

import ml_collections

from configs import common, smollm2


def get_config(arg: str = '') -> ml_collections.ConfigDict:
  """Returns the config; `arg` is 'key=value,...' over dotted field names."""
  c = smollm2.get_config().unlock()
  c.num_steps = 400

  c.data.batch_episodes = 24
  c.data.train_chunks = 6  # long enough for facts that change
  c.data.eval_episodes = 48

  c.reading.reader = 'extractive'

  c.model.dtype = 'bfloat16'
  c.model.block_logits = 2**28  # 1 GiB

  c.rollout.group_size = 16
  c.rollout.prefix_buckets = (208,)  # as measured
  c.rollout.own_buckets = (64,)
  # Without them it inserts and does nothing else after five steps.
  c.rollout.forced = 4
  # Some streams go on with an old memory, as full as that of a longer episode.
  c.rollout.own_memory = 0.5
  c.rollout.chain = 3

  # Skipping small talk earns a little more than a note of it, and far less
  # than a note that answers a question.
  c.reward.noop = 1.0

  c.rl.min_gap = 0.02
  c.rl.train_samples = 8
  c.rl.minibatch_rows = 576
  c.rl.microbatches = 4
  c.rl.packed_groups = 0  # as measured

  c.optim.learning_rate = 1e-4
  c.optim.warmup_steps = 20
  c.optim.schedule = 'constant'

  c.warm_start.steps = 40
  c.warm_start.batch = 64

  c.eval.every = 25
  c.eval.lengths = (1, 4, 13)
  c.eval.length_episodes = 48
  # At this rate a run swings: 0.93 on validation at step 75, 0.78 at 100.
  c.eval.checkpoint = 'best'
  c.checkpoint.every = 25
  c.checkpoint.grace = 30.0
  c.checkpoint.keep = 1
  return common.parse_arg(c, arg)
