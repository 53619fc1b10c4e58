"""Qwen3-4B on a TPU v4-64 slice (32 chips), with the numbers of the paper.

  python -m mem_alpha_jax.main --config=configs/tpu_v4.py --distributed \
    --workdir=runs/tpu_v4

Same command on each of the 8 hosts. Numbers of the paper (arXiv 2509.25911)
and of its code are marked so; the rest is ours. Data and reader are those
that ship with the package. What it needs of each chip, compiled for the slice
without one: experiments/tpu_compile/README.md.
"""

import ml_collections

from configs import common, tiny


def get_config(arg: str = '') -> ml_collections.ConfigDict:
  """Returns the config; `arg` is 'key=value,...' over dotted field names."""
  c = tiny.get_config().unlock()
  c.num_steps = 205  # paper

  c.data.batch_episodes = 32  # paper
  c.data.train_chunks = 10  # mean of the paper's training set is 10.65
  c.data.chunk_sentences = 120  # about the paper's chunks of 2,048 tokens
  c.data.eval_episodes = 64

  c.memory.slots = 64
  c.memory.max_slots = 4096
  c.memory.core_tokens = 512  # paper
  c.memory.entry_tokens = 512
  c.memory.cap_base = 0
  c.memory.cap_rate = 0.0  # paper: the reward alone keeps a memory small
  c.memory.prompt_format = 'chat'
  # That the chunk finds, of both lists; paper's code: the newest 5 of each.
  c.memory.view = 'retrieved'
  c.memory.view_entries = 5
  c.memory.fixed_width = False

  c.reading.top_k = 20  # of both lists together; paper's code: of each
  c.reading.budget = 30_000  # paper's code

  c.model.source = 'models/Qwen3-4B'  # downloaded; paper
  common.use_preset(c, 'qwen3-4b')
  c.model.dtype = 'bfloat16'
  c.model.remat = 'full'
  c.model.block_logits = 2**33  # 1 GiB a chip
  c.model.attention = 'splash'

  # Rows over all chips; float32 parameters and moments over eight, which are
  # next to each other and gather them layer by layer, four copies in all.
  c.mesh.data = 4
  c.mesh.fsdp = 8
  c.mesh.tensor = 1
  c.mesh.decode = 'tensor'  # eight kv heads on eight chips
  c.mesh.topology = 'v4:2x4x4'

  c.rollout.group_size = 8  # paper's code
  c.rollout.groups = 'trajectory'  # paper: each sample lives its own memory
  c.rollout.temperature = 1.0  # paper's code
  # A bucket of each kind, a compilation of each program: chunks of 2,048 tokens
  # with the instructions before them are past the next smaller ones anyway.
  c.rollout.prefix_buckets = (4096,)  # paper's code: at most 4,096
  c.rollout.own_buckets = (2048,)  # paper's code: prompt at most 6,144
  c.rollout.response_buckets = (2048,)  # paper's code
  c.rollout.forced = 0
  c.rollout.own_memory = 0.0
  c.rollout.max_calls = 64
  c.rollout.probes = 128  # more than an episode asks, 58.5 in the mean

  c.reward.answers = 1.0  # paper
  c.reward.calls = 1.0  # paper
  c.reward.size = 0.05  # paper
  c.reward.content = 0.1  # paper
  c.reward.noop = 1.0  # the paper's code: 0, which punishes a correct no-op
  c.reward.when = 'end'  # paper

  c.rl.advantage = 'grpo'  # paper
  c.rl.group_by = 'trajectory'  # the paper's code pools steps: 'episode'
  c.rl.min_gap = 0.0
  c.rl.train_samples = 0
  c.rl.minibatch_rows = 256  # ten updates a batch; the paper's code makes 85
  c.rl.microbatches = 1  # a group of eight rows on each chip
  c.rl.packed_groups = 0
  c.rl.clip_low = 0.2  # paper's code
  c.rl.clip_high = 0.2  # paper's code
  c.rl.dual_clip = 3.0  # paper's code
  c.rl.kl_coef = 0.0  # paper; its code has 0.001
  c.rl.importance_cap = 2.0  # sampling in bfloat16 differs from training

  c.optim.learning_rate = 1e-6  # paper's code
  c.optim.warmup_steps = 102  # updates; paper's code: 5% of all
  c.optim.schedule = 'constant'  # paper's code
  c.optim.b2 = 0.999

  c.warm_start.checkpoint = ''
  c.warm_start.steps = 0  # an instruct model can call tools

  c.eval.every = 10
  c.eval.lengths = (1, 2, 4, 13)
  c.checkpoint.every = 5
  c.checkpoint.grace = 300.0  # chunks take tens of seconds
  c.log.watchdog = 1800.0  # longer than any program compiles
  return common.parse_arg(c, arg)
