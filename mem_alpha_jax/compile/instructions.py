"""What one instruction of a compiled program costs."""

import math
import re
from typing import NamedTuple

from mem_alpha_jax.compile.hlo_text import Computation, Instruction


class Cost(NamedTuple):
  """Of one device; `collective` are bytes received."""

  flops: float = 0.0
  hbm: float = 0.0
  collective: float = 0.0

  def __add__(self, other: 'Cost') -> 'Cost':
    return Cost(*(a + b for a, b in zip(self, other, strict=True)))

  def times(self, n: float) -> 'Cost':
    return Cost(*(n * x for x in self))


def trips(text: str, condition: Computation) -> int | None:
  """Turns of a loop that counts up from 0, None if it does something else."""
  known = re.search(r'known_trip_count[^}]*?"n":"(\d+)"', text)
  if known:
    return int(known[1])
  root = next(i for i in condition.values() if i.root)
  if root.opcode != 'compare' or 'direction=LT' not in root.text:
    return None
  bound = condition[root.operands[1]]
  if bound.opcode != 'constant' or not bound.text.lstrip('-').isdigit():
    return None
  return int(bound.text)


def fused_kind(inner: Instruction, called: Computation) -> str:
  """TPU writes a reduce-scatter as a fusion of all-reduce and slice."""
  sliced = any(
    i.opcode == 'dynamic-slice' and inner.name in i.operands
    for i in called.values()
  )
  scatter = inner.opcode == 'all-reduce' and sliced
  return 'reduce-scatter' if scatter else inner.opcode.removesuffix('-start')


def collective(kind: str, one: Instruction, inside: Computation) -> Cost:
  """Bytes that a device receives."""
  size = sum(a.size for o in one.operands for a in inside[o].arrays)
  n = group_size(one.text)
  received = {
    'all-gather': size * (n - 1),
    'reduce-scatter': size * (n - 1) / n,
    'all-reduce': 2 * size * (n - 1) / n,
    'all-to-all': size * (n - 1) / n,
    'collective-permute': size,
  }[kind]
  return Cost(collective=received)


def group_size(text: str) -> int:
  """Devices of one group, from any of the three notations."""
  if 'source_target_pairs' in text:
    return 2
  mesh = re.search(r'replica_groups=mesh\[([^\]]*)\][^{]*\{([^}]*)\}', text)
  if mesh:
    sizes = dict(re.findall(r"'([^']+)'=(\d+)", mesh[1]))
    axes = re.findall(r"'([^']+)'", mesh[2])
    return math.prod(int(sizes[axis]) for axis in axes)
  iota = re.search(r'replica_groups=\[\d+,(\d+)\]<=', text)
  if iota:
    return int(iota[1])
  listed = re.search(r'replica_groups=\{\{([\d,]*)\}', text)
  return len(listed[1].split(',')) if listed else 1


def product_flops(one: Instruction, inside: Computation) -> float:
  """Two for each product of two numbers that is summed."""
  out = math.prod(one.arrays[0].dims)
  left, right = (inside[o].arrays[0].dims for o in one.operands[:2])
  if one.opcode == 'dot':
    dims = re.search(r'lhs_contracting_dims=\{([\d,]*)\}', one.text)
    summed = math.prod(left[int(d)] for d in dims[1].split(',') if d)
    return 2.0 * out * summed
  return _convolution_flops(one, left, right)


def _convolution_flops(one, left, right) -> float:
  """TPU writes all products as convolutions, batch dims as spatial ones."""
  labels = re.search(r'dim_labels=(\w+)_(\w+)->(\w+)', one.text)
  lhs, rhs, out = labels.groups()
  window = re.search(r'window=\{([^}]*)\}', one.text)
  fields = dict(re.findall(r'(\w+)=([\dx_\-]+)', window[1])) if window else {}
  result = one.arrays[0].dims
  total = 2.0 * result[out.index('b')] * result[out.index('f')]
  total *= right[rhs.index('i')]
  count = len(out) - 2

  def numbers(name, default):
    text = fields.get(name)
    return [default] * count if text is None else text.split('x')

  columns = [
    numbers('size', '1'),
    numbers('stride', '1'),
    [pad.split('_')[0] for pad in numbers('pad', '0_0')],
    numbers('lhs_dilate', '1'),
    numbers('rhs_dilate', '1'),
  ]
  for i, sizes in enumerate(zip(*columns, strict=True)):
    n, o = left[lhs.index(str(i))], result[out.index(str(i))]
    total *= _positions(n, o, *map(int, sizes))
  return total


def _positions(n, out, size, stride, low, spread, gap) -> int:
  """Pairs (output, window place) of a dim that meet an element, not padding."""
  found = 0
  for k in range(size):
    first = k * gap - low  # of output 0, in the dilated input
    if spread == stride == 1:
      found += max(min(out, n - first) - max(0, -first), 0)
    else:
      places = (first + o * stride for o in range(out))
      found += sum(p % spread == 0 and 0 <= p // spread < n for p in places)
  return found
