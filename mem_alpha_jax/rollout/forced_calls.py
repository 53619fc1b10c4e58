"""Forced first tokens: calls that a policy has unlearned stay explored.

An update of an existing entry is rare under a policy that inserts, and once
its probability is gone no group holds one, so no gradient brings it back.
Some samples of a group therefore start with a call drawn at random; the
policy continues them. Where such a sample turns out better than its group it
is learned from at full weight; where worse, at its importance weight, so that
the policy is not pushed away from what it would not have done.

The second alone would be unbiased: E_q[pi / q A grad log pi] is the sum over
the forced calls of pi A grad log pi. The first adds what exploration is for:
of a call that the policy makes with pi and that is drawn with q, max(q - pi, 0)
times A grad log pi where A is above 0. tests/reference_math_test.py has both.

Of the words of a note no more than the first is forced: a policy that copies a
clause in its order samples the same text eight times. In inserts it is a word
read ("Ana is the boss of Tom" is learned once some note begins with Tom), in
updates the one that the entry begins with, for a policy that has only updated
notes of people writes an update of a thing as one of a person.
"""

import functools
import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from mem_alpha_jax.memory import compact_calls, notations
from mem_alpha_jax.memory.state import Op
from mem_alpha_jax.roles import registry
from mem_alpha_jax.text import words as words_lib
from mem_alpha_jax.types import Turn

FREE = -1  # a token the policy samples itself
# Forced tokens of a call: the call and its kind or handle in the compact
# notation, and perhaps of a word; in JSON more than the first words of any call
# take.
WIDTH = {'compact': 3, 'chat': 64}
OTHERS = (('<ins>', '<epi>'), ('<ins>', '<sem>'), ('<none>',))


class Starts(NamedTuple):
  """First tokens of calls: about each handle, and the others.

  A response goes on after a deletion: of two notes about a fact one can go and
  the other be updated.
  """

  updates: Sequence[Sequence[int]]
  deletes: Sequence[Sequence[int]]
  others: Sequence[Sequence[int]]


class Shares(NamedTuple):
  """Of forced calls, those that are forced to more; see rollout.forced_*."""

  deletes: float = 0.0  # of the calls about an entry: they delete it
  words: float = 0.0  # of the inserts: a word read begins the text
  subjects: float = 0.0  # of updates: the entry's first telling word begins it


PLAIN = Shares()


class Forced(NamedTuple):
  """First tokens of the samples of some groups, and how they were drawn."""

  tokens: Int[np.ndarray, '*groups G F']  # FREE where the policy samples
  # q, with which these tokens were drawn: 1 of a free sample or of one call, of
  # an update or a deletion its share over the entries in view; of a word its
  # share over the words read.
  chance: Float[np.ndarray, '*groups G']


def free(groups: int, size: int, width: int) -> Forced:
  """Forces nothing in groups of a size."""
  tokens = np.full((groups, size, width), FREE, np.int32)
  return Forced(tokens, np.ones((groups, size), np.float32))


def width(config: Any) -> int:
  """Tokens of a row that a run may force; a shape of its sampler."""
  used = config.rollout.forced and config.memory.prompt_format
  return WIDTH[used or 'compact']


@functools.cache
def starts(tokenizer: Any, prompt_format: str) -> Starts:
  """What forced samples begin with, in the notation of the prompts.

  A chat model names the entry last, so that its updates are free to choose.

  Raises:
    ValueError: if the tokenizer needs more than WIDTH tokens for one.
  """
  notation = notations.NOTATIONS[prompt_format]
  if prompt_format == 'compact':
    ids = lambda names: [tokenizer.symbol(name) for name in names]
    updates, deletes = (
      [ids((call, handle)) for handle in compact_calls.HANDLES]
      for call in ('<upd>', '<del>')
    )
    return Starts(updates, deletes, [ids(names) for names in OTHERS])

  def common(*ops: Op) -> list[int]:
    return os.path.commonprefix(
      [notation.encode(tokenizer, op, ()) for op in ops]
    )

  updates = (
    Op('update', k, t, i)
    for k, t, i in (('semantic', 'a', 0), ('episodic', 'b', 1))
  )
  inserts = [
    common(Op('insert', kind, 'a'), Op('insert', kind, 'the'))
    for kind in ('episodic', 'semantic')
  ]
  nothing = notation.nothing(tokenizer)
  found, room = [common(*updates), *inserts, nothing], WIDTH[prompt_format]
  if (longest := max(map(len, found))) > room:
    raise ValueError(
      f'rollout.forced: a call begins with {longest} tokens of this tokenizer, '
      f'more than {room}; set it to 0'
    )
  return Starts(found[:1], (), found[1:])


def count(turn: Turn, config: Any) -> int:
  """Samples of a turn's group that are forced to begin with a call."""
  explores = registry.ROLES[turn.role].explores and turn.live
  return config.rollout.forced if explores else 0


def first_tokens(tokenizer: Any, text: str) -> list[int]:
  """The first id of each word of a text that says something, once each."""
  words = (f' {word.strip()}' for word in words_lib.telling(text))
  return [*dict.fromkeys(tokenizer.encode_text(word)[0] for word in words)]


def of_turns(
  turns: Sequence[Turn],
  samples: int,
  config: Any,
  tokenizer: Any,
  rng: Callable[[Turn, int], np.random.Generator],
) -> Forced:
  """Draws the forced tokens of turns.

  In groups of a state the first samples of each are forced; of trajectories
  some, drawn again at every turn of an episode. A re-roll is free.

  Args:
    turns: one for each group.
    samples: of a turn: 1 of a trajectory.
    config: the run's config.
    tokenizer: of the policy.
    rng: (turn, stream) -> generator; turns of one episode side by side share
      theirs.
  """
  rollout, forced = config.rollout, free(len(turns), samples, width(config))
  shares = Shares(*(rollout[f'forced_{name}'] for name in Shares._fields))
  kinds = 1 + len(OTHERS)
  for i, turn in enumerate(turns):
    most, size, mine = count(turn, config), samples, slice(None)
    if most and rollout.groups == 'trajectory':
      place = rng(turn, 9).permutation(rollout.group_size)[turn.trajectory]
      kind = place % kinds
      size, mine = kinds, slice(kind, kind + 1)
      most = kinds * (samples == 1 and place < most)
    if most:
      one = forced_calls(
        rng(turn, 2),
        tokenizer,
        [e.text for e in turn.view if e is not None],
        size,
        most,
        config.memory.prompt_format,
        shares,
        first_tokens(tokenizer, turn.text) if shares.words else (),
      )
      forced.tokens[i], forced.chance[i] = one.tokens[mine], one.chance[mine]
  return forced


def forced_calls(
  rng: np.random.Generator,
  tokenizer: Any,
  visible: Sequence[str],
  group_size: int,
  count: int,
  prompt_format: str = 'compact',
  shares: Shares = PLAIN,
  words: Sequence[int] = (),
) -> Forced:
  """Draws the forced tokens of one group.

  Args:
    rng: keyed by step, episode and chunk.
    visible: texts of the entries that the writer sees; an update names one.
    group_size: samples of the group; the first `count` of them are forced.
    count: forced samples. The first updates or deletes a random visible entry
      (if there is one), the others start with one of the other calls, in turn.
    words: first tokens of what is read, with which inserts may begin.
  """
  known = starts(tokenizer, prompt_format)
  (tokens,), (chance,) = free(1, group_size, WIDTH[prompt_format])
  deleted = shares.deletes * bool(known.deletes)
  for g in range(count):
    ids, first, share = known.others[(g - 1) % len(known.others)], (), 0.0
    if visible and g == 0:
      delete = deleted and rng.random() < deleted
      calls = known.deletes if delete else known.updates
      different = min(len(visible), len(calls))
      entry = rng.integers(different)
      ids = calls[entry]
      chance[g] = (deleted if delete else 1 - deleted) / different
      if shares.subjects and not delete:
        first = first_tokens(tokenizer, visible[entry])[:1]
        share = shares.subjects
    elif ids in known.others[:-1]:  # an insert
      first, share = words, shares.words
    if first:
      begun = rng.random() < share
      chance[g] *= share / len(first) if begun else 1 - share
      ids = [*ids, first[rng.integers(len(first))]] if begun else ids
    tokens[g, : len(ids)] = ids
  return Forced(tokens, chance)


def weights(
  forced: Forced,
  logps: Float[np.ndarray, '*rows R'],
  advantages: Float[np.ndarray, '*rows'],
) -> Float[np.ndarray, '*rows']:
  """Row weights: 1, but pi / q of the forced tokens of a sample that failed."""
  tokens = forced.tokens[..., : logps.shape[-1]]
  known = logps[..., : tokens.shape[-1]]
  logp = np.where(tokens != FREE, known, 0.0).sum(-1)
  failed = (tokens != FREE).any(-1) & (advantages < 0)
  return np.where(failed, np.exp(np.minimum(logp, 0.0)) / forced.chance, 1.0)
