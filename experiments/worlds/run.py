"""A small policy on each world, on all by turns, and on all but one.

  python -m experiments.worlds.run [--only=traps,home] [--seeds=0]

Runs (or takes up, or only reads) runs/worlds/<cell>_seed<k>, two at a time,
asks each policy, and RAG, about the worlds of its cell, and writes these cells
into results.json beside this file; others in it stay.
"""

import json
import pathlib
import sys
from typing import Any, NamedTuple

from absl import app, flags

from configs import worlds
from experiments import results, side_by_side
from experiments.babi import cells as cells_lib
from mem_alpha_jax.config import command
from mem_alpha_jax.evaluation import held_out
from mem_alpha_jax.report import tables
from mem_alpha_jax.run import build, parameters
from mem_alpha_jax.system import files

HERE = pathlib.Path(__file__).parent
RAG = 'rag_bm25_budget'
LEFT_OUT = 'traps'
# All systems read the same number of tokens.
COMMON = (
  'reading.budget=128,eval.lengths=1;13,eval.every=25,warm_start.steps=300,'
  'num_steps=120'
)
_ONLY = flags.DEFINE_list('only', [], 'Cells; all if empty.')
_SEEDS = flags.DEFINE_list('seeds', ['0'], 'Seeds of a cell.')
_CORES = flags.DEFINE_list('cores', ['0', '1'], 'Cores, one for each run.')
_OUT = flags.DEFINE_string('out', 'runs/worlds', 'Folder of the runs.')


class Cell(NamedTuple):
  """A policy to train, and the worlds that it is asked about."""

  config: str  # a name in configs/
  asked: tuple[str, ...]  # data.source, each
  fields: str = ''


CELLS = {
  **{name: Cell(name, (name,)) for name in worlds.WORLDS},
  'traps_zh': Cell('traps_zh', ('traps_zh',)),
  **{
    name: Cell('traps', (name,), f'data.source={name}')
    for name in ('traps_ar', 'traps_hi')
  },
  'all': Cell('worlds', worlds.WORLDS),
  f'all but {LEFT_OUT}': Cell(
    'worlds',
    (LEFT_OUT,),
    'data.source=' + '+'.join(w for w in worlds.WORLDS if w != LEFT_OUT),
  ),
}


def _config(cell: Cell, seed: str) -> tuple[str, str]:
  fields = (COMMON, cell.fields, f'seed={seed}')
  return f'configs/{cell.config}.py', ','.join(filter(None, fields))


def _workdir(name: str, seed: str) -> str:
  return f'{_OUT.value}/{name.replace(" ", "_")}_seed{seed}'


def job(name: str, seed: str) -> side_by_side.Job:
  """The run of one cell, through the command line of the project."""
  workdir = _workdir(name, seed)
  line = [sys.executable, '-m', 'mem_alpha_jax.main', f'--workdir={workdir}']
  line.append(f'--config={":".join(_config(CELLS[name], seed))}')
  return side_by_side.Job(line, f'{workdir}/results.json')


def _own(name: str) -> bool:
  """Whether a cell's results.json is of the world that it is asked about."""
  return CELLS[name].config != 'worlds'


def asked(name: str, seed: str, world: str) -> dict[str, Any]:
  """multiple -> system -> arm, of a trained policy in one of the worlds."""
  workdir = _workdir(name, seed)
  path = pathlib.Path(workdir, f'asked_{world}.json')
  if not path.exists():
    config = command.load(*_config(CELLS[name], seed)).unlock()
    config.data.source = world
    experiment = build.build(config, workdir)
    now = parameters.saved_params(experiment, workdir)
    systems = {'rag': (RAG, now)}
    if not _own(name):
      start = parameters.start_params(experiment, workdir)
      systems |= {'before': ('policy', start), 'after': ('policy', now)}
    found = {
      multiple: {
        key: held_out.arm(method, experiment, params, episodes)[0]
        for key, (method, params) in systems.items()
      }
      for multiple, episodes in held_out.lengths(config, 'test').items()
    }
    files.write_json(path, found)
  return json.loads(path.read_text())


def systems(name: str, seed: str, world: str) -> dict[str, Any]:
  """multiple -> system -> arm, the run's own results included."""
  found = asked(name, seed, world)
  if _own(name):
    run = json.loads(pathlib.Path(job(name, seed).done).read_text())
    found = {m: tables.systems(run['length'][m]) | found[m] for m in found}
  return found


def over_seeds(arms: list[dict[str, Any]]) -> dict[str, Any]:
  """Numbers of a system, and what is not summed up, run by run."""
  kept = {key: [arm.get(key) for arm in arms] for key in ('by_type', 'state')}
  return cells_lib.over_seeds(arms) | kept


def cell(name: str) -> dict[str, Any]:
  """Of each world asked: multiple -> system -> numbers over seeds."""
  runs = [
    json.loads(pathlib.Path(job(name, seed).done).read_text())
    for seed in _SEEDS.value
  ]
  found = {}
  for world in CELLS[name].asked:
    rows = [systems(name, seed, world) for seed in _SEEDS.value]
    found[world] = {
      m: {key: over_seeds([r[m][key] for r in rows]) for key in rows[0][m]}
      for m in rows[0]
    }
  return {
    'seeds': [r['seed'] for r in runs],
    'seconds': [r['seconds'] for r in runs],
    'versions': runs[0]['versions'],
    'config': runs[0]['config'],
    'worlds': found,
  }


def show(cells: dict[str, Any]) -> str:
  """Strict (lenient) accuracy, a row a system of a cell."""
  rows = []
  number = lambda one, key: f'{one[key]["mean"]:.3f}' if key in one else '-'
  for name, one in cells.items():
    for world, table in one['worlds'].items():
      for system in table['1']:
        rows.append(
          (name, world, tables.label(system))
          + tuple(
            f'{number(table[m][system], "accuracy")}'
            f' ({number(table[m][system], "lenient")})'
            f' {number(table[m][system], "memory_share")}'
            for m in table
          )
        )
  header = ('trained on', 'asked', 'strict (lenient) memory', '1x', '13x')
  return tables.grid(header, rows)


def main(argv):
  del argv
  names = _ONLY.value or [*CELLS]
  jobs = [job(name, seed) for name in names for seed in _SEEDS.value]
  side_by_side.run(jobs, [int(core) for core in _CORES.value])
  path = results.folder(HERE, _OUT.value) / 'results.json'
  known = json.loads(path.read_text()) if path.exists() else {}
  fresh = {name: cell(name) for name in names}
  files.write_json(path, known | fresh)
  print(show(fresh))


if __name__ == '__main__':
  app.run(main)
