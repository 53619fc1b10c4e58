"""Held-out episodes: one method's numbers on them, with intervals.

Every method reads the same episodes chunk by chunk, all are asked the same
questions within the same budget, and one module scores.
"""

import collections
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from absl import logging

from mem_alpha_jax.data import pipeline, sources
from mem_alpha_jax.evaluation import loop, policy_reader
from mem_alpha_jax.memory.tools import FAILED, TOOLS
from mem_alpha_jax.methods import registry
from mem_alpha_jax.methods.protocol import Parts
from mem_alpha_jax.reading import protocol
from mem_alpha_jax.reading import registry as reading_lib
from mem_alpha_jax.report import page, statistics, tables
from mem_alpha_jax.reward import scoring
from mem_alpha_jax.system import multihost
from mem_alpha_jax.types import Episode

READERS = ('strict', 'lenient')  # the order of a run's frozen readers
CALLS = (
  *TOOLS, 'noop', 'repeats', 'repaired', 'valid', 'all', 'lost', 'cut', *FAILED,
)  # fmt: skip


def lengths(config, split: str, held_out: str = 'pairs') -> dict[int, list]:
  """Held-out episodes by multiple of the train length."""
  found = {
    multiple: pipeline.eval_episodes(config, split, multiple, held_out)
    for multiple in config.eval.lengths
  }
  return {
    multiple: episodes for multiple, episodes in found.items() if episodes
  }


def ending(episode: Episode) -> loop.Plan:
  """Asks after the last chunk at which an answer holds; looks at the end."""
  plan = collections.defaultdict(list)
  for i, question in enumerate(episode.questions):
    if question.asked:
      plan[question.last + 1].append(i)
  return {**plan, len(episode.chunks): plan[len(episode.chunks)]}


def names(config) -> tuple[str, ...]:
  """The readers of a run's evaluations, in order."""
  asked = config.eval.answerer == policy_reader.NAME
  return (*READERS, policy_reader.NAME) if asked else READERS


def _readers(parts: Parts, params: Any) -> Sequence[protocol.Reader]:
  """Those that `names` names."""
  if policy_reader.NAME not in names(parts.config):
    return parts.readers
  return (*parts.readers, policy_reader.make(parts.eval_setup, params))


def read(
  name: str,
  parts: Parts,
  params: Any,
  episodes: Sequence[Episode],
  traces: int = 0,
) -> loop.Outcome:
  """One method on episodes, each process stepping its share.

  Args:
    parts: of the run; its config says what readers see.
    episodes: held-out ones, the same in every process.
    traces: episodes, from the first, whose steps are kept.

  Raises:
    protocol.Unanswered: if too many answers are missing.
  """
  rows = multihost.share(range(len(episodes)))
  mine = [episodes[row] for row in rows]
  found = loop.run(
    registry.make(name, parts, params, episodes),
    mine,
    [ending(episode) for episode in mine],
    loop.panel(parts, _readers(parts, params)),
    sum(row < traces for row in rows),
  )
  records = multihost.gather_lists(found.records)[: len(episodes)]
  shown = [
    r._replace(answered=[a for a in r.answered if a.request]) for r in records
  ]
  lacking, asked = missing(shown), sum(len(r.answered) for r in shown)
  asked *= len(names(parts.config))
  for what, count in lacking.items():
    protocol.check_missing(
      count / max(asked, 1),
      parts.config.reading.max_missing,
      f'the {what} of an evaluation of {name}',
      parts.reader_counts,
    )
    asked -= count  # only answers are judged
  if lost := sum(r.calls['lost'] for r in records):
    logging.warning(
      '%s: %d replies of the chat model could not be had or used; they changed '
      'nothing', name, lost,
    )  # fmt: skip
  return found._replace(records=records)


def read_tokens(parts: Parts, episodes: Sequence[Episode]) -> int:
  count = parts.eval_setup.tokenizer.count
  return sum(count(chunk) for e in episodes for chunk in e.chunks)


def missing(records: Sequence[loop.Record]) -> dict[str, int]:
  """How many answers there are not, and how many verdicts on the others."""
  pairs = [
    pair
    for record in records
    for a in record.answered
    for pair in zip(a.answers, a.scores, strict=True)
  ]
  return {
    'answers': sum(answer is None for answer, _ in pairs),
    'verdicts': sum(s is None and answer is not None for answer, s in pairs),
  }


def answers(
  episodes: Sequence[Episode], records: Sequence[loop.Record], reader: int
) -> tuple[statistics.Counts, int]:
  """type -> [episodes, 2] of scores and answers, and how many are missing."""
  found = [
    statistics.Answer(i, e.questions[a.index].type, a.scores[reader])
    for i, (e, r) in enumerate(zip(episodes, records, strict=True))
    for a in r.answered
  ]
  return statistics.count_answers(found, len(episodes))


def arm(
  name: str,
  parts: Parts,
  params: Any,
  episodes: Sequence[Episode],
  traces: int = 0,
) -> tuple[tables.Arm, list[page.Trace]]:
  """A method's numbers on episodes, and its first traces; args as `read`."""
  began = time.perf_counter()
  records, seconds = read(name, parts, params, episodes, traces)
  passed = time.perf_counter() - began
  sources_of = [e.source for e in episodes]
  marks = {
    reader: statistics.accuracies(answers(episodes, records, k)[0], sources_of)
    for k, reader in enumerate(names(parts.config))
  }
  total = sum((r.calls for r in records), collections.Counter())
  kept, told = sum(r.held[-1][1] for r in records), read_tokens(parts, episodes)
  reading = [one.reading for one in seconds]
  quarter = -(-len(reading) // 4)
  found = {
    **marks.pop('strict'),
    **marks,  # of the other readers, by name
    'memory_tokens': kept / len(episodes),
    'memory_share': kept / max(told, 1),
    'read_tokens': told / len(episodes),
    **{f'missing_{what}': n for what, n in missing(records).items()},
    # None of a method that makes no calls.
    'valid_calls': total['valid'] / total['all'] if total['all'] else None,
    'calls': {key: total[key] for key in CALLS},
    'episodes': len(episodes),
    'chunks': max(len(e.chunks) for e in episodes),
    'seconds_per_chunk': passed / len(seconds),
    # Of reading one chunk of one episode: medians of both ends.
    'seconds_at_ends': [
      float(np.median(part)) for part in (reading[:quarter], reading[-quarter:])
    ],
  }
  if grades := [g for r in records for g in r.grades]:
    strict, part = np.mean(grades, axis=0).tolist()
    found['state'] = {'strict': strict, 'part': part}
  pairs = zip(episodes[:traces], records, strict=False)
  return found, [loop.trace(*pair) for pair in pairs]


def at_lengths(
  name: str,
  parts: Parts,
  params: Any,
  episodes: dict[int, list],
  say: Callable = lambda line: None,
) -> tuple[dict[int, tables.Arm], list[page.Trace]]:
  """A method at every length; traces come from the train length."""
  arms, traces = {}, []
  for multiple, some in episodes.items():
    shown = parts.config.eval.html_episodes if multiple == 1 else 0
    arms[multiple], found = arm(name, parts, params, some, shown)
    traces += found
    say(f'{multiple}x: {tables.interval_text(arms[multiple])}')
  return arms, traces


def with_baselines(
  parts: Parts, params: Any, episodes: dict[int, list]
) -> tuple[dict[int, tables.Arms], list[page.Trace]]:
  """The policy and the baselines at every length, and the policy's traces."""
  arms, traces = at_lengths('policy', parts, params, episodes, print)
  others = {
    name: at_lengths(name, parts, params, episodes)[0]
    for name in known(registry.BASELINES, sum(episodes.values(), []))
  }
  length = {
    m: {'after': one, 'baselines': {name: o[m] for name, o in others.items()}}
    for m, one in arms.items()
  }
  return length, traces


def known(names: Iterable[str], episodes: Sequence[Episode]) -> list[str]:
  """The methods that all episodes have: an oracle, or evidence, if named."""
  has = {
    'oracle': lambda e: sources.of(e.source).oracle,
    'gold_evidence': lambda e: any(q.evidence for q in e.questions),
  }
  anything = lambda e: True
  return [n for n in names if all(map(has.get(n, anything), episodes))]


def told(parts: Parts, episodes: Iterable[Episode]) -> list[str]:
  """What the reader, and a judge of answers, are told, for below a table."""
  rule = loop.panel(parts, ()).rule
  judged = {
    q.type
    for e in episodes
    for q in e.questions
    if q.asked and rule(e, q) == scoring.JUDGE
  }
  lines = reading_lib.told(parts.config.reading.reader, sorted(judged))
  if policy_reader.NAME in names(parts.config):
    lines.append(policy_reader.TOLD)
  return lines


def validation(parts: Parts, params: Any, episodes: Sequence) -> dict:
  """The metrics `eval/...` of a step."""
  found, _ = arm('policy', parts, params, episodes)
  overwritten = found['by_type'].get('overwritten', {})
  return {
    'eval/accuracy': found['accuracy'],
    **{
      f'eval/{reader}': found[reader]['accuracy']
      for reader in names(parts.config)[1:]
    },
    'eval/macro': found['macro']['accuracy'],
    'eval/overwritten': overwritten.get('accuracy', float('nan')),
    'eval/memory_share': found['memory_share'],
    'eval/valid_calls': found['valid_calls'] or 0.0,
    **{
      f'eval/{name}': found['calls'][name] / max(found['calls']['all'], 1)
      for name in FAILED
    },
  }
