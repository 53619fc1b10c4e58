"""Builds a data set of episodes as `tfds build` does.

The program of that name imports TensorFlow when it starts; this does not.
"""

from collections.abc import Mapping, Sequence

import tensorflow_datasets as tfds

from mem_alpha_jax.data.builders import memory_episodes_dataset_builder as lib
from mem_alpha_jax.types import Episode


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
    raw: folder of the raw files.
    data_dir: folder for what is built; `prepared.load` reads it.
    tokenizer: the policy's (`token_counts.load`).
    sources: what a new name mixes.
    seed: of everything that is drawn.
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
  known = {config.name for config in lib.Builder.BUILDER_CONFIGS}
  if (dataset in known) == bool(sources):
    raise ValueError(
      f'dataset {dataset!r}: name one of {sorted(known)}, or a new one with '
      'its sources'
    )
  config = lib.Config(name=dataset, sources=sources) if sources else dataset
  builder = lib.Builder(
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
