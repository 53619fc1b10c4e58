"""TFDS builder of episodes: raw files in, ArrayRecord out, no TensorFlow.

A config is a source or the whole mixture; the manual folder holds the raw
files. Training is compared with everything that is held out before anything
is written, and a data card lies beside the records. The program `tfds build`
imports TensorFlow when it starts; `build` does not.
"""

import dataclasses
import json
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from mem_alpha_jax.data import leakage, mixture
from mem_alpha_jax.data.builders import card
from mem_alpha_jax.text import tokenizer as tokenizer_lib
from mem_alpha_jax.types import Episode

_TEXT = tfds.features.Text()


@dataclasses.dataclass
class Config(tfds.core.BuilderConfig):
  """Keys of mixture.built(); several are mixed, with their caps."""

  sources: tuple[str, ...] = ()


class Builder(tfds.core.GeneratorBasedBuilder):
  """Episodes for training a writer of memory; arguments as of `build`."""

  VERSION = tfds.core.Version('2.0.0')
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
    features = tfds.features.FeaturesDict(
      {
        'uid': tfds.features.Scalar(np.int64),
        'source': _TEXT,
        'chunks': tfds.features.Sequence(_TEXT),
        'questions': _TEXT,  # JSON: TFDS needs TensorFlow for ragged lists
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
    count = counter(self._tokenizer)
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
  """An episode as a record, without sessions and start, which builds lack."""
  record = {**episode._asdict(), 'questions': json.dumps(episode.questions)}
  del record['sessions'], record['start']
  return record


def counter(path: str) -> Callable[[str], int]:
  """How many tokens a text has, by the tokenizer of the policy.

  Args:
    path: a tokenizer.model of a run, a folder with a tokenizer.json, or a
      .gguf file; the last two need the extra 'models'.

  Raises:
    ValueError: the path is empty.
    FileNotFoundError: there is nothing there.
  """
  if not path:
    raise ValueError(
      'tokenizer: name the one of the policy, which sizes the chunks: '
      '--tokenizer=<tokenizer.model, folder with tokenizer.json or .gguf>'
    )
  file = pathlib.Path(path)
  if not file.is_dir() and file.suffix != '.gguf':
    return tokenizer_lib.Tokenizer(path).count
  from mem_alpha_jax.pretrained import hf_tokenizer

  if file.is_dir():
    return hf_tokenizer.from_folder(path).count
  return hf_tokenizer.from_gguf(path).count


def build(
  dataset: str,
  raw: str,
  data_dir: str,
  tokenizer: str,
  sources: tuple[str, ...] = (),
  seed: int = 0,
  drop: bool = False,
  held_out: Mapping[str, Sequence[Episode]] | None = None,
) -> str:
  """Builds a data set; nothing is left of a build that fails.

  Args:
    dataset: 'mixture', a key of mixture.built(), or a new name.
    data_dir: folder for what is built; `prepared.load` reads it.
    tokenizer: the policy's (`counter`).
    sources: what a new name mixes.
    drop: training episodes that overlap with held-out ones are left out.
    held_out: evaluation sets by name, besides the validation split and the
      test splits of labelled texts.

  Returns:
    The folder of the data set.

  Raises:
    FileNotFoundError: a raw file or the tokenizer is not there.
    FileExistsError: the data set is there already.
    ValueError: for an unknown data set, a broken raw file, too little text, or
      an overlap of training with what is held out.
  """
  known = {config.name for config in Builder.BUILDER_CONFIGS}
  if (dataset in known) == bool(sources):
    raise ValueError(
      f'dataset {dataset!r}: name one of {sorted(known)}, or a new one with '
      'its sources'
    )
  config = Config(name=dataset, sources=sources) if sources else dataset
  builder = Builder(
    config=config,
    data_dir=data_dir,
    file_format='array_record',
    tokenizer=tokenizer,
    seed=seed,
    drop=drop,
    held_out=held_out,
  )
  if builder.is_prepared():
    raise FileExistsError(f'{builder.data_path} is built already; delete it')
  manual = tfds.download.DownloadConfig(manual_dir=raw)
  builder.download_and_prepare(download_config=manual)
  return str(builder.data_path)
