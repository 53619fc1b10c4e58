"""Command line of the project: `python -m mem_alpha_jax.main --help`."""

import importlib
import sys

from absl import app, flags, logging
from ml_collections import config_flags

from mem_alpha_jax.config import validate as validate_lib
from mem_alpha_jax.system import cluster, machine

_CONFIG = config_flags.DEFINE_config_file(
  'config', help_string='Config file; :field=value,... after it sets fields.'
)
_WORKDIR = flags.DEFINE_string('workdir', None, 'Folder of the run.')
_MODES = {
  'train': 'train.train',
  'eval': 'run.summary.main',
  'stream': 'run.stream.main',
  'export': 'run.export.main',
  'compile': 'compile.main.main',
}
_MODE = flags.DEFINE_enum('mode', 'train', list(_MODES), 'What to do.')
cluster.define_flags()
flags.mark_flags_as_required(['config', 'workdir'])


def parse(argv: list[str]) -> list[str]:
  """Reads the flags; a wrong one is reported in one line, exit code 2."""
  try:
    rest = flags.FLAGS(argv)
    validate_lib.validate(_CONFIG.value)
    if len(rest) > 1:
      raise ValueError(f'unknown argument {rest[1]!r}; see --help')
  except AttributeError as error:  # from --config.field=value
    sys.exit(_fail(f'the config has no field {error}'))
  except (flags.Error, OSError, TypeError, ValueError) as error:
    sys.exit(_fail(str(error).strip().splitlines()[-1].strip()))
  if not flags.FLAGS['verbosity'].present:
    logging.set_verbosity(logging.WARNING)
  return rest


def _fail(message: str) -> int:
  print(f'error: {message}', file=sys.stderr)
  return 2


def main(_: list[str]) -> int:
  """Runs the mode; what a user can fix is reported in one line, code 2."""
  machine.use_compilation_cache()
  name, _, run = _MODES[_MODE.value].rpartition('.')
  try:
    cluster.join(flags.FLAGS, _CONFIG.value)
    mode = importlib.import_module(f'mem_alpha_jax.{name}')
    cluster.run(getattr(mode, run), _CONFIG.value, _WORKDIR.value)
  except (ValueError, OSError, FloatingPointError) as error:
    logging.debug('traceback', exc_info=True)  # --verbosity=1 shows it
    return cluster.leave(_fail(str(error)))
  return 0


if __name__ == '__main__':
  app.run(main, flags_parser=parse)
