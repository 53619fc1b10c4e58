"""What a finished run, or --mode=eval, leaves in its workdir and prints."""

import json
import os
import pathlib
import time
from collections.abc import Callable
from typing import Any

import jax

from mem_alpha_jax.data import pipeline
from mem_alpha_jax.evaluation import held_out as held_out_lib
from mem_alpha_jax.report import metrics, page, plots, tables
from mem_alpha_jax.rollout import fit
from mem_alpha_jax.run import build as build_lib
from mem_alpha_jax.run import parameters
from mem_alpha_jax.run import workdir as workdir_lib
from mem_alpha_jax.system import files, machine

UNSEEN_LENGTHS = (1, 13)  # multiples at which unseen words are measured


def main(config, workdir: str) -> dict[str, Any]:
  """--mode=eval: a run's checkpoint at every length, and the baselines."""
  started = time.time()
  workdir_lib.finished(workdir, config)
  experiment = build_lib.build(config, workdir)
  params = parameters.saved_params(experiment, workdir)
  episodes = held_out_lib.lengths(config, 'test')
  fit.check(experiment.eval_setup, episodes[min(episodes)], refuse=False)
  length, _ = held_out_lib.with_baselines(experiment, params, episodes)
  result = tables.results(
    config.to_dict(), time.time() - started, length[1], length
  )
  result['told'] = held_out_lib.told(experiment, sum(episodes.values(), []))
  path = files.unused(pathlib.Path(workdir, 'eval.json'))
  if jax.process_index() == 0:
    files.write_json(path, result)
  print(tables.summary_table(length[1]))
  print(tables.length_table(result['length']))
  print('', *result['told'], '', path, sep='\n')
  return result


def write(
  experiment,
  params: Any,
  held_out: dict[int, list],
  workdir: str,
  seconds: Callable[[], float],
) -> dict[str, Any]:
  """Evaluates, writes the report into the workdir and prints the tables."""
  config = experiment.config
  if not os.path.exists(os.path.join(workdir, 'before.json')):
    start = parameters.start_params(experiment, workdir)
    write_before(experiment, start, held_out, workdir)
  before, traces_before = read_before(workdir)
  length, traces = held_out_lib.with_baselines(experiment, params, held_out)
  length = {m: {'before': before[m], **arms} for m, arms in length.items()}
  result = tables.results(config.to_dict(), seconds(), length[1], length)
  if len(held_out) > 1:
    early, late = length[max(length)]['after']['seconds_at_ends']
    result['chunk_time_ratio'] = late / early
  if pipeline.any_length(config):
    result['unseen_words'] = _unseen_words(experiment, params)
  result['told'] = held_out_lib.told(experiment, sum(held_out.values(), []))
  result['seconds'] = seconds()
  result['peak_rss_bytes'] = machine.peak_rss_bytes()
  if jax.process_index() == 0:
    _write_files(result, workdir, traces_before, traces)
    show(result, workdir)
  return result


def _write_files(result, workdir: str, traces_before, traces_after) -> None:
  config = result['config']
  path = lambda name: os.path.join(workdir, name)
  files.write_json(path('results.json'), result)
  plots.learning_curve(
    metrics.read(path(metrics.FILE)),
    path('learning_curve.png'),
    references={
      tables.label(name): arm['accuracy']
      for name, arm in tables.systems(result).items()
      if name in ('before', 'oracle')
    },
  )
  if len(result['length']) > 1:
    plots.length_curve(
      result['length'],
      path('length.png'),
      config['memory']['cap_rate'] or None,
      train_chunks=config['data']['train_chunks'],
      cap_base=config['memory']['cap_base'],
    )
  episodes = [
    _both(*traces) for traces in zip(traces_before, traces_after, strict=True)
  ]
  files.write_text(path(page.EPISODES), json.dumps(files.plain(episodes)))
  page.write(path('episodes.html'), episodes)


def episodes(workdir: str) -> list[page.Value]:
  """Held-out ones before and after RL; before alone while a run trains."""
  path = os.path.join(workdir, page.EPISODES)
  if os.path.exists(path):
    return json.loads(pathlib.Path(path).read_text(encoding='utf-8'))
  return list(map(_both, read_before(workdir)[1]))


def _both(before: page.Trace, after: page.Trace | None = None) -> page.Value:
  named = [before._replace(title='before RL')]
  if after:
    named.append(after._replace(title='after RL'))
  return page.episode(before.title, named)


def _unseen_words(experiment, params) -> dict:
  """Worlds whose names and values no training and no tokenizer ever saw."""
  arm = lambda name, some: held_out_lib.arm(name, experiment, params, some)[0]
  worlds = held_out_lib.lengths(experiment.config, 'test', 'words')
  # Only the synthetic world has such words; it has an oracle.
  return {
    multiple: {
      'after': arm('policy', some),
      'baselines': {'oracle': arm('oracle', some)},
    }
    for multiple, some in worlds.items()
    if multiple in UNSEEN_LENGTHS
  }


def read(workdir: str) -> dict[str, Any] | None:
  """results.json of a finished run, None if there is none."""
  path = os.path.join(workdir, 'results.json')
  return _read_json(path, 'length') if os.path.exists(path) else None


def _read_json(path: str, key: str) -> dict[str, Any]:
  """A file that this module wrote; ValueError if it is damaged."""
  try:
    found = json.loads(pathlib.Path(path).read_text(encoding='utf-8'))
    found[key]
  except (ValueError, LookupError, TypeError, RecursionError) as error:
    raise ValueError(
      f'{path}: damaged ({type(error).__name__}: {error}); remove it, and the '
      'same command makes it again'
    ) from error
  return found


def show(result: dict[str, Any], workdir: str) -> None:
  """Prints the tables of a result."""
  first = result['length'][min(result['length'], key=int)]
  print(f'{tables.summary_table(first)}\n\n{tables.type_table(first)}\n')
  print(tables.length_table(result['length']))
  print('', *result.get('told', ()), sep='\n')
  print(
    f'\n{workdir}: results.json, learning_curve.png, and episodes.html, what '
    'was written before and after RL; README.md says what to do next'
  )


def write_before(
  experiment, params: Any, held_out: dict[int, list], workdir: str
) -> None:
  """Evaluates the policy before RL and keeps what `write` needs of it."""
  arms, traces = held_out_lib.at_lengths(
    'policy', experiment, params, held_out, print
  )
  if jax.process_index() == 0:
    files.write_json(
      os.path.join(workdir, 'before.json'), {'arms': arms, 'traces': traces}
    )


def read_before(workdir: str) -> tuple[dict, list]:
  found = _read_json(os.path.join(workdir, 'before.json'), 'traces')
  traces = [
    page.Trace(
      title,
      [page.TraceStep(*step) for step in steps],
      [page.TraceAnswer(*answer) for answer in answers],
    )
    for title, steps, answers in found['traces']
  ]
  return {int(m): arm for m, arm in found['arms'].items()}, traces
