"""The main result: three seeds of the laptop run, before and after RL.

  python -m experiments.tiny_learning.run [--seeds=0,1,2] [--out=runs/tiny]
  python -m experiments.tiny_learning.run --config=configs/tiny_paper.py \
    --out=runs/tiny_paper

Runs (or takes up, or only reads) <out>_seed<k> and writes results.json and
the plots of the first seed beside this file.
"""

import json
import pathlib
import shutil

from absl import app, flags

from experiments import results
from mem_alpha_jax import train
from mem_alpha_jax.config import command
from mem_alpha_jax.report import statistics, tables
from mem_alpha_jax.system import files

HERE = pathlib.Path(__file__).parent
_SEEDS = flags.DEFINE_list('seeds', ['0', '1', '2'], 'Seeds to run.')
_CONFIG = flags.DEFINE_string('config', 'configs/tiny.py', 'Config file.')
_OUT = flags.DEFINE_string('out', 'runs/tiny', 'Prefix of the workdirs.')
_AFTER = flags.DEFINE_string(
  'after', '', 'Prefix of the workdirs whose policies these go on from.'
)
_ARG = flags.DEFINE_string('arg', '', 'Config overrides, field=value,...')


def run(seed: int) -> dict:
  """The results.json of one seed."""
  workdir = f'{_OUT.value}_seed{seed}'
  path = pathlib.Path(workdir) / 'results.json'
  if not path.exists():
    start = _AFTER.value and (
      f'warm_start.checkpoint={_AFTER.value}_seed{seed}'
    )
    overrides = ','.join(filter(None, [f'seed={seed}', start, _ARG.value]))
    train.train(command.load(_CONFIG.value, overrides), workdir)
  return json.loads(path.read_text())


def numbers(arm: dict) -> dict:
  """What the table shows of one system."""
  lenient = arm['lenient']
  revised = lambda a: a['by_type'].get('overwritten', {}).get('accuracy')
  return {
    'accuracy': arm['accuracy'],
    'macro': arm['macro']['accuracy'],
    'overwritten': revised(arm),
    'lenient': lenient['accuracy'],
    'lenient_macro': lenient['macro']['accuracy'],
    'lenient_overwritten': revised(lenient),
    'memory_share': arm['memory_share'],
    'valid_calls': arm['valid_calls'],
  }


def over_seeds(arms: list[dict]) -> dict:
  """Mean, interval and single values of every number over the seeds."""
  rows = [numbers(arm) for arm in arms]
  episodes = {
    'accuracy': [arm['by_episode'] for arm in arms],
    'lenient': [arm['lenient']['by_episode'] for arm in arms],
  }
  found = {}
  for name in rows[0]:
    values = [row[name] for row in rows if row[name] is not None]
    if values:
      found[name] = statistics.seeds_cell(values, episodes.get(name, ()))
  return found


def main(argv):
  del argv
  runs = [run(int(seed)) for seed in _SEEDS.value]
  table = {
    multiple: {
      name: over_seeds(
        [tables.systems(r['length'][multiple])[name] for r in runs]
      )
      for name in tables.systems(runs[0]['length'][multiple])
    }
    for multiple in runs[0]['length']
  }
  result = {
    'seeds': [r['seed'] for r in runs],
    'seconds': [r['seconds'] for r in runs],
    'peak_rss_bytes': [r['peak_rss_bytes'] for r in runs],
    'chunk_time_ratio': [r['chunk_time_ratio'] for r in runs],
    'versions': runs[0]['versions'],
    'config': runs[0]['config'],
    'length': table,
    'unseen_words': {
      multiple: over_seeds([r['unseen_words'][multiple]['after'] for r in runs])
      for multiple in runs[0]['unseen_words']
    },
    'runs': [{'length': r['length'], 'seed': r['seed']} for r in runs],
  }
  folder = results.folder(HERE, f'{_OUT.value}_report')
  files.write_json(folder / 'results.json', result)
  first = pathlib.Path(f'{_OUT.value}_seed{_SEEDS.value[0]}')
  for name in ('learning_curve.png', 'length.png'):
    shutil.copy(first / name, folder / name)
  rows = [
    (
      tables.label(name),
      *(
        f'{table[m][name]["accuracy"]["mean"]:.3f}'
        f' / {table[m][name]["overwritten"]["mean"]:.3f}'
        for m in table
      ),
    )
    for name in table['1']
  ]
  header = ('accuracy / overwritten', *(f'{m}x' for m in table))
  print(tables.grid(header, rows))


if __name__ == '__main__':
  app.run(main)
