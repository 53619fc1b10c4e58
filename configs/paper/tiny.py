"""The paper's experiments at a size that runs on a laptop: the policy.

  python -m mem_alpha_jax.main --config=configs/paper/tiny.py \\
    --workdir=runs/paper/tiny

One policy for all: stories of bAbI and examples of four sets of labels, by
turns, as the paper mixes its sources. experiments/paper_tables runs it with
three seeds and asks what it remembers of each, and of dialogues (LoCoMo) that
it was not trained on.
"""

import ml_collections

from configs import common, tiny


def get_config(arg: str = '') -> ml_collections.ConfigDict:
  """Returns the config; `arg` is 'key=value,...' over dotted field names."""
  c = tiny.get_config().unlock()
  c.num_steps = 120

  c.data.source = 'babi+banking77+clinc150+trec_coarse'
  c.data.babi_tasks = ('qa1', 'qa6')
  c.data.labels = 6
  c.data.train_chunks = 16  # of 18 examples or some 10 statements
  c.data.batch_episodes = 16
  c.data.eval_episodes = 32
  c.tokenizer.vocab_size = 1000

  c.memory.max_slots = 4096  # of dialogues
  c.memory.entry_tokens = 20  # most of an example and its label
  c.memory.view_entries = 2
  c.reading.top_k = 8
  c.reading.hops = 2  # of bAbI's qa2
  c.reading.budget = 128  # tokens

  c.rollout.prefix_buckets = (88,)
  c.rollout.response_buckets = (24,)
  c.rollout.own_memory = 0.0  # numbers of labels mean something else now

  c.reward.noop = 0.0  # every chunk says something to remember
  c.rl.min_gap = 0.1  # see configs/babi.py

  c.warm_start.checkpoint = ''  # other words, another tokenizer
  c.warm_start.steps = 250
  c.warm_start.batch = 64

  c.eval.lengths = (1,)  # an episode has the length it has
  c.eval.every = 10
  c.checkpoint.every = 10
  return common.parse_arg(c, arg)
