"""Compiles every program of the TPU configs for slices that are not here.

  make compile-tpu

Writes <config>/compile.json and compile.txt beside this file, the table of
README.md, and of a config that does not fit the message that it gives.
"""

import argparse
import importlib
import json
import pathlib

from mem_alpha_jax.compile import main as main_lib
from mem_alpha_jax.system import files

CONFIGS = ('tpu_v4', 'tpu_v5e', 'tpu_v6e')
# Four groups of eight rows on a chip at once instead of one.
TOO_LARGE = (
  'tpu_v4', 'mesh.data=1,mesh.topology=v4:2x2x2,rl.microbatches=1'
)  # fmt: skip
HERE = pathlib.Path(__file__).parent


def table() -> str:
  """All rows as Markdown."""
  lines = [
    f'| config | {" | ".join(main_lib.COLUMNS)} |',
    '|---' * (1 + len(main_lib.COLUMNS)) + '|',
  ]
  for name in CONFIGS:
    path = HERE / name / 'compile.json'
    if path.exists():
      rows = json.loads(path.read_text())
      for row in rows:
        cells = main_lib.cells(row)
        cells += [''] * (len(main_lib.COLUMNS) - len(cells))
        lines.append(f'| {" | ".join([name, *cells])} |')
  return '\n'.join(lines)


def main():
  flags = argparse.ArgumentParser()
  flags.add_argument('--configs', nargs='*', default=[*CONFIGS, 'too_large'])
  for name in flags.parse_args().configs:
    config, arg = TOO_LARGE if name == 'too_large' else (name, '')
    module = importlib.import_module(f'configs.{config}')
    print(f'== {name}', flush=True)
    try:
      main_lib.main(module.get_config(arg), str(HERE / name))
    except ValueError as error:
      if name != 'too_large':
        raise
      print(f'refused, as it should be: {error}')
      files.write_text(HERE / name / 'refusal.txt', f'{error}\n')
    else:
      assert name != 'too_large', 'the config that is too large did fit'
  readme = HERE / 'README.md'
  before, rest = readme.read_text().split('<!-- table -->')
  after = rest.split('<!-- end -->')[1]
  text = f'{before}<!-- table -->\n{table()}\n<!-- end -->{after}'
  files.write_text(readme, text)


if __name__ == '__main__':
  main()
