"""Compiles every program of the TPU configs for slices that are not here.

  make compile-tpu

Writes <config>/compile.json and compile.txt beside this file, the table of
README.md, and of a config that does not fit the message that it gives.
"""

import argparse
import importlib
import json
import pathlib

from mem_alpha_jax import aot, workdir

CONFIGS = ('tpu_v4', 'tpu_v5e', 'tpu_v6e')
# Four groups of eight rows on a chip at once instead of one.
TOO_LARGE = (
  'tpu_v4', 'mesh.data=1,mesh.topology=v4:2x2x2,rl.microbatches=1'
)  # fmt: skip
HERE = pathlib.Path(__file__).parent


def table() -> str:
  """All rows as Markdown."""
  lines = [
    '| program | args GiB | peak GiB | compute s | memory s | links s '
    '| bound by | model share | decode step ms | needed (live) |',
    '|---|---|---|---|---|---|---|---|---|---|',
  ]
  for name in CONFIGS:
    path = HERE / name / 'compile.json'
    if path.exists():
      lines += [_line(name, row) for row in json.loads(path.read_text())]
  return '\n'.join(lines)


def _line(name: str, row: dict) -> str:
  sizes, times = row['bytes'], row['seconds']
  step, share = row.get('step'), row.get('model_share')
  cells = [
    f'{name} {row["kind"]}',
    f'{sizes["arguments"] / 2**30:.1f}',
    f'{sizes["peak"] / 2**30:.1f} of {row["hbm"] / 2**30:.0f}',
    *(f'{t:.3f}' for t in times.values()),
    row['bottleneck'],
    '' if share is None else f'{share:.2f}',
    '' if step is None else f'{1e3 * max(step["seconds"].values()):.2f}',
    ''
    if step is None
    else f'{step["needed_share"]:.2f} ({step["live_share"]:.2f})',
  ]
  return f'| {" | ".join(cells)} |'


def main():
  flags = argparse.ArgumentParser()
  flags.add_argument('--configs', nargs='*', default=[*CONFIGS, 'too_large'])
  for name in flags.parse_args().configs:
    config, arg = TOO_LARGE if name == 'too_large' else (name, '')
    module = importlib.import_module(f'configs.{config}')
    print(f'== {name}', flush=True)
    try:
      aot.main(module.get_config(arg), str(HERE / name))
    except ValueError as error:
      if name != 'too_large':
        raise
      print(f'refused, as it should be: {error}')
      workdir.write_text(HERE / name / 'refusal.txt', f'{error}\n')
    else:
      assert name != 'too_large', 'the config that is too large did fit'
  readme = HERE / 'README.md'
  before, rest = readme.read_text().split('<!-- table -->')
  after = rest.split('<!-- end -->')[1]
  text = f'{before}<!-- table -->\n{table()}\n<!-- end -->{after}'
  workdir.write_text(readme, text)


if __name__ == '__main__':
  main()
