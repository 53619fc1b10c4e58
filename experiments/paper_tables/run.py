"""The paper's tables, each with one command.

  python -m experiments.paper_tables.run --table=main --scale=tiny

Trains the policies that a table needs, asks every system, and writes the
report into experiments/paper_tables/<scale>. What is finished is kept in
--out: killed and started again, it goes on.
"""

import importlib
import os
import pathlib
import subprocess
import sys
import time

from absl import app, flags, logging

from experiments.paper_tables import cells, report, scales
from mem_alpha_jax.run import workdir as workdir_lib
from mem_alpha_jax.system import interrupt, machine, stopping

HERE = pathlib.Path(__file__).parent
_TABLES = flags.DEFINE_list(
  'table', ['main'], 'main, ood, rl, grid, grid_ood, parts, or several.'
)
_SCALE = flags.DEFINE_enum('scale', 'tiny', list(scales.SCALES), 'Size of all.')
_COLUMNS = flags.DEFINE_list('columns', [], 'Columns of them; none: all.')
_SEEDS = flags.DEFINE_list('seeds', ['0'], 'Seeds of policies and episodes.')
_OUT = flags.DEFINE_string('out', None, 'Folder; runs/paper/<scale> if unset.')
_REPORT = flags.DEFINE_string(
  'report', None, 'Folder of the tables; beside this file if unset.'
)
_SET = flags.DEFINE_string(
  'set', '', "Fields of every config: 'data.root=...,reading.url=...'."
)
_CORES = flags.DEFINE_list(
  'cores', [], 'A core for each seed that runs at a time; none: one by one.'
)
_ONLY = flags.DEFINE_integer(
  'only', None, 'Fills the cells of this seed alone, without a report.'
)


def config_of(scale: scales.Scale, run: str, seed: int, more: str):
  """The config of a run: a file of configs/, its fields, and `more` of them."""
  file, _, fields = scale.runs[run].partition(':')
  module = importlib.import_module(file.removesuffix('.py').replace('/', '.'))
  parts = [fields, f'seed={seed}', more]
  return module.get_config(','.join(part for part in parts if part))


def fill(scale: scales.Scale, seed: int, out: pathlib.Path) -> None:
  """All cells of one seed, in this process."""
  machine.use_compilation_cache()
  say = lambda line: print(f'[seed {seed}] {line}', flush=True)
  wanted = cells.needed(scale, _TABLES.value)
  if all(cells.path_of(out, cell, seed).exists() for cell in wanted):
    return  # a report disturbs nobody
  with workdir_lib.locked(out / f'lock_{seed}'):
    config = lambda run: config_of(scale, run, seed, _SET.value)
    cells.fill(wanted, config, seed, out, say)


def side_by_side(seeds: list[int]) -> None:
  """A process a seed, each on its own core; their lines are mixed."""
  waiting, running = list(seeds), {}
  try:
    while waiting or running:
      for core in _CORES.value:
        process = running.get(core)
        if process is not None and process.poll() is None:
          continue
        if process is not None and process.returncode:
          raise ValueError('a seed failed, see above; the others are stopped')
        running.pop(core, None)
        if waiting:
          running[core] = _start(waiting.pop(0), core)
      time.sleep(0.5)
  finally:
    for process in running.values():
      process.terminate()
    for process in running.values():
      process.wait()


def _start(seed: int, core: str) -> subprocess.Popen:
  module = [sys.executable, '-m', 'experiments.paper_tables.run']
  command = ['taskset', '-c', core, *module, *sys.argv[1:], f'--only={seed}']
  return subprocess.Popen(command)


def main(argv: list[str]) -> int:
  """Fills and reports; what a user can mend is told in one line, code 2."""
  del argv
  interrupt.install()
  if not flags.FLAGS['verbosity'].present:
    logging.set_verbosity(logging.WARNING)
  try:
    _run()
  except (ValueError, OSError) as error:
    print(f'error: {error}', file=sys.stderr)
    return 2
  except stopping.Stopped as stopped:
    interrupt.end(str(stopped))
  return 0


def _run() -> None:
  scale = scales.SCALES[_SCALE.value]()
  if _COLUMNS.value:
    scale = scales.with_columns(scale, _COLUMNS.value)
  cells.check(scale, _TABLES.value)
  out = pathlib.Path(_OUT.value or f'runs/paper/{_SCALE.value}')
  seeds = [int(seed) for seed in _SEEDS.value]
  began = time.time()
  if _ONLY.value is not None:
    fill(scale, _ONLY.value, out)
    return
  if len(seeds) > 1 and _CORES.value:
    side_by_side(seeds)
  else:
    for seed in seeds:
      fill(scale, seed, out)
  whole = HERE / _SCALE.value
  if _COLUMNS.value or _SET.value:  # a part is no whole table
    whole = out / 'report'
  folder = pathlib.Path(_REPORT.value or whole)
  os.makedirs(folder, exist_ok=True)
  written = report.write(scale, _TABLES.value, seeds, out, folder)
  for path in written.values():
    print(path.read_text(encoding='utf-8'))
  print(f'{(time.time() - began) / 60:.1f} min; {folder}')


if __name__ == '__main__':
  app.run(main)
