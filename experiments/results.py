"""Where an experiment writes: its committed files hold whole runs alone."""

import argparse
import pathlib
import sys

from absl import flags

ELSEWHERE = ('out', 'cores', 'root')  # say where, and not what


def parse(parser: argparse.ArgumentParser) -> argparse.Namespace:
  """The flags; a run that is not the committed one writes elsewhere."""
  found = parser.parse_args()
  default = parser.get_default('out')
  changed = [
    name
    for name, value in vars(found).items()
    if name not in ELSEWHERE and value != parser.get_default(name)
  ]
  if changed and found.out == default:
    found.out = pathlib.Path('runs') / default.parent.name / default.name
    _say(changed, found.out.parent)
  return found


def folder(here: pathlib.Path, out: str) -> pathlib.Path:
  """`here`, or `out` if absl flags of the experiment were changed.

  Args:
    here: the experiment's folder.
    out: the folder of its runs.
  """
  mine = flags.FLAGS.flags_by_module_dict().get(sys.argv[0], ())
  changed = [
    f.name
    for f in mine
    if f.name not in ELSEWHERE and not f.using_default_value
  ]
  if not changed:
    return here
  _say(changed, pathlib.Path(out))
  return pathlib.Path(out)


def _say(changed: list[str], where: pathlib.Path) -> None:
  names = ', '.join(f'--{name}' for name in changed)
  print(f'{names} given: results go to {where}', file=sys.stderr)
