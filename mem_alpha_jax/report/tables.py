"""What a run leaves behind: results.json and tables for the terminal.

An "arm" is one system on one set of episodes, as a plain dict (held_out.arm):
before and after RL, and every baseline, have the same keys at every length.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from mem_alpha_jax.system import machine

Arm = dict[str, Any]
Arms = dict[str, Any]  # 'before': Arm, 'after': Arm, 'baselines': name -> Arm

REVISED = 'overwritten'  # question type with columns and a panel of its own
# Readers beside the strict one, whose numbers are those of the arm itself.
_OTHERS = ('lenient', 'policy')
_LEGEND = (
  '{count} numbers: {among} reader. {readers} and by type: micro, over answers;'
  '\nmacro: over sources, and the episodes of each.'
)
_NAMES = {'before': 'before RL', 'after': 'after RL'}


def results(
  config: Mapping[str, Any],
  seconds: float,
  arms: Arms,
  length: Mapping[int, Arms],
) -> dict[str, Any]:
  """Returns the content of results.json.

  Args:
    arms: `before`, `after` and `baselines` at train length.
    length: the same at each multiple of the train length.
  """
  return {
    'seed': config['seed'],
    'config': dict(config),
    'versions': machine.versions(),
    'seconds': seconds,
    'peak_rss_bytes': machine.peak_rss_bytes(),
    **arms,
    'length': {str(multiple): length[multiple] for multiple in sorted(length)},
  }


def systems(arms: Arms) -> dict[str, Arm]:
  """Returns name -> arm in the order of tables: before, after, baselines."""
  found = {name: arms[name] for name in ('before', 'after') if name in arms}
  return {**found, **arms.get('baselines', {})}


def label(name: str) -> str:
  return _NAMES.get(name, name.replace('_', ' '))


def summary_table(arms: Arms) -> str:
  """Returns the main table at one length as text, one line a system."""
  others = _others([*systems(arms).values()])
  header = ('', 'strict [95%]', *others, 'macro', REVISED, 'memory')
  header += ('valid calls',)
  rows = []
  for name, one in systems(arms).items():
    row = (label(name), interval_text(one))
    row += tuple(_number(one[k]['accuracy']) for k in others)
    row += (_each(one, 'macro', others), _each(one, REVISED, others))
    row += tuple(_percent(one.get(k)) for k in ('memory_share', 'valid_calls'))
    rows.append(row)
  return f'{grid(header, rows)}\n{_legend(others)}'


def _others(arms: Sequence[Arm]) -> list[str]:
  """The readers beside the strict one that all arms have."""
  return [name for name in _OTHERS if all(name in one for one in arms)]


def _legend(others: Sequence[str]) -> str:
  readers = 'strict', *others
  return _LEGEND.format(
    count={2: 'Two', 3: 'Three'}[len(readers)],
    among=' / '.join(readers),
    readers=', '.join(readers),
  )


def type_table(arms: Arms) -> str:
  """Returns accuracy by question type as text, one line a type."""
  named = systems(arms)
  types = sorted({t for one in named.values() for t in one['by_type']})
  if any('without_errata' in one for one in named.values()):
    types.append('without_errata')  # of all types
  others = _others([*named.values()])
  header = (' / '.join(('strict', *others)), *(label(n) for n in named))
  rows = [
    (name, *(_each(one, name, others) for one in named.values()))
    for name in types
  ]
  return grid(header, rows)


def length_table(length: Mapping[str, Arms]) -> str:
  """Returns accuracy by length as text, a line a system and reader."""
  multiples = sorted(length, key=int)
  names = list(dict.fromkeys(n for m in multiples for n in systems(length[m])))
  others = _others([a for m in multiples for a in systems(length[m]).values()])
  rows = []
  for name in names:
    found = [systems(length[m]).get(name) for m in multiples]
    cells = [interval_text(one) if one else '-' for one in found]
    rows.append((label(name), *cells))
    for reader in others:
      cells = [interval_text(a[reader]) if a else '-' for a in found]
      rows.append((f'  {reader}', *cells))
  header = (', '.join(('strict', *others)), *(f'{m}x' for m in multiples))
  return grid(header, rows)


def grid(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
  """Returns cells as aligned text: the first column left, others right."""
  table = [header, *rows]
  widths = [max(len(row[i]) for row in table) for i in range(len(header))]
  lines = [
    '  '.join(
      cell.rjust(width) if i else cell.ljust(width)
      for i, (cell, width) in enumerate(zip(row, widths, strict=True))
    ).rstrip()
    for row in table
  ]
  rule = '-' * (sum(widths) + 2 * (len(widths) - 1))
  return '\n'.join((lines[0], rule, *lines[1:]))


def interval_text(one: Arm) -> str:
  """Returns '0.913 [0.90, 0.93]'."""
  low, high = (_number(bound, 2) for bound in one['interval'])
  return f'{_number(one["accuracy"])} [{low}, {high}]'


def _each(one: Arm, name: str, others: Sequence[str]) -> str:
  """Each reader's accuracy of a question type, or 'macro'."""
  readers = one, *(one[reader] for reader in others)
  found = [a.get(name) or a['by_type'].get(name, {}) for a in readers]
  return ' / '.join(_number(a.get('accuracy')) for a in found)


def absent(value: float | None) -> bool:
  return value is None or math.isnan(value)


def _number(value: float | None, digits: int = 3) -> str:
  return '-' if absent(value) else f'{value:.{digits}f}'


def _percent(value: float | None) -> str:
  return '-' if absent(value) else f'{100 * value:.1f}%'
