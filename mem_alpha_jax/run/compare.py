"""mem-alpha compare RUN RUN ...: what differs in config, results and curves."""

import argparse
import pathlib
import sys
from collections.abc import Sequence
from typing import Any

from mem_alpha_jax.config import compare as compare_lib
from mem_alpha_jax.report import metrics, plots, tables
from mem_alpha_jax.run import summary

HEADING = 'strict [95%]'  # of result_rows
_SYSTEMS = ('before', 'after')
Values = dict[str, Any]  # of each run, by its name


def main(argv: Sequence[str]) -> int:
  """Prints the tables and writes the picture; code 2 where it cannot."""
  parser = argparse.ArgumentParser('mem-alpha compare', description=__doc__)
  parser.add_argument('runs', nargs='+', help='workdirs')
  parser.add_argument('--out', default='compare.png', help='the picture')
  options = parser.parse_args(argv)
  try:
    _show(options.runs, options.out)
  except (OSError, ValueError) as error:
    print(f'error: {error}', file=sys.stderr)
    return 2
  return 0


def _show(names: Sequence[str], out: str) -> None:
  folders = {name: pathlib.Path(name) for name in names}
  read = lambda of: {name: of(path) for name, path in folders.items()}
  differ = config_rows(read(lambda p: compare_lib.read(p / compare_lib.FILE)))
  same = 'the configs are the same'
  print(tables.grid(('config', *folders), differ) if differ else same)
  results = read(summary.read)
  found = {name: result for name, result in results.items() if result}
  if found:
    print(f'\n{tables.grid((HEADING, *found), result_rows(found))}')
  for name in results:
    if name not in found:
      print(f'{name}: not finished')
  plots.run_curves(read(_rows), out)
  print(f'\n{out}: reward and held-out accuracy by step')


def config_rows(configs: Values) -> list[tuple[str, ...]]:
  """The fields in which runs differ, each with its value in every run."""
  fields = sorted(set().union(*configs.values()))
  rows = []
  for field in fields:
    values = [config.get(field, '-') for config in configs.values()]
    if any(value != values[0] for value in values):
      rows.append((field, *map(str, values)))
  return rows


def result_rows(found: Values) -> list[tuple[str, ...]]:
  """Strict accuracy [95%] before and after RL, by length and by type."""
  length = {
    name: {int(at): tables.systems(arms) for at, arms in one['length'].items()}
    for name, one in found.items()
  }
  rows = []
  for at in sorted(set().union(*length.values())):
    for system in _SYSTEMS:
      arms = [one.get(at, {}).get(system) for one in length.values()]
      rows.append((f'{tables.label(system)}, {at}x', *map(_cell, arms)))
  after = [tables.systems(one).get('after') for one in found.values()]
  kinds = [arm['by_type'] if arm else {} for arm in after]
  for kind in sorted(set().union(*kinds)):
    rows.append((f'  {kind}, 1x', *(_cell(one.get(kind)) for one in kinds)))
  return rows


def _cell(arm: tables.Arm | None) -> str:
  return tables.interval_text(arm) if arm else '-'


def _rows(folder: pathlib.Path) -> list[dict[str, Any]]:
  path = folder / metrics.FILE
  return metrics.read(path) if path.exists() else []


if __name__ == '__main__':
  sys.exit(main(sys.argv[1:]))
