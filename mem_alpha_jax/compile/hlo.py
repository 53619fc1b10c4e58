"""What a compiled program does, read from XLA's optimised HLO text.

XLA's own cost analysis counts the body of a loop once, however often it runs.
Here the body counts as often as the loop's condition says.

  flops       of matrix products (dot, convolution, and kernels that say so)
  hbm         bytes that instructions read and write in the device's memory;
              a fusion reads its inputs and writes its outputs, of a buffer
              that it slices or updates in place only the slice
  collective  bytes that a device receives over its links, by ring algorithms
              (Thakur et al. 2005, "Optimization of Collective Communication
              Operations in MPICH")
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from mem_alpha_jax.compile.hlo_text import (
  Array,
  Computation,
  Instruction,
  parse,
)

_CALLED = re.compile(
  r'(?:calls|to_apply|body|branch_computations)=\{?%([^\s,}]+)'
)
FREE = frozenset(
  (
    'parameter', 'constant', 'tuple', 'get-tuple-element', 'bitcast',
    'after-all', 'partition-id', 'replica-id', 'copy-done', 'slice-done',
    'async-done', 'async-update', 'opt-barrier', 'all-gather-done',
    'all-reduce-done', 'collective-permute-done', 'domain',
  )
)  # fmt: skip
COLLECTIVES = (
  'all-gather', 'all-reduce', 'reduce-scatter', 'all-to-all',
  'collective-permute',
)  # fmt: skip


class Cost(NamedTuple):
  """Of one device. Collectives: kind and shape -> (count, bytes received)."""

  flops: float = 0.0
  hbm: float = 0.0
  collective: float = 0.0
  collectives: Mapping[str, tuple[int, float]] = {}

  def __add__(self, other: 'Cost') -> 'Cost':
    kinds = dict(self.collectives)
    for kind, (count, size) in other.collectives.items():
      before = kinds.get(kind, (0, 0.0))
      kinds[kind] = before[0] + count, before[1] + size
    return Cost(
      *(a + b for a, b in zip(self[:3], other[:3], strict=True)), kinds
    )

  def times(self, n: int) -> 'Cost':
    kinds = {k: (n * c, n * b) for k, (c, b) in self.collectives.items()}
    return Cost(*(n * x for x in self[:3]), kinds)


# Operand and result arrays of a kernel -> its cost.
Kernel = Callable[[list[Array], list[Array]], Cost]


class Loop(NamedTuple):
  """A loop whose number of turns the program decides; cost of one turn."""

  name: str
  turn: Cost


def analyze(
  text: str, kernels: Mapping[str, Kernel] | None = None, turns: int = 1
) -> tuple[Cost, list[Loop]]:
  """Returns the cost of a module and its loops of unknown length.

  Args:
    text: `compiled.as_text()`.
    kernels: cost of custom calls by the beginning of their name.
    turns: of each loop of unknown length.

  Raises:
    ValueError: if the text has no entry computation.
  """
  computations, entry = parse(text)
  if entry is None:
    raise ValueError('the HLO text has no ENTRY computation')
  walk = _Walk(computations, kernels or {}, turns)
  return walk.cost(entry), walk.loops


class _Walk:
  """Sums costs over the call graph; each computation is computed once."""

  def __init__(self, computations, kernels, turns):
    self.computations, self.kernels, self.turns = computations, kernels, turns
    self.loops: list[Loop] = []
    self.known: dict[str, Cost] = {}

  def cost(self, name: str) -> Cost:
    if name not in self.known:
      total, computation = Cost(), self.computations[name]
      for one in computation.values():
        total += self.instruction(one, computation)
      self.known[name] = total
    return self.known[name]

  def instruction(self, one: Instruction, inside: Computation) -> Cost:
    opcode = one.opcode.removesuffix('-start')
    if one.opcode in FREE:
      return Cost()
    if opcode == 'while':
      return self._while(one)
    if opcode == 'conditional':
      branches = [self.cost(n) for n in self._called(one)]
      return max(branches, key=lambda c: (c.hbm, c.flops), default=Cost())
    if opcode in ('call', 'async'):
      return sum((self.cost(n) for n in self._called(one)), Cost())
    if opcode in COLLECTIVES:
      sizes = [self._result(inside[o]) for o in one.operands]
      return collective(opcode, sum(sizes), one) + self._moved(one, inside)
    if opcode == 'fusion':
      return self._fusion(one, inside)
    if opcode == 'custom-call':
      return self._custom(one, inside)
    if opcode in ('dot', 'convolution'):
      return Cost(flops=product_flops(one, inside)) + self._moved(one, inside)
    return self._moved(one, inside)

  def _called(self, one: Instruction) -> list[str]:
    names = _CALLED.findall(one.text)
    branches = re.search(r'branch_computations=\{([^}]*)\}', one.text)
    if branches:
      names = re.findall(r'%([\w.\-]+)', branches[1])
    return [n for n in names if n in self.computations]

  def _while(self, one: Instruction) -> Cost:
    body = self.cost(re.search(r'body=%([\w.\-]+)', one.text)[1])
    condition = re.search(r'condition=%([\w.\-]+)', one.text)[1]
    known = trips(one.text, self.computations[condition])
    if known is None:
      self.loops.append(Loop(one.name, body))
    return body.times(self.turns if known is None else known)

  def _result(self, one: Instruction) -> int:
    return sum(a.size for a in one.arrays)

  def _moved(self, one: Instruction, inside: Computation) -> Cost:
    """Bytes of an instruction that runs by itself."""
    operands = [inside[o].arrays for o in one.operands]
    out = sum(a.hbm for a in one.arrays)
    opcode = one.opcode
    if opcode == 'copy-start':  # (destination, source, context)
      return Cost(hbm=one.arrays[0].hbm + one.arrays[1].hbm)
    if opcode == 'slice-start':  # ((source), destination, context)
      source, destination = one.arrays[:2]
      read = 0 if source.local else destination.size
      return Cost(hbm=read + destination.hbm)
    if opcode in ('dynamic-slice', 'slice', 'gather'):
      read = 0 if operands[0][0].local else self._result(one)
      return Cost(hbm=read + out)
    if opcode in ('dynamic-update-slice', 'scatter'):
      update = operands[1 if opcode.startswith('dynamic') else 2][0]
      written = 0 if one.arrays[0].local else update.size
      return Cost(hbm=update.hbm + written)
    if opcode.endswith('-start'):  # operands are repeated in the result
      out = one.arrays[-1].hbm
    return Cost(hbm=out + sum(a.hbm for arrays in operands for a in arrays))

  def _fusion(self, one: Instruction, inside: Computation) -> Cost:
    called = self.computations[self._called(one)[0]]
    total = Cost()
    for inner in called.values():
      if inner.opcode in ('dot', 'convolution'):
        total += Cost(flops=product_flops(inner, called))
      elif inner.opcode == 'fusion':
        total += self._fusion(inner, called)._replace(hbm=0.0)
      elif inner.opcode in COLLECTIVES:
        sizes = sum(self._result(called[o]) for o in inner.operands)
        total += collective(_fused_kind(inner, called), sizes, inner)
    read = sum(
      _read(self.computations, called, i, inside[o])
      for i, o in enumerate(one.operands)
    )
    return total + Cost(hbm=read + _written(one, called))

  def _custom(self, one: Instruction, inside: Computation) -> Cost:
    if one.text.startswith('), custom_call_target="ConcatBitcast"'):
      return Cost()
    operands = [a for o in one.operands for a in inside[o].arrays]
    for name, kernel in self.kernels.items():
      if one.name.startswith(name):
        return kernel(operands, list(one.arrays))
    return self._moved(one, inside)


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


def _fused_kind(inner: Instruction, called: Computation) -> str:
  """TPU writes a reduce-scatter as a fusion of all-reduce and slice."""
  sliced = any(
    i.opcode == 'dynamic-slice' and inner.name in i.operands
    for i in called.values()
  )
  scatter = inner.opcode == 'all-reduce' and sliced
  return 'reduce-scatter' if scatter else inner.opcode.removesuffix('-start')


def collective(kind: str, size: int, one: Instruction) -> Cost:
  """Bytes a device receives when its operand has `size` bytes."""
  n = group_size(one.text)
  if n == 1:
    return Cost()
  received = {
    'all-gather': size * (n - 1),
    'reduce-scatter': size * (n - 1) / n,
    'all-reduce': 2 * size * (n - 1) / n,
    'all-to-all': size * (n - 1) / n,
    'collective-permute': size,
  }[kind]
  shape = one.arrays[-1]
  name = f'{kind} {shape.dtype}{list(shape.dims)} of {n}'
  return Cost(collective=received, collectives={name: (1, received)})


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

  spatial = zip(
    range(count),
    numbers('size', '1'),
    numbers('stride', '1'),
    numbers('pad', '0_0'),
    numbers('lhs_dilate', '1'),
    numbers('rhs_dilate', '1'),
    strict=True,
  )
  for i, size, stride, pad, spread, gap in spatial:
    total *= _positions(
      left[lhs.index(str(i))],
      result[out.index(str(i))],
      *(int(x) for x in (size, stride, pad.split('_')[0], spread, gap)),
    )
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


def _read(computations, called: Computation, index: int, given) -> float:
  """Bytes of HBM that a fusion reads of operand `index`."""
  if not any(a.hbm for a in given.arrays):
    return 0.0
  parameter = next(
    i
    for i in called.values()
    if i.opcode == 'parameter' and i.text == str(index)
  )
  whole = float(sum(a.hbm for a in given.arrays))
  return min(whole, _used(computations, called, parameter, whole))


def _used(computations, called, value: Instruction, whole: float) -> float:
  """Bytes of a value that its users need."""
  if value.root:  # of a fusion that only views it: whoever has it reads it
    return 0.0 if value.opcode == 'dynamic-update-slice' else whole
  total = 0.0
  for user in called.values():
    if value.name not in user.operands:
      continue
    first = user.operands[0] == value.name
    if user.opcode == 'bitcast':
      total += _used(computations, called, user, whole)
    elif user.opcode in ('dynamic-slice', 'slice', 'gather') and first:
      total += user.arrays[0].size
    elif user.opcode == 'dynamic-update-slice' and first:
      # Updated in place; who else reads the result reads the buffer.
      total += _used(computations, called, user, whole)
    elif user.opcode == 'tuple' and user.root:
      continue
    elif user.opcode == 'fusion':
      inner = computations[_CALLED.search(user.text)[1]]
      for i, name in enumerate(user.operands):
        if name == value.name:
          total += _read(computations, inner, i, value._replace(
            arrays=tuple(a._replace(local=False) for a in value.arrays)
          ))  # fmt: skip
    else:
      return whole
  return total


def _written(one: Instruction, called: Computation) -> float:
  """Bytes of HBM that a fusion writes."""
  root = next(i for i in called.values() if i.root)
  parts = [root]
  if root.opcode == 'tuple':
    parts = [called[o] for o in root.operands]
  arrays = one.arrays
  total = 0.0
  for part, array in zip(parts, arrays, strict=len(parts) == len(arrays)):
    while part.opcode == 'bitcast' and part.operands[0] in called:
      part = called[part.operands[0]]
    size = array.size
    if part.opcode == 'dynamic-update-slice':
      size = called[part.operands[1]].arrays[0].size
    total += 0 if array.local else size
  return total
