"""One Grain pipeline for all sources of episodes.

  indices -> shuffle -> repeat -> batch -> the block of this process -> episodes

Grain: https://google-grain.readthedocs.io. The order depends on config.seed
only, not on threads. Batch k of all processes, one behind the other, is batch
k of one process alone, and the state of an iterator counts batches: it is the
same in every process, however many they are.
"""

import itertools
import pathlib
import zlib
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import SupportsIndex

import grain
import jax
import ml_collections

from mem_alpha_jax.data import (
  babi,
  content,
  labelled,
  locomo,
  longmemeval,
  parquet_sets,
  synthetic,
)
from mem_alpha_jax.text import words as words_lib
from mem_alpha_jax.types import Episode

_ENDLESS = 1 << 31  # synthetic episodes of a split; a uid fits an int32
_SEEDS = 1 << 32  # Grain takes seeds below
_READ = grain.ReadOptions(num_threads=1, prefetch_buffer_size=2)


class EndlessSource:
  """Episodes by uid, made when they are asked for."""

  def __init__(self, make: Callable[[int], Episode]):
    self._make = make

  def __len__(self) -> int:
    return _ENDLESS

  def __getitem__(self, index: SupportsIndex | slice):
    if isinstance(index, slice):
      return [self[i] for i in range(*index.indices(len(self)))]
    return self._make(int(index))


def make_dataset(
  config: ml_collections.ConfigDict,
  split: str,
  process_index: int | None = None,
  process_count: int | None = None,
  read_options: grain.ReadOptions = _READ,
) -> grain.IterDataset[list[Episode]]:
  """Endless batches of episodes, reshuffled each epoch.

  An iterator of it has `get_state` and `set_state`; the state is a small
  dict, and an iterator set to it gives the very batches that would have come
  next. Batches are lists: episodes are ragged text and are never stacked.
  No episode is left out or repeated to fill a batch: one may span two epochs.

  Args:
    config: uses seed and data.*.
    split: a split of the source.
    process_index: this process, default jax.process_index().
    process_count: all processes, default jax.process_count().
    read_options: threads that make episodes, and batches made ahead.

  Returns:
    Batches of data.batch_episodes / process_count episodes.

  Raises:
    ValueError: if data.batch_episodes is not divisible by the processes, or
      the split has no episode.
  """
  if process_index is None:
    process_index = jax.process_index()
  if process_count is None:
    process_count = jax.process_count()
  size, rest = divmod(config.data.batch_episodes, process_count)
  if rest or not size:
    raise ValueError(
      f'data.batch_episodes={config.data.batch_episodes} is not a positive '
      f'multiple of the {process_count} processes'
    )
  source = make_source(config, split)
  dataset = grain.MapDataset.range(len(source))
  if config.data.shuffle:
    dataset = dataset.seed(config.seed % _SEEDS).shuffle()
  dataset = dataset.repeat().batch(config.data.batch_episodes, batch_fn=list)
  mine = slice(process_index * size, (process_index + 1) * size)
  dataset = dataset.map(lambda batch: [source[i] for i in batch[mine]])
  return dataset.to_iter_dataset(read_options)


def make_source(
  config: ml_collections.ConfigDict, split: str
) -> EndlessSource | Sequence[Episode]:
  """Episodes of a split by index, in a fixed order.

  Of several sources, as in data.source='babi+trec_coarse', they come by turns;
  one with fewer episodes than its turns begins anew.

  Raises:
    ValueError: for an unknown data.source or a split without episodes.
  """
  sources = [
    _one_source(config, name, split) for name in config.data.source.split('+')
  ]
  if len(sources) == 1:
    return sources[0]

  def make(uid: int) -> Episode:
    source = sources[uid % len(sources)]
    return source[uid // len(sources) % len(source)]

  return EndlessSource(make)


def _one_source(
  config: ml_collections.ConfigDict, name: str, split: str
) -> EndlessSource | Sequence[Episode]:
  if name in labelled.READERS:
    return _labelled_episodes(config, name, split)
  if name not in _SOURCES:
    known = [*_SOURCES, *labelled.READERS]
    raise ValueError(f'data.source={name!r} is unknown; use one of {known}')
  return _SOURCES[name](config, split)


def eval_episodes(
  config: ml_collections.ConfigDict,
  split: str,
  multiple: int = 1,
  held_out: str = 'pairs',
) -> list[Episode]:
  """The episodes that every evaluation of a split reads, always the same.

  data.eval_episodes of them at train length, else eval.length_episodes; all
  stories of the split if it has fewer.

  Args:
    config: uses seed, data.* and eval.length_episodes.
    split: a split of the source.
    multiple: length in train lengths, data.train_chunks each.
    held_out: of the synthetic world: 'pairs' has the words of training in
      pairs that it never saw together, 'words' only words it never saw.

  Raises:
    ValueError: for multiple != 1 with data.source=babi: a story has the
      length it has. Joining stories would not lengthen one: the people are
      the same four in all of them and their facts would mix.
  """
  count = config.data.eval_episodes
  if multiple != 1:
    count = config.eval.length_episodes
  if config.data.source == 'synthetic':
    world, chunks = _world(config), config.data.train_chunks * multiple
    if held_out == 'pairs' and split != 'train':
      split = f'{split}_pairs'
    return [
      synthetic.episode(world, split, uid, chunks, config.seed)
      for uid in range(count)
    ]
  if multiple != 1:
    raise ValueError(
      f'eval.lengths: data.source={config.data.source} has no episodes of '
      f'length {multiple}; set it to (1,)'
    )
  return list(make_source(config, split)[:count])


def texts_for_tokenizer(config: ml_collections.ConfigDict) -> Iterator[str]:
  """Train texts as a writer sees and writes them; never a question.

  Of tokenizer.train_episodes episodes of tokenizer.source, or all if there are
  fewer.
  """
  count = config.tokenizer.train_episodes
  sources = (config.tokenizer.source or config.data.source).split('+')
  texts = []
  if 'synthetic' in sources:
    lines = synthetic.texts(_world(config), 'train', config.seed, count)
    texts.append(filter(_known_words_only(config.tokenizer.known_words), lines))
  if others := '+'.join(name for name in sources if name != 'synthetic'):
    fields = config.copy_and_resolve_references().unlock()
    fields.data.source = others
    episodes = make_source(fields, 'train')[:count]
    texts.append(chain.from_iterable(e.chunks for e in episodes))
  return chain.from_iterable(texts)


def _known_words_only(share: float) -> Callable[[str], bool]:
  """Keeps lines whose names and values are in a fixed share of them.

  The tokenizer then spells the others in pieces, as it will those of held-out
  worlds, so that training sees both.
  """
  words = set().union(*synthetic.LEXICON.values())
  hidden = {w for w in words if zlib.crc32(w.encode()) % 100 >= 100 * share}
  return lambda line: hidden.isdisjoint(words_lib.terms(line))


def _synthetic_episodes(
  config: ml_collections.ConfigDict, split: str
) -> EndlessSource:
  world, chunks = _world(config), config.data.train_chunks
  return EndlessSource(
    lambda uid: synthetic.episode(world, split, uid, chunks, config.seed)
  )


def _labelled_episodes(
  config: ml_collections.ConfigDict, name: str, split: str
) -> EndlessSource:
  d = config.data
  examples = [
    example
    for example in labelled.load(d.root, name)
    if not d.label_words or len(example.text.split()) <= d.label_words
  ]
  make = labelled.maker(
    examples,
    split,
    config.seed,
    source=name,
    labels=d.labels or None,
    per_label=d.per_label,
    questions=d.label_questions,
  )
  return EndlessSource(make)


def _mixture_episodes(
  config: ml_collections.ConfigDict, split: str
) -> Sequence[Episode]:
  """What data.builders wrote; its validation part is halved for a test."""
  from mem_alpha_jax.data import prepared  # seconds that others save

  d = config.data
  if split == 'train':
    return prepared.load(d.mixture, split, d.root)
  held_out = prepared.load(d.mixture, 'validation', d.root)
  return held_out[split == 'test' :: 2]


def _published_episodes(
  config: ml_collections.ConfigDict, split: str
) -> list[Episode]:
  """The parquet files of Mem-alpha; part of its train file is validation."""
  folder = pathlib.Path(config.data.root, 'memalpha')
  if split == 'test':
    return parquet_sets.load(folder / 'test.parquet')
  return [
    episode
    for episode in parquet_sets.load(folder / 'train.parquet')
    if content.belongs(episode.chunks[0], split)
  ]


def _bench_episodes(
  config: ml_collections.ConfigDict, split: str
) -> list[Episode]:
  """MemoryAgentBench as Mem-alpha processed it: test data alone."""
  _check_test('memoryagentbench', split)
  path = pathlib.Path(config.data.root, 'memoryagentbench', 'test.parquet')
  return parquet_sets.load(path)


def _world(config: ml_collections.ConfigDict) -> synthetic.WorldConfig:
  return synthetic.WorldConfig(
    chunk_sentences=config.data.chunk_sentences,
    overwrite=config.data.overwrite,
    asked_rate=config.data.asked_rate,
  )


def _locomo_episodes(
  config: ml_collections.ConfigDict, split: str
) -> list[Episode]:
  _check_test('locomo', split)
  d = config.data
  return locomo.episodes(
    d.root,
    'turn' if d.turns else 'session',
    max(d.turns, 1),
    words=d.turn_words,
  )


def _longmemeval_episodes(
  config: ml_collections.ConfigDict, split: str
) -> list[Episode]:
  _check_test('longmemeval', split)
  return longmemeval.episodes(config.data.root, config.data.turns)


def _check_test(source: str, split: str) -> None:
  """Some sources are test data alone: there is too little to train on some."""
  if split != 'test':
    raise ValueError(
      f'data.source={source} has no {split} split; train on another source'
    )


def _babi_episodes(
  config: ml_collections.ConfigDict, split: str
) -> list[Episode]:
  """Stories of all tasks, by turns: any beginning of the list is a mix."""
  tasks = [
    babi.load(config.data.root, task, split) for task in config.data.babi_tasks
  ]
  turns = chain.from_iterable(itertools.zip_longest(*tasks))
  episodes = [episode for episode in turns if episode is not None]
  if not episodes:
    raise ValueError(
      f'data.babi_tasks={tuple(config.data.babi_tasks)} has no {split} story; '
      'name a task with more stories'
    )
  return episodes


_SOURCES = {
  'synthetic': _synthetic_episodes,
  'babi': _babi_episodes,
  'locomo': _locomo_episodes,
  'longmemeval': _longmemeval_episodes,
  'mixture': _mixture_episodes,
  'memalpha': _published_episodes,
  'memoryagentbench': _bench_episodes,
}
