"""What a task of bAbI needs, and its numbers over seeds."""

from mem_alpha_jax.report import statistics

CONFIGS = {'qa2': 'configs/babi_qa2.py'}  # of tasks with one of their own
# What a task needs where configs/babi.py trains it: the place of an object
# takes two notes, where it was before three, and their stories are longer.
_LONGER = 'data.batch_episodes=16,num_steps=200'
TASKS = {
  'qa2': f'reading.hops=2,{_LONGER}',
  'qa3': f'reading.hops=3,{_LONGER}',
}
NUMBERS = ('accuracy', 'lenient', 'memory_share', 'valid_calls')


def over_seeds(arms: list[dict]) -> dict:
  """Mean, interval and single values of every number over the seeds."""
  found = {}
  for name in NUMBERS:
    # The seeds share their test stories.
    of = {'accuracy': arms, 'lenient': [arm['lenient'] for arm in arms]}
    values = [arm[name] for arm in arms]
    if name == 'lenient':
      values = [value['accuracy'] for value in values]
    if None not in values:
      episodes = [one['by_episode'] for one in of.get(name, ())]
      found[name] = statistics.seeds_cell(values, episodes)
  return found
