"""Episodes that `data.builders` has written, read by index."""

import json
import operator
import pathlib
from collections.abc import Sequence
from typing import Any

from mem_alpha_jax.data.source import Source
from mem_alpha_jax.types import Episode, Question

NAME = 'memory_episodes'  # of the builder


class _Episodes(Sequence[Episode]):
  """A split; an episode is read from its file when it is asked for."""

  def __init__(self, records: Sequence[Any]):
    self._records = records

  def __len__(self) -> int:
    return len(self._records)

  def __getitem__(self, index):
    if isinstance(index, slice):
      return [self[i] for i in range(*index.indices(len(self)))]
    i = operator.index(index)
    if not -len(self) <= i < len(self):
      raise IndexError(f'episode {i} of {len(self)}')
    return _decode(self._records[i % len(self)])


def load(dataset: str, split: str, data_dir: str) -> Sequence[Episode]:
  """Opens a split, without TensorFlow; a source of `data.pipeline`.

  Args:
    dataset: name of what was built, such as 'mixture' or 'squad'.
    split: 'train' or 'validation'.
    data_dir: folder in which it was built.

  Raises:
    FileNotFoundError: there is no such data set.
    ValueError: it has no such split.
  """
  import tensorflow_datasets as tfds  # seconds that others save

  folder = pathlib.Path(data_dir) / NAME / dataset
  versions = sorted(folder.glob('*.*.*/dataset_info.json'))
  if not versions:
    raise FileNotFoundError(
      f'no data set {dataset!r} in {folder.parent}; build it: python -m '
      f'mem_alpha_jax.data.builders --dataset={dataset}'
    )
  builder = tfds.builder_from_directory(str(versions[-1].parent))
  if split not in builder.info.splits:
    raise ValueError(
      f'{dataset}: no split {split!r}, only {list(builder.info.splits)}'
    )
  return _Episodes(builder.as_data_source(split=split))


def _decode(record) -> Episode:
  columns = record['questions']
  rows = [
    dict(zip(columns, values, strict=True))
    for values in zip(*columns.values(), strict=True)
  ]
  questions = tuple(
    Question(
      _text(row['text']),
      _text(row['answer']),
      _text(row['type']),
      int(row['first']),
      int(row['last']),
      bool(row['asked']),
      tuple(json.loads(row['others'])),
    )
    for row in rows
  )
  return Episode(
    int(record['uid']),
    _text(record['source']),
    tuple(map(_text, record['chunks'])),
    questions,
  )


def _text(value: bytes) -> str:
  return value.decode()


def _mixture(config, split: str) -> Sequence[Episode]:
  """The validation part is halved for a test."""
  d = config.data
  if split == 'train':
    return load(d.mixture, split, d.root)
  held_out = load(d.mixture, 'validation', d.root)
  return held_out[split == 'test' :: 2]


# The rule of an episode is that of its own source.
SOURCES = (Source('mixture', rule='contains', episodes=_mixture),)
