"""Command line of the project: `python -m mem_alpha_jax.main --help`."""

from mem_alpha_jax.system import interrupt

if __name__ == '__main__':
  interrupt.install()  # before the imports, which take seconds

import importlib  # noqa: E402
import sys  # noqa: E402
from typing import Any  # noqa: E402

from absl import app, flags, logging  # noqa: E402

from mem_alpha_jax.config import command  # noqa: E402
from mem_alpha_jax.system import cluster, machine, stopping  # noqa: E402

_MODES = {
  'train': 'train.train',
  'eval': 'run.summary.main',
  'stream': 'run.stream.main',
  'export': 'run.export.main',
  'compile': 'compile.main.main',
  'doctor': 'run.doctor.main',
}
command.define_flags(list(_MODES))
cluster.define_flags()


def parse(argv: list[str]) -> Any:
  """Reads the flags; a wrong one is reported in one line, exit code 2."""
  try:
    config = command.parse(argv)
  except (ValueError, OSError) as error:
    sys.exit(_fail(str(error)))
  if not flags.FLAGS['verbosity'].present:
    logging.set_verbosity(logging.WARNING)
  return config


def _fail(message: str) -> int:
  print(f'error: {message}', file=sys.stderr)
  return 2


def main(config: Any) -> int:
  """Runs the mode; what a user can fix is reported in one line, code 2."""
  given = flags.FLAGS
  machine.use_compilation_cache()
  name, _, run = _MODES[given.mode].rpartition('.')
  try:
    cluster.join(given, config)
    mode = importlib.import_module(f'mem_alpha_jax.{name}')
    cluster.run(getattr(mode, run), config, given.workdir)
  except stopping.Stopped as stopped:
    interrupt.end(str(stopped))
  except (ValueError, OSError, FloatingPointError) as error:
    logging.debug('traceback', exc_info=True)  # --verbosity=1 shows it
    return cluster.leave(_fail(str(error)))
  return 0


if __name__ == '__main__':
  app.run(main, flags_parser=parse)
