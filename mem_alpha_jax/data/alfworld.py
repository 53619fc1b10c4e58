"""ALFWorld: traces of household tasks in text (arXiv 2010.03768).

Traces as others publish them, in <root>/alfworld: prompts of ReAct (arXiv
2210.03629), a JSON object of texts in which '> ' begins an action; the same as
text, with what Reflexion (arXiv 2303.11366) adds; and chats of MemRL, a JSON
list of {task, example}. Asked is where each thing is that was seen or put
down, until it is picked up. Logs that only say what succeeded have no trace.
"""

import collections
import pathlib
import re
from collections.abc import Iterator
from typing import Annotated

import pydantic

from mem_alpha_jax.data import content, rows, traces
from mem_alpha_jax.data.source import Source
from mem_alpha_jax.types import Episode

SOURCE = 'alfworld'
_PUBLISHER = 'https://github.com/ysymyth/ReAct'
_START = re.compile(r'\n(?=You are in the middle of a room.*\nYour task is)')
_SEEN = re.compile(
  r'(?:On the (\w+ \d+), you|The (\w+ \d+) is open\. In it, you) see ([^.]*)'
)
_THING = re.compile(r'\ban? (\w+ \d+)')
_TAKEN = re.compile(r'You pick up the (\w+ \d+) from')
_PUT = re.compile(r'You (?:put|move) the (\w+ \d+) (?:in/on|to) the (\w+ \d+)')


class _Message(rows.Row):
  role: str
  content: str


class _Chat(rows.Row):
  example: Annotated[list[_Message], pydantic.Field(min_length=1)]


class _Log(rows.Row):
  is_success: bool


_File = dict[str, str] | list[_Chat | _Log]


def load(root: str) -> list[traces.Trace]:
  """Reads the traces of <root>/alfworld, by the names of their files.

  Raises:
    FileNotFoundError: there is no file.
    ValueError: a file is of no such kind.
  """
  paths = rows.files(root, SOURCE, '*', _PUBLISHER)
  found, left = {}, collections.Counter()
  for path in paths:
    if path.suffix not in ('.json', '.txt'):
      left['files of another kind'] += 1
      continue
    for trace in _read(path, left):
      key = content.digest(repr(trace))
      left['traces without a step'] += not trace.steps
      left['traces that come again'] += key in found
      if trace.steps:
        found.setdefault(key, trace)
  rows.report(str(paths[0].parent), f'{len(found)} traces', left)
  return [*found.values()]


def _read(path: pathlib.Path, left) -> Iterator[traces.Trace]:
  if path.suffix == '.txt':
    text = ''.join(line for _, line in rows.lines(path, _PUBLISHER))
    yield from map(_of_text, _START.split(text))
    return
  data = rows.whole(path, _File, _PUBLISHER)
  if isinstance(data, dict):
    yield from map(_of_text, data.values())
    return
  for item in data:
    if isinstance(item, _Chat):
      yield _of_chat(item)
    else:
      left['runs without a trace'] += 1


def _of_text(text: str) -> traces.Trace:
  task, *parts = re.split(r'\n> ', text.strip())
  steps = [
    traces.Step(action.strip(), seen.strip())
    for action, _, seen in (part.partition('\n') for part in parts)
  ]
  return traces.Trace(task, steps)


def _of_chat(chat: _Chat) -> traces.Trace:
  task, *messages = chat.example
  steps = []
  for message in messages:
    text = message.content.strip()
    if message.role == 'assistant':
      steps.append(traces.Step(text, ''))
    elif steps:
      seen = text.removeprefix('Observation: ')
      steps[-1] = steps[-1]._replace(observation=seen)
  return traces.Trace(task.content.strip(), steps)


def _told(step: traces.Step) -> Iterator[traces.Told]:
  place = lambda thing, where: traces.Told(
    f'Where is the {thing}?', where, 'place'
  )
  for on, inside, things in _SEEN.findall(step.observation):
    for thing in _THING.findall(things):
      yield place(thing, on or inside)
  for thing in _TAKEN.findall(step.observation):
    yield place(thing, '')
  for thing, where in _PUT.findall(step.observation):
    yield place(thing, where)


def _episodes(config, split: str) -> list[Episode]:
  """Traces of one room and task are in one split (80/10/10)."""
  d = config.data
  every = load(d.root)
  tasks = content.keys_of((t.task for t in every), split, content.ALL_SPLITS)
  return [
    traces.episode(uid, SOURCE, trace, _told, d.turns, d.turn_words)
    for uid, trace in enumerate(every)
    if trace.task in tasks
  ]


SOURCES = (Source(SOURCE, rule='contains', episodes=_episodes),)
