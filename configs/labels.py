"""Test-time learning on a laptop: what do labelled examples teach?

  python -m mem_alpha_jax.main --config=configs/labels.py --workdir=runs/b77
  python -m mem_alpha_jax.main \\
    --config=configs/labels.py:data.source=clinc150 --workdir=runs/clinc

An episode shows examples of six labels one by one, with numbers of its own,
and then asks for the labels of new texts. The files are found in data.root.
"""

import ml_collections

from configs import common, tiny


def get_config(arg: str = '') -> ml_collections.ConfigDict:
  """Returns the config; `arg` is 'key=value,...' over dotted field names."""
  c = tiny.get_config().unlock()
  c.data.source = 'banking77'
  c.data.train_chunks = 18  # one an example, 6 x 3 of them; sizes a batch
  c.data.batch_episodes = 12
  c.data.eval_episodes = 48
  c.tokenizer.vocab_size = 1000
  c.memory.entry_tokens = 24  # half of an example and its label
  c.warm_start.checkpoint = ''  # other words, another tokenizer
  c.num_steps = 120
  c.rollout.prefix_buckets = (144,)
  c.rollout.response_buckets = (28,)
  c.rollout.own_memory = 0.0  # numbers of labels mean something else now
  c.reward.noop = 0.0  # every example says something to remember
  c.rl.min_gap = 0.1  # a sample may be like no question: see configs/babi.py
  c.eval.lengths = (1,)  # an episode has the length it has
  return common.parse_arg(c, arg)
