"""Whether the chunks of a run fit into its prompts, told before it begins."""

import itertools
from collections.abc import Iterable

from absl import logging

from mem_alpha_jax.roles import writer
from mem_alpha_jax.rollout import collector, play
from mem_alpha_jax.types import Episode

_LOOKED_AT = 512  # chunks
_MOST = 0.5  # share of chunks that may be cut


def check(
  setup: collector.Setup, episodes: Iterable[Episode], refuse: bool = True
) -> None:
  """Logs how many chunks are cut, beside an empty memory.

  Raises:
    ValueError: most are, and `refuse`, as of a run that is to learn from them;
      names the bucket and what makes chunks shorter.
  """
  clauses = setup.config.rollout.clauses
  read = (
    turn.text for e in episodes for turn in writer.read_chunks(e, clauses)
  )
  chunks = [*itertools.islice(read, _LOOKED_AT)]
  turns = play.unread(setup.config, chunks)
  lost = [writer.show(setup, turn).truncated for turn in turns]
  cut = sum(n > 0 for n in lost)
  if not cut:
    return
  buckets = setup.config.rollout
  said = (
    f'rollout.prefix_buckets={tuple(buckets.prefix_buckets)}: {cut} of '
    f'{len(chunks)} chunks are cut, by {max(lost)} tokens at most; raise it '
    '(rollout.own_buckets, if the memory comes first), or make chunks shorter '
    '(data.chunk_sentences, data.turns, data.turn_words, rollout.clauses)'
  )
  if refuse and cut > _MOST * len(chunks):
    raise ValueError(f'config.{said}')
  logging.warning('%s', said)
