"""Every method on the same episodes: what it answered, held and showed.

One loop for all of mem_alpha_jax/methods/registry.py. Questions are asked where
evaluation asks them, by the same readers, and one table scores the answers.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mem_alpha_jax.evaluation import asking
from mem_alpha_jax.methods import protocol as protocol_lib
from mem_alpha_jax.methods import registry
from mem_alpha_jax.reading import protocol
from mem_alpha_jax.run import build as build_lib
from mem_alpha_jax.system import stopping
from mem_alpha_jax.types import Episode, Request

READERS = ('strict', 'lenient')


def compare(
  name: str,
  experiment: build_lib.Experiment,
  params: Any,
  episodes: Sequence[Episode],
) -> dict[str, Any]:
  """One method on episodes, as plain values.

  Args:
    name: key of methods.METHODS.
    experiment: its config says what readers see; see `for_evaluation`.
    params: of the policy.
    episodes: held-out ones, with at least one question.

  Returns:
    'scores' reader -> type -> [score, answers] of each episode; means over
    episodes 'memory_tokens' (at the end) and 'read_tokens', over questions
    'shown_tokens'; 'questions', 'missing', 'seconds', and 'examples'.
  """
  began = time.perf_counter()
  count = experiment.eval_setup.tokenizer.count
  method = registry.make(name, experiment, params, episodes)
  answered, held = run(method, episodes, experiment)
  missing = sum(score is None for a in answered for score in a.scores)
  protocol.check_missing(
    missing / max(len(READERS) * len(answered), 1),
    experiment.config.reading.max_missing,
    name,
    experiment.reader_counts,
  )
  read = [sum(map(count, e.chunks)) for e in episodes]
  return {
    'scores': {
      reader: _tables(answered, k, len(episodes))
      for k, reader in enumerate(READERS)
    },
    'memory_tokens': float(np.mean(held)),
    'read_tokens': float(np.mean(read)),
    'shown_tokens': float(
      np.mean([_shown(a.request, count) for a in answered])
    ),
    'questions': len(answered),
    'missing': missing,
    'seconds': time.perf_counter() - began,
    'examples': [
      [a.question.text, a.question.answer, *a.answers]
      for a in answered[:: max(len(answered) // 8, 1)]
    ],
  }


def run(
  method: protocol_lib.Method,
  episodes: Sequence[Episode],
  experiment: build_lib.Experiment,
) -> tuple[list[asking.Answered], list[int]]:
  """Reads all episodes side by side and asks their questions.

  Returns:
    The answers, and the tokens held of each episode after its last chunk.
  """
  answered, held = [], [0] * len(episodes)
  judge = experiment.judge
  rule = asking.rule_of(experiment.config, judge)
  for t in range(max(len(e.chunks) for e in episodes)):
    stopping.beat(f'comparison, chunk {t + 1}')
    method.observe(
      [e.chunks[t] if t < len(e.chunks) else None for e in episodes]
    )
    answered += asking.ask(
      method,
      episodes,
      asking.ending(episodes, t),
      experiment.readers,
      rule,
      judge,
    )
    ended = [i for i, e in enumerate(episodes) if t == len(e.chunks) - 1]
    if ended:
      tokens = method.memory_tokens()
      held = [tokens[i] if i in ended else n for i, n in enumerate(held)]
  return answered, held


def _shown(request: Request, count: Callable[[str], int]) -> int:
  texts = [note.text for note in request.notes] + [request.core]
  return sum(count(text) for text in texts if text)


def _tables(
  answered: Sequence[asking.Answered], reader: int, episodes: int
) -> dict[str, list]:
  """type -> [sum of scores, answers] of each episode."""
  tables = {}
  for a in answered:
    score = a.scores[reader]
    if score is not None:
      table = tables.setdefault(a.question.type, np.zeros((episodes, 2)))
      table[a.stream] += score, 1.0
  return {kind: tables[kind].tolist() for kind in sorted(tables)}
