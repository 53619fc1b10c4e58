"""Plots: the learning curve, accuracy against length, and of streams."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib import axes, figure, ticker

from mem_alpha_jax.report import tables
from mem_alpha_jax.report.tables import REVISED
from mem_alpha_jax.system import files

# Metrics that the learning curve shows: key in metrics.jsonl -> label.
REWARDS = {
  'reward/total': 'total',
  'reward/answers': 'r1 answers',
  'reward/calls': 'r2 calls',
  'reward/size': 'r3 size',
  'reward/content': 'r4 content',
}
EVALUATIONS = {
  'eval/accuracy': 'all questions',
  'eval/overwritten': 'overwritten',
}
_COLORS = {
  'policy': '#0b6bcb',
  'after': '#0b6bcb',
  'before': '#e07b00',
  'oracle': '#2e8b57',
  'keep_everything': '#8250a8',
  'keep_newest': '#b0435a',
  'random_inserts': '#7a7f87',
  'no_memory': '#b8bcc4',
  'rag_bm25': '#c9a227',
}
_OURS = ('before', 'after', 'policy')
_OTHERS = matplotlib.color_sequences['tab10']  # of systems without a color
_PALETTE = ('#0b6bcb', '#e07b00', '#2e8b57', '#8250a8', '#b0435a')
_STYLE = {
  'font.size': 10.0,
  'axes.spines.top': False,
  'axes.spines.right': False,
  'axes.edgecolor': '#8a8f98',
  'axes.labelcolor': '#3b4048',
  'axes.grid': True,
  'axes.grid.axis': 'y',
  'grid.color': '#e6e8eb',
  'axes.axisbelow': True,
  'axes.titlelocation': 'left',
  'axes.titlesize': 11.0,
  'axes.titleweight': 'bold',
  'xtick.color': '#555b64',
  'ytick.color': '#555b64',
}
_DASHES = (0, (4, 3))
# system -> points (x, y), or (x, y, low, high) of the interval.
Lines = dict[str, list[tuple[float, ...]]]


def learning_curve(
  rows: Sequence[Mapping[str, Any]],
  path: str,
  references: Mapping[str, float] | None = None,
) -> None:
  """Writes a PNG: reward and its parts left, held-out accuracy right.

  Args:
    rows: records of metrics.jsonl, each with its `step`; a metric may be
      absent from any of them.
    references: label -> accuracy of dashed lines, e.g. the oracle's.
  """
  with matplotlib.rc_context(_STYLE):
    fig = figure.Figure(figsize=(10.5, 4.0), layout='constrained')
    left, right = fig.subplots(1, 2)
    left.set_title('Reward in training')
    labels = _lines(left, rows, REWARDS, raw=True)
    _end_labels(left, labels)
    right.set_title('Accuracy on held-out episodes')
    labels = _lines(right, rows, EVALUATIONS, raw=False)
    for name, value in (references or {}).items():
      right.axhline(value, color='#555b64', linewidth=1, linestyle=_DASHES)
      labels.append((value, name, '#555b64'))
    _share_axis(right)
    for panel in (left, right):
      panel.set_xlabel('step')
      panel.xaxis.set_major_locator(ticker.MaxNLocator(6, integer=True))
    _end_labels(right, labels)
    save(fig, path)


def run_curves(
  runs: Mapping[str, Sequence[Mapping[str, Any]]], path: str
) -> None:
  """Writes a PNG: reward and held-out accuracy of runs, by name."""
  with matplotlib.rc_context(_STYLE):
    fig = figure.Figure(figsize=(10.5, 4.0), layout='constrained')
    left, right = fig.subplots(1, 2)
    for panel, key in ((left, 'reward/total'), (right, 'eval/accuracy')):
      panel.set(title=key, xlabel='step')
      found = [
        {'step': row['step'], name: row.get(key)}
        for name, rows in runs.items()
        for row in rows
      ]
      labels = _lines(panel, found, {n: n for n in runs}, raw=panel is left)
      _end_labels(panel, labels)
    save(fig, path)


def length_curve(
  length: Mapping[str, tables.Arms],
  path: str,
  cap: float | None = None,
  train_chunks: int | None = None,
  cap_base: float = 0.0,
) -> None:
  """Writes a PNG: accuracy and memory of every system against length.

  Args:
    length: multiple of the train length -> `before`, `after`, `baselines`.
    cap: tokens of memory allowed per token read; drawn as a line.
    cap_base: tokens of memory allowed before reading, part of the cap.
  """
  multiples = sorted(length, key=int)
  arms = [tables.systems(length[multiple]) for multiple in multiples]
  x = [int(multiple) for multiple in multiples]
  whole = lambda one: (one['accuracy'], *one['interval'])
  panels = {
    'All questions': whole,
    'Overwritten facts': lambda one: (
      whole(one['by_type'][REVISED]) if REVISED in one['by_type'] else ()
    ),
    'Memory, share of the text': lambda one: (one.get('memory_share'),),
  }
  with matplotlib.rc_context(_STYLE):
    fig = figure.Figure(figsize=(13.0, 4.2), layout='constrained')
    axes_of = fig.subplots(1, 3)
    for panel, (title, of) in zip(axes_of, panels.items(), strict=True):
      panel.set_title(title)
      labels = _systems(panel, _by_system(x, arms, of))
      _share_axis(panel, None if panel is axes_of[-1] else 1.02)
      _end_labels(panel, labels)
      _length_axis(panel, x, train_chunks)
    if cap:
      _cap_line(axes_of[-1], x, arms, cap, cap_base)
    save(fig, path)


def stream_curves(found: Mapping[str, Any], options: Any, path: str) -> None:
  """Writes a PNG: accuracy, fixed lag, retention and size of each method.

  `found` has what stream_curves.curves returns of each.
  """
  back = f'{options.lag} to {options.lag + options.every - 1}'
  titles = {
    'accuracy': ('All questions that hold; ring: it falls', 'sessions read'),
    'fixed_lag': (f'Questions {back} sessions back', 'sessions read'),
    'retention': ('The same question again', 'sessions since its evidence'),
    'memory_tokens': ('Tokens held', 'sessions read'),
  }
  with matplotlib.rc_context(_STYLE):
    fig = figure.Figure(figsize=(11.5, 7.0), layout='constrained')
    panels = [*fig.subplots(2, 2).flat]
    for panel, (key, (title, label)) in zip(
      panels, titles.items(), strict=True
    ):
      panel.set_title(title)
      panel.set_xlabel(label)
      labels = _systems(
        panel, {name: _stream_points(one[key]) for name, one in found.items()}
      )
      if key == 'memory_tokens':
        panel.set_ylim(bottom=0)
      else:
        _share_axis(panel)
      _end_labels(panel, labels)
    for one in found.values():  # a ring where a method begins to give way
      if (at := one['saturation']) is not None:
        mean = one['accuracy'][str(at)][0]
        panels[0].plot(at, mean, 'o', ms=10, mfc='none', color='#3b4048')
    save(fig, path)


def _stream_points(curve: Mapping[str, Any]) -> list[tuple[float, ...]]:
  points = ((int(at), *np.atleast_1d(y)[:3]) for at, y in curve.items())
  return sorted(points)


def _lines(
  panel: axes.Axes,
  rows: Sequence[Mapping[str, Any]],
  metrics: Mapping[str, str],
  raw: bool,
) -> list[tuple[float, str, str]]:
  """Draws each metric that occurs; returns (end, label, color) of each.

  `raw` draws points faintly under their running mean, else they have markers.
  """
  labels = []
  for i, (key, label) in enumerate(metrics.items()):
    points = [
      (row['step'], row[key]) for row in rows if row.get(key) is not None
    ]
    if not points:
      continue
    steps, values = np.array(points, np.float64).T
    color = _PALETTE[i % len(_PALETTE)]
    if raw:
      panel.plot(steps, values, color=color, alpha=0.18, linewidth=0.8)
      values = _running_mean(values, max(1, len(values) // 20))
      panel.plot(steps, values, color=color, linewidth=1.0 if i else 2.2)
    else:
      panel.plot(steps, values, color=color, marker='o', markersize=4)
    labels.append((values[-1], label, color))
  return labels


def _running_mean(values: np.ndarray, window: int) -> np.ndarray:
  """Returns the mean of each value and up to `window` before it."""
  sums = np.cumsum(np.concatenate(([0.0], values)))
  end = np.arange(1, len(values) + 1)
  start = np.maximum(end - window - 1, 0)
  return (sums[end] - sums[start]) / (end - start)


def _by_system(x: Sequence[int], arms: Sequence, of: Callable) -> Lines:
  """Points of every system: `of` its arm at each x, where it has one."""
  lines: Lines = {}
  for at, found in zip(x, arms, strict=True):
    for name, one in found.items():
      point = of(one)
      if point and not tables.absent(point[0]):
        lines.setdefault(name, []).append((at, *point))
  return lines


def _systems(panel: axes.Axes, lines: Lines) -> list[tuple[float, str, str]]:
  """Draws each line, ours thicker, the oracle dashed; returns end labels."""
  labels = []
  for i, (name, points) in enumerate(lines.items()):
    if not points:
      continue
    at, mean, *bounds = np.array(points, np.float64).T
    color, ours = _COLORS.get(name, _OTHERS[i % len(_OTHERS)]), name in _OURS
    text = tables.label(name)
    if bounds:
      panel.fill_between(at, *bounds, color=color, alpha=0.12, linewidth=0)
      text += ' (ceiling)' if name == 'oracle' else ''
    panel.plot(
      at,
      mean,
      color=color,
      linewidth=2.4 if ours else 1.2,
      linestyle=_DASHES if name == 'oracle' else '-',
      marker='o',
      markersize=5 if ours else 3,
      zorder=3 if ours else 2,
    )
    labels.append((mean[-1], text, color))
  return labels


def _cap_line(
  panel: axes.Axes,
  x: Sequence[int],
  arms: Sequence[Mapping[str, tables.Arm]],
  rate: float,
  base: float,
) -> None:
  """Draws the cap, rate + base / tokens read: it falls with the length."""
  read = [
    next((a['read_tokens'] for a in found.values() if 'read_tokens' in a), None)
    for found in arms
  ]
  share = [rate + (base / n if n else 0.0) for n in read]
  panel.plot(x, share, color='#3b4048', linewidth=1.2, linestyle=':')
  panel.annotate(
    'cap',
    xy=(x[0], share[0]),
    xytext=(0, 5),
    textcoords='offset points',
    color='#3b4048',
    fontsize=9,
  )


def _share_axis(panel: axes.Axes, top: float | None = 1.02) -> None:
  panel.set_ylim(0, top)
  if top:
    panel.yaxis.set_major_locator(ticker.MultipleLocator(0.2))
  panel.yaxis.set_major_formatter(ticker.PercentFormatter(1.0, decimals=0))


def _length_axis(
  panel: axes.Axes, x: Sequence[int], train_chunks: int | None
) -> None:
  panel.set_xscale('log', base=2)
  panel.set_xticks(list(x), [f'{multiple}×' for multiple in x])
  panel.xaxis.set_minor_locator(ticker.NullLocator())
  unit = f' ({train_chunks} chunks)' if train_chunks else ''
  panel.set_xlabel(f'episode length, × train length{unit}')


def _end_labels(
  panel: axes.Axes, labels: Sequence[tuple[float, str, str]]
) -> None:
  """Writes labels right of the axes at their values, moved until apart."""
  if not labels:
    return
  low, high = panel.get_ylim()
  panel.set_ylim(low, high)  # the labels must not move it again
  apart = 0.058 * (high - low)  # height of a line of text
  labels = sorted(labels)
  place = [value for value, _, _ in labels]
  for _ in range(200):  # push the overlapping pairs apart, evenly
    moved = False
    for i in range(len(place) - 1):
      overlap = apart - (place[i + 1] - place[i])
      if overlap > 1e-6:
        place[i] -= overlap / 2
        place[i + 1] += overlap / 2
        moved = True
    if not moved:
      break
  for y, (_, text, color) in zip(place, labels, strict=True):
    panel.annotate(
      text,
      xy=(1.0, y),
      xycoords=('axes fraction', 'data'),
      xytext=(6, 0),
      textcoords='offset points',
      va='center',
      color=color,
      fontsize=9,
      annotation_clip=False,
    )


def save(fig: figure.Figure, path: str) -> None:
  """Writes a PNG whole or not at all; a Figure of its own uses Agg."""
  with files.replacing(path) as part:
    fig.savefig(part, format='png', dpi=150, facecolor='white')
