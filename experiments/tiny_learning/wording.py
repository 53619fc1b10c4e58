"""How a trained policy reads sentences in other words.

  python -m experiments.tiny_learning.wording --run=runs/varied [--episodes=64]

The policy and the oracle on held-out worlds whose chunks share one property
(synthetic_wording.STYLES), on held-out templates, and with the view in random
order. Writes wording.json into the workdir.
"""

import pathlib

import numpy as np
from absl import app, flags

from experiments import recorded
from mem_alpha_jax.data import pipeline, synthetic
from mem_alpha_jax.data import synthetic_wording as wording
from mem_alpha_jax.evaluation import held_out
from mem_alpha_jax.methods import memory, policy, registry
from mem_alpha_jax.recall import view as view_lib
from mem_alpha_jax.system import files

_RUN = flags.DEFINE_string('run', 'runs/varied', 'Workdir of a finished run.')
_EPISODES = flags.DEFINE_integer('episodes', 64, 'Test episodes of each.')


def shuffled(given) -> memory.MemoryMethod:
  """The policy; entries stand in its view in random order."""
  write, rng = policy.writer(given), np.random.default_rng(0)
  look = lambda memories, chunks, views, t: write(
    memories, chunks, [view_lib.unranked(view, rng) for view in views], t
  )
  return memory.MemoryMethod(look, given, cut=policy.cut(given))


def main(argv):
  del argv
  parts, params = recorded.opened(_RUN.value, _EPISODES.value)
  config = parts.config
  registry.METHODS['view shuffled'] = shuffled
  first = lambda split, style='': synthetic.episodes(
    config, split, style=style
  )[: _EPISODES.value]
  sets = {
    style or 'seen': first('test_pairs', style) for style in wording.STYLES
  }
  sets['held-out templates'] = first('test_templates')
  sets['unseen words'] = pipeline.eval_episodes(config, 'test', 1, 'words')
  table = {}
  arms = [(name, 'policy') for name in sets] + [('seen', 'view shuffled')]
  for name, method in arms:
    arm, _ = held_out.arm(method, parts, params, list(sets[name]))
    oracle, _ = held_out.arm('oracle', parts, params, list(sets[name]))
    label = name if method == 'policy' else method
    table[label] = {
      'strict': arm['accuracy'],
      'interval': arm['interval'],
      'overwritten': arm['by_type']['overwritten']['accuracy'],
      'lenient': arm['lenient']['accuracy'],
      'oracle': oracle['accuracy'],
    }
    row = table[label]
    print(
      f'{label:20} {row["strict"]:.3f} / {row["overwritten"]:.3f} '
      f'lenient {row["lenient"]:.3f} oracle {row["oracle"]:.3f}',
      flush=True,
    )
  files.write_json(pathlib.Path(_RUN.value) / 'wording.json', table)


if __name__ == '__main__':
  app.run(main)
