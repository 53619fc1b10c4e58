"""Forced first tokens: calls that a policy has unlearned stay explored.

An update of an existing entry is rare under a policy that inserts, and once
its probability is gone no group holds one, so no gradient brings it back.
Some samples of a group therefore start with a call drawn at random; the
policy continues them. Where such a sample turns out better than its group it
is learned from at full weight; where worse, at its importance weight, so that
the policy is not pushed away from what it would not have done.
"""

import functools
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from mem_alpha_jax.memory import tools
from mem_alpha_jax.memory.state import Op

FREE = -1  # a token the policy samples itself
WIDTH = 2  # forced tokens of a compact call: the call and its kind or handle
OTHERS = (('<ins>', '<epi>'), ('<ins>', '<sem>'), ('<none>',))


class Starts(NamedTuple):
  """First tokens of calls: an update of each handle, and the others."""

  updates: Sequence[Sequence[int]]
  others: Sequence[Sequence[int]]

  @property
  def width(self) -> int:
    return max(map(len, (*self.updates, *self.others)))


@functools.cache
def starts(tokenizer: Any, prompt_format: str) -> Starts:
  """What forced samples begin with, in the notation of the prompts.

  A chat model names the entry last, so that its updates are free to choose.
  """
  if prompt_format == 'compact':
    ids = lambda names: [tokenizer.symbol(name) for name in names]
    updates = [ids(('<upd>', handle)) for handle in tools.HANDLES]
    return Starts(updates, [ids(names) for names in OTHERS])

  def common(*ops: Op) -> list[int]:
    texts = [tools.render_json(op) for op in ops]
    return os.path.commonprefix([tokenizer.encode(text) for text in texts])

  updates = (
    Op('update', k, t, i)
    for k, t, i in (('semantic', 'a', 0), ('episodic', 'b', 1))
  )
  inserts = [
    common(Op('insert', kind, 'a'), Op('insert', kind, 'the'))
    for kind in ('episodic', 'semantic')
  ]
  nothing = tokenizer.encode(tools.NOOP_REPLY)
  return Starts([common(*updates)], [*inserts, nothing])


def forced_calls(
  rng: np.random.Generator,
  tokenizer: Any,
  visible: int,
  group_size: int,
  count: int,
  prompt_format: str = 'compact',
) -> Int[np.ndarray, 'G F']:
  """Draws the forced tokens of one group.

  Args:
    rng: keyed by step, episode and chunk.
    tokenizer: gives the ids.
    visible: entries the writer sees, which an update can name.
    group_size: samples of the group; the first `count` of them are forced.
    count: forced samples. The first updates a random visible entry (if
      there is one), the others start with one of the other calls, in turn.
    prompt_format: notation of the calls.

  Returns:
    Token ids, FREE where nothing is forced.
  """
  known = starts(tokenizer, prompt_format)
  forced = np.full((group_size, known.width), FREE, np.int32)
  for g in range(count):
    ids = known.others[(g - 1) % len(known.others)]
    if visible and g == 0:
      ids = known.updates[rng.integers(visible) % len(known.updates)]
    forced[g, : len(ids)] = ids
  return forced


def weights(
  forced: Int[np.ndarray, '*rows F'],
  logps: Float[np.ndarray, '*rows R'],
  advantages: Float[np.ndarray, '*rows'],
) -> Float[np.ndarray, '*rows']:
  """Row weights: 1, but pi(forced tokens) for a forced sample that failed."""
  width = forced.shape[-1]
  forced_logp = np.where(forced != FREE, logps[..., :width], 0.0).sum(-1)
  explored = (forced != FREE).any(-1)
  failed = explored & (advantages < 0)
  return np.where(failed, np.exp(np.minimum(forced_logp, 0.0)), 1.0)
