"""Parts of the reward that compare a response with a perfect writer's.

MemHome (arXiv 2604.10110) rewards adding, updating, deleting and using memories
apart instead of the outcome alone; its formulas are not known to us, and these
are ours. Of its dimensions `calls` is the format, and `answers` what is made of
the memory: in the home world, commands. Each call of the perfect writer is
paired with the call of the same tool whose words are most like its own, and

  operation  F1 of the pairs: 2 |pairs| / (|calls| + |gold calls|)
  target     share of the pairs about the same entry, of the same list
  wording    mean over the pairs of the F1 of words; of deletes 1

So a call too few, too many or by another tool costs `operation` alone, a wrong
entry `target`, and a stale or invented value `wording`. Repeats of what is
stored are no calls. Without pairs the last two are 1, and what makes neither a
call nor a no-op earns 0 in all. NaN where there is no gold (reward.gold).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from mem_alpha_jax.memory.state import Op
from mem_alpha_jax.memory.tools import TOOLS
from mem_alpha_jax.reward import rules
from mem_alpha_jax.types import Outcome, Turn

Column = Float[np.ndarray, 'N']


class _Compared(NamedTuple):
  calls: int  # of both
  pairs: list[tuple[Op, Op]]  # the gold call and the one that was made


def operation(turns, outcomes, config) -> Column:
  """Whether the calls are those that should be made, by their tools."""
  del config
  f1 = lambda c: 2 * len(c.pairs) / c.calls if c.calls else 1.0
  return _column(turns, outcomes, f1)


def target(turns, outcomes, config) -> Column:
  """Whether they are about the right entries and lists."""
  del config
  where = lambda op: (op.kind, op.entry_id, op.other_id)
  same = lambda gold, op: float(where(gold) == where(op))
  return _column(turns, outcomes, lambda c: _mean(same, c.pairs))


def wording(turns, outcomes, config) -> Column:
  """Whether they say what should be stored."""
  del config
  return _column(turns, outcomes, lambda c: _mean(_alike, c.pairs))


PARTS = {'operation': operation, 'target': target, 'wording': wording}


def _column(
  turns: Sequence[Turn],
  outcomes: Sequence[Outcome],
  mark: Callable[[_Compared], float],
) -> Column:
  def one(turn: Turn, o: Outcome) -> float:
    if turn.gold is None:
      return np.nan
    if not (o.results or o.noop):
      return 0.0
    ops = zip(o.ops, o.results, strict=True)
    made = [op for op, result in ops if not result.neutral]
    pairs = [*_pairs(turn.gold, made)]
    return mark(_Compared(len(made) + len(turn.gold), pairs))

  return np.fromiter(map(one, turns, outcomes), np.float32)


def _pairs(gold: Sequence[Op], made: Sequence[Op]) -> Iterator[tuple[Op, Op]]:
  left = list(made)
  for wanted in gold:
    like = lambda op, to=wanted: (_alike(to, op), op.entry_id == to.entry_id)
    if same := [op for op in left if op.tool == wanted.tool]:
      left.remove(best := max(same, key=like))
      yield wanted, best


def _alike(gold: Op, op: Op) -> float:
  return rules.f1(op.text, gold.text) if TOOLS[gold.tool].takes_text else 1.0


def _mean(mark: Callable, pairs: Sequence[tuple[Op, Op]]) -> float:
  return sum(mark(*pair) for pair in pairs) / len(pairs) if pairs else 1.0
