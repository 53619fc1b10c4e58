"""Tables, plots and numbers from cells, beside what the paper printed."""

import pathlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np

from experiments.paper_tables import cells as cells_lib
from experiments.paper_tables import printed, scales, tables
from mem_alpha_jax.evaluation import held_out
from mem_alpha_jax.report import statistics
from mem_alpha_jax.system import files as files_lib

matplotlib.use('Agg')
from matplotlib import pyplot as plt  # noqa: E402  the backend comes first

OURS = printed.Table('Not in the paper: a part of memory off', (), {})
READER_TEXT = {
  'strict': 'notes that contradict each other make the reader abstain',
  'lenient': 'of notes that contradict each other the newest counts',
}


def write(
  scale: scales.Scale,
  names: Sequence[str],
  seeds: Sequence[int],
  out: pathlib.Path,
  folder: pathlib.Path,
) -> dict[str, pathlib.Path]:
  """Writes <table>.md and .json, and a .csv and two .png a reader.

  Args:
    scale: whose tables they are.
    names: of the tables.
    seeds: whose cells are all there.
    out: where the cells are.
    folder: of the report.

  Returns:
    Table -> its Markdown file.
  """
  written = {}
  for name in names:
    table, paper = scale.tables[name], printed.TABLES.get(name, OURS)
    # A part of another column counts once.
    beside = [c.name for c in table.columns if c.cells and c.cells != c.name]
    text, results = '', {}
    for reader in held_out.READERS:
      found = _cells(table, seeds, out, reader)
      if found == results.get('strict'):
        continue  # a language model is both readers
      results[reader] = found
      mean = _mean_cells(found)
      text += tables.markdown(paper, mean, beside)
      text += _notes(reader, found, beside, len(seeds))
      path = folder / f'{name}_{reader}'
      csv_text = tables.csv_text(paper, mean, beside)
      files_lib.write_text(f'{path}.csv', csv_text)
      title = f'{name}, {reader} reader'
      plot(found, f'{path}.png', title)
      plot_memory(found, beside, f'{path}_memory.png', title)
    text += _told(scale, name, seeds, out)
    written[name] = folder / f'{name}.md'
    files_lib.write_text(written[name], text)
    value = {'seeds': list(seeds), **results}
    files_lib.write_json(folder / f'{name}.json', value)
  return written


def _cells(
  table: scales.Table, seeds: Sequence[int], out: pathlib.Path, reader: str
) -> list[dict[str, Any]]:
  """Each system and column with its scores, one a seed."""
  found = []
  for row in table.rows:
    for column in table.columns:
      if row.system in column.lacks:
        continue
      key = cells_lib.Cell(row.run, column, row.system)
      files = [
        cells_lib.read(cells_lib.path_of(out, key, seed)) for seed in seeds
      ]
      found.append(
        {
          'system': row.label,
          'source': column.name,
          'scores': [_score(f['scores'][reader], column) for f in files],
          'interval': _interval([f['scores'][reader] for f in files], column),
          'sums': [_sums(f['scores'][reader], column) for f in files],
          'memory_tokens': [f['memory_tokens'] for f in files],
          'shown_tokens': [f['shown_tokens'] for f in files],
          'questions': sum(
            round(_sums(f['scores'][reader], column)[1]) for f in files
          ),
          'missing': sum(f['missing'] for f in files),
        }
      )
  return found


def _score(counts: Mapping[str, Any], column: scales.Column) -> float:
  return statistics.macro({'': _table(counts, column)}).mean


def _sums(counts: Mapping[str, Any], column: scales.Column) -> list[float]:
  """Scores and answers of one seed, added up."""
  return _table(counts, column).sum(0).tolist()


def _interval(seeds: Sequence[Mapping], column: scales.Column) -> list[float]:
  """95% interval of the mean over seeds, over seeds and episodes."""
  found = statistics.macro(*({'': _table(one, column)} for one in seeds))
  return [found.low, found.high]


def _table(counts: Mapping[str, Any], column: scales.Column) -> np.ndarray:
  kept = [np.asarray(t) for kind, t in counts.items()
          if kind not in column.types]  # fmt: skip
  return sum(kept)


def _mean_cells(found: Sequence[Mapping[str, Any]]) -> list[tables.Cell]:
  """Means over seeds, with their intervals."""
  return [
    tables.Cell(
      f['system'],
      f['source'],
      float(np.mean(f['scores'])),
      float(np.mean(f['memory_tokens'])),
      *f['interval'],
    )
    for f in found
  ]


def _notes(reader: str, found, beside: Collection[str], seeds: int) -> str:
  """What the numbers of a table are, and the averages that it lacks."""
  shown, sums = {}, {}
  for f in found:
    shown.setdefault(f['system'], []).append(float(np.mean(f['shown_tokens'])))
    if f['source'] not in beside:
      sums.setdefault(f['system'], []).append(np.sum(f['sums'], 0))
  tokens = ', '.join(f'{k} {np.mean(v):.0f}' for k, v in shown.items())
  whole = max(map(len, sums.values()))
  micro = ', '.join(
    f'{k} {score / answers:.3f}'
    for k, (score, answers) in ((k, np.sum(v, 0)) for k, v in sums.items()
                                if len(v) == whole)
  )  # fmt: skip
  over = f'over {seeds} seeds and episodes' if seeds > 1 else 'over episodes'
  return (
    f'\nReader: {reader} ({READER_TEXT[reader]}). Intervals: 95%, {over}.\n\n'
    f'{statistics.MICRO}: {micro}.\n\n'
    f'Tokens that the reader was shown for a question, mean: {tokens}.\n\n'
  )


def _told(scale: scales.Scale, name: str, seeds, out: pathlib.Path) -> str:
  """What readers and judges of a table were told, each once."""
  files = (
    cells_lib.read(cells_lib.path_of(out, cell, seed))
    for cell in cells_lib.needed(scale, [name])
    for seed in seeds
  )
  lines = dict.fromkeys(line for f in files for line in f.get('told', ()))
  return ''.join(f'{line}\n\n' for line in lines)


def plot(found: Sequence[Mapping[str, Any]], path: str, title: str) -> None:
  """A panel a column: scores of all systems, seeds as dots."""
  columns = list(dict.fromkeys(f['source'] for f in found))
  systems = list(dict.fromkeys(f['system'] for f in found))
  wide = min(len(columns), 4)
  tall = -(-len(columns) // wide)
  figure, axes = plt.subplots(
    tall,
    wide,
    figsize=(1.6 + 2.6 * wide, 0.8 + 0.26 * tall * len(systems)),
    sharey=True,
    squeeze=False,
  )
  by_cell = {(f['system'], f['source']): f for f in found}
  for i, axis in enumerate(axes.flat):
    axis.set_visible(i < len(columns))
    if i >= len(columns):
      continue
    for y, system in enumerate(systems):
      cell = by_cell.get((system, columns[i]))
      if cell is None:
        continue
      color = 'C1' if system.startswith('policy') else 'C0'
      axis.barh(y, np.mean(cell['scores']), color=color, alpha=0.6)
      dots = [y] * len(cell['scores'])
      axis.plot(cell['scores'], dots, 'k.', markersize=3)
    axis.set_title(columns[i], fontsize=9)
    axis.set_xlim(0, 1)
    axis.tick_params(labelsize=8)
  axes[0, 0].set_yticks(range(len(systems)), systems)
  axes[0, 0].invert_yaxis()
  figure.suptitle(title, fontsize=10)
  figure.tight_layout()
  figure.savefig(path, dpi=110)
  plt.close(figure)


def plot_memory(
  found: Sequence[Mapping[str, Any]],
  beside: Collection[str],
  path: str,
  title: str,
) -> None:
  """Mean score over columns against mean tokens held, a point a system.

  Systems that lack a column are left out: their means are of other columns.
  """
  rows: dict[str, dict[str, Mapping[str, Any]]] = {}
  for f in found:
    if f['source'] not in beside:
      rows.setdefault(f['system'], {})[f['source']] = f
  columns = {source for row in rows.values() for source in row}
  mean = lambda row, key: np.mean([np.mean(f[key]) for f in row.values()])
  points = [
    (mean(row, 'memory_tokens'), mean(row, 'scores'), system)
    for system, row in rows.items()
    if set(row) == columns
  ]
  figure, axis = plt.subplots(figsize=(7, 4.6))
  axis.set_xscale('log')
  for held, score, system in points:
    color = 'C1' if system.startswith('policy') else 'C0'
    axis.plot(held, score, 'o', color=color)
  axis.set_xlabel('tokens held at the end, mean over columns')
  axis.set_ylabel('score, mean over columns')
  axis.set_title(title, fontsize=10)
  axis.margins(x=0.3)
  figure.tight_layout()
  _name(axis, points)
  figure.savefig(path, dpi=110)
  plt.close(figure)


def _name(axis, points: Sequence[tuple[float, float, str]]) -> None:
  """Writes names right of their points, from below, none over another."""
  taken = []
  for held, score, system in sorted(points, key=lambda point: point[1]):
    x, y = axis.transData.transform((held, score))
    for other_x, other_y in taken:  # pixels
      if abs(x - other_x) < 80 and y < other_y + 11:
        y = other_y + 11
    taken.append((x, y))
    place = axis.transData.inverted().transform((x + 6, y))
    axis.text(*place, system, fontsize=7, va='center')
