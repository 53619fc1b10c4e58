"""The command line of a run: its flags, its config, and --help."""

import importlib.util
import pathlib
import sys

import ml_collections
from absl import flags

from mem_alpha_jax.config import compare, override, validate
from mem_alpha_jax.config.fields import FIELDS, defaults

FINISHED = ('eval', 'stream', 'export')  # modes of a run that is there
_FIELD = '--config.'  # begins an argument that sets a field
_USAGE = """\
python -m mem_alpha_jax.main --config=FILE[:FIELD=VALUE,...] --workdir=FOLDER

  --config=FILE         configs/tiny.py, ...; after ':' fields of it are set
  --config.FIELD=VALUE  sets one field as well
  --workdir=FOLDER      of the run; the same command goes on where it stopped
  --mode=MODE           {modes}
                        ({finished}: --config may be left out)
  --distributed         joins the processes of a pod; or --coordinator=HOST:PORT
                        --num_processes=N --process_id=I
  --verbosity=1         adds the traceback to a one-line error

Exit codes: 0 done, 2 for what you can fix, 130 asked to stop, 3 watchdog.
Beside it: mem-alpha compare RUN RUN ..., and mem-alpha serve --help.

Fields, with the values of configs/tiny.py; tuples are written a;b:
"""


def define_flags(modes: list[str]) -> None:
  """Adds the flags that `parse` reads."""
  flags.DEFINE_string('config', None, 'Config file; :field=value,... sets.')
  flags.DEFINE_string('workdir', None, 'Folder of the run.')
  flags.DEFINE_enum('mode', 'train', modes, 'What to do.')


def parse(argv: list[str]) -> ml_collections.ConfigDict:
  """Parses the flags, and returns the config; --help ends the process.

  Raises:
    ValueError: for what is wrong, in one line.
    OSError: for a file that is not there.
  """
  given = flags.FLAGS
  if {'--help', '-help', '-h', '--helpfull', '-?'} & set(argv):
    print(_help(given['mode'].parser.enum_values))
    sys.exit(0)
  fields = [a[len(_FIELD) :] for a in argv if a.startswith(_FIELD)]
  try:
    rest = given([a for a in argv if not a.startswith(_FIELD)])
  except flags.Error as error:
    raise ValueError(str(error).strip().splitlines()[-1].strip()) from error
  if len(rest) > 1:
    raise ValueError(f'unknown argument {rest[1]!r}; see --help')
  _check_workdir(given.workdir)
  if given.config is None and given.mode in FINISHED:
    config = of_workdir(given.workdir)
  elif not given.config:
    raise ValueError(
      'no --config: give a file such as configs/tiny.py; see --help'
    )
  else:
    path, _, arg = given.config.partition(':')
    config = load(path, arg)
  set_too = [override.pairs(text)[0] for text in fields if text]
  config = override.apply(config, set_too)
  validate.validate(config)
  return config


def load(path: str, arg: str = '') -> ml_collections.ConfigDict:
  """The config of a file, which is looked for beside the package, too.

  Raises:
    FileNotFoundError: if it is in neither place.
    ValueError: if it is no config file, or `arg` does not fit it.
  """
  here, installed = pathlib.Path(path), importlib.util.find_spec('configs')
  if not here.exists() and installed and installed.origin:
    here = pathlib.Path(installed.origin).parents[1] / path
  if not here.is_file():
    raise FileNotFoundError(
      f'--config={path}: no such file; give one such as configs/tiny.py'
    )
  spec = importlib.util.spec_from_file_location('config_file', here)
  if spec is None:
    raise ValueError(f'--config={path}: is no Python file')
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  if not hasattr(module, 'get_config'):
    raise ValueError(f'--config={path}: has no function get_config')
  return module.get_config(*filter(None, [arg]))


def of_workdir(workdir: str) -> ml_collections.ConfigDict:
  """The config that a run has left in its folder.

  Fields may be newer than it: their defaults.

  Raises:
    FileNotFoundError: if there is no run.
    ValueError: if it cannot be read, or is of another version.
  """
  config = defaults()
  there = compare.read(pathlib.Path(workdir) / compare.FILE)
  tuples = lambda value: tuple(value) if isinstance(value, list) else value
  known = {n: tuples(value) for n, value in there.items() if n in FIELDS}
  with config.ignore_type():
    config.update_from_flattened_dict(known)
  differ = sorted(set(there) - set(FIELDS))
  if differ:
    raise ValueError(
      f'--workdir={workdir} is of a run of another version of this code, '
      f'which differs in {", ".join(differ)}; give --config, or go back to '
      'the code that made it'
    )
  return config.lock()


def _check_workdir(workdir: str | None) -> None:
  if workdir is None:
    raise ValueError('no --workdir: give the folder of the run; see --help')
  if not workdir.strip():
    raise ValueError(
      '--workdir is empty (a variable that is not set?): give a folder'
    )
  if '://' in workdir:
    raise ValueError(
      f'--workdir={workdir}: runs live in folders; mount the bucket (gcsfuse, '
      's3fs) and give its folder'
    )


def _help(modes: list[str]) -> str:
  lines = [
    f'  {f"{name}={_shown(field.default)}":<42} {field.meaning}'
    for name, field in FIELDS.items()
  ]
  usage = _USAGE.format(modes=' | '.join(modes), finished=', '.join(FINISHED))
  return '\n'.join([usage, *lines])


def _shown(value: object) -> str:
  if isinstance(value, tuple):
    return ';'.join(map(str, value))
  return repr(value) if value == '' else str(value)
