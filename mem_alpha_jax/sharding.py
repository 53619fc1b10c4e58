"""Meshes and where arrays live on them.

Axes: 'fsdp' splits the batch and, with it, the parameters (Rajbhandari et al.
2020, arXiv 1910.02054); 'tensor' splits heads, ffn and vocabulary (Shoeybi et
al. 2019, arXiv 1909.08053). A dimension that its axis does not divide is
replicated, dimension by dimension.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from flax import traverse_util
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array

LOGICAL_RULES = {
  'batch': 'fsdp',
  'vocab': 'tensor',
  'embed': 'fsdp',
  'heads': 'tensor',
  'kv_heads': 'tensor',
  'mlp': 'tensor',
  'head_dim': None,
  'layers': None,
  None: None,
}


def create_mesh(mesh_config: Any) -> Mesh:
  """Returns the mesh of `config.mesh`; raises ValueError if it cannot be."""
  shape = (mesh_config.fsdp, mesh_config.tensor)
  have, want = len(jax.devices()), int(np.prod(shape))
  if want > have or want < 1:
    raise ValueError(
      f'mesh.fsdp * mesh.tensor = {want} but {have} devices are visible: '
      'change mesh.fsdp or mesh.tensor'
    )
  types = (AxisType.Auto,) * 2
  devices = jax.devices()[:want]
  return jax.make_mesh(
    shape, ('fsdp', 'tensor'), axis_types=types, devices=devices
  )


def spec(
  mesh: Mesh, shape: tuple[int, ...], names: tuple[str | None, ...]
) -> PartitionSpec:
  """Maps logical names to mesh axes; dims that do not divide stay whole."""
  axes = [LOGICAL_RULES[name] for name in names]
  axes += [None] * (len(shape) - len(axes))
  sizes = {None: 1, **mesh.shape}
  pairs = zip(shape, axes, strict=True)
  return PartitionSpec(*(a if n % sizes[a] == 0 else None for n, a in pairs))


def param_shardings(policy: Any, mesh: Mesh) -> Any:
  """Returns a pytree of NamedSharding like the parameters of `policy`."""
  shapes = jax.eval_shape(policy.init, jax.random.key(0))
  return jax.tree.map(
    lambda x, names: NamedSharding(mesh, spec(mesh, x.shape, names)),
    shapes,
    policy.logical_axes(),
  )


def init_params(policy: Any, mesh: Mesh, key: Array, loaded: Any = None) -> Any:
  """Initialises parameters directly in shards: no device holds them all.

  Args:
    policy: gives their shapes and first values.
    mesh: where they live.
    key: of the first values.
    loaded: parameters that a checkpoint has; only the others are initialised.
  """
  have = traverse_util.flatten_dict(loaded or {})
  places = traverse_util.flatten_dict(param_shardings(policy, mesh))
  missing = {path: x for path, x in places.items() if path not in have}

  def init(key):
    values = traverse_util.flatten_dict(policy.init(key))
    return {path: values[path] for path in missing}

  made = jax.jit(init, out_shardings=missing)(key) if missing else {}
  return traverse_util.unflatten_dict({**have, **made})


def replicated(mesh: Mesh) -> NamedSharding:
  """Returns the sharding of values that every device holds whole."""
  return NamedSharding(mesh, PartitionSpec())


def shard_batch(mesh: Mesh, batch: Any) -> Any:
  """Puts arrays on the mesh, dim 0 over 'fsdp' where it divides."""

  def place(x):
    names = ('batch',) if np.ndim(x) else ()
    return NamedSharding(mesh, spec(mesh, np.shape(x), names))

  return jax.device_put(batch, jax.tree.map(place, batch))


def constrainer(mesh: Mesh | None) -> Callable[..., Array]:
  """Returns keep(x, *names): holds x to its axes inside jit.

  Without a mesh, or with one device, it does nothing.
  """
  if mesh is None or mesh.size == 1:
    return lambda x, *names: x

  def keep(x, *names):
    place = NamedSharding(mesh, spec(mesh, x.shape, names))
    return jax.lax.with_sharding_constraint(x, place)

  return keep
