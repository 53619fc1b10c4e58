"""One Grain pipeline for all sources of episodes.

  indices -> shuffle -> repeat -> batch -> the block of this process -> episodes

Grain: https://google-grain.readthedocs.io. The order depends on config.seed
only, not on threads. Batch k of all processes, one behind the other, is batch
k of one process alone, and the state of an iterator counts batches: it is the
same in every process, however many they are.
"""

import bisect
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

import grain
import jax
import ml_collections

from mem_alpha_jax.data import errata
from mem_alpha_jax.data import source as source_lib
from mem_alpha_jax.data import sources as sources_lib
from mem_alpha_jax.types import Episode

_SEEDS = 1 << 32  # Grain takes seeds below
_READ = grain.ReadOptions(num_threads=1, prefetch_buffer_size=2)


def make_dataset(
  config: ml_collections.ConfigDict,
  split: str,
  process_index: int | None = None,
  process_count: int | None = None,
  read_options: grain.ReadOptions = _READ,
  reached: int = 0,
) -> grain.IterDataset[list[Episode]]:
  """Endless batches of episodes, reshuffled each epoch.

  An iterator of it has `get_state` and `set_state`; the state is a small
  dict, and an iterator set to it gives the very batches that would have come
  next. Batches are lists: episodes are ragged text and are never stacked.
  No episode is left out or repeated to fill a batch: one may span two epochs.
  With data.horizon batch k has episodes of the stage that data.promote says.

  Args:
    read_options: threads that make episodes, and batches made ahead.
    reached: stage of data.horizon that no batch is below.

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
  stages = [make_source(stage, split) for stage in _stages(config) or [config]]
  dataset = grain.MapDataset.range(len(stages[0]))
  if config.data.shuffle:
    dataset = dataset.seed(config.seed % _SEEDS).shuffle()
  # No remainder is dropped of what has no end; the rounding up that keeps one
  # overflows for batches of one.
  dataset = dataset.repeat().batch(
    config.data.batch_episodes, drop_remainder=True, batch_fn=list
  )
  mine = slice(process_index * size, (process_index + 1) * size)

  def make(number: int, batch: list[int]) -> list[Episode]:
    stage = stages[_stage(config, number, reached)]
    return [stage[i] for i in batch[mine]]

  return dataset.map_with_index(make).to_iter_dataset(read_options)


def promoted(
  config: ml_collections.ConfigDict, number: int, reached: int, accuracy: float
) -> int:
  """The stage that batch `number` reaches by data.promote_at.

  Args:
    reached: the stage reached before.
    accuracy: on validation episodes before this batch; NaN: not measured.
  """
  last = len(config.data.promote)
  if not config.data.promote_at or not accuracy >= config.data.promote_at:
    return reached
  return min(_stage(config, number, reached) + 1, last)


def _stage(config, number: int, reached: int) -> int:
  return max(reached, bisect.bisect_right(config.data.promote, number))


def _stages(config: ml_collections.ConfigDict) -> list:
  """The config of each stage of data.horizon.

  Raises:
    ValueError: if episodes have the length they have.
  """
  if config.data.horizon and not any_length(config):
    raise ValueError(
      f'config.data.horizon={config.data.horizon}: data.source='
      f'{config.data.source} has episodes of its own length; use ()'
    )
  found = []
  for chunks in config.data.horizon:
    stage = config.copy_and_resolve_references().unlock()
    stage.data.train_chunks = chunks
    found.append(stage)
  return found


def make_source(
  config: ml_collections.ConfigDict, split: str
) -> Sequence[Episode]:
  """Episodes of a split by index, in a fixed order.

  Of several sources, as in data.source='babi+trec_coarse', they come by turns;
  one with fewer episodes than its turns begins again.

  Raises:
    ValueError: for an unknown data.source or a split without episodes.
  """
  return _by_turns(config, lambda source: _split(config, source, split))


def _by_turns(
  config, split: Callable[[source_lib.Source], Sequence[Episode]]
) -> Sequence[Episode]:
  mine = sources_lib.of_run('data.source', config.data.source)
  parts = [*map(split, mine)]
  if len(parts) == 1:
    return parts[0]

  def make(uid: int) -> Episode:
    part = parts[uid % len(parts)]
    return part[uid // len(parts) % len(part)]

  return source_lib.Made(make)


def _split(config, source, split, *multiple) -> Sequence[Episode]:
  if split not in source.splits:
    raise ValueError(
      f'data.source={source.name} has no {split} split; train on another source'
    )
  episodes = source.episodes(config, split, *multiple)
  dropped = config.data.errata == 'dropped'
  return errata.without(episodes) if dropped else episodes


def any_length(config: ml_collections.ConfigDict) -> bool:
  """Whether the run's episodes can be as long as is asked for."""
  mine = sources_lib.of_run('data.source', config.data.source)
  return all(source.any_length for source in mine)


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
    multiple: length in train lengths, data.train_chunks each.
    held_out: 'pairs' prefers a split <split>_pairs, where the source has one:
      words of training in pairs that it never saw together; 'templates' one
      of sentences that it never saw, too. 'words' is the split itself.

  Raises:
    ValueError: for multiple != 1 where episodes have the length they have.
      Joining stories would not lengthen one: the people of bAbI are the same
      four in all of them and their facts would mix.
  """
  d, count = config.data, config.data.eval_episodes
  if multiple != 1:
    count = config.eval.length_episodes
  if any_length(config):
    named = f'{split}_{held_out}'
    found = _by_turns(
      config,
      lambda source: _split(
        config, source, named if named in source.splits else split, multiple
      ),
    )
    return list(found[:count])
  if multiple != 1:
    raise ValueError(
      f'eval.lengths: data.source={d.source} has no episodes of length '
      f'{multiple}; set it to (1,)'
    )
  return list(make_source(config, split)[:count])


def texts_for_tokenizer(config: ml_collections.ConfigDict) -> Iterator[str]:
  """Train texts as a writer sees and writes them; never a question.

  Of tokenizer.train_episodes episodes of tokenizer.source, or all if there are
  fewer.
  """
  count = config.tokenizer.train_episodes
  joined = config.tokenizer.source or config.data.source
  mine = sources_lib.of_run('tokenizer.source', joined)
  found = [source.texts(config, count) for source in mine if source.texts]
  if others := '+'.join(s.name for s in mine if not s.texts):
    fields = config.copy_and_resolve_references().unlock()
    fields.data.source = others
    episodes = make_source(fields, 'train')[:count]
    found.append(chain.from_iterable(e.chunks for e in episodes))
  return chain.from_iterable(found)
