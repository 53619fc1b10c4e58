"""The text of a compiled program (optimized HLO) as data.

The format: https://openxla.org/xla/operation_semantics.
"""

import math
import re
from typing import NamedTuple

_BITS = {
  'pred': 8, 's4': 4, 'u4': 4, 's8': 8, 'u8': 8, 's16': 16, 'u16': 16,
  'bf16': 16, 'f16': 16, 's32': 32, 'u32': 32, 'f32': 32, 's64': 64,
  'u64': 64, 'f64': 64, 'f8e4m3fn': 8, 'f8e5m2': 8,
}  # fmt: skip
_ARRAY = re.compile(r'(\w+)\[([\d,]*)\](?:\{([^}]*)\})?')
_SPACE = re.compile(r'S\((\d+)\)')


class Array(NamedTuple):
  """One array of a shape; `local` if it lies in on-chip memory, not HBM."""

  dtype: str
  dims: tuple[int, ...]
  size: int  # bytes
  local: bool

  @property
  def hbm(self) -> int:
    return 0 if self.local else self.size


class Instruction(NamedTuple):
  name: str
  opcode: str
  arrays: tuple[Array, ...]  # of the result; many for a tuple
  operands: tuple[str, ...]
  text: str  # attributes
  root: bool


Computation = dict[str, Instruction]


def parse(text: str) -> tuple[dict[str, Computation], str | None]:
  """Returns computations by name, and the name of the entry."""
  found, current, entry = {}, None, None
  for line in text.splitlines():
    if (
      line.endswith('{') and ' -> ' in line and ' = ' not in line.split('(')[0]
    ):
      name = line.split('(')[0].replace('ENTRY', '').strip().lstrip('%')
      current = found.setdefault(name, {})
      entry = name if line.startswith('ENTRY') else entry
    elif ' = ' in line and current is not None:
      one = _instruction(line)
      current[one.name] = one
  return found, entry


def _instruction(line: str) -> Instruction:
  left, right = line.strip().split(' = ', 1)
  root, name = left.startswith('ROOT '), left.removeprefix('ROOT ').lstrip('%')
  end = _closing(right) if right.startswith('(') else right.index(' ')
  shape, right = right[:end], right[end:].lstrip()
  opcode, right = right.split('(', 1)
  end = _closing('(' + right) - 1
  operands = re.findall(r'%([\w.\-]+)', right[:end])
  attributes = right[end:]
  if opcode in ('constant', 'parameter'):
    attributes = right[: end - 1]
  arrays = tuple(_array(*m.groups()) for m in _ARRAY.finditer(shape))
  return Instruction(name, opcode, arrays, tuple(operands), attributes, root)


def _closing(text: str) -> int:
  """Index after the parenthesis that closes the first one."""
  depth = 0
  for i, char in enumerate(text):
    depth += (char == '(') - (char == ')')
    if depth == 0:
      return i + 1
  raise ValueError(f'unbalanced parentheses in HLO: {text[:80]!r}')


def _array(dtype: str, dims: str, layout: str | None) -> Array:
  shape = tuple(int(d) for d in dims.split(',') if d)
  space = _SPACE.search(layout or '')
  size = math.prod(shape) * _BITS.get(dtype, 0) // 8
  return Array(dtype, shape, size, space is not None and space[1] != '0')
