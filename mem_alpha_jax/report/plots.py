"""Two plots of a run: the learning curve, and accuracy against length."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib import axes, figure, ticker

from mem_alpha_jax.report import tables
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
COLORS = {
  'after': '#0b6bcb',
  'before': '#e07b00',
  'oracle': '#2e8b57',
  'keep_everything': '#8250a8',
  'keep_newest': '#b0435a',
  'random_inserts': '#7a7f87',
}
_PALETTE = ('#0b6bcb', '#e07b00', '#2e8b57', '#8250a8', '#b0435a')
STYLE = {
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


def learning_curve(
  rows: Sequence[Mapping[str, Any]],
  path: str,
  references: Mapping[str, float] | None = None,
) -> None:
  """Writes a PNG: reward and its parts left, held-out accuracy right.

  Args:
    rows: records of metrics.jsonl, each with its `step`; a metric may be
      absent from any of them.
    path: of the PNG.
    references: label -> accuracy of dashed lines, e.g. the oracle's.
  """
  with matplotlib.rc_context(STYLE):
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
    _accuracy_axis(right)
    for panel in (left, right):
      panel.set_xlabel('step')
      panel.xaxis.set_major_locator(ticker.MaxNLocator(6, integer=True))
    _end_labels(right, labels)
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
    path: of the PNG.
    cap: tokens of memory allowed per token read; drawn as a line.
    train_chunks: chunks of a training episode, for the axis label.
    cap_base: tokens of memory allowed before reading, part of the cap.
  """
  multiples = sorted(length, key=int)
  arms = [tables.systems(length[multiple]) for multiple in multiples]
  names = list(dict.fromkeys(name for found in arms for name in found))
  x = [int(multiple) for multiple in multiples]
  with matplotlib.rc_context(STYLE):
    fig = figure.Figure(figsize=(13.0, 4.2), layout='constrained')
    panels = fig.subplots(1, 3)
    titles = ('All questions', 'Overwritten facts')
    for panel, title, kind in zip(
      panels, titles, (None, tables.REVISED), strict=False
    ):
      panel.set_title(title)
      labels = [_length_line(panel, x, arms, name, kind) for name in names]
      _accuracy_axis(panel)
      _length_axis(panel, x, train_chunks)
      _end_labels(panel, [found for found in labels if found])
    _memory_panel(panels[2], x, arms, names)
    if cap:
      _cap_line(panels[2], x, arms, cap, cap_base)
    _length_axis(panels[2], x, train_chunks)
    save(fig, path)


def _lines(
  panel: axes.Axes,
  rows: Sequence[Mapping[str, Any]],
  metrics: Mapping[str, str],
  raw: bool,
) -> list[tuple[float, str, str]]:
  """Draws each metric that occurs; returns (end, label, color) of each.

  Args:
    panel: to draw on.
    rows: records with a `step`.
    metrics: key -> label.
    raw: True draws all points faintly under their running mean, False draws
      the points with markers.
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


def _length_line(
  panel: axes.Axes,
  x: Sequence[int],
  arms: Sequence[Mapping[str, tables.Arm]],
  name: str,
  kind: str | None,
) -> tuple[float, str, str] | None:
  """Draws one system's accuracy with intervals; returns its end label."""
  points = []
  for multiple, found in zip(x, arms, strict=True):
    one = found.get(name)
    if one is not None and kind is not None:
      one = one['by_type'].get(kind)
    if one is not None and not tables.absent(one['accuracy']):
      points.append((multiple, one['accuracy'], *one['interval']))
  if not points:
    return None
  at, mean, low, high = np.array(points, np.float64).T
  color = COLORS.get(name, '#555b64')
  panel.fill_between(at, low, high, color=color, alpha=0.12, linewidth=0)
  end, text, color = _system_line(panel, at, mean, name)
  return end, text + (' (ceiling)' if name == 'oracle' else ''), color


def _system_line(
  panel: axes.Axes, at: Sequence, values: Sequence, name: str
) -> tuple[float, str, str]:
  """Draws a line, ours thicker, the oracle dashed; returns its end label."""
  color, ours = COLORS.get(name, '#555b64'), name in ('before', 'after')
  panel.plot(
    at,
    values,
    color=color,
    linewidth=2.4 if ours else 1.2,
    linestyle=_DASHES if name == 'oracle' else '-',
    marker='o',
    markersize=5 if ours else 3,
    zorder=3 if ours else 2,
  )
  return values[-1], tables.label(name), color


def _memory_panel(
  panel: axes.Axes,
  x: Sequence[int],
  arms: Sequence[Mapping[str, tables.Arm]],
  names: Sequence[str],
) -> None:
  """Draws memory as a share of the text's tokens."""
  panel.set_title('Memory, share of the text')
  labels = []
  for name in names:
    shares = [found.get(name, {}).get('memory_share') for found in arms]
    points = [p for p in zip(x, shares, strict=True) if not tables.absent(p[1])]
    if points:
      labels.append(_system_line(panel, *zip(*points, strict=True), name))
  panel.set_ylim(bottom=0)
  panel.yaxis.set_major_formatter(ticker.PercentFormatter(1.0, decimals=0))
  _end_labels(panel, labels)


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


def _accuracy_axis(panel: axes.Axes) -> None:
  panel.set_ylim(0, 1.02)
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
