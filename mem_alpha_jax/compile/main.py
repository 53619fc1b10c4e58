"""--mode=compile: compiles every program of a run and says what it will need.

For the topology of `mesh.topology` ('v4:2x4x4'), which need not be attached:
XLA's TPU compiler comes with the package libtpu. What does not fit is found
in minutes on a laptop instead of on the slice.
"""

import os
import pathlib
import re
import sys
import time
from typing import Any

import jax
from jax.experimental import topologies

from mem_alpha_jax.compile import footprint, hlo, programs, roofline
from mem_alpha_jax.model import policy as policy_lib
from mem_alpha_jax.run import build as build_lib
from mem_alpha_jax.sampling import sampler
from mem_alpha_jax.system import files, machine, sharding
from mem_alpha_jax.types import GIB

LIBRARY = pathlib.Path(sys.prefix) / 'tpu' / 'libtpu' / 'libtpu.so'


def main(config, workdir: str) -> list[dict[str, Any]]:
  """Compiles, prints and stores one table; README.md, "A slice, or many".

  Returns:
    The rows of `<workdir>/compile.json`.

  Raises:
    ValueError: for the first program that does not fit, naming the field to
      change; the table has been written.
  """
  if config.rollout.grammar != 'off':
    raise ValueError(
      f'rollout.grammar={config.rollout.grammar!r}: is of a tokenizer, which '
      "--mode=compile does without; compile with 'off'"
    )
  devices = topology_devices(config.mesh.topology)
  mesh = sharding.create_mesh(config.mesh, devices)
  shape = build_lib.model_shape(config, config.tokenizer.vocab_size, None)
  policy = policy_lib.make_policy(shape, mesh=mesh, decode=config.mesh.decode)
  chip = chip_of(config.mesh.topology, devices)
  planned = footprint.make(config, policy, mesh, chip and chip.hbm)
  print(footprint.table(planned), flush=True)
  axes = roofline.matrix_axes(policy)
  rows = []
  lines = [' | '.join(COLUMNS)]
  print(lines[0])
  for program in programs.programs(config, policy, mesh):
    row = compile_one(program, chip)
    if 'cost' in row:
      work = roofline.model_work(config, policy.config, mesh, program, axes)
      row |= roofline.report(*row.pop('cost'), work, chip, mesh.size)
    rows.append(row)
    lines.append(' | '.join(cells(row)))
    print(lines[-1], flush=True)
  folder = pathlib.Path(workdir)
  files.write_json(folder / 'compile.json', rows)
  files.write_text(folder / 'compile.txt', '\n'.join([*lines, '']))
  for row in rows:
    if not row['fits']:
      raise ValueError(_refusal(row, config))
  return rows


def topology_devices(name: str) -> list:
  """Devices of a topology like 'v4:2x4x4'; of this machine for ''.

  Raises:
    ValueError: without libtpu, or for a topology that it does not know.
  """
  if not name:
    return jax.devices()
  kind = name.split(':')[0]
  if kind not in roofline.CHIPS:
    raise ValueError(
      f'mesh.topology={name!r}: {kind!r} is none of {list(roofline.CHIPS)}'
    )
  if LIBRARY.exists():
    os.environ.setdefault('TPU_LIBRARY_PATH', str(LIBRARY))
  # There is no slice whose metadata server could be asked, nor one to lock.
  os.environ['TPU_SKIP_MDS_QUERY'] = '1'
  os.environ.setdefault('ALLOW_MULTIPLE_LIBTPU_LOAD', 'true')
  os.environ.setdefault('TPU_WORKER_HOSTNAMES', 'localhost')
  os.environ.setdefault('TPU_ACCELERATOR_TYPE', name.replace(':', '-'))
  options = dict(roofline.CHIPS[kind].options)
  if name.endswith(':1x1'):  # a chip by itself, as Colab lends one
    options['chips_per_host_bounds'] = (1, 1, 1)
  try:
    found = topologies.get_topology_desc(name, 'tpu', **options)
  except Exception as error:  # libtpu's own kinds
    first = machine.summary(error)
    raise ValueError(
      f'mesh.topology={name!r}: {first}; needs libtpu: make compile-tpu, or '
      "pip install -e '.[tpu]' in the clone"
    ) from error
  return list(found.devices)


def chip_of(topology: str, devices: list) -> roofline.Chip | None:
  """Published figures of the devices, None if they are not known."""
  kind = topology.split(':')[0] or devices[0].device_kind.lower()
  known = (c for name, c in roofline.CHIPS.items() if name in kind)
  return next(known, None)


def compile_one(
  program: programs.Program, chip: roofline.Chip | None
) -> dict[str, Any]:
  """Compiles a program; its needs as a row of the table, and `hlo.analyze`."""
  row = {'program': program.name, 'kind': program.kind, 'rows': program.rows}
  started = time.perf_counter()
  try:
    compiled = program.lower().compile()
  except jax.errors.JaxRuntimeError as error:
    if 'RESOURCE_EXHAUSTED' not in str(error):
      raise
    sizes = re.findall(r'\((\d+\.\d+\w)\)', str(error))
    return row | {'fits': False, 'needs': sizes, 'hbm': chip and chip.hbm}
  row['compile_seconds'] = round(time.perf_counter() - started, 1)
  found = compiled.memory_analysis()
  row['bytes'] = {
    'arguments': found.argument_size_in_bytes,
    'outputs': found.output_size_in_bytes - found.alias_size_in_bytes,
    'temporaries': found.temp_size_in_bytes,
    'code': found.generated_code_size_in_bytes,
    'peak': found.peak_memory_in_bytes,
  }
  row['fits'] = chip is None or row['bytes']['peak'] <= chip.hbm
  if chip is not None:
    row['hbm'] = chip.hbm
    segments = sampler.segment_ends(program.shape.get('response', 2) - 1)
    turns = -(-segments[-1] // len(segments))
    row['cost'] = hlo.analyze(compiled.as_text(), turns)
  return row


COLUMNS = (
  'program', 'arguments GiB', 'peak of HBM GiB', 'compute s', 'memory s',
  'links s', 'bound by', 'model share', 'decode step ms',
  'needed share of its bytes',
)  # fmt: skip


def cells(row: dict[str, Any]) -> list[str]:
  """COLUMNS of a row; times are the least that published rates allow."""
  if 'bytes' not in row:
    return [row['program'], f'DOES NOT FIT: {" of ".join(row["needs"])}']
  gib = lambda size: f'{size / GIB:.2f}'
  sizes, step = row['bytes'], row.get('step')
  found = [row['program'], gib(sizes['arguments']), gib(sizes['peak'])]
  if 'seconds' in row:
    found[-1] += f' of {row["hbm"] / GIB:.0f}'
    share = row.get('model_share')
    found += [f'{t:.3f}' for t in row['seconds'].values()]
    found += [row['bottleneck'], '' if share is None else f'{share:.2f}']
  if step is not None:
    milliseconds = 1e3 * max(step['seconds'].values())
    found.append(f'{milliseconds:.2f} by {step["bottleneck"]}')
    found.append(f'{step["needed_share"]:.2f}')
  return found


def _refusal(row: dict[str, Any], config: Any) -> str:
  """What does not fit, and the field that gives most."""
  wrong = {'sample': 'cache', 'greedy': 'greedy', 'retrieve': 'retrieve'}
  way_out = footprint.way_out(wrong.get(row['kind'], 'activations'), config)
  sizes = ' of '.join(row.get('needs', ())) or 'more than there is'
  return (
    f'{row["program"]} does not fit on {config.mesh.topology}: it needs '
    f'{sizes} of memory; {way_out}'
  )
