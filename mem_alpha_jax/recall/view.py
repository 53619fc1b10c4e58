"""The entries that a writer sees beside a chunk."""

import functools
import itertools
from collections.abc import Iterable, Sequence

import numpy as np

from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.memory.batch import Memories
from mem_alpha_jax.recall import registry

View = tuple[state_lib.Entry | None, ...]  # empty places are None


def look(
  memories: Memories, chunks: Sequence[str], view: str = ''
) -> list[View]:
  """What each memory shows beside its chunk, by `view` or memory.view.

  memory.view='covered': the entries that share most of their words with the
  chunk, see scores.coverage. 'topic': the same with other ties, see
  scores.topic. 'retrieved': those that it finds as a question would. All best
  first.
  'newest': those written last, over both lists; for chat models of each list
  in turn, and for the reference's format those inserted last, as it does.
  """
  m, by = memories.config.memory, memories.config.reading.retrieval
  view = view or m.view
  if view == 'newest':
    return [newest(state, m) for state in memories.states]
  by = {'covered': 'coverage', 'topic': 'topic'}.get(view, by)
  found = registry.RECALL[by].find(
    memories, [[chunk] for chunk in chunks], m.view_entries, 1
  )
  return [fill(row[0], m.view_entries) for row in found]


def places(memory) -> int:
  """Places of a view, `memory` being its config."""
  both = memory.view == 'newest' and memory.prompt_format != 'compact'
  return memory.view_entries * (1 + both)


def newest(state: state_lib.MemoryState, memory) -> View:
  """The view 'newest' of one memory, `memory` being its config."""
  count = memory.view_entries
  if memory.prompt_format == 'compact':
    return fill(state_lib.by_age(state, newest_first=True), count)
  order = functools.partial(state_lib.by_age, newest_first=True)
  if memory.prompt_format == 'reference':
    order = state_lib.last_inserted
  lists = (fill(order(state, kind), count) for kind in state_lib.LISTS)
  return sum(zip(*lists, strict=True), ())


def unranked(view: View, rng: np.random.Generator) -> View:
  """The same entries in random order, empty places last."""
  entries = [entry for entry in view if entry]
  order = rng.permutation(len(entries))
  return fill((entries[i] for i in order), len(view))


def fill(entries: Iterable[state_lib.Entry], count: int) -> View:
  """The first `count` entries, and empty places for those there are not."""
  found = list(itertools.islice(entries, count))
  return (*found, *(None,) * (count - len(found)))
