"""Episodes that `data.builders` has written, read by index."""

import json
import pathlib
from collections.abc import Sequence

from mem_alpha_jax.data import source as source_lib
from mem_alpha_jax.data.source import Made, Source
from mem_alpha_jax.types import Episode

NAME = 'memory_episodes'  # of the builder


def load(dataset: str, split: str, data_dir: str) -> Sequence[Episode]:
  """Opens a split, without TensorFlow; a source of `data.pipeline`.

  Args:
    dataset: name of what was built, such as 'mixture' or 'squad'.

  Raises:
    FileNotFoundError: there is no such data set.
    ValueError: it has no such split.
  """
  import tensorflow_datasets as tfds  # seconds that others save

  folder = pathlib.Path(data_dir) / NAME / dataset
  versions = sorted(folder.glob('2.*/dataset_info.json'))
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
  records = builder.as_data_source(split=split)
  return Made(lambda i: _decode(records[i]), len(records))


def _decode(record) -> Episode:
  questions = tuple(map(source_lib.question, json.loads(record['questions'])))
  chunks = tuple(chunk.decode() for chunk in record['chunks'])
  return Episode(
    int(record['uid']), record['source'].decode(), chunks, questions
  )


def _mixture(config, split: str) -> Sequence[Episode]:
  """The validation part is halved for a test."""
  d = config.data
  if split == 'train':
    return load(d.mixture, split, d.root)
  held_out = load(d.mixture, 'validation', d.root)
  return held_out[split == 'test' :: 2]


# The rule of an episode is that of its own source.
SOURCES = (Source('mixture', rule='contains', episodes=_mixture),)
