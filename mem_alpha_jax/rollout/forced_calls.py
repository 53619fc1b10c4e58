"""Forced first tokens: calls that a policy has unlearned stay explored.

An update of an existing entry is rare under a policy that inserts, and once
its probability is gone no group holds one, so no gradient brings it back.
Some samples of a group therefore start with a call drawn at random; the
policy continues them. Where such a sample turns out better than its group it
is learned from at full weight; where worse, at its importance weight, so that
the policy is not pushed away from what it would not have done.
"""

import numpy as np
from jaxtyping import Float, Int

from mem_alpha_jax.text import tokenizer as tokenizer_lib

FREE = -1  # a token the policy samples itself
WIDTH = 2  # forced tokens of a sample: the call and its kind or handle
OTHERS = (('<ins>', '<epi>'), ('<ins>', '<sem>'), ('<none>',))


def forced_calls(
  rng: np.random.Generator,
  tokenizer: tokenizer_lib.Tokenizer,
  visible: int,
  group_size: int,
  count: int,
) -> Int[np.ndarray, 'G 2']:
  """Draws the forced tokens of one group.

  Args:
    rng: keyed by step, episode and chunk.
    tokenizer: gives the ids of the call symbols.
    visible: entries the writer sees, which an update can name.
    group_size: samples of the group; the first `count` of them are forced.
    count: forced samples. The first updates a random visible entry (if
      there is one), the others start with one call of OTHERS each, in turn.

  Returns:
    Token ids, FREE where nothing is forced.
  """
  forced = np.full((group_size, WIDTH), FREE, np.int32)
  for g in range(count):
    names = OTHERS[(g - 1) % len(OTHERS)]
    if visible and g == 0:
      names = ('<upd>', f'<{rng.integers(visible) + 1}>')
    forced[g, : len(names)] = [tokenizer.symbol(name) for name in names]
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
