"""bAbI qa2 ("Where is the football?") on a laptop: answers that take two notes.

  python -m mem_alpha_jax.main --config=configs/babi_qa2.py --workdir=runs/qa2

As babi.py, but its five questions a story grade few of its statements.
experiments/babi/README.md has what came of each field.
"""

import ml_collections

from configs import babi, common


def get_config(arg: str = '') -> ml_collections.ConfigDict:
  """Returns the config; `arg` is 'key=value,...' over dotted field names."""
  c = babi.get_config().unlock()
  c.data.babi_tasks = ('qa2',)
  c.reading.hops = 2  # 'football Mary', then 'Mary garden'
  c.num_steps = 120
  c.data.unasked = True  # where all people and objects are, at each statement
  c.reward.noop = 1.0  # so there is nothing to win by a call of no use
  # A drop answers the same beside the old note and in its place.
  c.reward.size = 0.4
  c.rollout.ahead = 10  # a drop changes no answer before the person moves on
  c.rollout.expert = 0.3  # so that the other of two notes is there more often
  # Of two notes about a thing that is taken again the old place must go; a
  # policy that updates people alone begins each update with one.
  c.rollout.forced_deletes = 0.2
  c.rollout.forced_subjects = 1.0
  # Where a dropped thing is stands in no statement, but in a note; and the note
  # of a thing begins with it, which is the last word of its statements.
  c.warm_start.from_view = 0.4
  c.warm_start.reordered = 0.3
  c.rl.min_gap = 0.5  # only groups of which some samples answer more
  c.rl.entropy_coef = 0.007  # words in view are rare at first, not to be lost
  return common.parse_arg(c, arg)
