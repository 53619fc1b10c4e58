"""The trained writer beside its rivals, from 1x to 1,000x its train length.

  python -m experiments.tiny_learning.length [--run=runs/varied]

Reads memories as they grow: no training. All systems read the same streams and
hand the same reader at most reading.budget tokens. Writes to_1000x.json, .png.
"""

import json
import pathlib
import tempfile

from absl import app, flags

from configs import common, tiny
from experiments import results
from mem_alpha_jax.config import command
from mem_alpha_jax.data import pipeline
from mem_alpha_jax.evaluation import held_out
from mem_alpha_jax.report import plots, tables
from mem_alpha_jax.run import build, parameters
from mem_alpha_jax.system import files, machine

HERE = pathlib.Path(__file__).parent
_RUN = flags.DEFINE_string(
  'run', '', 'Workdir of a finished run; by default the shipped writer.'
)
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
  'memory.max_slots=8192,reading.budget=64',
  'Config overrides, field=value,...',
)


def config_of():
  """The config of --run, or of the shipped writer."""
  if _RUN.value:
    return common.parse_arg(command.of_workdir(_RUN.value).unlock(), _ARG.value)
  return tiny.get_config(f'warm_start.checkpoint=tiny_writer,{_ARG.value}')


def measure(multiple: int, count: int) -> dict:
  """Every system at one length, as plots and tables take it."""
  config = config_of().unlock()
  config.data.eval_episodes = config.eval.length_episodes = count
  with tempfile.TemporaryDirectory() as folder:
    parts = build.build(config, _RUN.value or folder)
    params = (
      parameters.saved_params(parts, _RUN.value)
      if _RUN.value
      else parameters.shipped_params(parts)
    )
    episodes = pipeline.eval_episodes(config, 'test', multiple)
    arm = lambda name: held_out.arm(name, parts, params, episodes)[0]
    return {
      'after': arm('policy'),
      'baselines': {name: arm(name) for name in _SYSTEMS.value},
    }


def main(argv):
  del argv
  sizes = zip(map(int, _LENGTHS.value), map(int, _EPISODES.value), strict=True)
  config = config_of()
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
