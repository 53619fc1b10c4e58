"""All updates of a collected batch."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import optax
from jax.sharding import Mesh

from mem_alpha_jax.config import sizes
from mem_alpha_jax.data import pipeline
from mem_alpha_jax.model.policy import Policy
from mem_alpha_jax.rl import batching, optimizer, packing
from mem_alpha_jax.rl import update as update_lib
from mem_alpha_jax.roles import writer
from mem_alpha_jax.types import RolloutRows, TrainState

COUNTED = 64  # episodes


class Learner(NamedTuple):
  """The functions of an update; jitted, made once for a run."""

  tx: optax.GradientTransformation  # optimizer, with its schedule
  update: Callable  # (state, rows, ref_logps, old_logps) -> (state, metrics)
  logps: Callable  # (params, rows) -> [M, G, R]
  values: Callable  # (params, rows) -> [M, G, R] of the value head, for gae


def pieces(config) -> float:
  """Turns that read a chunk, in some episodes of training."""
  clauses = config.rollout.clauses
  if not clauses:
    return 1.0
  episodes = pipeline.make_source(config, 'train')[:COUNTED]
  turns = sum(len(writer.read_chunks(e, clauses)) for e in episodes)
  return turns / sum(len(e.chunks) for e in episodes)


def create(config, policy: Policy, mesh: Mesh) -> Learner:
  """Compiles nothing yet."""
  tx, schedule = optimizer.create_optimizer(
    config.optim, sizes.total_updates(config, pieces(config))
  )
  temperature = config.rollout.temperature
  update = update_lib.make_update_fn(
    policy,
    tx,
    config.rl,
    temperature,
    mesh,
    horizon=config.rollout.response_buckets[-1],
    skip_norm=config.optim.skip_norm,
    schedule=schedule,
  )
  logps, values = (
    update_lib.make_forward_fn(
      policy, output, temperature, mesh, config.rl.microbatches
    )
    for output in (update_lib.LOGPS, update_lib.VALUES)
  )
  return Learner(tx, update, logps, values)


def learn(
  learner: Learner,
  config,
  state: TrainState,
  rows: RolloutRows,
  reference: Any = None,
  skipped: int = 0,
) -> tuple[TrainState, dict[str, float], int]:
  """Updates the state with every minibatch of a batch; counts the step.

  Args:
    state: is donated.
    rows: of all processes.
    reference: trained part of the policy that the KL is to.
    skipped: updates skipped in a row before.

  Returns:
    The state, metrics (means over the updates, or the largest), and the
    updates skipped in a row at the end.

  Raises:
    FloatingPointError: if too many were skipped in a row.
  """
  step = int(state.step)
  seed = (config.seed, step, 5)
  parts = _minibatches(rows, config, seed)
  old = [None] * len(parts)
  if config.rl.importance_cap:
    # Against the sampler's log-probs these correct for what differs there.
    old = [learner.logps(state.params, part) for part in parts]
  found = []
  for part, old_logps in zip(parts, old, strict=True):
    ref_logps = None
    if reference is not None:
      _, frozen = optimizer.split(state.params)
      ref_logps = learner.logps(optimizer.join(reference, frozen), part)
    state, scalars = learner.update(state, part, ref_logps, old_logps)
    found.append(scalars)
  found = jax.device_get(found)
  longest, skipped = update_lib.skipped_in_a_row(skipped, found)
  if longest >= config.optim.max_skipped:
    raise FloatingPointError(
      f'{longest} updates in a row were skipped by step {step}: loss '
      'or gradient was not finite, or its norm above optim.skip_norm; the '
      'newest checkpoint is older and intact: lower optim.learning_rate'
    )
  metrics = update_lib.over_updates(found)
  metrics['rl/padding'] = packing.padding(parts, _devices(config))
  return state.replace(step=state.step + 1), metrics, skipped


def _minibatches(rows, config, seed) -> list[RolloutRows]:
  """Of one shape, packed if rl.packed_groups says so."""
  size = config.rl.minibatch_rows // sizes.prompt_width(config)
  parts = list(batching.minibatches(rows, seed, size))
  shape = packing.shape(config.rl, rows.own.shape[1])
  if shape is None:
    return parts
  return [packing.pack(part, shape, _devices(config)) for part in parts]


def _devices(config) -> int:
  return config.mesh.data * config.mesh.fsdp
