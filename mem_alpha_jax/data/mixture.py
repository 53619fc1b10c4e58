"""The training mixture of Mem-alpha (arXiv 2509.25911), from raw files.

Each source is built as the paper says, but for what makes its sets leak or
not come out the same twice: everything is drawn from a seed, splits go by
content, no model filters the questions, and TREC and NLU ask other texts than
those of any test set.
"""

import pathlib
from collections.abc import Callable, Iterable, Sequence

from mem_alpha_jax.data import content, sources
from mem_alpha_jax.data.source import SPLITS, Built, Request
from mem_alpha_jax.types import Episode

_UIDS = 1_000_000  # of one source and split; a uid fits an int32


def built() -> dict[str, Built]:
  """How sources are built, by name."""
  return {n: s.built for n, s in sources.SOURCES.items() if s.built}


def mixed() -> tuple[str, ...]:
  """Names of the sources that the mixture has."""
  return tuple(name for name, one in built().items() if one.cap)


def build(
  root: str,
  source: str,
  split: str,
  seed: int,
  count: Callable[[str], int],
  capped: bool = False,
) -> list[Episode]:
  """Episodes of one source.

  Args:
    source: key of `built`.
    split: one of SPLITS; only labelled texts have 'test'.
    capped: as a part of the mixture: its train split has the source's cap.

  Raises:
    FileNotFoundError: a raw file is not there.
    ValueError: for an unknown source or split, a broken file, or if its texts
      are not enough for one episode.
  """
  known = built()
  if source not in known or split not in SPLITS:
    raise ValueError(
      f'no {split!r} split of {source!r}; sources are {[*known]}, splits '
      f'{[*SPLITS]}'
    )
  one = known[source]
  if capped and not one.cap:
    raise ValueError(
      f'{source} is not in the mixture; build it by itself: --dataset={source}'
    )
  train = one.cap if capped else one.train
  most = train if split == 'train' else one.validation
  made = one.build(Request(root, split, seed, count, most))
  if not made:
    raise ValueError(
      f'{source}: its files give no {split} episode; they have too little '
      'text, no question, or are of a single article, book or person'
    )
  first = (len(SPLITS) * one.block + SPLITS.index(split)) * _UIDS
  return [episode._replace(uid=first + episode.uid) for episode in made]


def mix(pools: Iterable[Sequence[Episode]], seed: int) -> list[Episode]:
  """Episodes of all sources in random order."""
  episodes = [episode for pool in pools for episode in pool]
  return content.shuffled(episodes, content.generator(seed, 'mixture'))


def held_out(
  root: str, seed: int, count: Callable[[str], int]
) -> dict[str, list[Episode]]:
  """Test splits of all sources that have one and are there, by name."""
  return {
    f'{name} test': build(root, name, 'test', seed, count)
    for name, one in built().items()
    if one.tested and pathlib.Path(root, one.tested).is_file()
  }
