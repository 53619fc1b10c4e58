"""Products of a decode step: few rows by a whole matrix.

XLA's CPU matmul copies its right-hand matrix into blocks on every call; for
few rows that costs more than the arithmetic. With the weight on the left,
[F, D] x [D, rows], only the rows are copied (a third faster at 16 rows).
"""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

FEW = 64  # at most so many rows are few
# Kernels that `policy.prepare` transposed, and LoRA's factors beside them.
COLLECTION = 'decode'


def narrow(
  weight: Float[Array, 'F D'], x: Float[Array, '... D'], **options
) -> Float[Array, '... F']:
  """Returns x weight^T, the weight on the left."""
  rows = x.reshape(-1, x.shape[-1])
  out = jnp.matmul(weight, rows.T, **options)
  # Without the barrier XLA turns the product around again.
  out = jax.lax.optimization_barrier(out)
  return out.T.reshape(*x.shape[:-1], -1)


def is_few(x: Float[Array, '... D']) -> bool:
  return x.size <= FEW * x.shape[-1]


def dense(
  module: nn.Module,
  name: str,
  x: Float[Array, '... D'],
  kernel: Float[Array, 'D F'],
) -> Float[Array, '... F']:
  """Returns x kernel; few rows by `narrow` where `prepare` stored kernel^T.

  In a decode loop LoRA's factors may stand beside the kernel, see lora.py.
  """
  transposed, factors = f'{name}_t', f'{name}_lora'
  if module.is_mutable_collection(COLLECTION) and not module.is_initializing():
    module.put_variable(COLLECTION, transposed, kernel.T)
  if is_few(x) and module.has_variable(COLLECTION, transposed):
    product = narrow(module.get_variable(COLLECTION, transposed), x)
  else:
    # Not matmul: qwix adds LoRA to products of a parameter, and matmul is a
    # jitted function inside which no parameter can be made.
    product = _times(x, kernel)
  if module.has_variable(COLLECTION, factors):
    a, b = module.get_variable(COLLECTION, factors)
    product = product + _times(_times(x, a), b)
  # LoRA's factors are float32 whatever x is, and so is what they add.
  return product.astype(x.dtype)


def _times(x, kernel):
  # Rows in one dimension: the kernel's gradient then sums over one. Over more,
  # XLA on CPU copies an operand and multiplies at 0.7 of the rate.
  rows = x.reshape(-1, x.shape[-1])
  out = jax.lax.dot_general(rows, kernel, (((1,), (0,)), ((), ())))
  return out.reshape(*x.shape[:-1], -1)
