"""ScienceWorld: gold paths of science tasks in text (arXiv 2203.07540).

Files goldsequences-<tasks>.json of https://github.com/allenai/ScienceWorld, in
<root>/scienceworld: by task its variations, each of a fold, train, dev or
test, with the steps of a path that solves it. Asked is where the agent is and
on what it focused last, until that changes.
"""

import collections
import re
from collections.abc import Iterator
from typing import Literal

from mem_alpha_jax.data import rows, traces
from mem_alpha_jax.data.source import Source
from mem_alpha_jax.types import Episode

SOURCE = 'scienceworld'
_PUBLISHER = 'https://github.com/allenai/ScienceWorld'
_FOLDS = {'train': 'train', 'dev': 'validation', 'test': 'test'}
_PLACE = re.compile(
  r'(?:You move to|This (?:room|outside location) is called) the ([\w ]+)\.'
)
_FOCUS = re.compile(r'You focus on the ([^.]+)\.')


class _Step(rows.Row):
  action: str
  observation: str


class _Variation(rows.Row):
  fold: Literal['train', 'dev', 'test']
  taskDescription: str
  path: list[_Step]


class _Task(rows.Row):
  goldActionSequences: list[_Variation]


def load(root: str) -> dict[str, list[traces.Trace]]:
  """Reads the traces of <root>/scienceworld: split -> traces.

  Raises:
    FileNotFoundError: there is no file.
    ValueError: a file is not of ScienceWorld (names the field).
  """
  found = {split: [] for split in _FOLDS.values()}
  for path in rows.files(root, SOURCE, '*.json', _PUBLISHER):
    left, count = collections.Counter(), 0
    for task in rows.whole(path, dict[str, _Task], _PUBLISHER).values():
      for variation in task.goldActionSequences:
        steps = [traces.Step(s.action, s.observation) for s in variation.path]
        left['traces without a step'] += not steps
        if steps:
          trace = traces.Trace(variation.taskDescription, steps)
          found[_FOLDS[variation.fold]].append(trace)
          count += 1
    rows.report(str(path), f'{count} traces', left)
  return found


def _told(step: traces.Step) -> Iterator[traces.Told]:
  if match := _PLACE.match(step.observation):
    yield traces.Told('Where is the agent?', match[1], 'place')
  if match := _FOCUS.match(step.observation):
    asked = 'What did the agent focus on last?'
    yield traces.Told(asked, match[1], 'focus')


def _episodes(config, split: str) -> list[Episode]:
  d = config.data
  return [
    traces.episode(uid, SOURCE, trace, _told, d.turns, d.turn_words)
    for uid, trace in enumerate(load(d.root)[split])
  ]


SOURCES = (Source(SOURCE, rule='contains', episodes=_episodes),)
