"""The paper's experiments with SmolLM2-135M as writer and as reader.

  make models
  python -m mem_alpha_jax.main --config=configs/paper/smollm2.py \\
    --workdir=runs/paper/smollm2

The data of configs/paper/tiny.py; minutes a step on two cores.
"""

import ml_collections

from configs import common, smollm2


def get_config(arg: str = '') -> ml_collections.ConfigDict:
  """Returns the config; `arg` is 'key=value,...' over dotted field names."""
  c = smollm2.get_config().unlock()
  c.data.source = 'babi+banking77+clinc150+trec_coarse'
  c.data.babi_tasks = ('qa1', 'qa6')
  c.data.labels = 4
  c.data.per_label = 2
  c.data.label_questions = 8
  c.data.train_chunks = 8
  c.data.eval_episodes = 8
  c.memory.max_slots = 4096  # of dialogues
  c.reading.top_k = 8
  c.reading.hops = 2
  c.reading.budget = 256
  return common.parse_arg(c, arg)
