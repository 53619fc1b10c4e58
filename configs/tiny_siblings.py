"""Paid at the end of an episode alone: its last turn, tried eight times.

  python -m mem_alpha_jax.main --config=configs/tiny_siblings.py \
    --workdir=runs/tiny_siblings

configs/tiny_paper.py with another credit: the policy plays three of the four
turns once, eight responses to the last one are compared by the reward of the
end. No other turn is trained, so nothing that later turns do is noise.
experiments/tiny_learning has what came out beside groups of trajectories.
"""

import ml_collections

from configs import common, tiny_paper

CHANGES = {
  'num_steps': 250,
  'data.batch_episodes': 64,  # a group each
  'data.asked_rate': 1.5,  # most facts of an episode are asked for
  'rollout.forks': (3,),
  'rollout.branches': 8,  # all of the group
  'rollout.forced': 4,  # as in configs/tiny.py
  'rl.advantage': 'siblings_grpo',
}


def get_config(arg: str = '') -> ml_collections.ConfigDict:
  """Returns the config; `arg` is 'key=value,...' over dotted field names."""
  c = tiny_paper.get_config().unlock()
  c.update_from_flattened_dict(CHANGES)
  return common.parse_arg(c, arg)
