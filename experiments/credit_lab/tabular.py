"""Every estimator of credit/ beside the exact gradient, at equal turns.

  python -m experiments.credit_lab.tabular

A cell is one setting, kept in a file of `--out`; a cell that is there is not
computed again. NumPy on one core.
"""

import argparse
import functools
import json
import pathlib
import time

import numpy as np

from experiments import results
from experiments.credit_lab import (
  arms,
  checks,
  figures,
  forked,
  measures,
  paid,
)
from experiments.credit_lab import world as world_lib
from mem_alpha_jax.report import statistics, tables
from mem_alpha_jax.system import files

HERE = pathlib.Path(__file__).parent
TURNS, DELAYS, SKILLS = (4, 8, 16, 32), (0, 4, 16), (0.0, 1.5)
STREAMS, ROWS, REPLICATES = 4, 400_000, 400  # at most, of a cell
PICKS = np.array([[0.0, 0, 0], [0, 0.5, 0.5], [0, 0.5, 0.8]])


def task_of(turns: int, delay: int, skill: float, replicates: int) -> arms.Task:
  """The streams depend on the lengths, not on the policy."""
  rng = np.random.default_rng((11, turns, delay))
  kinds = world_lib.streams(rng, STREAMS, turns, delay)
  many = ROWS // (STREAMS * arms.BUDGET * (turns + delay))
  return arms.Task(
    world_lib.build(), kinds, world_lib.policy(skill),
    min(replicates, many), seed=turns + 100 * delay,
  )  # fmt: skip


def measured(rows: dict[str, arms.Rows], task: arms.Task, *exact) -> dict:
  """Of each arm its measures beside each exact gradient."""
  logits = task.logits
  found = {}
  for name, one in rows.items():
    if isinstance(one, arms.Rows):
      one = arms.gradients(one, logits, task.replicates)
    found[name] = [measures.compare(one, e.ravel()) for e in exact]
  return found


def answers_gradient(task: arms.Task):
  """Expected answers at the end and their gradient, means over streams."""
  each = [
    world_lib.exact(task.world, kinds, task.logits, last)
    for kinds, last in zip(task.kinds, task.last, strict=True)
  ]
  return (
    float(np.mean([e.value for e in each])),
    np.mean([e.gradient for e in each], 0),
  )


def end_cell(turns: int, delay: int, skill: float, replicates: int) -> dict:
  """All arms that are paid by answers alone."""
  task = task_of(turns, delay, skill, replicates)
  value, exact = answers_gradient(task)
  flat = arms.play_flat(task, arms.BUDGET)
  found = {}
  for family in (arms.broadcast, arms.redistributed, arms.by_turn):
    rows = {name: flat.rows(a) for name, a in family(flat).items()}
    found |= measured(rows, task, exact)
  found |= measured(forked.logo(task), task, exact)
  found |= measured(forked.same_state(task), task, exact)
  for first, second in forked.TREES:
    found |= measured(forked.trees(task, first, second), task, exact)
  return {
    'replicates': task.replicates,
    'value': value,
    'arms': {name: one[0] for name, one in found.items()},
  }


def parts_cell(turns: int, delay: int, skill: float, replicates: int) -> dict:
  """All arms that are paid by several parts, beside two exact gradients."""
  task = task_of(turns, delay, skill, replicates)
  flat = arms.play_flat(task, arms.BUDGET)
  _, answers = answers_gradient(task)
  total = paid.total_gradient(task)
  found = measured(paid.with_parts(flat), task, answers, total)
  cosine = (answers * total).sum() / np.sqrt((answers**2).sum())
  return {
    'replicates': task.replicates,
    'cosine of answers and sum': float(cosine / np.sqrt((total**2).sum())),
    'arms': {
      name: {'answers': a, 'sum': b} for name, (a, b) in found.items()
    },
  }  # fmt: skip


def answer_cell(turns: int, delay: int, skill: float, replicates: int) -> dict:
  """A policy that also answers."""
  task = task_of(turns, delay, skill, replicates)
  rows, logits, exact = paid.answered(task, PICKS)
  found = measured(rows, task._replace(logits=logits), exact)
  return {
    'replicates': task.replicates,
    'arms': {name: one[0] for name, one in found.items()},
  }


def checks_cell(replicates: int) -> dict:
  seeds = range(20)
  auc = {
    f'lambda {lam:g}, {beside}': [
      '{mean:.3f} [{interval[0]:.3f}, {interval[1]:.3f}]'.format(
        **statistics.seeds_cell(
          [checks.ranks(depth, lam, seed)[beside] for seed in seeds]
        )
      )
      for depth in (1, 2, 3, 4)
    ]
    for lam in (0.0, 0.3, 0.9)
    for beside in ('beside poor', 'beside useless')
  }
  return {
    'builder variance': checks.builder_variance(
      task_of(16, 4, 0.0, 10 * replicates)
    ),
    'weights of roles': checks.weights_of_roles(0, 8),
    'memq, AUC by depth 1 to 4': auc,
  }


def cells(replicates: int) -> dict:
  """Name -> what computes it."""
  one = functools.partial
  found = {
    f'end_T{t}_H{h}_skill{s:g}': one(end_cell, t, h, s, replicates)
    for s in SKILLS
    for h in DELAYS
    for t in TURNS
  }
  for t in (8, 32):
    found[f'parts_T{t}_H4'] = one(parts_cell, t, 4, 0.0, replicates)
  for t in (8, 16):
    found[f'answerer_T{t}_H4'] = one(answer_cell, t, 4, 0.0, replicates)
  found['checks'] = one(checks_cell, replicates)
  return found


def main() -> None:
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawTextHelpFormatter
  )
  parser.add_argument(
    '--replicates', type=int, default=REPLICATES, help='Estimates of an arm.'
  )
  parser.add_argument(
    '--only', default='', help='Cells whose name begins with it.'
  )
  parser.add_argument(
    '--out', type=pathlib.Path, default=HERE / 'results.json', help='Results.'
  )
  args = results.parse(parser)
  folder = pathlib.Path(f'runs/credit_lab/{args.replicates}')
  found, spent = {}, time.process_time()
  for name, compute in cells(args.replicates).items():
    if not name.startswith(args.only):
      continue
    path = folder / f'{name}.json'
    if not path.exists():
      started = time.process_time()
      cell = compute()
      cell['cpu_seconds'] = time.process_time() - started
      files.write_json(path, cell)
      print(f'{name}: {cell["cpu_seconds"]:.1f} s', flush=True)
    found[name] = json.loads(path.read_text())
  files.write_json(args.out, found)
  print(f'{time.process_time() - spent:.0f} s of CPU')
  if not args.only:
    figures.draw(found, args.out.parent)
    print(summary(found))
  for name, cell in found.items():
    if 'arms' in cell:
      print(f'\n{name}\n{table(cell)}')


def table(cell: dict) -> str:
  """One row an arm."""
  lines, header = [], ()
  for name, one in cell['arms'].items():
    flat = one if 'cosine' in one else {
      f'{target} {k}': m[k] for target, m in one.items()
      for k in ('cosine', 'direction')
    }  # fmt: skip
    header = ('', *flat)
    lines.append((name, *(v.split()[0] for v in flat.values())))
  return tables.grid(header, lines)


def summary(found: dict) -> str:
  """Means over lengths and skills: cosines by delay, and direction."""
  ends = {k: v for k, v in found.items() if k.startswith('end_')}
  cells = [next(iter(ends.values()))]
  mean = lambda arm, measure, part: np.mean(
    [
      float(cell['arms'][arm][measure].split()[0])
      for name, cell in ends.items()
      if part in name
    ]
  )
  lines = [
    (
      arm,
      *(f'{mean(arm, "cosine", f"_H{h}_"):.3f}' for h in DELAYS),
      *(f'{mean(arm, "direction", f"_H{h}_"):.3f}' for h in DELAYS),
    )
    for arm in cells[0]['arms']
  ]
  header = [f'{m}, delay {h}' for m in ('cosine', 'direction') for h in DELAYS]
  return tables.grid(('', *header), lines)


if __name__ == '__main__':
  main()
