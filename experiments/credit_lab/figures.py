"""The plots of the tabular lab."""

import pathlib

from matplotlib import figure

from experiments.credit_lab.measures import numbers
from mem_alpha_jax.report import plots

# Arm -> label, color; what is drawn of the many.
SHOWN = {
  'gae, exact critic, lambda 0': ('exact critic (ceiling)', '#b8bcc4'),
  'siblings 8x3, rloo': ('siblings 8x3, rloo', '#2e8b57'),
  'mem_t 4x7': ('Mem-T 4x7', '#c9a227'),
  'tree 8x3': ('TreeMem 8x3', '#8250a8'),
  'grpo': ('GRPO', '#3b4048'),
  'evidence, beta 0.5': ('evidence (Fine-Mem)', '#0b6bcb'),
  'logo': ('LoGo (Memory-R2)', '#e07b00'),
  'same state, at once': ('same state, graded at once', '#b0435a'),
}


def draw(found: dict, folder: pathlib.Path) -> None:
  """cosine.png over lengths, and what the errors are made of."""
  cosines(found, folder / 'cosine.png')
  errors(found, folder / 'error.png')


def cosines(found: dict, path: pathlib.Path) -> None:
  """Cosine of one update to the exact gradient, by length and delay."""
  fig = figure.Figure(figsize=(11.5, 6.4), layout='constrained')
  panels = fig.subplots(2, 3, sharex=True, sharey=True)
  for row, skill in zip(panels, ('0', '1.5'), strict=True):
    for panel, delay in zip(row, (0, 4, 16), strict=True):
      for name, (label, color) in SHOWN.items():
        points = [
          (
            t,
            *numbers(
              found[f'end_T{t}_H{delay}_skill{skill}']['arms'][name]['cosine']
            ),
          )
          for t in (4, 8, 16, 32)
        ]
        x, y, low, high = zip(*points, strict=True)
        panel.fill_between(x, low, high, color=color, alpha=0.15, linewidth=0)
        panel.plot(x, y, color=color, marker='o', markersize=3, label=label)
      panel.set_title(f'delay {delay}, skill {skill}', fontsize=10, loc='left')
      panel.set_xscale('log', base=2)
      panel.set_xticks((4, 8, 16, 32), ('4', '8', '16', '32'))
      panel.axhline(0, color='#e6e8eb', linewidth=1, zorder=0)
  for panel in panels[1]:
    panel.set_xlabel('turns T')
  panels[0, 0].set_ylabel('cosine to the exact gradient')
  fig.legend(
    *panels[0, 0].get_legend_handles_labels(), loc='outside upper center',
    ncols=4, fontsize=9, frameon=False,
  )  # fmt: skip
  plots.save(fig, str(path))


def errors(found: dict, path: pathlib.Path) -> None:
  """Of one cell: error after the best scale, and that of the mean alone."""
  fig = figure.Figure(figsize=(9.5, 6.4), layout='constrained')
  panels = fig.subplots(1, 2, sharey=True)
  for panel, skill in zip(panels, ('0', '1.5'), strict=True):
    measured = found[f'end_T16_H4_skill{skill}']['arms']
    names = sorted(measured, key=lambda k: -numbers(measured[k]['error'])[0])
    if skill == '0':
      order = names
    for i, name in enumerate(order):
      value, low, high = numbers(measured[name]['error'])
      biased = 1 - numbers(measured[name]['direction'])[0] ** 2
      panel.barh(i, value, color='#c8d8ee')
      panel.barh(i, biased, color='#b0435a')
      panel.plot((low, high), (i, i), color='#3b4048', linewidth=1.2)
    panel.set_yticks(range(len(order)), order, fontsize=8)
    panel.set_title(f'T 16, delay 4, skill {skill}', fontsize=10, loc='left')
    panel.set_xlabel('squared error at the best scale (red: bias alone)')
  plots.save(fig, str(path))
