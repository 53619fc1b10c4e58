"""A plot of memories that are asked while they grow."""

from collections.abc import Mapping
from typing import Any

import matplotlib
from matplotlib import figure

from mem_alpha_jax.report import plots

_COLORS = matplotlib.color_sequences['tab10']
_DASHES = ('-', (0, (4, 2)))


def curves(found: Mapping[str, Any], options: Any, path: str) -> None:
  """Writes a PNG: accuracy, fixed lag, retention and size of each method.

  Args:
    found: method -> what streaming.curves returns.
    options: streaming.Options, for titles.
    path: of the PNG.
  """
  with matplotlib.rc_context(plots.STYLE):
    fig = figure.Figure(figsize=(10.5, 7.0), layout='constrained')
    panels = fig.subplots(2, 2).flat
    titles = {
      'accuracy': ('All questions that hold', 'sessions read'),
      'fixed_lag': (
        f'Questions {options.lag} to {options.lag + options.every - 1} '
        'sessions back',
        'sessions read',
      ),
      'retention': ('The same question again', 'sessions since its evidence'),
      'memory_tokens': ('Tokens held', 'sessions read'),
    }
    for panel, (key, (title, label)) in zip(
      panels, titles.items(), strict=True
    ):
      _panel(panel, found, key)
      panel.set_title(title)
      panel.set_xlabel(label)
    handles, names = panel.get_legend_handles_labels()
    fig.legend(
      handles, names, loc='outside lower center', ncols=4, frameon=False
    )
    plots.save(fig, path)


def _panel(panel, found: Mapping[str, Any], key: str) -> None:
  for i, (name, one) in enumerate(found.items()):
    color, dashes = _COLORS[i % len(_COLORS)], _DASHES[i // len(_COLORS) % 2]
    points = sorted((int(at), value) for at, value in one[key].items())
    if not points:  # nothing was asked at that lag
      continue
    x, values = zip(*points, strict=True)
    if key == 'memory_tokens':
      mean = values
    else:
      mean, low, high = zip(*(value[:3] for value in values), strict=True)
      panel.fill_between(x, low, high, color=color, alpha=0.12, linewidth=0)
    panel.plot(x, mean, color=color, linestyle=dashes, label=name)
    if key == 'accuracy' and one['saturation'] is not None:
      at = one['saturation']
      panel.plot(at, mean[x.index(at)], 'o', color=color)
  if key == 'memory_tokens':
    panel.set_ylim(bottom=0)
  else:
    panel.set_ylim(-0.02, 1.02)
