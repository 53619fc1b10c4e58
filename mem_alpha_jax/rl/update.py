"""One optimizer update on rollout rows, jitted, the state donated."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float

from mem_alpha_jax.rl import losses, optimizer
from mem_alpha_jax.system import sharding
from mem_alpha_jax.types import RolloutRows, TrainState

LOGPS, VALUES = 0, 2  # of what `logps_and_entropy` of a policy returns


def make_update_fn(
  policy: Any,
  tx: optax.GradientTransformation,
  rl_config: Any,
  temperature: float,
  mesh: Mesh | None = None,
  horizon: int | None = None,
  skip_norm: float = 0.0,
  schedule: optax.Schedule | None = None,
) -> Callable[..., tuple[TrainState, dict[str, jax.Array]]]:
  """Returns update(state, rows, ref_logps=None, old_logps=None).

  The update minimizes sum_k weight_k S_k / D_k over the terms k of
  losses.policy_loss, with S_k the sum over all rows and D_k its count. D_k
  does not depend on parameters, so it is taken from all rows before the first
  micro-batch and the gradients of micro-batches are plain sums: neither
  rl.microbatches nor the mesh changes the result beyond rounding.

  It returns the state and scalar metrics, still on the device. A loss or
  gradient that is not finite, or a gradient that explodes, leaves the state as
  it was and sets the metric `skipped` to 1; the caller stops when too many are
  (`skipped_in_a_row`). `state.step` counts collected batches: it is the
  caller's.

  Args:
    policy: only its logps_and_entropy is used.
    temperature: of sampling; the log-probs trained are the sampler's.
    mesh: the state keeps the layout that `state_shardings` gives.
    horizon: constant of rl.aggregate='sequence_sum' in tokens; give the
      largest response bucket, else the loss changes with the bucket.
    skip_norm: gradients with a larger norm are skipped; 0 is off.
    schedule: of `tx`; its value becomes the metric `learning_rate`.
  """
  weights = losses.term_weights(rl_config)

  def objective(trained, frozen, batch, scales):
    rows, ref_logps, old_logps = batch
    params = optimizer.join(trained, frozen)
    outputs = policy.logps_and_entropy(params, rows, temperature)
    terms = losses.policy_loss(
      *outputs, rows, rl_config, ref_logps, old_logps, horizon
    )
    return sum(scales[k] * terms.loss[k][0] for k in scales), terms

  def update(state, rows, ref_logps=None, old_logps=None):
    rows, gaps = _agreed(rows, old_logps, rl_config.max_row_gap)
    counts = losses.counts(rows, rl_config)
    # A batch of padding alone has count 0, sum 0, and must give loss 0.
    scales = {k: w / jnp.maximum(counts[k], 1) for k, w in weights.items()}
    count = _microbatches(rows, rl_config.microbatches, mesh)
    batches = _split((rows, ref_logps, old_logps), count, mesh)
    old, frozen = optimizer.split(state.params)
    (loss, terms), grads = _accumulate(objective, old, frozen, batches, scales)
    grad_norm = optax.tree.norm(grads)
    good = jnp.isfinite(loss) & jnp.isfinite(grad_norm)
    if skip_norm:
      good &= grad_norm <= skip_norm
    changes, opt_state = tx.update(grads, state.opt_state, old)
    new = _select(good, optax.apply_updates(old, changes), old)
    new_state = state.replace(
      params=optimizer.join(new, frozen),
      opt_state=_select(good, opt_state, state.opt_state),
    )
    means = {f'loss_{k}': v for k, v in terms.loss.items()} | terms.means
    metrics = {
      'loss': loss,
      **{k: s / jnp.maximum(n, 1) for k, (s, n) in means.items()},
      **terms.maxima,
      **gaps,
      'grad_norm': grad_norm,
      'update_norm': optax.tree.norm(changes),
      'rows': (rows.row_weight > 0).sum(),
      'skipped': ~good,
    }
    if schedule is not None:
      counts = optax.tree.get_all_with_path(state.opt_state, 'count')
      metrics['learning_rate'] = schedule(counts[0][1])
    return new_state, {k: jnp.float32(v) for k, v in metrics.items()}

  if mesh is None:
    return jax.jit(update, donate_argnums=0)

  # The layout of the state is known at the first call. Left to XLA, the new
  # state may be laid out otherwise: no donation then, and a second compile.
  @functools.cache
  def jitted(tree, *leaves):
    out = jax.tree.unflatten(tree, leaves)
    return jax.jit(update, donate_argnums=0, out_shardings=(out, None))

  def of(state):
    leaves, tree = jax.tree.flatten(state_shardings(state, tx, mesh))
    return jitted(tree, *leaves)

  def placed_update(state, rows, ref_logps=None, old_logps=None):
    return of(state)(state, rows, ref_logps, old_logps)

  placed_update.lower = lambda state, *args: of(state).lower(state, *args)
  return placed_update


def over_updates(found: Sequence[Mapping[str, float]]) -> dict[str, float]:
  """One number of each metric of a step's updates.

  The mean over those that were not skipped; of a name that ends in 'max' the
  largest; of `skipped` and what was dropped the sum. The gap between sampler
  and trainer is that of the first update, whose parameters still are those
  that sampled.
  """
  kept = [f for f in found if not f['skipped']] or found
  numbers = {}
  for name in found[0]:
    values = [float(f[name]) for f in kept]
    if name.startswith('logp_gap'):
      numbers[name] = float(found[0][name])
    elif name.endswith('dropped'):
      numbers[name] = sum(values)
    else:
      numbers[name] = max(values) if name.endswith('max') else np.mean(values)
  numbers['skipped'] = sum(float(f['skipped']) for f in found)
  return {f'rl/{name}': float(value) for name, value in numbers.items()}


def skipped_in_a_row(
  before: int, found: Sequence[Mapping[str, float]]
) -> tuple[int, int]:
  """The longest and the last row of skipped updates; `before` began it."""
  longest, row = 0, before
  for one in found:
    row = row + 1 if one['skipped'] else 0
    longest = max(longest, row)
  return longest, row


def init_state(
  params: Any, tx: optax.GradientTransformation, mesh: Mesh | None = None
) -> TrainState:
  """State of step 0, around `params` themselves; see `abstract_state`."""

  def rest(params):
    step = jnp.zeros((), jnp.int32)
    return step, tx.init(optimizer.split(params)[0])

  if mesh is None:
    step, opt_state = rest(params)
    return TrainState(step, params, opt_state)
  out = jax.tree.map(lambda x: x.sharding, abstract_state(params, tx, mesh))
  place = (out.step, out.opt_state)
  step, opt_state = jax.jit(rest, out_shardings=place)(params)
  return TrainState(step, jax.device_put(params, out.params), opt_state)


def abstract_state(
  params: Any, tx: optax.GradientTransformation, mesh: Mesh
) -> TrainState:
  """Shapes and places of a state; on a mesh, moments lie as parameters do.

  `params` are arrays, or shapes that have a place.
  """
  shapes = jax.eval_shape(lambda p: init_state(p, tx), params)
  places = state_shardings(shapes.replace(params=params), tx, mesh)
  return sharding.placed(shapes, places)


def state_shardings(
  state: TrainState, tx: optax.GradientTransformation, mesh: Mesh
) -> TrainState:
  """Shardings of a state: moments as their parameters, the rest whole.

  Of the state only the parameters must be arrays; those that do not lie on the
  mesh count as whole on every device.
  """
  whole = NamedSharding(mesh, PartitionSpec())

  def place(x):
    on_mesh = getattr(x.sharding, 'mesh', None) == mesh
    return x.sharding if on_mesh else whole

  params = jax.tree.map(place, state.params)
  opt_state = optax.tree.map_params(
    tx,
    lambda _, sharding: sharding,
    state.opt_state,
    optimizer.split(params)[0],
    transform_non_params=lambda _: whole,
  )
  return TrainState(whole, params, opt_state)


def _agreed(rows, old_logps, limit: float) -> tuple[RolloutRows, dict]:
  """Leaves out rows of which sampler and trainer disagree; counts them.

  Only where the trainer computed the sampler's log-probs again: with its newer
  parameters, what it drifted would be taken for disagreement.
  """
  if old_logps is None:
    return rows, {}
  gaps = losses.row_gaps(old_logps, rows.rollout_logps, rows.response_mask)
  there = rows.row_weight > 0
  kept = ~there | (gaps <= limit) if limit else jnp.ones_like(there)
  metrics = {
    'row_gap_max': jnp.where(there, gaps, 0.0).max(),
    'row_gap_dropped': (~kept).sum(),
  }
  return rows.replace(row_weight=jnp.where(kept, rows.row_weight, 0)), metrics


def make_forward_fn(
  policy: Any,
  output: int,  # LOGPS or VALUES
  temperature: float = 1.0,
  mesh: Mesh | None = None,
  microbatches: int = 1,
) -> Callable[[Any, RolloutRows], Float[Array, 'M G R']]:
  """Returns (params, rows) -> an output, by the micro-batches of an update."""

  def run(params, rows):
    parts = _split(rows, _microbatches(rows, microbatches, mesh), mesh)

    def one(i):
      outputs = policy.logps_and_entropy(params, _at(parts, i), temperature)
      return outputs[output]

    shape = jax.eval_shape(one, 0)
    found = jnp.zeros((len(parts.row_weight), *shape.shape), shape.dtype)
    found = jax.lax.fori_loop(
      0, _held(parts), lambda i, found: found.at[i].set(one(i)), found
    )
    return jnp.swapaxes(found, 0, 1).reshape(-1, *found.shape[2:])

  return jax.jit(run)


def _accumulate(objective, trained, frozen, batches, scales):
  """Sums objective, terms and gradients over the leading axis of batches."""
  grad_fn = jax.value_and_grad(objective, has_aux=True)
  grads_of = lambda i: grad_fn(trained, frozen, _at(batches, i), scales)
  add = functools.partial(jax.tree.map, lambda a, b: a + b.astype(a.dtype))

  def step(i, sums):
    (loss, terms), grads = sums
    (more, new), gradients = grads_of(i)
    merged = losses.Terms(
      loss=add(terms.loss, new.loss),
      means=add(terms.means, new.means),
      maxima=jax.tree.map(jnp.maximum, terms.maxima, new.maxima),
    )
    return (loss + more, merged), add(grads, gradients)

  # float32 whatever the parameters are: sums of bfloat16 lose small terms. The
  # maxima are of what is not negative.
  zeros = jax.tree.map(
    lambda x: jnp.zeros(x.shape, jnp.float32), jax.eval_shape(grads_of, 0)
  )
  return jax.lax.fori_loop(0, _held(batches[0]), step, zeros)


def _at(batches, i):
  return jax.tree.map(
    lambda x: jax.lax.dynamic_index_in_dim(x, i, keepdims=False), batches
  )


def _microbatches(rows, count: int, mesh: Mesh | None) -> int:
  """How many, of rows that are not packed `count`."""
  places = rows.places
  return count if places is None else len(places) // sharding.batch_parts(mesh)


def _held(rows) -> jax.Array | int:
  """How many micro-batches are to be run: packed ones come full first."""
  there = (rows.row_weight > 0).any((1, 2))
  last = jnp.where(there, jnp.arange(len(there)) + 1, 0).max()
  return len(there) if rows.places is None else last


def _select(condition: jax.Array, new: Any, old: Any) -> Any:
  return jax.tree.map(lambda a, b: jnp.where(condition, a, b), new, old)


def _split(tree: Any, microbatches: int, mesh: Mesh | None) -> Any:
  """[M, ...] -> [microbatches, M / microbatches, ...], groups over BATCH.

  Micro-batch i takes groups i, i + n, i + 2n, ..: each device then cuts its
  own groups and nothing moves between devices. ValueError if M does not divide.
  """
  groups = jax.tree.leaves(tree)[0].shape[0]
  devices = sharding.batch_parts(mesh)
  if groups % (microbatches * devices):
    raise ValueError(
      f'{groups} groups of rows do not divide by rl.microbatches='
      f'{microbatches} times mesh.data * mesh.fsdp={devices}; pad with '
      'batching.minibatches(size=...)'
    )

  def split(x):
    x = x.reshape(-1, microbatches, *x.shape[1:])
    return jnp.swapaxes(x, 0, 1)

  tree = _constrain(tree, mesh, axis=0)
  return _constrain(jax.tree.map(split, tree), mesh, axis=1)


def _constrain(tree: Any, mesh: Mesh | None, axis: int) -> Any:
  """Spreads `axis` of every array over BATCH, the rest on all devices."""
  if mesh is None:
    return tree
  spec = PartitionSpec(*[None] * axis, sharding.BATCH)
  place = NamedSharding(mesh, spec)
  return jax.lax.with_sharding_constraint(
    tree, jax.tree.map(lambda _: place, tree)
  )
