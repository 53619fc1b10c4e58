"""Every way to say who earned it, trained on the synthetic world.

  python -m experiments.credit_lab.synthetic [--seeds=0,1,2] [--millions=2]

An arm is configs/tiny_paper.py with some fields changed, and trains until it
has sampled and trained so many million tokens, re-rolls among them. A cell is
one arm and seed: a process and a file of its own, not run again where the file
is there. Two go side by side, one core each. Then the table, and curves.png.
"""

import argparse
import json
import os
import pathlib
import sys
import time
from collections.abc import Sequence

import matplotlib
from matplotlib import figure

from configs import tiny_paper, tiny_siblings
from experiments import results, side_by_side
from mem_alpha_jax import train
from mem_alpha_jax.data import pipeline
from mem_alpha_jax.evaluation import held_out, policy_reader
from mem_alpha_jax.report import metrics, plots, statistics, tables
from mem_alpha_jax.run import build as build_lib
from mem_alpha_jax.run import learning, progress
from mem_alpha_jax.system import files, machine

HERE = pathlib.Path(__file__).parent
LENGTHS = (1, 13)
POINTS = 8  # of a curve
OWN = policy_reader.NAME  # the reader of arms that answer, beside the frozen
TURNS = {'rl.group_by': 'chunk'}
# The policy answers, too, and is paid by its own answers: at most two are asked
# of four chunks. Trained and sampled tokens of answers count. Evaluations ask
# it beside the frozen reader, which it does not write for.
ANSWERS = {
  'rollout.answers': 2,
  'reward.answerer': 'policy',
  'warm_start.answers': 100,
  'eval.answerer': 'policy',
}
TREE = {'rollout.forks': (2,)}
# With a batch and forced calls of its own.
LAST_TURN = {
  name: value
  for name, value in tiny_siblings.CHANGES.items()
  if name not in ('num_steps', 'data.asked_rate')
}
ARMS = {
  'grpo': {},
  'grpo, turns': TURNS,
  'grpo, pooled rows (reference)': {'rl.group_by': 'episode'},
  'dr_grpo': {'rl.advantage': 'dr_grpo'},
  'rloo': {'rl.advantage': 'rloo'},
  'gdpo': {'rl.advantage': 'gdpo'},
  'evidence, beta 0.5': {**TURNS, 'reward.evidence': 0.5},
  'evidence, beta 1': {**TURNS, 'reward.evidence': 1.0},
  'memq, 0.5': {**TURNS, 'reward.memq': 0.5},
  'logo, 4 re-rolls': {**TURNS, 'rollout.rerolls': 4},
  'logo, trajectories': {'rollout.rerolls': 4},
  'siblings, 4x2': {**TREE, 'rl.advantage': 'siblings'},
  'last turn, 8 siblings': LAST_TURN,
  'tree, 4x2': {**TREE, 'rl.advantage': 'tree'},
  'mem_t, 4x2': {**TREE, 'rl.advantage': 'mem_t'},
  'uma': {**ANSWERS, 'rl.advantage': 'uma'},
  'agree': {**ANSWERS, **TURNS, 'rl.advantage': 'agree'},
  'agree, spearman': {**ANSWERS, **TURNS, 'rl.advantage': 'agree_spearman'},
  'grpo, horizon 2, 4': {'data.horizon': (2, 4), 'data.promote': (100,)},
}
# The reward of the end alone, or the answers after each turn minus before.
REWARDS = {'end': {}, 'dense': {'reward.when': 'step'}}
END_ALONE = {'reward.evidence', 'reward.memq', 'reward.answerer'}
# Not in the table of the end: one memory of each episode, tried eight times.
SAME_STATE = {**TURNS, 'rollout.groups': 'state'}
STATES = {
  'same state; dense': {**SAME_STATE, 'reward.when': 'step'},
  'same state of an expert; dense': {
    **SAME_STATE,
    'reward.when': 'step',
    'rollout.expert': 1.0,
  },
  'same state, half of an expert; dense': {
    **SAME_STATE,
    'reward.when': 'step',
    'rollout.expert': 0.5,
  },
  'same state; session': {**SAME_STATE, 'reward.when': 'session'},
}


def cells(only: Sequence[str] = ()) -> dict[str, dict]:
  """Name -> the fields that it changes; of names that begin so, or all."""
  found = {
    f'{arm}; {name}': {**changes, **reward}
    for name, reward in REWARDS.items()
    for arm, changes in ARMS.items()
    if name == 'end' or not END_ALONE & changes.keys()
  }
  found |= STATES
  kept = tuple(only) or ''
  return {name: c for name, c in found.items() if name.startswith(kept)}


def config_of(name: str, arg: str = ''):
  """The config of a cell; `arg` as configs/tiny_paper.py has it."""
  config = tiny_paper.get_config(arg)
  with config.unlocked():
    config.update_from_flattened_dict(cells()[name])
  return config


def run(asked: argparse.Namespace) -> dict:
  """Trains a cell until its tokens are spent; its numbers."""
  name, (seed,), workdir = asked.cell, asked.seeds, asked.root
  arg = ','.join(filter(None, [f'seed={seed},log.progress=False', asked.arg]))
  config = config_of(name, arg)
  machine.use_compilation_cache()
  os.makedirs(workdir, exist_ok=True)
  experiment = build_lib.build(config, workdir)
  learner = learning.create(config, experiment.policy, experiment.mesh)
  loader = iter(pipeline.make_dataset(config, 'train'))
  now = progress.begin(experiment, learner.tx, loader, workdir, 0.0, print)
  watched = pipeline.eval_episodes(config, 'validation')
  sampled = trained = seconds = 0
  budget, curve, own = asked.millions * 1e6, [], []
  while True:
    if sampled + trained >= len(curve) / POINTS * budget:
      found = held_out.validation(experiment, now.state.params, watched)
      curve.append((sampled + trained, found['eval/accuracy']))
      if OWN in held_out.names(config):
        own.append((sampled + trained, found[f'eval/{OWN}']))
    if sampled + trained >= budget:
      break
    started = time.perf_counter()
    now, scalars = train.step(experiment, learner, loader, now, metrics.Timer())
    seconds += time.perf_counter() - started
    sampled += scalars['rl/sampled_tokens']
    trained += scalars['rl/trained_tokens']
  return {
    'steps': now.step,
    'sampled_tokens': sampled,
    'trained_tokens': trained,
    'seconds': seconds,
    'peak_rss_bytes': machine.peak_rss_bytes(),
    'curve': curve,
    'own_curve': own,
    'arms': {
      str(m): held_out.arm(
        'policy', experiment, now.state.params,
        pipeline.eval_episodes(config, 'test', m),
      )[0]
      for m in LENGTHS
    },
  }  # fmt: skip


def job(asked: argparse.Namespace, name: str, seed: str) -> side_by_side.Job:
  """One cell, run by this file in a process of its own."""
  place = ''.join(c if c.isalnum() else '_' for c in name)
  place = f'{asked.root}/{asked.millions:g}/{place}_seed{seed}'
  command = [sys.executable, '-m', 'experiments.credit_lab.synthetic']
  command += [f'--cell={name}', f'--seeds={seed}', f'--root={place}']
  command += [f'--millions={asked.millions}', f'--arg={asked.arg}']
  return side_by_side.Job(command, f'{place}/cell.json')


def row(name: str, found: list[dict]) -> dict:
  """Of one arm: accuracy by length over its seeds, and what it cost."""
  mean = lambda key: sum(one[key] for one in found) / len(found)
  accuracy, revised, own = {}, {}, {}
  for m in map(str, LENGTHS):
    arms = [one['arms'][m] for one in found]
    accuracy[m] = statistics.seeds_cell([arm['accuracy'] for arm in arms])
    if all(OWN in arm for arm in arms):
      own[m] = statistics.seeds_cell([arm[OWN]['accuracy'] for arm in arms])
    kinds = [arm['by_type'].get('overwritten') for arm in arms]
    known = [kind['accuracy'] for kind in kinds if kind]  # few ask for none
    revised[m] = statistics.seeds_cell(known or [float('nan')])
  cost = 'steps', 'sampled_tokens', 'trained_tokens', 'seconds'
  return {
    'arm': name,
    'changes': cells()[name],
    'accuracy': accuracy,
    'overwritten': revised,
    'own': own,
    'curves': [one['curve'] for one in found],
    'own_curves': [one['own_curve'] for one in found if one['own_curve']],
    **{key: mean(key) for key in (*cost, 'peak_rss_bytes')},
  }


def table(rows: list[dict]) -> str:
  header = [f'{m}x, overwritten' for m in LENGTHS]
  header += [f'{m}x, read by itself' for m in LENGTHS]
  header += ['steps', 'sampled', 'trained', 'seconds', 'peak MB']
  lines = []
  for one in rows:
    both = [
      f'{one["accuracy"][m]["mean"]:.3f} / {one["overwritten"][m]["mean"]:.3f}'
      for m in map(str, LENGTHS)
    ]
    own = [
      f'{one["own"][m]["mean"]:.3f}' if m in one['own'] else '-'
      for m in map(str, LENGTHS)
    ]
    numbers = [one[k] for k in ('steps', 'sampled_tokens', 'trained_tokens')]
    numbers += [one['seconds'], one['peak_rss_bytes'] / 1e6]
    lines.append((one['arm'], *both, *own, *(f'{n:.0f}' for n in numbers)))
  return tables.grid(('', *header), lines)


def draw(rows: list[dict], path: pathlib.Path) -> None:
  """Strict accuracy on validation worlds over tokens, a panel a reward.

  Dashed: of the answers of the policy itself.
  """
  known = [one['arm'].partition('; ')[2] for one in rows]
  shown = [reward for reward in REWARDS if reward in known] or [*REWARDS]
  fig = figure.Figure(figsize=(7 * len(shown), 4.8), layout='constrained')
  panels = fig.subplots(1, len(shown), sharey=True, squeeze=False)[0]
  for panel, reward in zip(panels, shown, strict=True):
    panel.set_prop_cycle(color=matplotlib.colormaps['tab20'].colors)
    for one in rows:
      arm, _, paid = one['arm'].partition('; ')
      if paid != reward:
        continue
      (line,) = panel.plot(*_mean_curve(one['curves']), label=arm)
      if one['own_curves']:
        own = _mean_curve(one['own_curves'])
        panel.plot(*own, '--', color=line.get_color())
    panel.set_title(f'reward: {reward}', fontsize=10, loc='left')
    panel.set_xlabel('tokens sampled and trained')
    panel.legend(
      fontsize=7, frameon=False, loc='center left', bbox_to_anchor=(1, 0.5)
    )
  panels[0].set_ylabel('strict accuracy, validation')
  plots.save(fig, str(path))


def _mean_curve(curves: Sequence) -> tuple[list[float], list[float]]:
  """Tokens and accuracy over seeds; as long as the shortest curve."""
  points = [zip(*curve, strict=True) for curve in curves]
  tokens, accuracy = zip(*points, strict=True)
  mean = lambda columns: [sum(c) / len(c) for c in zip(*columns)]  # noqa: B905
  return mean(tokens), mean(accuracy)


def main():
  names = lambda text: text.split(',')
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawTextHelpFormatter
  )
  parser.add_argument('--seeds', type=names, default=['0', '1', '2'])
  parser.add_argument('--millions', type=float, default=2.0, help='of a cell')
  parser.add_argument(
    '--only',
    action='append',
    default=[],
    help='arms, by the beginning of a name; may be given again',
  )
  parser.add_argument('--arg', default='', help='fields: field=value,...')
  parser.add_argument('--cores', type=names, default=['0', '1'])
  parser.add_argument(
    '--root', default='runs/credit_synthetic', help='of cells'
  )
  parser.add_argument('--cell', default='', help='runs one alone (internal)')
  parser.add_argument(
    '--out', type=pathlib.Path, default=HERE / 'synthetic.json'
  )
  asked = results.parse(parser)
  if asked.cell:
    files.write_json(pathlib.Path(asked.root, 'cell.json'), run(asked))
    return
  arms = list(cells(asked.only))
  jobs = {(name, s): job(asked, name, s) for s in asked.seeds for name in arms}
  side_by_side.run(list(jobs.values()), [int(c) for c in asked.cores])
  read = lambda key: json.loads(pathlib.Path(jobs[key].done).read_text())
  rows = [row(name, [read((name, s)) for s in asked.seeds]) for name in arms]
  asked.out.parent.mkdir(parents=True, exist_ok=True)
  files.write_json(
    asked.out,
    {
      'seeds': asked.seeds,
      'millions': asked.millions,
      'rows': rows,
      'versions': machine.versions(),
    },
  )
  draw(rows, asked.out.with_name('curves.png'))
  print(table(rows))


if __name__ == '__main__':
  main()
