"""Questions asked while a memory is built, session by session.

A stream is an Episode; its sessions have one chunk or several. Its questions
are asked after every k-th session and after the last, whenever their evidence
has been read and their answer holds; so each is asked again while the memory
grows. After every checkpoint all that the next one needs is written, and an
interrupted evaluation goes on from there to the same bytes.
"""

import bisect
import collections
import itertools
import json
import pathlib
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from mem_alpha_jax.evaluation import loop, stream_curves
from mem_alpha_jax.methods.protocol import Method
from mem_alpha_jax.system import files
from mem_alpha_jax.types import Episode

STATE = 'state.json'


class Options(NamedTuple):
  """How a stream is asked."""

  every: int  # sessions between two checkpoints
  questions: int = 0  # most of a stream at one checkpoint; 0 is no limit
  lag: int = 0  # sessions, of the fixed-lag curve
  # Of accuracy, that counts as saturation. Only checkpoints that all streams
  # have count: later ones are of the longer streams alone.
  drop: float = 0.05


def session_ends(episode: Episode) -> list[int]:
  """Chunks that have been read after each session."""
  sizes = episode.sessions or (1,) * len(episode.chunks)
  return list(itertools.accumulate(sizes))


def checkpoints(sessions: int, every: int) -> list[int]:
  """Sessions read when questions are asked: every k-th, and the last."""
  return [*range(every, sessions, every), sessions]


def plan(episode: Episode, options: Options) -> loop.Plan:
  """Asks at the checkpoints what holds there."""
  ends = session_ends(episode)
  chunks = [ends[n - 1] for n in checkpoints(len(ends), options.every)]
  return {n: due(episode, n, options.questions) for n in chunks}


def due(episode: Episode, read: int, most: int) -> list[int]:
  """Indices of the questions to ask once so many chunks have been read.

  Of more than `most` those whose texts have the smallest checksums, so that
  the same questions are asked again and again.
  """
  found = [
    i for i, q in enumerate(episode.questions) if q.first < read <= q.last + 1
  ]
  if most and len(found) > most:
    sums = {i: zlib.crc32(episode.questions[i].text.encode()) for i in found}
    found = sorted(sorted(found, key=lambda i: (sums[i], i))[:most])
  return found


def run(
  method: Method,
  episodes: Sequence[Episode],
  panel: loop.Panel,
  options: Options,
  folder: pathlib.Path,
) -> dict[str, Any]:
  """Reads all streams to their ends and returns the curves.

  Args:
    method: holds one memory a stream, all of them empty.
    panel: of one reader.
    folder: of this method alone; holds the state between checkpoints.

  Raises:
    ValueError: if the folder holds a state of other streams or options.
  """
  # Without evidence, and a start that is empty: states of before there were
  # any still fit.
  bare = lambda e: e._replace(questions=[q[:-1] for q in e.questions])
  told = [list(e if e.start else e[:-1]) for e in map(bare, episodes)]
  text = json.dumps([options, told])
  identity, path = zlib.crc32(text.encode()), folder / STATE

  def save(outcome: loop.Outcome) -> None:
    streams = [
      # What was shown and said is not needed for curves.
      [[a[:2] + a[-1:] for a in r.answered], r.held, r.calls]
      for r in outcome.records
    ]
    state = {
      'identity': identity,
      'method': method.to_json(),
      'streams': streams,
      'seconds': outcome.seconds,
    }
    files.write_text(path, json.dumps(state))

  plans = [plan(episode, options) for episode in episodes]
  earlier = _resume(method, path, identity)
  outcome = loop.run(method, episodes, plans, panel, outcome=earlier, save=save)
  found = stream_curves.curves(
    *_measured(episodes, outcome, options), len(episodes), options
  )
  return {**found, 'lost': sum(r.calls['lost'] for r in outcome.records)}


def _resume(method: Method, path: pathlib.Path, identity: int):
  """What was read and asked so far, None if nothing was."""
  if not path.exists():
    return None
  state = json.loads(path.read_text(encoding='utf-8'))
  if state['identity'] != identity:
    raise ValueError(
      f'{path}: of other streams or options; remove the folder, or give '
      'another --workdir'
    )
  method.restore(state['method'])
  records = [
    loop.Record(
      [loop.Answered(*at, None, (), tuple(scores)) for *at, scores in answered],
      [tuple(one) for one in held],
      collections.Counter(calls),
      [],
      [],
    )
    for answered, held, calls in state['streams']
  ]
  # A state of before answers were timed has numbers.
  seconds = (s if isinstance(s, list) else [s, 0.0] for s in state['seconds'])
  return loop.Outcome(records, [loop.Seconds(*pair) for pair in seconds])


def _measured(
  episodes: Sequence[Episode], outcome: loop.Outcome, options: Options
) -> tuple[list[stream_curves.Ask], list[stream_curves.Checkpoint]]:
  """What was asked and held, by sessions instead of chunks."""
  asks, taken = [], []
  for i, episode in enumerate(episodes):
    record, ends, before = outcome.records[i], session_ends(episode), 0
    sessions = {end: n for n, end in enumerate(ends, 1)}
    for a in record.answered:
      question, at = episode.questions[a.index], sessions[a.read]
      lag = at - 1 - bisect.bisect_right(ends, question.first)
      asks.append(stream_curves.Ask(i, at, lag, question.type, a.scores[0]))
    for read, tokens in record.held:
      at = sessions[read]
      since = (at - 1) // options.every * options.every
      passed = outcome.seconds[before:read]
      each = sum(one.reading for one in passed) / (at - since)
      taken.append(
        stream_curves.Checkpoint(at, tokens, each, passed[-1].answering)
      )
      before = read
  return asks, taken
