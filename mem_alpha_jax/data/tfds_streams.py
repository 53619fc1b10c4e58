"""TFDS builder of the mixtures: raw files -> ArrayRecord -> Grain.

  tfds build mem_alpha_jax/data/tfds_streams.py --file_format=array_record \
    --manual_dir=../shared/data --config=at_hand

TensorFlow is not needed, neither to build nor to read. Beside the records lie
card.json and card.md, what is in them; text that is trained on and evaluated
fails the build.
"""

import dataclasses
import json
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from mem_alpha_jax import base
from mem_alpha_jax import workdir as workdir_lib
from mem_alpha_jax.data import mixture
from mem_alpha_jax.data import tokenizer as tokenizer_lib
from mem_alpha_jax.types import Episode, Question


@dataclasses.dataclass(kw_only=True)
class StreamsConfig(tfds.core.BuilderConfig):
  """A mixture, and whose tokens its chunks are counted in.

  Attributes:
    options: of the mixture.
    tokenizer: file of the policy's tokenizer; '' is that of tiny_base.
  """

  options: mixture.Options
  tokenizer: str = ''


class MemoryStreams(tfds.core.GeneratorBasedBuilder):
  """Streams to remember, with questions about them."""

  VERSION = tfds.core.Version('1.0.0')
  MANUAL_DOWNLOAD_INSTRUCTIONS = (
    'Put the raw files of the sources where data.root of the configs says; '
    'see mem_alpha_jax/data/labelled.py and passages.py for their names.'
  )
  BUILDER_CONFIGS = [
    StreamsConfig(name=name, options=mixture.Options(caps))
    for name, caps in mixture.MIXTURES.items()
  ]

  def _info(self) -> tfds.core.DatasetInfo:
    text = tfds.features.Text()
    features = tfds.features.FeaturesDict(
      {
        'uid': np.int64,
        'source': text,
        'chunks': tfds.features.Sequence(text),
        'questions': text,  # JSON: a list of Question
      }
    )
    return tfds.core.DatasetInfo(builder=self, features=features)

  def _split_generators(self, dl_manager: Any) -> dict[str, Iterator]:
    path = self.builder_config.tokenizer
    path = path or base.folder_of('tiny_base') / 'tokenizer.model'
    count = tokenizer_lib.Tokenizer(str(path)).count
    root = str(dl_manager.manual_dir)
    found = mixture.build(root, self.builder_config.options, count)
    card = mixture.card(found, count)
    folder = pathlib.Path(self.data_path)
    workdir_lib.write_json(folder / 'card.json', card)
    workdir_lib.write_text(folder / 'card.md', mixture.card_text(card))
    return {
      split: self._generate_examples(episodes)
      for split, episodes in found.items()
      if episodes
    }

  def _generate_examples(self, episodes: Sequence[Episode]) -> Iterator:
    for episode in episodes:
      yield (
        episode.uid,
        {
          'uid': episode.uid,
          'source': episode.source,
          'chunks': list(episode.chunks),
          'questions': json.dumps(episode.questions),
        },
      )


class Episodes(Sequence):
  """A split that was built, read by index and only when asked for."""

  def __init__(self, name: str, split: str, data_dir: str):
    """Args:
    name: of a builder config, 'paper' or 'at_hand'.
    split: train, validation or test.
    data_dir: where it was built.

    Raises:
      FileNotFoundError: if it was not.
    """
    builder = MemoryStreams(
      config=name, data_dir=data_dir, file_format='array_record'
    )
    if split not in builder.info.splits:
      raise FileNotFoundError(
        f'no {split} split of {builder.name}/{name} in {data_dir}; build it: '
        'tfds build mem_alpha_jax/data/tfds_streams.py '
        f'--file_format=array_record --config={name} --data_dir={data_dir}'
      )
    self._rows = builder.as_data_source(split=split)

  def __len__(self) -> int:
    return len(self._rows)

  def __getitem__(self, index):
    if isinstance(index, slice):
      return [self[i] for i in range(*index.indices(len(self)))]
    row = self._rows[range(len(self))[index]]
    return Episode(
      int(row['uid']),
      row['source'].decode(),
      tuple(chunk.decode() for chunk in row['chunks']),
      tuple(map(_question, json.loads(row['questions']))),
    )


def _question(values: list) -> Question:
  question = Question(*values)
  return question._replace(others=tuple(question.others))
