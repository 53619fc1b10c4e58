"""What a compiled program does, read from XLA's optimized HLO text.

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

import re

from mem_alpha_jax.compile import kernel_costs
from mem_alpha_jax.compile.hlo_text import Computation, Instruction, parse
from mem_alpha_jax.compile.instructions import (
  Cost,
  collective,
  fused_kind,
  product_flops,
  trips,
)

_NAME = re.compile(r'%([\w.\-]+)')
_CALLED = re.compile(
  r'(?:calls|to_apply|branch_computations)=(\{[^}]*\}|[^\s,}]+)'
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


def analyze(text: str, turns: int = 1) -> tuple[Cost, list[Cost]]:
  """Returns the cost of `compiled.as_text()`, and of one turn of open loops.

  A loop is open if the program decides how often it turns; it counts `turns`
  times.
  """
  computations, entry = parse(text)
  walk = _Walk(computations, turns)
  return walk.cost(entry), walk.loops


class _Walk:
  """Sums costs over the call graph; each computation is computed once."""

  def __init__(self, computations, turns):
    self.computations, self.turns = computations, turns
    self.loops: list[Cost] = []
    self.known: dict[str, Cost] = {}

  def cost(self, name: str) -> Cost:
    if name not in self.known:
      inside = self.computations[name]
      costs = (self.instruction(one, inside) for one in inside.values())
      self.known[name] = sum(costs, Cost())
    return self.known[name]

  def instruction(self, one: Instruction, inside: Computation) -> Cost:
    opcode = one.opcode.removesuffix('-start')
    if one.opcode in FREE:
      return Cost()
    if opcode == 'while':
      return self._while(one)
    if opcode == 'conditional':
      branches = map(self.cost, _called(one))
      return max(branches, key=lambda c: (c.hbm, c.flops), default=Cost())
    if opcode in ('call', 'async'):
      return sum(map(self.cost, _called(one)), Cost())
    if opcode == 'fusion':
      return self._fusion(one, inside)
    if opcode == 'custom-call':
      return self._custom(one, inside)
    if opcode in COLLECTIVES:
      return collective(opcode, one, inside) + _moved(one, inside)
    if opcode in ('dot', 'convolution'):
      return Cost(flops=product_flops(one, inside)) + _moved(one, inside)
    return _moved(one, inside)

  def _while(self, one: Instruction) -> Cost:
    body, condition = (
      re.search(rf'{part}=%([\w.\-]+)', one.text)[1]
      for part in ('body', 'condition')
    )
    turn = self.cost(body)
    known = trips(one.text, self.computations[condition])
    if known is None:
      self.loops.append(turn)
    return turn.times(self.turns if known is None else known)

  def _fusion(self, one: Instruction, inside: Computation) -> Cost:
    called = self.computations[_called(one)[0]]
    total = Cost()
    for inner in called.values():
      if inner.opcode in ('dot', 'convolution'):
        total += Cost(flops=product_flops(inner, called))
      elif inner.opcode == 'fusion':
        total += self._fusion(inner, called)._replace(hbm=0.0)
      elif inner.opcode in COLLECTIVES:
        total += collective(fused_kind(inner, called), inner, called)
    read = sum(
      self._read(called, i, inside[o]) for i, o in enumerate(one.operands)
    )
    return total + Cost(hbm=read + _written(one, called))

  def _custom(self, one: Instruction, inside: Computation) -> Cost:
    if one.text.startswith('), custom_call_target="ConcatBitcast"'):
      return Cost()
    operands = [a for o in one.operands for a in inside[o].arrays]
    for name, kernel in kernel_costs.COSTS.items():
      if one.name.startswith(name):
        return kernel(operands, list(one.arrays))
    return _moved(one, inside)

  def _read(self, called: Computation, index: int, given: Instruction) -> float:
    """Bytes of HBM that a fusion reads of operand `index`."""
    whole = float(sum(a.hbm for a in given.arrays))
    if not whole:
      return 0.0
    parameter = next(
      i
      for i in called.values()
      if i.opcode == 'parameter' and i.text == str(index)
    )
    return min(whole, self._used(called, parameter, whole))

  def _used(self, called: Computation, value: Instruction, whole: float):
    """Bytes of a value that its users need."""
    if value.root:  # of a fusion that only views it: whoever has it reads it
      return 0.0 if value.opcode == 'dynamic-update-slice' else whole
    total = 0.0
    for user in called.values():
      if value.name not in user.operands:
        continue
      first = user.operands[0] == value.name
      if user.opcode in ('dynamic-slice', 'slice', 'gather') and first:
        total += user.arrays[0].size
      elif user.opcode == 'bitcast' or (
        user.opcode == 'dynamic-update-slice' and first
      ):
        # Updated in place; who else reads the result reads the buffer.
        total += self._used(called, user, whole)
      elif user.opcode == 'tuple' and user.root:
        continue
      elif user.opcode == 'fusion':
        inner = self.computations[_called(user)[0]]
        arrays = tuple(a._replace(local=False) for a in value.arrays)
        given = value._replace(arrays=arrays)
        total += sum(
          self._read(inner, i, given)
          for i, name in enumerate(user.operands)
          if name == value.name
        )
      else:
        return whole
    return total


def _called(one: Instruction) -> list[str]:
  """Computations that an instruction runs."""
  return [n for part in _CALLED.findall(one.text) for n in _NAME.findall(part)]


def _moved(one: Instruction, inside: Computation) -> Cost:
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
    size = sum(a.size for a in one.arrays)
    return Cost(hbm=out + (0 if operands[0][0].local else size))
  if opcode in ('dynamic-update-slice', 'scatter'):
    update = operands[1 if opcode.startswith('dynamic') else 2][0]
    written = 0 if one.arrays[0].local else update.size
    return Cost(hbm=update.hbm + written)
  if opcode.endswith('-start'):  # operands are repeated in the result
    out = one.arrays[-1].hbm
  return Cost(hbm=out + sum(a.hbm for arrays in operands for a in arrays))


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
