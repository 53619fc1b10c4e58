"""The trained writer beside its rivals, from 1x to 1,000x its train length.

  python -m experiments.tiny_learning.length

Reads memories as they grow: no training. All systems read the same streams and
hand the same reader at most reading.budget tokens. Writes to_1000x.json, .png.
"""

import json
import pathlib
import tempfile

from absl import app, flags

from configs import tiny
from experiments import results
from mem_alpha_jax.data import pipeline
from mem_alpha_jax.evaluation import held_out
from mem_alpha_jax.report import plots, tables
from mem_alpha_jax.run import build, parameters
from mem_alpha_jax.system import files, machine

HERE = pathlib.Path(__file__).parent
_LENGTHS = flags.DEFINE_list(
  'lengths', ['1', '4', '13', '64', '256', '1000'], 'Multiples of 8 chunks.'
)
_EPISODES = flags.DEFINE_list(
  'episodes', ['128', '64', '32', '16', '4', '2'], 'How many of each length.'
)
_SYSTEMS = flags.DEFINE_list(
  'systems',
  ['oracle', 'rag_bm25_budget', 'keep_newest', 'rule_update', 'rule_insert'],
  'Rivals.',
)
_ARG = flags.DEFINE_string(
  'arg',
  'warm_start.checkpoint=tiny_writer,memory.max_slots=8192,reading.budget=64',
  'Config overrides; the writer is that of warm_start.checkpoint.',
)


def measure(multiple: int, count: int) -> dict:
  """Every system at one length, as plots and tables take it."""
  config = tiny.get_config(_ARG.value).unlock()
  config.data.eval_episodes = config.eval.length_episodes = count
  with tempfile.TemporaryDirectory() as folder:
    parts = build.build(config, folder)
    params = parameters.shipped_params(parts)
    episodes = pipeline.eval_episodes(config, 'test', multiple)
    arm = lambda name: held_out.arm(name, parts, params, episodes)[0]
    return {
      'after': arm('policy'),
      'baselines': {name: arm(name) for name in _SYSTEMS.value},
    }


def main(argv):
  del argv
  sizes = zip(map(int, _LENGTHS.value), map(int, _EPISODES.value), strict=True)
  config = tiny.get_config(_ARG.value)
  folder = results.folder(HERE, 'runs/length')
  folder.mkdir(parents=True, exist_ok=True)
  found = {}
  for multiple, count in sizes:
    found[str(multiple)] = measure(multiple, count)
    print(f'{multiple}x')
    print(tables.summary_table(found[str(multiple)]), flush=True)
    files.write_json(
      folder / 'to_1000x.json',
      {
        'versions': machine.versions(),
        'config': json.loads(config.to_json_best_effort()),
        'length': found,
      },
    )
  plots.length_curve(
    found,
    str(folder / 'to_1000x.png'),
    config.memory.cap_rate,
    config.data.train_chunks,
    config.memory.cap_base,
  )


if __name__ == '__main__':
  app.run(main)
