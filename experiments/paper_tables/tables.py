"""Our numbers beside the paper's: a Markdown and a CSV table.

The paper's averages are given twice: as printed, and as the mean of the
printed columns, which is not always the same (printed.py).
"""

import csv
import io
import math
from collections.abc import Collection, Sequence
from typing import NamedTuple

from experiments.paper_tables import printed
from mem_alpha_jax.report import statistics

_ABSENT = '-'


class Cell(NamedTuple):
  """One of our systems on one source.

  Attributes:
    system: its name in the table.
    source: name of the source.
    score: mean over the source's instances, in [0, 1].
    memory: tokens that the system held, mean over instances.
    low, high: interval of the score; NaN where there is none.
  """

  system: str
  source: str
  score: float
  memory: float
  low: float = math.nan
  high: float = math.nan


class Line(NamedTuple):
  """A row of a table, ours or the paper's; None where there is no number."""

  system: str
  origin: str  # ours | paper
  cells: tuple[Cell | None, ...]  # by source
  average: float | None  # over all sources of the table
  printed_average: float | None  # ours have none
  memory: float | None  # tokens, mean over sources


def lines(
  table: printed.Table, cells: Sequence[Cell], beside: Collection[str] = ()
) -> tuple[tuple[str, ...], list[Line]]:
  """Sources in order, and a row a system: the paper's first, then ours.

  Sources that only we have stand after the paper's. A system that lacks a
  number of ours has no average: it would be one of another set of sources.
  Averages of the paper are over its sources, ours over those that we have.

  Args:
    table: what the paper printed.
    cells: of our systems.
    beside: sources that are in no average.

  Raises:
    ValueError: two cells are of the same system and source.
  """
  ours: dict[str, dict[str, Cell]] = {}
  for cell in cells:
    row = ours.setdefault(cell.system, {})
    if cell.source in row:
      raise ValueError(
        f'two numbers for {cell.system!r} on {cell.source!r}; give one, the '
        'mean over seeds'
      )
    row[cell.source] = cell
  known = {cell.source for cell in cells} - set(beside)
  sources = tuple(dict.fromkeys((*table.sources, *(c.source for c in cells))))
  found = [_paper(name, row, table.sources, sources)
           for name, row in table.rows.items()]  # fmt: skip
  for name, row in ours.items():
    whole = [row[s] for s in sources if s in known] if known <= set(row) else []
    found.append(
      Line(
        name,
        'ours',
        tuple(row.get(source) for source in sources),
        printed.macro([c.score for c in whole]) if whole else None,
        None,
        printed.macro([c.memory for c in whole]) if whole else None,
      )
    )
  return sources, found


def _paper(name, row: printed.Row, own, sources) -> Line:
  sizes = [1000 * n for n in row.memory] or [math.nan] * len(own)
  numbers = dict(zip(own, zip(row.scores, sizes, strict=True), strict=True))
  return Line(
    name,
    'paper',
    tuple(
      Cell(name, source, *numbers[source]) if source in numbers else None
      for source in sources
    ),
    printed.macro(row.scores),
    row.average,
    printed.macro(sizes),
  )


def markdown(
  table: printed.Table, cells: Sequence[Cell], beside: Collection[str] = ()
) -> str:
  """The table: scores with their intervals, averages, tokens of memory.

  Where we do not have all of the paper's sources its rows are a table of
  their own. Arguments as of `lines`.
  """
  sources, found = lines(table, cells, beside)
  known = {cell.source for cell in cells}
  whole = known >= set(table.sources)
  text = _grid(found, sources) if whole else ''
  if not whole:
    ours = [line for line in found if line.origin == 'ours']
    paper = [line for line in found if line.origin == 'paper']
    shown = tuple(dict.fromkeys(cell.source for cell in cells))
    text = f'{_grid(_only(ours, sources, shown), shown)}\n\n'
    text += _grid(_only(paper, sources, table.sources), table.sources)
  left_out = f'; {", ".join(beside)} left out' if beside else ''
  return (
    f'### {table.title}\n\n{text}\n\n{statistics.MACRO}{left_out}; of the '
    f'paper {printed.FORMULA.removeprefix("macro = ")}, over its own sources.\n'
  )


def _only(found: Sequence[Line], sources, kept) -> list[Line]:
  """Lines with the cells of some sources."""
  places = [sources.index(source) for source in kept]
  return [
    line._replace(cells=tuple(line.cells[i] for i in places)) for line in found
  ]


def _grid(found: Sequence[Line], sources: Sequence[str]) -> str:
  header = ('system', *sources, 'macro', 'printed avg', 'memory tokens')
  rows = [header, ('---',) * len(header)]
  for line in found:
    rows.append(
      (
        f'{line.system} ({line.origin})',
        *map(_score, line.cells),
        _number(line.average),
        _number(line.printed_average),
        _number(line.memory, 0),
      )
    )
  return '\n'.join(f'| {" | ".join(row)} |' for row in rows)


def csv_text(
  table: printed.Table, cells: Sequence[Cell], beside: Collection[str] = ()
) -> str:
  """The same, a number a line; empty where there is none."""
  out = io.StringIO()
  writer = csv.writer(out, lineterminator='\n')
  writer.writerow(
    ('system', 'origin', 'source', 'score', 'low', 'high', 'memory_tokens')
  )
  for line in lines(table, cells, beside)[1]:
    start = (line.system, line.origin)
    for cell in filter(None, line.cells):
      numbers = (cell.score, cell.low, cell.high, cell.memory)
      writer.writerow((*start, cell.source, *map(_plain, numbers)))
    ends = (('macro', line.average), ('printed_average', line.printed_average))
    for name, average in ends:
      if average is not None:
        memory = line.memory if name == 'macro' else None
        writer.writerow((*start, name, _plain(average), '', '', _plain(memory)))
  return out.getvalue()


def _score(cell: Cell | None) -> str:
  if cell is None:
    return _ABSENT
  if math.isnan(cell.low) or math.isnan(cell.high):
    return _number(cell.score)
  return f'{_number(cell.score)} [{cell.low:.2f}, {cell.high:.2f}]'


def _number(value: float | None, digits: int = 3) -> str:
  if value is None or math.isnan(value):
    return _ABSENT
  return f'{value:,.{digits}f}'


def _plain(value: float | None) -> str:
  return '' if value is None or math.isnan(value) else f'{value:.6g}'
