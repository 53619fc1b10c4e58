"""Questions asked while a memory is built, session by session.

A stream is an Episode whose chunks are sessions. Its questions are asked at
every k-th session and after the last, whenever their evidence has been read
and their answer holds; so each is asked again while the memory grows. After
every checkpoint all that the next one needs is written, and an interrupted
evaluation goes on from there to the same bytes.
"""

import json
import pathlib
import time
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax

from mem_alpha_jax import experiment as experiment_lib
from mem_alpha_jax import methods, stream_curves, stream_plots, watchdog
from mem_alpha_jax import workdir as workdir_lib
from mem_alpha_jax.baselines import method as method_lib
from mem_alpha_jax.data import pipeline
from mem_alpha_jax.reading import judge as judge_lib
from mem_alpha_jax.reading import protocol
from mem_alpha_jax.rollout import asking
from mem_alpha_jax.stream_curves import Ask
from mem_alpha_jax.types import Episode

STATE = 'state.json'


class Options(NamedTuple):
  """How a stream is asked.

  Attributes:
    every: sessions between two checkpoints.
    questions: most questions of a stream at one checkpoint; 0 is no limit.
    lag: sessions, of the fixed-lag curve.
    drop: of accuracy, that counts as saturation.
    resamples: of an interval, over streams.
  """

  every: int
  questions: int = 0
  lag: int = 0
  drop: float = 0.05
  resamples: int = 1000


class Checkpoint(NamedTuple):
  """What is measured of all streams at once; means over the live ones."""

  sessions: int
  memory_tokens: float
  seconds: float  # of reading one session of one stream since the last one


def checkpoints(sessions: int, every: int) -> list[int]:
  """Sessions read when questions are asked: every k-th, and the last."""
  return [*range(every, sessions, every), sessions]


def due(episode: Episode, sessions: int, most: int) -> list[int]:
  """Indices of the questions to ask once `sessions` have been read.

  Of more than `most` those whose texts have the smallest checksums, so that
  the same questions are asked again and again.
  """
  now = sessions - 1
  found = [
    i for i, q in enumerate(episode.questions) if q.first <= now <= q.last
  ]
  if most and len(found) > most:
    sums = {i: zlib.crc32(episode.questions[i].text.encode()) for i in found}
    found = sorted(sorted(found, key=lambda i: (sums[i], i))[:most])
  return found


def run(
  method: method_lib.Method,
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
  start, asks, taken = _resume(method, folder, identity)
  longest = max(len(e.chunks) for e in episodes)
  marks = sorted(
    {m for e in episodes for m in checkpoints(len(e.chunks), options.every)}
  )
  spent = 0.0
  for t in range(start, longest):
    watchdog.beat(f'stream, session {t + 1} of {longest}')
    began = time.perf_counter()
    live = [t < len(e.chunks) for e in episodes]
    method.observe(
      [
        e.chunks[t] if ok else None
        for e, ok in zip(episodes, live, strict=True)
      ]
    )
    spent += time.perf_counter() - began
    if t + 1 not in marks:
      continue
    asked = [
      due(e, t + 1, options.questions)
      if t + 1 in checkpoints(len(e.chunks), options.every)
      else []
      for e in episodes
    ]
    asks += _ask(method, episodes, reader, rule, judge, asked, t + 1)
    sizes = [
      n for n, ok in zip(method.memory_tokens(), live, strict=True) if ok
    ]
    sessions = t + 1 - (taken[-1].sessions if taken else 0)
    taken.append(
      Checkpoint(t + 1, sum(sizes) / len(sizes), spent / sessions / len(sizes))
    )
    spent = 0.0
    _save(method, folder, identity, t + 1, asks, taken)
  return curves(asks, taken, len(episodes), options)


def _ask(
  method, episodes, reader, rule, judge, asked, sessions: int
) -> list[Ask]:
  due = [
    [e.questions[i] for i in row]
    for e, row in zip(episodes, asked, strict=True)
  ]
  found = asking.ask(method, episodes, due, [reader], rule, judge)
  indices = [i for row in asked for i in row]
  return [
    Ask(
      a.stream,
      sessions,
      i,
      sessions - 1 - a.question.first,
      a.question.type,
      a.scores[0],
    )
    for i, a in zip(indices, found, strict=True)
  ]


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
  return {
    'options': options._asdict(),
    'asked': len(asks),
    'missing': sum(ask.score is None for ask in asks),
    'accuracy': plain(overall),
    'retention': plain(stream_curves.retention(asks, every, streams, n)),
    'fixed_lag': plain(fixed),
    'saturation': stream_curves.saturation(overall, options.drop),
    'fixed_lag_saturation': stream_curves.saturation(fixed, options.drop),
    'memory_tokens': {str(c.sessions): c.memory_tokens for c in taken},
    'time': {str(c.sessions): c.seconds for c in taken},
  }


def _identity(episodes: Sequence[Episode], options: Options) -> int:
  text = json.dumps([options, [list(e) for e in episodes]])
  return zlib.crc32(text.encode())


def _resume(method, folder, identity):
  path = folder / STATE
  if not path.exists():
    return 0, [], []
  state = json.loads(path.read_text(encoding='utf-8'))
  if state['identity'] != identity:
    raise ValueError(
      f'{path}: of other streams or options; remove the folder, or give '
      'another --workdir'
    )
  method.restore(state['method'])
  asks = [Ask(*ask) for ask in state['asks']]
  return state['sessions'], asks, [Checkpoint(*c) for c in state['taken']]


def _save(method, folder, identity, sessions, asks, taken) -> None:
  state = {
    'identity': identity,
    'sessions': sessions,
    'method': method.to_json(),
    'asks': asks,
    'taken': taken,
  }
  workdir_lib.write_text(folder / STATE, json.dumps(state))


def main(config, workdir: str) -> dict[str, Any]:
  """--mode=stream: the methods of config.stream on streams of the test split.

  Writes `<workdir>/stream/<source>/`: curves.json, a state a method, a plot.

  Raises:
    FileNotFoundError: if the policy is compared and there is no checkpoint.
    ValueError: for an unknown method, or in a run of several processes.
  """
  from mem_alpha_jax import train  # the loop's restore; train imports us

  if jax.process_count() > 1:
    raise ValueError('--mode=stream runs in one process; leave out the others')
  methods.check(config.stream.methods)
  workdir_lib.prepare(workdir, config, workdir_lib.EVAL_FIELDS)
  experiment = experiment_lib.build(config, workdir)
  s = config.stream
  params = None
  if any(name.startswith('policy') for name in s.methods):
    params = train.restored_params(experiment, workdir)
  options = Options(s.every, s.questions, s.lag, s.drop, config.eval.bootstrap)
  episodes = _streams(config)
  judge = experiment.judge
  rule = asking.rule_of(config, judge)
  folder = pathlib.Path(workdir, 'stream', config.data.source)
  found = {}
  for name in s.methods:
    method = methods.make(name, experiment, params, episodes)
    reader = experiment.readers[not config.reading.strict]
    found[name] = run(
      method, episodes, reader, rule, options, folder / name, judge
    )
    print(line(name, found[name]), flush=True)
  workdir_lib.write_json(folder / 'curves.json', found)
  stream_plots.curves(found, options, str(folder / 'curves.png'))
  return found


def _streams(config) -> list[Episode]:
  if config.data.source == 'synthetic':
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
