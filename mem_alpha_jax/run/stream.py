"""--mode=stream: methods that are asked while their memories grow."""

import pathlib
from collections.abc import Mapping
from typing import Any

import jax

from mem_alpha_jax.config import compare
from mem_alpha_jax.data import pipeline
from mem_alpha_jax.evaluation import held_out, loop
from mem_alpha_jax.evaluation import stream as stream_lib
from mem_alpha_jax.methods import registry
from mem_alpha_jax.report import frontier, plots
from mem_alpha_jax.run import build as build_lib
from mem_alpha_jax.run import parameters
from mem_alpha_jax.run import workdir as workdir_lib
from mem_alpha_jax.system import files
from mem_alpha_jax.types import Episode


def main(config, workdir: str) -> dict[str, Any]:
  """The methods of config.stream on streams of the test split.

  The oracle is left out where the source has none.

  Writes `<workdir>/stream/<source>/`: curves.json, a state a method, a plot.

  Raises:
    FileNotFoundError: if the policy is compared and there is no run, or no
      checkpoint.
    ValueError: for an unknown method, or in a run of several processes.
  """
  if jax.process_count() > 1:
    raise ValueError('--mode=stream runs in one process; leave out the others')
  s, params = config.stream, None
  registry.check(s.methods)
  trained = any(name.startswith('policy') for name in s.methods)
  # Of methods that nothing trains, a new folder will do.
  there = pathlib.Path(workdir, compare.FILE).exists()
  look = workdir_lib.finished if trained or there else workdir_lib.prepare
  look(workdir, config)
  experiment = build_lib.build(config, workdir)
  if trained:
    params = parameters.saved_params(experiment, workdir)
  options = stream_lib.Options(s.every, s.questions, s.lag, s.drop)
  episodes = _streams(config)
  reader = experiment.readers[not config.reading.strict]
  panel = loop.panel(experiment, [reader])
  folder = pathlib.Path(workdir, 'stream', config.data.source)
  found = {}
  for name in held_out.known(s.methods, episodes):
    method = registry.make(name, experiment, params, episodes)
    found[name] = stream_lib.run(
      method, episodes, panel, options, folder / name
    )
    print(line(name, found[name]), flush=True)
  print(_frontier_line(found))
  files.write_json(folder / 'curves.json', found)
  plots.stream_curves(found, options, str(folder / 'curves.png'))
  return found


def _streams(config) -> list[Episode]:
  if pipeline.any_length(config):
    short = config.copy_and_resolve_references().unlock()
    short.eval.length_episodes = config.stream.episodes
    multiple = max(config.stream.multiple, 2)  # 1 has its own count
    return pipeline.eval_episodes(short, 'test', multiple)
  return list(pipeline.make_source(config, 'test')[: config.stream.episodes])


def _frontier_line(found: Mapping[str, dict[str, Any]]) -> str:
  """How accurate methods are when last asked, within how long a question."""
  points = {
    name: frontier.Point(one['accuracy'][at][0], one['time'][at][1])
    for name, one in found.items()
    for at in [*one['accuracy']][-1:]
  }
  took = ', '.join(f'{n} {p.latency:.3g} s' for n, p in points.items())
  score = frontier.lafs(points.values())
  return (
    f'LAFS of all {score:.3f}, from {frontier.LOW:g} to {frontier.HIGH:g} s a '
    f'question; took {took}'
  )


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
    + (
      f'; {found["lost"]} replies of the chat model lost' * bool(found['lost'])
    )
  )
