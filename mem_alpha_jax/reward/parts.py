"""The parts of a turn's reward, and their weighted sum.

Mem-alpha (arXiv 2509.25911, section 3) gives step t the reward

  r_t = r1 + r2_t + beta r3 + gamma r4_t

r1: answers, r2: share of calls that worked, r3: compression, r4: quality of
the content. A part is a function of (turns, outcomes, config.reward) -> [N],
NaN where it is missing; its weight is the field of config.reward of its name.
A new one is a function, and a line in PARTS. What the reference system does
and these functions repair:

- It scores a step without calls 0 in r2 and r4, so that storing nothing is
  punished. Here a valid no-op earns both in full, and only garbage earns 0.
- It gives every delete 0 in r4, and counts the delete of an id that does
  not exist as a success in r2. Here a delete earns r4 if it worked, and one
  of an unknown id fails in both.
- Its judge of r4 never sees the chunk, so invented content scores 1. Here
  content is compared with the chunk it claims to come from.
- Its r3 is one number for a whole trajectory and may be negative. Here it
  is clipped and has a form for single steps.
- It turns an error of the reader or the judge into a reward of 0. Here it
  is missing (None or NaN) and stays missing in the sum.
"""

import collections
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.memory.tools import TOOLS
from mem_alpha_jax.reward import gold
from mem_alpha_jax.text import words as words_lib
from mem_alpha_jax.types import Outcome, Turn

Column = Float[np.ndarray, 'N']
Part = Callable[[Sequence[Turn], Sequence[Outcome], Any], Column]


def answers(turns, outcomes, config) -> Column:
  """r1: what a reader's answers gain by the response."""
  del turns, config
  return _column(o.gain for o in outcomes)


def calls(turns, outcomes, config) -> Column:
  """r2: the share of a response's calls that worked, in [0, 1].

  What could not be read is a call that failed; a repeat of what is stored is
  none. Without any call, the explicit "store nothing" earns `reward.noop`, as
  repeats alone do, and anything else 0. A call that was read in spite of slips
  (memory.tools.REPAIRS) counts less by `reward.repair`.
  """
  del turns
  return _column(_calls(o, config) * _of_noop(o, config) for o in outcomes)


def size(turns, outcomes, config) -> Column:
  """r3: compression: of the trajectory where that counts, else of the step.

  The sum of all growth is the size of the memory, so the mean over equal
  chunks is that of the whole wherever no step is clipped. A step that shrinks
  the memory earns 1.
  """
  del config
  return _column(
    _size_step(turn, o) if o.compression is None else o.compression
    for turn, o in zip(turns, outcomes, strict=True)
  )


def content(turns, outcomes, config) -> Column:
  """r4: how much of the stored content the chunk supports, in [0, 1].

  The mean over calls, the unreadable among them, of what a judge says or,
  without one, of the share of a content's words that occur in the chunk or,
  for an update, in the text that it replaces. A word counts as found at most
  as often as it occurs there, so repeating it costs. Deletes have no content
  and earn 1; a failed call earns 0, whatever it says. Without any call it is
  1, and `reward.noop` for the explicit "store nothing" or repeats alone.
  """
  return _column(
    _content(turn, o) * _of_noop(o, config)
    for turn, o in zip(turns, outcomes, strict=True)
  )


PARTS: dict[str, Part] = {
  'answers': answers,
  'calls': calls,
  'size': size,
  'content': content,
}


def of(config) -> dict[str, Part]:
  """The parts that a config asks for: those of `gold` where it has any.

  Raises:
    ValueError: a part has a weight and is not looked at, or has none.
  """
  found = PARTS | gold.PARTS if config.gold else PARTS
  check(found, config)
  for name in gold.PARTS.keys() - found.keys():
    if config[name]:
      raise ValueError(
        f'reward.{name}={config[name]}: compares with the calls of a perfect '
        'writer; needs reward.gold=True'
      )
  return found


def total(parts: Mapping[str, Column], config) -> Column:
  """Returns sum_i w_i r_i, NaN where a part that counts is missing.

  NaN, and not the sum of what is left: that would be a reward of 0 for the
  missing part. The caller excludes and counts such rows. Parts of weight 0
  are logged but never looked at here.
  """
  check(parts, config)
  weighted = [
    config[name] * column.astype(np.float64)
    for name, column in parts.items()
    if config[name]
  ]
  return np.float32(sum(weighted, np.zeros(len(next(iter(parts.values()))))))


def check(names: Iterable[str], config) -> None:
  """Raises ValueError, naming the field, for a part without a weight."""
  for name in names:
    if name not in config:
      raise ValueError(
        f'reward.{name}: the reward part {name!r} has no weight; add the field '
        'to the config, 0.0 leaves the part out'
      )


def compression(memory_tokens: float, read_tokens: float) -> float:
  """Returns clip(1 - memory / read, 0, 1); both in tokens.

  Before anything was read it is 1 for an empty memory and 0 for any other.
  """
  if read_tokens <= 0:
    return float(memory_tokens <= 0)
  return min(max(1.0 - memory_tokens / read_tokens, 0.0), 1.0)


def replaced(turn: Turn, ops: Sequence[state_lib.Op]) -> list[str]:
  """The text that each operation replaces, '' where it replaces none."""
  texts = {e.id: e.text for e in turn.view if e}
  return [
    turn.state.core
    if op.kind == 'core'
    else ' '.join(texts.get(i, '') for i in (op.entry_id, op.other_id) if i)
    for op in ops
  ]


def _column(values: Iterable[float]) -> Column:
  return np.fromiter(values, np.float32)


def _of_noop(o: Outcome, config) -> float:
  silent = all(r.neutral for r in o.results) and not o.errors
  return config.noop if silent and (o.noop or o.results) else 1.0


def _calls(o: Outcome, config) -> float:
  repairs = o.repairs or [()] * len(o.results)
  counted = [
    result.ok * (1 - config.repair * bool(slips))
    for result, slips in zip(o.results, repairs, strict=True)
    if not result.neutral
  ]
  made = len(counted) + len(o.errors)
  if not made:
    return float(o.noop or bool(o.results))
  return sum(counted) / made


def _size_step(turn: Turn, o: Outcome) -> float:
  grown = state_lib.token_length(o.state) - state_lib.token_length(turn.state)
  return compression(grown, turn.tokens)


def _content(turn: Turn, o: Outcome) -> float:
  repeats = [result.neutral for result in o.results]
  made = repeats.count(False) + len(o.errors)
  if not made:
    return 1.0
  marks = o.verdicts
  if marks is None:
    chunk = collections.Counter(words_lib.terms(turn.text))
    marks = [
      _supported(op, chunk, old) if result.ok else 0.0
      for op, result, old in zip(
        o.ops, o.results, replaced(turn, o.ops), strict=True
      )
    ]
  marks = [m for m, skip in zip(marks, repeats, strict=True) if not skip]
  return float('nan') if None in marks else sum(marks) / made


def _supported(op: state_lib.Op, chunk: collections.Counter, old: str) -> float:
  """The share of an operation's words that its sources contain."""
  if not TOOLS[op.tool].takes_text:
    return 1.0
  words = collections.Counter(words_lib.terms(op.text))
  if not words:  # punctuation only: stored, but supported by nothing
    return 0.0
  source = chunk
  if TOOLS[op.tool].ids:
    # The larger count, not the sum: old and new text may share words.
    source = chunk | collections.Counter(words_lib.terms(old))
  return (words & source).total() / words.total()
