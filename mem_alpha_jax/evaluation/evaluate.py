"""What is measured: policy and baselines at every length, with intervals."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from mem_alpha_jax.config import compare
from mem_alpha_jax.data import pipeline
from mem_alpha_jax.evaluation import episodes as episodes_lib
from mem_alpha_jax.methods import writers
from mem_alpha_jax.reading import protocol
from mem_alpha_jax.report import statistics, tables
from mem_alpha_jax.run import build as build_lib
from mem_alpha_jax.run import parameters
from mem_alpha_jax.run import workdir as workdir_lib
from mem_alpha_jax.system import files


def lengths(config, split: str, held_out: str = 'pairs') -> dict[int, list]:
  """Held-out episodes by multiple of the train length."""
  found = {
    multiple: pipeline.eval_episodes(config, split, multiple, held_out)
    for multiple in config.eval.lengths
  }
  return {
    multiple: episodes for multiple, episodes in found.items() if episodes
  }


def policy_arm(
  experiment: build_lib.Experiment,
  params: Any,
  episodes: Sequence,
  traces: int = 0,
) -> tuple[tables.Arm, list]:
  """The greedy policy on episodes: its numbers and its first traces."""
  write = episodes_lib.policy_writer(experiment.eval_setup, params)
  return _arm(experiment, params, write, episodes, traces)


def validation(
  experiment: build_lib.Experiment, params: Any, episodes: Sequence
) -> dict[str, float]:
  """The metrics `eval/...` of a step."""
  arm, _ = policy_arm(experiment, params, episodes)
  overwritten = arm['by_type'].get('overwritten', {})
  return {
    'eval/accuracy': arm['accuracy'],
    'eval/overwritten': overwritten.get('accuracy', float('nan')),
    'eval/memory_share': arm['memory_share'],
    'eval/valid_calls': arm['valid_calls'],
  }


def baseline_arm(
  experiment: build_lib.Experiment,
  params: Any,
  name: str,
  episodes: Sequence,
) -> tables.Arm:
  """A baseline on the same episodes with the same retrieval and reader.

  `params` matter to memory.embedder='policy' alone.
  """
  tokenizer = experiment.eval_setup.tokenizer
  write = episodes_lib.baseline_writer(
    name, episodes, experiment.config, tokenizer, experiment.oracle_notes
  )
  adapt = lambda limits: writers.limits_of(name, limits)
  return _arm(experiment, params, write, episodes, 0, adapt)[0]


def _arm(
  experiment, params, write, episodes, traces, adapt=lambda limits: limits
):
  config = experiment.config
  records, seconds = episodes_lib.run(
    write,
    episodes,
    config,
    experiment.eval_setup.tokenizer,
    experiment.readers,
    traces,
    adapt,
    experiment.eval_setup.embed(params),
    experiment.judge,
  )
  strict, strict_types, unread = _accuracy(records, 'strict', config)
  lenient, lenient_types, also = _accuracy(records, 'lenient', config)
  missing, asked = unread + also, 2 * sum(len(r.types) for r in records)
  protocol.check_missing(
    missing / max(asked, 1),
    config.reading.max_missing,
    'an evaluation',
    experiment.reader_counts,
  )
  read = sum(r.read_tokens for r in records)
  kept = sum(r.memory_tokens for r in records)
  calls = {
    name: sum(r.calls[name] for r in records) for name in records[0].calls
  }
  arm = tables.arm(
    strict,
    lenient,
    strict_types,
    lenient_types,
    memory_tokens=kept / len(records),
    memory_share=kept / max(read, 1),
    read_tokens=read / len(records),
    missing_answers=missing,
    valid_calls=calls['valid'] / max(calls['all'], 1),
    calls=calls,
    episodes=len(records),
    chunks=max(len(e.chunks) for e in episodes),
    seconds_per_chunk=seconds,
  )
  return arm, [r.trace for r in records[:traces]]


def _accuracy(records, reader: str, config):
  answers = [
    statistics.Answer(i, kind, score)
    for i, record in enumerate(records)
    for kind, score in zip(record.types, getattr(record, reader), strict=True)
  ]
  counts, missing = statistics.count_answers(answers, len(records))
  n = config.eval.bootstrap
  return (
    statistics.overall(counts, n, config.seed),
    statistics.by_type(counts, n, config.seed),
    missing,
  )


def policy_lengths(
  experiment, params, episodes: dict[int, list], say: Callable = print
) -> tuple[dict[int, tables.Arm], list]:
  """The policy at every length; traces come from the train length."""
  arms, traces = {}, []
  for multiple, some in episodes.items():
    shown = experiment.config.eval.html_episodes if multiple == 1 else 0
    arms[multiple], found = policy_arm(experiment, params, some, shown)
    traces += found
    say(f'{multiple}x: {tables.interval_text(arms[multiple])}')
  return arms, traces


def baseline_lengths(
  experiment, params: Any, episodes: dict[int, list]
) -> dict:
  """multiple -> name -> arm for every baseline."""
  return {
    multiple: {
      name: baseline_arm(experiment, params, name, some)
      for name in writers.WRITERS
    }
    for multiple, some in episodes.items()
  }


def chunk_time_ratio(experiment, params, episodes: dict[int, list]) -> float:
  """Time per chunk of the longest length over that of the train length.

  Both on the same number of episodes and after compilation; the train length
  is repeated until it has read as many chunks as one long episode has, up to
  a bound.
  """
  longest = max(episodes)
  some = episodes[longest]
  write = episodes_lib.policy_writer(experiment.eval_setup, params)
  embed = experiment.eval_setup.embed(params)

  def seconds(batch) -> float:
    _, spent = episodes_lib.run(
      write,
      batch,
      experiment.config,
      experiment.eval_setup.tokenizer,
      experiment.readers,
      embed=embed,
    )
    return spent

  short = pipeline.eval_episodes(experiment.config, 'test', 1)[: len(some)]
  short = (short * len(some))[: len(some)]
  rounds = [seconds(short) for _ in range(12)][2:]
  return seconds(some) / float(np.median(rounds))


def main(config, workdir: str) -> dict[str, Any]:
  """--mode=eval: the newest checkpoint at every length, and the baselines."""
  started = time.time()
  workdir_lib.prepare(workdir, config, compare.EVAL_FIELDS)
  experiment = build_lib.build(config, workdir)
  params = parameters.newest_params(experiment, workdir)
  episodes = lengths(config, 'test')
  after, _ = policy_lengths(experiment, params, episodes)
  baselines = baseline_lengths(experiment, params, episodes)
  arms = {'after': after[1], 'baselines': baselines[1]}
  length = {m: {'after': after[m], 'baselines': baselines[m]} for m in episodes}
  result = tables.results(config.to_dict(), time.time() - started, arms, length)
  if jax.process_index() == 0:
    files.write_json(f'{workdir}/eval.json', result)
  print(tables.summary_table(arms))
  print(tables.length_table(result['length']))
  return result
