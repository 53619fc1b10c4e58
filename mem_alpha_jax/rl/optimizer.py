"""What is trained, and how: AdamW, clipping, warm-up and a schedule."""

from typing import Any

import jax
import optax
from flax import traverse_util

from mem_alpha_jax.model import lora

# After the warm-up: (peak, final fraction of it, updates between them) ->.
SCHEDULES = {
  'constant': lambda peak, final, steps: optax.constant_schedule(peak),
  'linear': lambda peak, final, steps: optax.linear_schedule(
    peak, final * peak, steps
  ),
  'cosine': lambda peak, final, steps: optax.cosine_decay_schedule(
    peak, steps, final
  ),
}


def create_schedule(optim_config: Any, total_updates: int) -> optax.Schedule:
  """Learning rate of update i, counted from 0.

  Rises linearly, peak * (i + 1) / warmup_steps, so that the first update
  already moves; then follows `optim.schedule` to final_fraction * peak at
  update total_updates - 1, and stays there.

  Raises:
    ValueError: for an unknown schedule.
  """
  c = optim_config
  if c.schedule not in SCHEDULES:
    raise ValueError(f'optim.schedule={c.schedule!r}: use {list(SCHEDULES)}')
  peak, warmup = c.learning_rate, c.warmup_steps
  decay = max(total_updates - 1 - warmup, 1)
  after = SCHEDULES[c.schedule](peak, c.final_fraction, decay)
  if not warmup:
    return after
  rise = optax.linear_schedule(peak / warmup, peak, max(warmup - 1, 1))
  return optax.join_schedules([rise, after], [warmup])


def split(params: Any) -> tuple[Any, Any]:
  """Returns (trained, frozen): with LoRA only its factors and a value head.

  Without LoRA everything is trained and `frozen` is empty.
  """
  flat = traverse_util.flatten_dict(params)
  if not any(lora.is_factor(path) for path in flat):
    return params, {}
  trained = lambda path: lora.is_factor(path) or path == ('value',)
  parts = (
    {path: x for path, x in flat.items() if trained(path) == wanted}
    for wanted in (True, False)
  )
  return tuple(map(traverse_util.unflatten_dict, parts))


def join(trained: Any, frozen: Any) -> Any:
  """The inverse of `split`."""
  if not frozen:
    return trained
  first, second = map(traverse_util.flatten_dict, (trained, frozen))
  return traverse_util.unflatten_dict({**first, **second})


def decay_mask(params: Any) -> Any:
  """True where weight decay applies: matrices, not norms, biases, scalars.

  Names decide besides ranks, because a norm of scanned layers is a matrix
  [layers, width].
  """

  def decays(path, leaf) -> bool:
    name = jax.tree_util.keystr(path).lower()
    # 'match' is the learned bias of attention logits to equal tokens.
    spared = ('norm', 'bias', 'scale', 'match')
    return leaf.ndim >= 2 and not any(word in name for word in spared)

  return jax.tree_util.tree_map_with_path(decays, params)


def create_optimizer(
  optim_config: Any, total_updates: int
) -> tuple[optax.GradientTransformation, optax.Schedule]:
  """Returns the transformation and its learning-rate schedule.

  Gradients are clipped by their global norm first (0 is off), then AdamW
  (Loshchilov and Hutter 2019, arXiv 1711.05101) with decoupled decay.
  """
  c = optim_config
  schedule = create_schedule(c, total_updates)
  adamw = optax.adamw(
    schedule, b1=c.b1, b2=c.b2, weight_decay=c.weight_decay, mask=decay_mask
  )
  if c.clip_norm > 0:
    return optax.chain(optax.clip_by_global_norm(c.clip_norm), adamw), schedule
  return adamw, schedule
