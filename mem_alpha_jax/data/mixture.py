"""The training mixture of Mem-alpha (arXiv 2509.25911), from raw files.

Each source is built as the paper says, but for what makes its sets leak or
not come out the same twice: everything is drawn from a seed, splits go by
content, no model filters the questions, and TREC and NLU ask other texts than
those of any test set.
"""

import functools
import pathlib
import types
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from mem_alpha_jax.data import (
  booksum,
  content,
  hotpotqa,
  labelled,
  lme_train,
  perltqa,
  squad,
)
from mem_alpha_jax.types import Episode

SPLITS = ('train', 'validation', 'test')
_UIDS = 1_000_000  # of one source and split; a uid fits an int32


class Sizes(NamedTuple):
  """Episodes at most: tables 6 and 7 of arXiv 2509.25911.

  Table 7 adds up to the 562 that it prints with the 45 LongMemEval instances
  of table 6, not with its own 50.

  Attributes:
    train: of the source alone.
    validation: of the source, alone or in the mixture.
    cap: of its train episodes in the mixture; 0 for one that is not in it.
  """

  train: int
  validation: int
  cap: int


# A new source goes to the end: the place decides the uids.
SIZES = {
  'squad': Sizes(264, 30, 100),
  'hotpotqa': Sizes(1966, 219, 100),
  'perltqa': Sizes(27, 4, 27),
  'lme_train': Sizes(45, 5, 45),
  'nlu': Sizes(180, 20, 49),
  'trec_coarse': Sizes(180, 20, 51),
  'pubmed_rct': Sizes(90, 10, 90),
  'booksum': Sizes(1387, 155, 100),
  'banking77': Sizes(180, 20, 0),
  'clinc150': Sizes(180, 20, 0),
  'trec_fine': Sizes(180, 20, 0),
}
# Examples a label, which give the chunks about the paper's tokens (table 7).
_PER_LABEL = {
  'nlu': 5,
  'trec_coarse': 32,
  'pubmed_rct': 96,
  'banking77': 5,
  'clinc150': 3,
  'trec_fine': 8,
}


class Request(NamedTuple):
  """What a source is asked for.

  Attributes:
    root: the folder of the raw files.
    split: one of SPLITS.
    seed: of everything that is drawn.
    count: tokens of a text, by the tokenizer of the policy.
    most: episodes at most.
    uid0: uid of the first.
  """

  root: str
  split: str
  seed: int
  count: Callable[[str], int]
  most: int
  uid0: int


def _packed(r: Request, module: types.ModuleType) -> list[Episode]:
  return module.episodes(
    module.load(r.root),
    r.split,
    r.seed,
    count=r.count,
    most=r.most,
    uid0=r.uid0,
  )


def _perltqa(r: Request) -> list[Episode]:
  return perltqa.episodes(
    perltqa.load(r.root), r.split, r.seed, most=r.most, uid0=r.uid0
  )


def _labelled(r: Request, name: str) -> list[Episode]:
  return labelled.episodes(
    labelled.load(r.root, name),
    r.split,
    r.seed,
    source=name,
    count=r.most,
    per_label=_PER_LABEL[name],
    questions=100,
    chunks=10,
    wrap=True,
    uid0=r.uid0,
  )


SOURCES: dict[str, Callable[[Request], list[Episode]]] = {
  'squad': functools.partial(_packed, module=squad),
  'hotpotqa': functools.partial(_packed, module=hotpotqa),
  'perltqa': _perltqa,
  'lme_train': functools.partial(_packed, module=lme_train),
  'booksum': functools.partial(_packed, module=booksum),
  **{name: functools.partial(_labelled, name=name) for name in _PER_LABEL},
}
MIXED = tuple(name for name in SOURCES if SIZES[name].cap)


def build(
  root: str,
  source: str,
  split: str,
  seed: int,
  count: Callable[[str], int],
  mixed: bool = False,
) -> list[Episode]:
  """Episodes of one source.

  Args:
    root: the folder of the raw files.
    source: key of SOURCES.
    split: one of SPLITS; only labelled texts have 'test'.
    seed: of everything that is drawn.
    count: tokens of a text, by the tokenizer of the policy.
    mixed: as a part of the mixture: its train split has the source's cap.

  Raises:
    FileNotFoundError: a raw file is not there.
    ValueError: for an unknown source or split, a broken file, or if its texts
      are not enough for one episode.
  """
  if source not in SOURCES or split not in SPLITS:
    raise ValueError(
      f'no {split!r} split of {source!r}; sources are {[*SOURCES]}, splits '
      f'{[*SPLITS]}'
    )
  sizes = SIZES[source]
  if mixed and not sizes.cap:
    raise ValueError(
      f'{source} is not in the mixture; build it by itself: --dataset={source}'
    )
  train = sizes.cap if mixed else sizes.train
  most = train if split == 'train' else sizes.validation
  block = len(SPLITS) * list(SIZES).index(source) + SPLITS.index(split)
  made = SOURCES[source](Request(root, split, seed, count, most, block * _UIDS))
  if not made:
    raise ValueError(
      f'{source}: its files give no {split} episode; they have too little text '
      'or too few questions'
    )
  return made


def mix(pools: Iterable[Sequence[Episode]], seed: int) -> list[Episode]:
  """Episodes of all sources in random order."""
  episodes = [episode for pool in pools for episode in pool]
  order = content.generator(seed, 'mixture').permutation(len(episodes))
  return [episodes[k] for k in order]


def held_out(
  root: str, seed: int, count: Callable[[str], int]
) -> dict[str, list[Episode]]:
  """Test splits of all labelled texts whose files are there, by name."""
  found = {}
  for name in _PER_LABEL:
    if (pathlib.Path(root) / labelled.READERS[name][0]).is_file():
      found[f'{name} test'] = build(root, name, 'test', seed, count)
  return found
