"""The data card of a build: what is in it, and what it was kept apart from."""

import json
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mem_alpha_jax.data import leakage
from mem_alpha_jax.types import Episode

_COLUMNS = ('instances', 'chunks', 'tokens', 'questions')


def describe(
  splits: Mapping[str, Sequence[Episode]],
  count: Callable[[str], int],
  held_out: Mapping[str, Sequence[Episode]],
  overlaps: Sequence[leakage.Overlap],
  settings: Mapping[str, Any],
) -> dict[str, Any]:
  """Numbers of a build, as JSON; `splits` have no episode with an overlap."""
  names = {e.source for e in (*splits['train'], *overlaps)}
  return {
    'settings': dict(settings),
    'splits': {
      split: _by_source(episodes, count) for split, episodes in splits.items()
    },
    'held_out': {name: len(episodes) for name, episodes in held_out.items()},
    'overlap': {
      name: {
        kind: sum(o.source == name and o.kind == kind for o in overlaps)
        for kind in leakage.KINDS
      }
      for name in sorted(names)
    },
    'left_out': len({(o.source, o.uid) for o in overlaps}),
  }


def write(card: Mapping[str, Any], folder: str) -> None:
  """Writes card.json, and the same as Markdown to card.md."""
  path = pathlib.Path(folder)
  text = json.dumps(card, indent=2, sort_keys=True, ensure_ascii=False)
  (path / 'card.json').write_text(text + '\n', encoding='utf-8')
  (path / 'card.md').write_text(_markdown(card), encoding='utf-8')


def _by_source(episodes, count) -> dict[str, dict[str, int]]:
  names = sorted({episode.source for episode in episodes})
  table = {name: dict.fromkeys(_COLUMNS, 0) for name in names}
  for episode in episodes:
    row = table[episode.source]
    row['instances'] += 1
    row['chunks'] += len(episode.chunks)
    row['tokens'] += sum(map(count, episode.chunks))
    row['questions'] += len(episode.questions)
  return table


def _markdown(card) -> str:
  lines = ['# Data card', '']
  lines += [f'- {key}: {value}' for key, value in card['settings'].items()]
  for split, table in card['splits'].items():
    total = {c: sum(row[c] for row in table.values()) for c in _COLUMNS}
    lines += _table(f'Split {split}', {**table, 'all': total}, _COLUMNS)
  lines += ['', '## Held out', '']
  lines += [f'- {name}: {n} episodes' for name, n in card['held_out'].items()]
  title = 'Overlap of training with held-out sets'
  lines += _table(title, card['overlap'], leakage.KINDS)
  lines += ['', f'Training episodes left out for it: {card["left_out"]}.']
  return '\n'.join(lines) + '\n'


def _table(title, table, columns) -> list[str]:
  rows = [
    f'| {source} | ' + ' | '.join(f'{row[c]:,}' for c in columns) + ' |'
    for source, row in table.items()
  ]
  head = f'| source | {" | ".join(columns)} |'
  rule = '|---|' + '---:|' * len(columns)
  return ['', f'## {title}', '', head, rule, *rows]
