"""Command line of the builds: python -m mem_alpha_jax.data.builders --help."""

import sys

from absl import app, flags

from mem_alpha_jax.data.builders import held_out
from mem_alpha_jax.data.builders import (
  memory_episodes_dataset_builder as builder,
)

_DATASET = flags.DEFINE_string(
  'dataset', 'mixture', 'A source, mixture, or with --sources any new name.'
)
_RAW = flags.DEFINE_string('raw', None, 'Folder of the raw files.')
_DATA_DIR = flags.DEFINE_string('data_dir', None, 'Folder for what is built.')
_TOKENIZER = flags.DEFINE_string(
  'tokenizer', '', 'tokenizer.model, folder with tokenizer.json, or .gguf.'
)
_SOURCES = flags.DEFINE_list('sources', None, 'Sources to mix.')
_SEED = flags.DEFINE_integer('seed', 0, 'Of everything that is drawn.')
_DROP = flags.DEFINE_bool(
  'drop', False, 'Leave out training episodes that overlap with held-out ones.'
)
_HELD_OUT = flags.DEFINE_list(
  'held_out',
  [],
  'Evaluation sets that training is compared with, <name>=<file or folder>; '
  f'names are {", ".join(held_out.names())}.',
)
flags.mark_flags_as_required(['raw', 'data_dir'])


def main(argv: list[str]) -> int:
  """Builds; what a user can fix is reported on one line, code 2."""
  if len(argv) > 1:
    raise app.UsageError(f'unknown argument {argv[1]!r}')
  try:
    folder = builder.build(
      _DATASET.value,
      _RAW.value,
      _DATA_DIR.value,
      _TOKENIZER.value,
      tuple(_SOURCES.value or ()),
      _SEED.value,
      _DROP.value,
      held_out.read(_HELD_OUT.value),
    )
  except (OSError, ValueError) as error:
    print(f'error: {error}', file=sys.stderr)
    return 2
  print(f'{folder}/card.md says what is in it')
  return 0


if __name__ == '__main__':
  app.run(main)
