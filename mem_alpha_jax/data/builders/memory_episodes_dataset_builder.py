"""TFDS builder of episodes: raw files in, ArrayRecord out, no TensorFlow.

A config is a source or the whole mixture; the manual folder holds the raw
files. Training is compared with everything that is held out before anything
is written, and a data card lies beside the records.
"""

import dataclasses
import json
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from mem_alpha_jax.data import leakage, mixture
from mem_alpha_jax.data.builders import card, token_counts
from mem_alpha_jax.types import Episode

_TEXT = tfds.features.Text()
_NUMBER = tfds.features.Scalar(np.int64)


@dataclasses.dataclass
class Config(tfds.core.BuilderConfig):
  """Keys of mixture.built(); several are mixed, with their caps."""

  sources: tuple[str, ...] = ()


class Builder(tfds.core.GeneratorBasedBuilder):
  """Episodes for training a writer of memory; arguments as of build.build."""

  VERSION = tfds.core.Version('1.0.0')
  BUILDER_CONFIGS = [
    Config(name='mixture', sources=mixture.mixed()),
    *(Config(name=name, sources=(name,)) for name in mixture.built()),
  ]
  MANUAL_DOWNLOAD_INSTRUCTIONS = (
    'the raw files, in folders as the readers of mem_alpha_jax/data name them'
  )
  # TFDS would look for it by a package that it does not install.
  code_path = pathlib.Path(__file__)

  def __init__(
    self,
    *,
    tokenizer: str = '',
    seed: int = 0,
    drop: bool = False,
    held_out: Mapping[str, Sequence[Episode]] | None = None,
    **arguments: Any,
  ):
    super().__init__(**arguments)
    self._tokenizer, self._seed, self._drop = tokenizer, seed, drop
    self._held_out = dict(held_out or {})

  def _info(self) -> tfds.core.DatasetInfo:
    question = {
      'text': _TEXT,
      'answer': _TEXT,
      'type': _TEXT,
      'first': _NUMBER,
      'last': _NUMBER,
      'asked': tfds.features.Scalar(np.bool_),
      'others': _TEXT,  # a JSON list: TFDS needs TensorFlow for ragged ones
    }
    features = tfds.features.FeaturesDict(
      {
        'uid': _NUMBER,
        'source': _TEXT,
        'chunks': tfds.features.Sequence(_TEXT),
        'questions': tfds.features.Sequence(question),
      }
    )
    return self.dataset_info_from_configs(
      features=features,
      description=__doc__,
      homepage='https://arxiv.org/abs/2509.25911',
      disable_shuffling=True,  # any beginning is a mix already
    )

  def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[Any]]:
    splits = self._episodes(str(dl_manager.manual_dir))
    return {name: self._generate_examples(e) for name, e in splits.items()}

  def _generate_examples(
    self, episodes: Sequence[Episode]
  ) -> Iterator[tuple[int, dict[str, Any]]]:
    for i, episode in enumerate(episodes):
      yield i, encode(episode)

  def _episodes(self, root: str) -> dict[str, Sequence[Episode]]:
    """Train and validation; writes the card into the folder of the build."""
    sources, seed = self.builder_config.sources, self._seed
    count = token_counts.load(self._tokenizer)
    splits = {}
    for split in ('train', 'validation'):
      pools = [
        mixture.build(root, source, split, seed, count, len(sources) > 1)
        for source in sources
      ]
      splits[split] = mixture.mix(pools, seed)
    held_out = self._held_out | {'validation': splits['validation']}
    held_out |= mixture.held_out(root, seed, count)
    overlaps = leakage.find(splits['train'], held_out)
    if self._drop:
      splits['train'] = leakage.without(splits['train'], overlaps)
    else:
      leakage.refuse(overlaps)
    settings = {
      'data set': self.builder_config.name,
      'sources': ', '.join(sources),
      'tokenizer': self._tokenizer,
      'seed': seed,
    }
    numbers = card.describe(splits, count, held_out, overlaps, settings)
    card.write(numbers, self.data_dir)
    return splits


def encode(episode: Episode) -> dict[str, Any]:
  """An episode as a record; without its sessions, which streams alone need."""
  questions = [
    {**question._asdict(), 'others': json.dumps(question.others)}
    for question in episode.questions
  ]
  record = {**episode._asdict(), 'questions': questions}
  del record['sessions']
  return record
