"""Meshes and where arrays live on them.

Axes: 'data' splits the batch alone; 'fsdp' splits the batch and, with it, the
parameters (Rajbhandari et al. 2020, arXiv 1910.02054); 'tensor' splits heads,
ffn and vocabulary (Shoeybi et al. 2019, arXiv 1909.08053). A dimension that
its axes do not divide is replicated, dimension by dimension.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
from flax import traverse_util
from jax.experimental import mesh_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array

Rules = Mapping[str | None, tuple[str, ...]]
AXES = ('data', 'fsdp', 'tensor')
BATCH = ('data', 'fsdp')  # axes over which rows are spread
LOGICAL_RULES = {
  'batch': BATCH,
  'vocab': ('tensor',),
  'embed': ('fsdp',),
  'heads': ('tensor',),
  'kv_heads': ('tensor',),
  'mlp': ('tensor',),
  'head_dim': (),
  'carried': ('tensor',),  # width of what a layer hands to the next
  'layers': (),
  None: (),
}


# Of sampling with mesh.decode='tensor': no parameter is collected for a token;
# the devices that split parameters by width in training split heads and ffn.
DECODE_RULES = LOGICAL_RULES | {
  'batch': ('data', 'tensor'),
  'vocab': ('fsdp',),
  'embed': (),
  'heads': ('fsdp',),
  'kv_heads': ('fsdp',),
  'mlp': ('fsdp',),
  'carried': (),
}
# By mesh.decode. One token is nothing to split; and where it was ('carried' on
# a mesh of 2 x 2 x 2) XLA 0.10 on CPU sampled other tokens, so it is not.
LAYOUTS = {'same': LOGICAL_RULES | {'carried': ()}, 'tensor': DECODE_RULES}


def create_mesh(mesh_config: Any, devices: Sequence | None = None) -> Mesh:
  """Returns the mesh of `config.mesh`; raises ValueError if it cannot be."""
  devices = jax.devices() if devices is None else devices
  shape = tuple(mesh_config[axis] for axis in AXES)
  have, want = len(devices), math.prod(shape)
  if want > have or want < 1:
    raise ValueError(
      f'mesh.data * mesh.fsdp * mesh.tensor = {want} but {have} devices are '
      'visible: change mesh.data, mesh.fsdp or mesh.tensor'
    )
  if want < have and jax.process_count() > 1:
    raise ValueError(
      f'mesh.data * mesh.fsdp * mesh.tensor = {want} but the '
      f'{jax.process_count()} processes have {have} devices and must use all: '
      'change mesh.data, mesh.fsdp or mesh.tensor'
    )
  # Eight of a 4 x 4 slice are no axis of it: part of one, with part of another.
  grid = mesh_utils.create_device_mesh(
    shape, devices[:want], allow_split_physical_axes=True
  )
  return Mesh(grid, AXES, axis_types=(AxisType.Auto,) * len(AXES))


def batch_parts(mesh: Mesh | None) -> int:
  """Returns in how many parts a batch is split."""
  return 1 if mesh is None else math.prod(mesh.shape[a] for a in BATCH)


def spec(
  mesh: Mesh,
  shape: tuple[int, ...],
  names: tuple[str | None, ...],
  rules: Rules = LOGICAL_RULES,
) -> PartitionSpec:
  """Maps logical names to mesh axes; dims that do not divide stay whole.

  ValueError if two names of an array go to the same axis.
  """
  axes = [rules[name] for name in names]
  axes += [()] * (len(shape) - len(axes))
  used = [axis for group in axes for axis in group]
  twice = {axis for axis in used if used.count(axis) > 1}
  if twice:
    raise ValueError(
      f'dimensions {names} of an array both go to mesh axis {min(twice)!r}; '
      'change the rules of sharding.py'
    )

  def place(size, group):
    split = size % math.prod(mesh.shape[axis] for axis in group) == 0
    if not group or not split:
      return None
    return group if len(group) > 1 else group[0]

  return PartitionSpec(*map(place, shape, axes))


def param_shardings(policy: Any, mesh: Mesh) -> Any:
  """Returns a pytree of NamedSharding like the parameters of `policy`."""
  shapes = jax.eval_shape(policy.init, jax.random.key(0))
  return jax.tree.map(
    lambda x, names: NamedSharding(mesh, spec(mesh, x.shape, names)),
    shapes,
    policy.logical_axes(),
  )


def placed(shapes: Any, places: Any) -> Any:
  """Returns shapes that have a place, a pytree of NamedSharding like them."""
  return jax.tree.map(
    lambda x, place: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=place),
    shapes,
    places,
  )


def param_shapes(policy: Any, mesh: Mesh) -> Any:
  """Returns shapes and places of the parameters, none of which is made."""
  shapes = jax.eval_shape(policy.init, jax.random.key(0))
  return placed(shapes, param_shardings(policy, mesh))


def init_params(policy: Any, mesh: Mesh, key: Array, loaded: Any = None) -> Any:
  """Initialises parameters, but for `loaded` ones, directly in shards."""
  have = traverse_util.flatten_dict(loaded or {})
  places = traverse_util.flatten_dict(param_shardings(policy, mesh))
  missing = {path: x for path, x in places.items() if path not in have}

  def init(key):
    values = traverse_util.flatten_dict(policy.init(key))
    return {path: values[path] for path in missing}

  made = jax.jit(init, out_shardings=missing)(key) if missing else {}
  return traverse_util.unflatten_dict({**have, **made})


def platform(mesh: Mesh | None) -> str:
  """Returns what the devices of a mesh are: cpu, gpu or tpu."""
  if mesh is None:
    return jax.default_backend()
  return mesh.devices.flat[0].platform


def constrainer(
  mesh: Mesh | None, rules: Rules = LOGICAL_RULES
) -> Callable[..., Array]:
  """Returns keep(x, *names): holds x to its axes inside jit.

  Without a mesh, or with one device, it does nothing.
  """
  if mesh is None or mesh.size == 1:
    return lambda x, *names: x

  def keep(x, *names):
    place = NamedSharding(mesh, spec(mesh, x.shape, names, rules))
    return jax.lax.with_sharding_constraint(x, place)

  return keep
