"""What a page shows of turns: entries, calls, and the groups of an episode."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.report import page
from mem_alpha_jax.rollout import forced_calls
from mem_alpha_jax.rollout import samples as samples_lib
from mem_alpha_jax.types import Outcome, Written

# Of an episode; a line of 32 responses a turn stays below some MB.
TURNS, TOKENS = 8, 256


def entries(some: Iterable[state_lib.Entry | None]) -> page.Entries:
  return [(e.kind, e.id, e.text) for e in some if e is not None]


def calls(
  said: Written | Outcome, results: Sequence[state_lib.OpResult]
) -> list[tuple[str, bool, str]]:
  """Text, whether it was carried out, and the error, of each call."""
  found = [
    (f'{op.tool} {op.kind} {op.entry_id or ""} {op.text}', r.ok, r.error)
    for op, r in zip(said.ops, results, strict=True)
  ]
  return found + [('unreadable', False, error) for error in said.errors]


def tokens(
  tokenizer: Any, ids: Sequence[int], logps: Sequence[float]
) -> list[tuple[str, float]]:
  """The text of each token of a response and its log-prob."""
  return [
    (tokenizer.decode([one]), round(float(logp), 3))
    for one, logp in zip(ids, logps, strict=True)
  ]


def groups(
  tokenizer: Any,
  played: Sequence[samples_lib.Played],
  samples: samples_lib.Samples,
  copies: int,
) -> page.Value:
  """The first episode of a batch: every sample of its turns, and its reward.

  Args:
    played: of this process, which has the batch's first episode.
    samples: of all processes.
    copies: memories of an episode.
  """
  keys = samples.keys
  mine = np.nonzero((keys.episode == 0) & (keys.trajectory >= 0))[0]
  rows = {(keys.trajectory[n], keys.turn[n]): n for n in mine}
  width = played[0].forced.chance.shape[1]
  turns = []
  for t, step in enumerate(played[:TURNS]):
    tries = [
      _sample(tokenizer, step, i, w, samples, rows[i * width + w, t])
      for i in range(copies)
      for w in range(width)
      if (i * width + w, t) in rows
    ]
    if tries:
      turns.append({'chunk': step.turns[0].text, 'tries': tries})
  uid = played[0].turns[0].episode.uid
  return {
    'heading': f'training episode {uid}',
    'names': [f'sample {k + 1}' for k in range(copies * width)],
    'turns': turns,
    'questions': [],
  }


def _sample(
  tokenizer: Any,
  step: samples_lib.Played,
  i: int,
  w: int,
  samples: samples_lib.Samples,
  row: int,
) -> page.Value:
  """One response to the turn of memory i, and what each part paid it."""
  turn, outcome = step.turns[i], step.outcomes[i][w]
  ids, logps = (
    getattr(step.sampled, name)[i, w][step.sampled.mask[i, w]]
    for name in ('tokens', 'logps')
  )
  before, after = (
    entries(state_lib.entries(s)) for s in (turn.state, outcome.state)
  )
  paid = {name: column[row] for name, column in samples.parts.items()}
  paid['total'] = samples.reward[row]
  return {
    'text': tokenizer.decode(ids),
    'tokens': tokens(tokenizer, ids[:TOKENS], logps[:TOKENS]),
    'view': entries(turn.view),
    'calls': calls(outcome, outcome.results),
    'changes': page.changes(
      before, after, (turn.state.core, outcome.state.core)
    ),
    'reward': {
      name: None if math.isnan(x) else round(float(x), 4)
      for name, x in paid.items()
    },
    'forced': bool((step.forced.tokens[i, w] != forced_calls.FREE).any()),
    'kept': bool(step.chosen[i] == w),
  }
