"""The laptop run on the varied world: many wordings, several facts a chunk.

python -m mem_alpha_jax.main --config=configs/varied.py --workdir=runs/varied

Training sees some templates of each fact; `test_templates` has others.
"""

import ml_collections

from configs import common, tiny


def get_config(arg: str = '') -> ml_collections.ConfigDict:
  """Returns the config; `arg` is 'key=value,...' over dotted field names."""
  c = tiny.get_config().unlock()
  c.num_steps = 600

  c.data.wording = 'varied'
  c.data.chunk_sentences = 3
  c.data.batch_episodes = 16
  # Else it learns the templates by heart, and nothing of held-out ones.
  c.data.scrambled = 0.3

  c.tokenizer.vocab_size = 1100  # more function words

  # One sentence after the other, each beside the notes on those before: of a
  # whole chunk it notes one fact.
  c.rollout.clauses = 1
  c.rollout.prefix_buckets = (80, 96)

  # Of two notes about a fact one can go: its deletion is tried, too.
  c.rollout.forced_deletes = 0.2
  # Else all samples copy a clause in its order, and 'Tom is the boss of Ana',
  # which is about Ana, pays nobody.
  c.rollout.forced_words = 0.5

  # Where all samples answer alike, the small parts are not to be as loud as
  # answers are elsewhere.
  c.rl.std_floor = 0.1

  c.eval.checkpoint = 'best'  # on validation: the last updates less

  c.warm_start.checkpoint = 'varied_base'
  c.warm_start.reordered = 0.3  # 'Tom is the boss of Ana' is about Ana
  return common.parse_arg(c, arg)
