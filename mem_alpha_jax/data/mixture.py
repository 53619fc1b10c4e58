"""The training mixture: instances of raw sources, capped, and their card.

Caps and sizes follow Mem-alpha (arXiv 2509.25911, Table 7): at most 100
instances a source, ten chunks each.
"""

import collections
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from mem_alpha_jax.data import (  # fmt: skip
  babi,
  chunking,
  content,
  labelled,
  leakage,
  locomo,
  passages,
)
from mem_alpha_jax.types import Episode

# Examples a label and a chunk such that ten chunks are about as long as those
# of the paper's Table 6.
LABELLED = {
  'banking77': labelled.Shape(per_label=6, per_chunk=46),
  'clinc150': labelled.Shape(per_label=3, per_chunk=45),
  'trec_coarse': labelled.Shape(per_label=40, per_chunk=24),
  'trec_fine': labelled.Shape(per_label=4, per_chunk=20),
  'nlu': labelled.Shape(per_label=7, per_chunk=48),
  'pubmed-rct': labelled.Shape(per_label=96, per_chunk=48),
}
BABI = ('qa1', 'qa2', 'qa6')
# Sources whose sentences and questions are drawn from a few templates: equal
# ones on both sides are no copies, and stories are split by their content.
TEMPLATED = ('babi',)
CONVERSATION_DAYS = 400  # chunks of a stream that may be wrapped


class Options(NamedTuple):
  """Attributes:
  caps: source -> most training instances; 0 has it for evaluation alone.
  held_out: most instances of a source in validation, and in test.
  seed: of all that is drawn.
  """

  caps: Mapping[str, int]
  held_out: int = 10
  seed: int = 0


MIXTURES = {
  'paper': {
    'squad': 100,
    'hotpotqa': 100,
    'nlu': 49,
    'trec_coarse': 51,
    'pubmed-rct': 90,
  },
  'at_hand': {
    'babi': 100,
    'banking77': 51,
    'clinc150': 51,
    'trec_coarse': 51,
    'locomo': 0,
  },
}


def build(
  root: str, options: Options, count: chunking.Count
) -> dict[str, list[Episode]]:
  """Returns the episodes of train, validation and test.

  Training instances are shuffled; uids count up over the whole mixture.

  Args:
    root: folder of the raw files, as data.root.
    options: what is mixed.
    count: tokens of a text, by the policy's tokenizer.

  Raises:
    FileNotFoundError: a source's file is not there.
    ValueError: for an unknown source, a malformed file, or text of training
      that is evaluated too; names the first overlaps.
  """
  found = {split: [] for split in content.SPLITS}
  for source, cap in options.caps.items():
    for split, episodes in found.items():
      most = cap if split == 'train' else options.held_out
      if most:
        episodes += _instances(source, root, split, most, options.seed, count)
  check(found)
  rng = np.random.default_rng(options.seed)
  order = rng.permutation(len(found['train']))
  found['train'] = [found['train'][i] for i in order]
  uids = iter(range(sum(map(len, found.values()))))
  return {
    split: [e._replace(uid=next(uids)) for e in episodes]
    for split, episodes in found.items()
  }


def check(found: Mapping[str, Sequence[Episode]]) -> None:
  """`leakage.check` of train against validation and test."""
  held_out = [*found['validation'], *found['test']]
  leakage.check(
    [e for e in found['train'] if e.source not in TEMPLATED],
    held_out,
    chunking.wrapping(CONVERSATION_DAYS),
  )


def _instances(source, root, split, most, seed, count) -> list[Episode]:
  if source in LABELLED:
    shape = LABELLED[source]
    examples = labelled.load(root, source)
    make = labelled.source(examples, source, split, shape, seed)
    return [make(uid) for uid in range(most)]
  if source in passages.FILES:
    texts = passages.load(root, source)
    shape = passages.Shape()
    made = passages.episodes(texts, source, split, shape, seed, count)
    return [episode for episode, _ in zip(made, range(most), strict=False)]
  if source == 'babi':
    part = -(-most // len(BABI))
    stories = [babi.load(root, task, split)[:part] for task in BABI]
    return [story for row in stories for story in row][:most]
  if source == 'locomo':
    if split != 'test':
      return []  # too few dialogues to train on some
    dialogues = locomo.load(root, adversarial=True)
    return [locomo.episode(one) for one in dialogues][:most]
  known = [*LABELLED, *passages.FILES, 'babi', 'locomo']
  raise ValueError(f'no source {source!r} of raw files; use some of {known}')


def card(
  found: Mapping[str, Sequence[Episode]], count: chunking.Count
) -> dict[str, Any]:
  """What is in a mixture: sizes by split and source, overlap by source."""
  sizes = {}
  for split, episodes in found.items():
    by_source = collections.defaultdict(list)
    for episode in episodes:
      by_source[episode.source].append(episode)
    sizes[split] = {
      source: _sizes(rows, count) for source, rows in sorted(by_source.items())
    }
  held_out = [*found['validation'], *found['test']]
  overlap = leakage.by_source(
    leakage.overlaps(
      found['train'], held_out, chunking.wrapping(CONVERSATION_DAYS)
    )
  )
  return {
    'sizes': sizes,
    'overlap': [
      {'train': train, 'held_out': other, 'texts': n}
      for (train, other), n in sorted(overlap.items())
    ],
    'templated': list(TEMPLATED),
  }


def _sizes(episodes: Sequence[Episode], count: Callable) -> dict[str, int]:
  return {
    'instances': len(episodes),
    'chunks': sum(len(e.chunks) for e in episodes),
    'tokens': sum(count(chunk) for e in episodes for chunk in e.chunks),
    'questions': sum(len(e.questions) for e in episodes),
  }


def card_text(value: Mapping[str, Any]) -> str:
  """The card as Markdown."""
  lines = [
    '| split | source | instances | chunks | tokens | questions |',
    '|---|---|---|---|---|---|',
  ]
  for split, sources in value['sizes'].items():
    for source, sizes in sources.items():
      cells = [split, source, *(f'{n:,}' for n in sizes.values())]
      lines.append(f'| {" | ".join(cells)} |')
  told = [
    f'- {o["train"]} in {o["held_out"]}: {o["texts"]} texts'
    for o in value['overlap']
  ] or ['- none']
  return '\n'.join(
    [
      '# Data card',
      '',
      *lines,
      '',
      'Texts of training that are evaluated too, by source (of '
      f'{", ".join(value["templated"])} these are templates, not copies):',
      '',
      *told,
      '',
    ]
  )
