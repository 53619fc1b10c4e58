"""The parts of a step's reward, each a plain number, and their weighted sum.

Mem-alpha (arXiv 2509.25911, section 3) gives step t the reward

  r_t = r1 + r2_t + beta r3 + gamma r4_t

r1: answers, r2: share of calls that worked, r3: compression, r4: quality of
the content. r1 is what the reader scores; the other three are here. What
the reference system does and these functions repair:

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
import math
from collections.abc import Mapping, Sequence

from mem_alpha_jax.memory.state import Op, OpResult
from mem_alpha_jax.text import words as words_lib


def calls_reward(results: Sequence[OpResult], errors: int, noop: bool) -> float:
  """Returns r2_t: the share of a response's calls that worked, in [0, 1].

  Args:
    results: outcomes of the calls that could be parsed.
    errors: number of pieces of the response that could not be parsed.
    noop: True if the response is the explicit "store nothing".
  """
  calls = len(results) + errors
  if not calls:
    return float(noop)
  return sum(result.ok for result in results) / calls


def size_reward(memory_tokens: float, read_tokens: float) -> float:
  """Returns r3 = clip(1 - memory / read, 0, 1); both in tokens.

  Before anything was read it is 1 for an empty memory and 0 for any other.
  """
  if read_tokens <= 0:
    return float(memory_tokens <= 0)
  return min(max(1.0 - memory_tokens / read_tokens, 0.0), 1.0)


def size_step(tokens_added: float, chunk_tokens: float) -> float:
  """Returns r3 of one step: what the memory grew by against the chunk.

  The sum of all growth is the size of the memory, so the mean of these over
  equal chunks is `size_reward` wherever no step is clipped. A step that
  shrinks the memory earns 1.
  """
  return size_reward(tokens_added, chunk_tokens)


def content_reward(
  ops: Sequence[Op],
  results: Sequence[OpResult],
  chunk: str,
  old_texts: Sequence[str],
  errors: int = 0,
) -> float:
  """Returns r4_t: how much of the stored content the chunk supports.

  The mean over calls of the share of a content's words that occur in the
  chunk or, for an update, in the text that it replaces. A word counts as
  found at most as often as it occurs there, so repeating it costs. Deletes
  have no content and earn 1; a failed call earns 0, whatever it says.

  Args:
    ops: parsed calls of the response, in order.
    results: their outcomes.
    chunk: the text that was read.
    old_texts: for each call the text it replaced, '' where it replaced none.
    errors: pieces that could not be parsed; each is a call that earns 0.

  Returns:
    A number in [0, 1]; 1 for a valid no-op, which is no call and no error.
  """
  calls = len(ops) + errors
  if not calls:
    return 1.0
  chunk_words = collections.Counter(words_lib.terms(chunk))
  total = 0.0
  for op, result, old in zip(ops, results, old_texts, strict=True):
    if result.ok:
      total += _supported(op, chunk_words, old)
  return total / calls


def _supported(op: Op, chunk_words: collections.Counter, old: str) -> float:
  """Returns the share of an op's words that its sources contain."""
  if op.tool == 'delete':
    return 1.0
  words = collections.Counter(words_lib.terms(op.text))
  if not words:  # punctuation only: stored, but supported by nothing
    return 0.0
  source = chunk_words
  if op.tool == 'update':
    # The larger count, not the sum: old and new text may share words.
    source = chunk_words | collections.Counter(words_lib.terms(old))
  return (words & source).total() / words.total()


def missing(value: float | None) -> bool:
  """Returns True if a part could not be measured (None or NaN)."""
  return value is None or math.isnan(value)


def combine(
  parts: Mapping[str, float | None], weights: Mapping[str, float]
) -> float:
  """Returns sum_i w_i r_i, or NaN if a part that counts is missing.

  NaN, and not the sum of what is left: that would be a reward of 0 for the
  missing part. The caller excludes and counts such steps. Parts of weight 0
  are logged but never looked at here.

  Raises:
    KeyError: a weight names a part that is not there.
  """
  total = 0.0
  for name, weight in weights.items():
    if not weight:
      continue
    if name not in parts:
      raise KeyError(
        f'reward.{name} is {weight}, but the parts are {sorted(parts)}; '
        f'set reward.{name} = 0 or measure it'
      )
    if missing(parts[name]):
      return math.nan
    total += weight * parts[name]
  return total
