"""Parameters alone, in one `.npz` file."""

import io
import json
import os
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mem_alpha_jax.system import files, machine, multihost


def save(path: str | os.PathLike, params: Any) -> None:
  """Writes a pytree of arrays to one `.npz` file, atomically.

  Every process of a run calls it; the first one writes.

  Arrays are stored under their path in the tree, as raw bytes of their own
  dtype (NumPy has no bfloat16), which `load` gives back bit by bit.
  """
  leaves, _ = jax.tree_util.tree_flatten_with_path(params)
  arrays, dtypes = {}, {}
  for keys, leaf in leaves:
    name, array = _name(keys), multihost.whole(leaf)
    dtypes[name] = str(array.dtype)
    raw = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    arrays[name] = raw.reshape(*array.shape, array.dtype.itemsize)
  header = json.dumps(dtypes, sort_keys=True).encode()
  buffer = io.BytesIO()
  np.savez_compressed(buffer, dtypes=np.frombuffer(header, np.uint8), **arrays)
  if jax.process_index() == 0:
    files.write_bytes(path, buffer.getvalue())


def load(path: str | os.PathLike, example: Any) -> Any:
  """Reads what `save` wrote, in the structure of `example`.

  Args:
    example: pytree of arrays or `jax.ShapeDtypeStruct`; where a leaf has a
      sharding, the result has it.

  Raises:
    FileNotFoundError: if there is no such file.
    ValueError: for a file that is broken, or an array that is missing, left
      over or of another shape; names the first of them.
  """
  path = pathlib.Path(path)
  if not path.exists():
    raise FileNotFoundError(f'{path}: no such parameter file')
  try:
    with np.load(path) as file:
      arrays = {name: file[name] for name in file.files}
    dtypes = json.loads(arrays.pop('dtypes').tobytes())
  except Exception as error:  # zipfile, zlib, numpy and json: many kinds
    raise ValueError(
      f'{path}: not a readable parameter file ({machine.summary(error)})'
    ) from error
  leaves, tree = jax.tree_util.tree_flatten_with_path(example)
  names = [_name(keys) for keys, _ in leaves]
  for name in set(arrays).symmetric_difference(names):
    where = 'not in the model' if name in arrays else 'missing in the file'
    raise ValueError(f'{path}: array {name!r} is {where}')
  loaded = [
    _place(path, name, arrays[name].view(jnp.dtype(dtypes[name]))[..., 0], leaf)
    for name, (_, leaf) in zip(names, leaves, strict=True)
  ]
  return tree.unflatten(loaded)


def _place(path: pathlib.Path, name: str, array: np.ndarray, leaf: Any):
  if array.shape != leaf.shape:
    raise ValueError(
      f'{path}: array {name!r} has shape {array.shape}, '
      f'the model wants {leaf.shape}'
    )
  array = array.astype(leaf.dtype)
  sharding = getattr(leaf, 'sharding', None)
  if sharding is None:
    return jax.device_put(array)
  # Unlike device_put it does not compare the array with that of other hosts.
  return jax.make_array_from_callback(array.shape, sharding, array.__getitem__)


def _name(keys: tuple) -> str:
  return jax.tree_util.keystr(keys, simple=True, separator='/')
