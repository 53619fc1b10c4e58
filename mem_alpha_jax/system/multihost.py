"""What crosses between the processes of a run: arrays, and bytes of the rest.

A function here that gathers is a program on all devices: every process calls
it, in the same order, as it calls every jitted function of the global
parameters. What differs between processes (their episodes, memories, readers)
lies between such calls and must never decide whether one is made.

A batch of B rows lies in blocks: of P processes, p has the rows from p B / P
on. With one process nothing is gathered and nothing costs.
"""

import functools
import itertools
import pickle
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

T = TypeVar('T')


def share(items: Sequence[T]) -> list[T]:
  """The block of this process; all have the same size.

  Where the processes do not divide the items, the last one is repeated:
  `gather_lists(...)[:len(items)]` leaves that out again.
  """
  count = jax.process_count()
  size = -(-len(items) // count)
  filled = [*items, *[items[-1]] * (size * count - len(items))]
  return filled[_block(len(filled))]


def gather(tree: Any) -> Any:
  """Joins the rows of all processes, in the order of the processes.

  Args:
    tree: pytree of arrays [b, ...], typed keys among them; their shapes are
      the same in every process. 64-bit numbers lose half of their bits.

  Returns:
    The same tree of [P b, ...] on the host, writable; keys again as keys.
  """
  if jax.process_count() == 1:
    return tree
  return jax.tree.map(_gather, tree)


def gather_lists(items: Sequence[T]) -> list[T]:
  """Joins the lists of all processes, whatever is in them.

  The items cross as pickled bytes: the processes of a run trust each other.
  """
  if jax.process_count() == 1:
    return list(items)
  data = np.frombuffer(pickle.dumps(list(items)), np.uint8)
  sizes = gather(np.array([data.size], np.int32))
  # To the next power of two: few shapes, so few programs.
  room = 1 << (int(sizes.max()) - 1).bit_length()
  rows = gather(np.pad(data, (0, room - data.size))[None])
  parts = [
    pickle.loads(row[:size]) for row, size in zip(rows, sizes, strict=True)
  ]
  return [item for part in parts for item in part]


def largest(*numbers: int) -> list[int]:
  """The largest of each number over the processes."""
  return gather(np.array([numbers], np.int32)).max(0).tolist()


def whole(tree: Any) -> Any:
  """Arrays on the global mesh, as NumPy arrays in every process."""
  return jax.tree.map(_whole, tree)


def together(function: Callable) -> Callable:
  """Lets a jitted function of the global parameters take rows by process.

  Args:
    function: (params, *rows) -> pytree of rows.

  Returns:
    A function that takes the rows of this process and returns the same rows
    of the result. All rows pass through each host; a row of ids is small
    beside what is computed for it, and so any mesh will do: rows need not
    lie where the process that brings them is.
  """
  if jax.process_count() == 1:
    return function

  @functools.wraps(function)
  def run(params, *rows):
    out = whole(function(params, *gather(rows)))
    return jax.tree.map(lambda x: x[_block(len(x))], out)

  return run


def on_first(act: Callable[[], Any]) -> None:
  """Acts in the first process while the others wait.

  What `act` raises, if a user can fix it, is a ValueError in the others.
  """
  told, failed = '', None
  if jax.process_index() == 0:
    try:
      act()
    except (ValueError, OSError) as error:
      told, failed = str(error), error
  told = gather_lists([told])[0]
  if failed is not None:
    raise failed
  if told:
    raise ValueError(told)


def meet(mesh: Mesh) -> None:
  """Connects the CPU devices along every set of axes, while all are there.

  Gloo waits 30 seconds for all processes where a group of devices meets for
  the first time; later, at a program that one process compiles more slowly
  than another, that may be too short.
  """
  if jax.process_count() == 1 or mesh.devices.flat[0].platform != 'cpu':
    return
  names = mesh.axis_names
  place = NamedSharding(mesh, PartitionSpec(*names))
  ones = np.ones(mesh.devices.shape, np.float32)
  spread = jax.make_array_from_callback(ones.shape, place, ones.__getitem__)
  for count in range(1, len(names) + 1):
    for dims in itertools.combinations(range(len(names)), count):
      left = [name for i, name in enumerate(names) if i not in dims]
      out = NamedSharding(mesh, PartitionSpec(*left))
      add = jax.jit(lambda x, dims=dims: x.sum(dims), out_shardings=out)
      jax.block_until_ready(add(spread))


def _block(size: int) -> slice:
  part = size // jax.process_count()
  return slice(first := jax.process_index() * part, first + part)


def _gather(x):
  if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
    words = _gather(jax.random.key_data(x))
    return jax.random.wrap_key_data(words, impl=jax.random.key_impl(x))
  return np.array(multihost_utils.process_allgather(x, tiled=True))


def _whole(x):
  if isinstance(x, jax.Array) and not (
    x.is_fully_addressable or x.is_fully_replicated
  ):
    return multihost_utils.process_allgather(x, tiled=True)
  return np.asarray(x)
