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
import time
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax

from mem_alpha_jax.config import compare
from mem_alpha_jax.data import pipeline
from mem_alpha_jax.evaluation import asking, stream_curves
from mem_alpha_jax.evaluation.stream_curves import Ask
from mem_alpha_jax.methods import protocol as protocol_lib
from mem_alpha_jax.methods import registry
from mem_alpha_jax.reading import judge as judge_lib
from mem_alpha_jax.reading import protocol
from mem_alpha_jax.report import stream_plots
from mem_alpha_jax.run import build as build_lib
from mem_alpha_jax.run import parameters
from mem_alpha_jax.run import workdir as workdir_lib
from mem_alpha_jax.system import files, stopping
from mem_alpha_jax.types import Episode

STATE = 'state.json'


class Options(NamedTuple):
  """How a stream is asked.

  Attributes:
    every: sessions between two checkpoints.
    questions: most questions of a stream at one checkpoint; 0 is no limit.
    lag: sessions, of the fixed-lag curve.
    drop: of accuracy, that counts as saturation. Only checkpoints that all
      streams have count: later ones are of the longer streams alone.
    resamples: of an interval, over streams.
  """

  every: int
  questions: int = 0
  lag: int = 0
  drop: float = 0.05
  resamples: int = 1000


class Checkpoint(NamedTuple):
  """What is measured of a stream when its questions are asked."""

  stream: int
  sessions: int
  memory_tokens: int
  seconds: float  # of reading one session since the last one


def checkpoints(sessions: int, every: int) -> list[int]:
  """Sessions read when questions are asked: every k-th, and the last."""
  return [*range(every, sessions, every), sessions]


def session_ends(episode: Episode) -> list[int]:
  """Chunks that have been read after each session."""
  sizes = episode.sessions or (1,) * len(episode.chunks)
  return list(itertools.accumulate(sizes))


def due(episode: Episode, sessions: int, most: int) -> list[int]:
  """Indices of the questions to ask once `sessions` have been read.

  Of more than `most` those whose texts have the smallest checksums, so that
  the same questions are asked again and again.
  """
  now = session_ends(episode)[sessions - 1] - 1
  found = [
    i for i, q in enumerate(episode.questions) if q.first <= now <= q.last
  ]
  if most and len(found) > most:
    sums = {i: zlib.crc32(episode.questions[i].text.encode()) for i in found}
    found = sorted(sorted(found, key=lambda i: (sums[i], i))[:most])
  return found


def run(
  method: protocol_lib.Method,
  episodes: Sequence[Episode],
  reader: protocol.Reader,
  rule: asking.Rule,
  options: Options,
  folder: pathlib.Path,
  judge: judge_lib.AnswerJudge | None = None,
) -> dict[str, Any]:
  """Reads all streams to their ends and returns the curves.

  Args:
    method: holds one memory a stream, all of them empty.
    episodes: the streams; shorter ones end sooner.
    reader: answers the requests.
    rule: how an answer is scored.
    options: of the protocol.
    folder: of this method alone; holds the state between checkpoints.
    judge: decides where `rule` says so.

  Raises:
    ValueError: if the folder holds a state of other streams or options.
  """
  identity = _identity(episodes, options)
  start, asks, taken, spent = _resume(method, folder, identity, len(episodes))
  longest = max(len(e.chunks) for e in episodes)
  marks = [_marks(e, options.every) for e in episodes]
  for t in range(start, longest):
    stopping.beat(f'stream, chunk {t + 1} of {longest}')
    began = time.perf_counter()
    chunks = [e.chunks[t] if t < len(e.chunks) else None for e in episodes]
    method.observe(chunks)
    live = [i for i, chunk in enumerate(chunks) if chunk is not None]
    seconds = (time.perf_counter() - began) / len(live)
    for i in live:
      spent[i] += seconds
    reached = {i: marks[i][t + 1] for i in live if t + 1 in marks[i]}
    if not reached:
      continue
    asks += _ask(method, episodes, reader, rule, judge, reached, options)
    sizes = method.memory_tokens()
    for i, sessions in reached.items():
      since = (sessions - 1) // options.every * options.every
      each = spent[i] / (sessions - since)
      taken.append(Checkpoint(i, sessions, sizes[i], each))
      spent[i] = 0.0
    _save(method, folder, identity, t + 1, asks, taken, spent)
  return curves(asks, taken, len(episodes), options)


def _marks(episode: Episode, every: int) -> dict[int, int]:
  """Chunks read -> sessions read, where a stream is asked."""
  ends = session_ends(episode)
  return {ends[n - 1]: n for n in checkpoints(len(ends), every)}


def _ask(
  method,
  episodes,
  reader,
  rule,
  judge,
  reached: Mapping[int, int],
  options: Options,
) -> list[Ask]:
  """Asks the streams in `reached`, of which so many sessions were read."""
  rows = [
    due(e, reached[i], options.questions) if i in reached else []
    for i, e in enumerate(episodes)
  ]
  asked = [
    [e.questions[index] for index in row]
    for e, row in zip(episodes, rows, strict=True)
  ]
  found = asking.ask(method, episodes, asked, [reader], rule, judge)
  indices = [index for row in rows for index in row]
  asks = []
  for index, a in zip(indices, found, strict=True):
    sessions, ends = reached[a.stream], session_ends(episodes[a.stream])
    lag = sessions - 1 - bisect.bisect_right(ends, a.question.first)
    kind, (score,) = a.question.type, a.scores
    asks.append(Ask(a.stream, sessions, index, lag, kind, score))
  return asks


def curves(
  asks: Sequence[Ask],
  taken: Sequence[Checkpoint],
  streams: int,
  options: Options,
) -> dict[str, Any]:
  """The curves and what was counted, as plain values."""
  n, every = options.resamples, options.every
  overall = stream_curves.by_sessions(asks, streams, n)
  fixed = stream_curves.fixed_lag(asks, options.lag, every, streams, n)
  plain = lambda curve: {str(at): list(e) for at, e in curve.items()}
  by_sessions = collections.defaultdict(list)
  for checkpoint in taken:
    by_sessions[checkpoint.sessions].append(checkpoint)
  shared = {at for at, row in by_sessions.items() if len(row) == streams}
  falls = lambda curve: stream_curves.saturation(
    {at: e for at, e in curve.items() if at in shared}, options.drop
  )
  mean = lambda field: {
    str(at): sum(getattr(c, field) for c in row) / len(row)
    for at, row in sorted(by_sessions.items())
  }
  return {
    'options': options._asdict(),
    'asked': len(asks),
    'missing': sum(ask.score is None for ask in asks),
    'accuracy': plain(overall),
    'by_type': {
      kind: plain(
        stream_curves.by_sessions(
          [ask for ask in asks if ask.type == kind], streams, n
        )
      )
      for kind in sorted({ask.type for ask in asks})
    },
    'retention': plain(stream_curves.retention(asks, every, streams, n)),
    'fixed_lag': plain(fixed),
    'saturation': falls(overall),
    'fixed_lag_saturation': falls(fixed),
    'memory_tokens': mean('memory_tokens'),
    'time': mean('seconds'),
  }


def _identity(episodes: Sequence[Episode], options: Options) -> int:
  text = json.dumps([options, [list(e) for e in episodes]])
  return zlib.crc32(text.encode())


def _resume(method, folder, identity, streams):
  path = folder / STATE
  if not path.exists():
    return 0, [], [], [0.0] * streams
  state = json.loads(path.read_text(encoding='utf-8'))
  if state['identity'] != identity:
    raise ValueError(
      f'{path}: of other streams or options; remove the folder, or give '
      'another --workdir'
    )
  method.restore(state['method'])
  asks = [Ask(*ask) for ask in state['asks']]
  taken = [Checkpoint(*row) for row in state['taken']]
  return state['chunks'], asks, taken, state['spent']


def _save(method, folder, identity, chunks, asks, taken, spent) -> None:
  state = {
    'identity': identity,
    'chunks': chunks,
    'method': method.to_json(),
    'asks': asks,
    'taken': taken,
    'spent': spent,
  }
  files.write_text(folder / STATE, json.dumps(state))


def main(config, workdir: str) -> dict[str, Any]:
  """--mode=stream: the methods of config.stream on streams of the test split.

  Writes `<workdir>/stream/<source>/`: curves.json, a state a method, a plot.

  Raises:
    FileNotFoundError: if the policy is compared and there is no checkpoint.
    ValueError: for an unknown method, or in a run of several processes.
  """
  if jax.process_count() > 1:
    raise ValueError('--mode=stream runs in one process; leave out the others')
  registry.check(config.stream.methods)
  workdir_lib.prepare(workdir, config, compare.EVAL_FIELDS)
  experiment = build_lib.build(config, workdir)
  s = config.stream
  params = None
  if any(name.startswith('policy') for name in s.methods):
    params = parameters.newest_params(experiment, workdir)
  options = Options(s.every, s.questions, s.lag, s.drop, config.eval.bootstrap)
  episodes = _streams(config)
  judge = experiment.judge
  rule = asking.rule_of(config, judge)
  folder = pathlib.Path(workdir, 'stream', config.data.source)
  found = {}
  for name in s.methods:
    method = registry.make(name, experiment, params, episodes)
    reader = experiment.readers[not config.reading.strict]
    found[name] = run(
      method, episodes, reader, rule, options, folder / name, judge
    )
    print(line(name, found[name]), flush=True)
  files.write_json(folder / 'curves.json', found)
  stream_plots.curves(found, options, str(folder / 'curves.png'))
  return found


def _streams(config) -> list[Episode]:
  if pipeline.any_length(config):
    short = config.copy_and_resolve_references().unlock()
    short.eval.length_episodes = config.stream.episodes
    multiple = max(config.stream.multiple, 2)  # 1 has its own count
    return pipeline.eval_episodes(short, 'test', multiple)
  return list(pipeline.make_source(config, 'test')[: config.stream.episodes])


def line(name: str, found: dict[str, Any]) -> str:
  """One method on one line: ends of its curves, and where it gives way."""
  points = [estimate[0] for estimate in found['accuracy'].values()]
  sessions = list(found['accuracy'])[-1]
  tokens = list(found['memory_tokens'].values())[-1]
  at = found['saturation']
  falls = 'does not fall' if at is None else f'falls from session {at} on'
  return (
    f'{name}: accuracy {points[0]:.3f} at first, {points[-1]:.3f} after '
    f'{sessions} sessions, {falls}; {tokens:.0f} tokens held'
  )
