"""Losses of the update: pure functions on [M, G, R] arrays of log-probs.

Log-probs are in nats. Whatever is averaged is returned as a (sum, count) pair,
so that sums over micro-batches and devices are divided once, by the count of
the whole batch; that count depends on the rows alone, never on parameters.

A row's `row_weight` w scales what it adds to a sum; in the count the row is 1
if w > 0. So a small weight shrinks that row's own gradient (say, of a forced
exploration that failed) and does not enlarge everybody else's; weight 0 means
the row is not there.

The KL and the entropy are of every row that is there, whatever its advantage:
a group whose rewards are all equal moves the policy towards the reference as
hard as any other (rl.min_gap leaves such groups out, where states are shared).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from mem_alpha_jax.types import RolloutRows

Tokens = Float[Array, 'M G R']
Mask = Bool[Array, 'M G R']
Rows = Float[Array, 'M G']
Fraction = tuple[Float[Array, ''], Float[Array, '']]  # sum, count

# exp() of a larger log-ratio overflows to inf, and the gradient of a clipped
# inf is 0 * inf = NaN. No clip range comes near.
MAX_LOG_RATIO = 20.0


class Terms(NamedTuple):
  """Parts of the loss and metrics of some rows.

  The loss is sum(weight * sum / count), see `term_weights`.
  """

  loss: dict[str, Fraction]
  means: dict[str, Fraction]  # metrics that are averages
  maxima: dict[str, Float[Array, '']]  # metrics that are maxima


def log_ratio(logps: Tokens, old_logps: Tokens, mask: Mask) -> Tokens:
  """log pi / pi_old of each token, 0 where masked."""
  gap = jnp.where(mask, logps - old_logps, 0.0)
  return jnp.clip(gap, -MAX_LOG_RATIO, MAX_LOG_RATIO)


def importance_ratio(
  logps: Tokens, old_logps: Tokens, mask: Mask, level: str
) -> Tokens:
  """Ratio of the policy to the one that sampled, 1 where masked.

  'token': r_t = exp(logp_t - old_t), PPO (arXiv 1707.06347). 'sequence':
  s = exp(mean_t (logp_t - old_t)) at each token of the row, the geometric
  mean of GSPO, Zheng et al. 2025, arXiv 2507.18071; with
  aggregate='sequence_mean' the loss is then theirs. ValueError for others.
  """
  gap = log_ratio(logps, old_logps, mask)
  if level == 'sequence':
    length = jnp.maximum(mask.sum(axis=-1, keepdims=True), 1)
    gap = jnp.where(mask, gap.sum(axis=-1, keepdims=True) / length, 0.0)
  elif level != 'token':
    raise ValueError(f'rl.ratio_level={level!r}: use token or sequence')
  return jnp.exp(gap)


def clipped_surrogate(
  ratio: Tokens,
  advantages: Tokens,
  clip_low: float,
  clip_high: float,
  dual_clip: float = 0.0,
) -> Tokens:
  """Per-token policy loss, to be minimized.

  loss = -min(r A, clip(r, 1 - clip_low, 1 + clip_high) A), PPO, Schulman et
  al. 2017, arXiv 1707.06347, with the two clips apart as in DAPO, Yu et
  al. 2025, arXiv 2503.14476. For A < 0 the loss is at most -dual_clip A, Ye
  et al. 2019, arXiv 1912.09729; dual_clip 0 is off.
  """
  clipped = jnp.clip(ratio, 1 - clip_low, 1 + clip_high)
  objective = jnp.minimum(ratio * advantages, clipped * advantages)
  if dual_clip:
    bounded = jnp.maximum(objective, dual_clip * advantages)
    objective = jnp.where(advantages < 0, bounded, objective)
  return -objective


def kl_estimate(
  logps: Tokens, ref_logps: Tokens, mask: Mask, kind: str
) -> Tokens:
  """Per-token estimates of KL(pi || ref) from samples of pi, 0 where masked.

  With x = log pi - log ref:  k2 = x^2 / 2,  k3 = exp(-x) - 1 + x. Schulman
  2020, Approximating KL divergence, joschu.net/blog/kl-approx.html. What they
  train is another matter, for the samples themselves are not differentiated:

    E[grad k2] = E[x grad log pi]             = grad KL(pi || ref)
    E[grad k3] = E[(1 - exp(-x)) grad log pi] = grad KL(ref || pi)

  and k1 = x trains nothing: E[grad log pi] = 0. So k1 is refused (ValueError).
  """
  x = log_ratio(logps, ref_logps, mask)
  kinds = {
    'k2': lambda: jnp.square(x) / 2,
    # expm1 keeps the digits that exp(-x) - 1 loses near x = 0.
    'k3': lambda: jnp.expm1(-x) + x,
  }
  if kind not in kinds:
    raise ValueError(f'rl.kl_kind={kind!r}: use one of {list(kinds)}')
  return kinds[kind]()


def rollout_correction(
  old_logps: Tokens, rollout_logps: Tokens, mask: Mask, cap: float
) -> Tokens:
  """Truncated importance weights from the sampler to the trainer.

  w_t = min(exp(old_t - rollout_t), cap), without gradient, 1 where masked.
  `old_logps` are the trainer's own, computed again with the parameters that
  sampled; where sampler and trainer are one function all weights are 1.
  Truncation: Ionides 2008, J. Comput. Graph. Stat. 17(2); in RL, Espeholt et
  al. 2018, arXiv 1802.01561. cap 0 is off.
  """
  if not cap:
    return jnp.ones_like(old_logps)
  weights = jnp.exp(log_ratio(old_logps, rollout_logps, mask))
  return jax.lax.stop_gradient(jnp.minimum(weights, cap))


def row_gaps(old_logps: Tokens, rollout_logps: Tokens, mask: Mask) -> Rows:
  """|sum_t (old_t - rollout_t)| in nats: how far trainer and sampler disagree.

  The log of the importance weight of a whole row, which caps on tokens do not
  bound: a row of 5 nats is 148 times as likely to one as to the other.
  """
  gap = jnp.where(mask, old_logps - rollout_logps, 0.0)
  return jnp.abs(gap.sum(axis=-1))


def clipped_value_loss(
  values: Tokens, old_values: Tokens, returns: Tokens, clip: float
) -> Tokens:
  """max((V - R)^2, (V_old + clip(V - V_old, -clip, clip) - R)^2) / 2.

  The value loss of the PPO code of Dhariwal et al. 2017, OpenAI Baselines.
  """
  near = old_values + jnp.clip(values - old_values, -clip, clip)
  error = jnp.maximum(jnp.square(values - returns), jnp.square(near - returns))
  return error / 2


def count(mask: Mask, row_weight: Rows, mode: str) -> Float[Array, '']:
  """The denominator of a mode of `aggregate`; ValueError if it is unknown."""
  active = mask & (row_weight > 0)[..., None]
  if mode == 'token_mean':
    return active.sum().astype(jnp.float32)
  if mode in ('sequence_mean', 'sequence_sum'):
    return active.any(axis=-1).sum().astype(jnp.float32)
  raise ValueError(
    f'rl.aggregate={mode!r}: use token_mean, sequence_mean or sequence_sum'
  )


def aggregate(
  per_token: Tokens,
  mask: Mask,
  row_weight: Rows,
  mode: str,
  horizon: int | None = None,
) -> Fraction:
  """Sum and count of a per-token quantity x, masked by m, row weights w.

  token_mean:    sum_i w_i sum_t m_it x_it             / tokens  (DAPO)
  sequence_mean: sum_i w_i (sum_t m_it x_it / |m_i|)   / rows    (GRPO)
  sequence_sum:  sum_i w_i (sum_t m_it x_it / horizon) / rows    (Dr. GRPO)

  The horizon is in tokens; the padded width R if None.
  """
  # where, not a product: a NaN in padding must not become NaN * 0.
  active = mask & (row_weight > 0)[..., None]
  rows = jnp.where(active, per_token, 0.0).sum(axis=-1)
  if mode == 'sequence_mean':
    rows = rows / jnp.maximum(mask.sum(axis=-1), 1)
  elif mode == 'sequence_sum':
    rows = rows / (horizon or mask.shape[-1])
  return (rows * row_weight).sum(), count(mask, row_weight, mode)


def term_weights(rl_config: Any) -> dict[str, float]:
  """Weight of each term of the loss that the config switches on."""
  weights = {'policy': 1.0}
  if rl_config.kl_coef:
    weights['kl'] = rl_config.kl_coef
  if rl_config.entropy_coef:
    weights['entropy'] = -rl_config.entropy_coef  # a bonus
  if rl_config.advantage == 'gae':
    weights['value'] = rl_config.value_coef
  return weights


def counts(rows: RolloutRows, rl_config: Any) -> dict[str, Float[Array, '']]:
  """Denominator of each term of the loss; rows alone decide it."""
  tokens = count(rows.response_mask, rows.row_weight, rl_config.aggregate)
  result = dict.fromkeys(term_weights(rl_config), tokens)
  if 'value' in result:
    first = first_token(rows.response_mask)
    result['value'] = count(first, rows.row_weight, 'sequence_mean')
  return result


def first_token(mask: Mask) -> Mask:
  """The mask of the one token whose value is trained, the first."""
  return mask & (jnp.arange(mask.shape[-1]) == 0)


def policy_loss(
  logps: Tokens,
  entropy: Tokens,
  values: Tokens,
  rows: RolloutRows,
  rl_config: Any,
  ref_logps: Tokens | None = None,
  old_logps: Tokens | None = None,
  horizon: int | None = None,
) -> Terms:
  """Terms of the loss that config.rl selects, and metrics.

  Args:
    logps: under the parameters being trained.
    entropy: of the distributions that they come from, nats.
    values: of the state before each response token; the first is trained.
    ref_logps: of the start policy; needed where kl_coef is not 0.
    old_logps: denominators of the ratio. None takes the sampler's, and the
      ratio itself is then the importance correction; log-probs that the
      trainer computed again bring in `rollout_correction`.

  Raises:
    ValueError: for an unknown field value or missing ref_logps.
  """
  c = rl_config
  rows = _without_padding(rows)
  mask = rows.response_mask

  def total(x, mode=c.aggregate, where=mask):
    return aggregate(x, where, rows.row_weight, mode, horizon)

  old = rows.rollout_logps if old_logps is None else old_logps
  ratio = importance_ratio(logps, old, mask, c.ratio_level)
  surrogate = clipped_surrogate(
    ratio, rows.advantages, c.clip_low, c.clip_high, c.dual_clip
  )
  weights = rollout_correction(old, rows.rollout_logps, mask, c.importance_cap)
  loss = {'policy': total(surrogate * weights)}
  if c.kl_coef:
    if ref_logps is None:
      raise ValueError('rl.kl_coef above 0 needs ref_logps, or set it to 0')
    loss['kl'] = total(kl_estimate(logps, ref_logps, mask, c.kl_kind))
  if c.entropy_coef:
    loss['entropy'] = total(entropy)
  if c.advantage == 'gae':
    # The range of the value clip is the ratio's, as in OpenAI Baselines.
    error = clipped_value_loss(
      values, rows.old_values, rows.returns, c.clip_low
    )
    loss['value'] = total(error, 'sequence_mean', first_token(mask))
  drift = log_ratio(logps, old, mask)
  means, maxima = _metrics(logps, entropy, ratio, drift, weights, rows, c)
  return Terms(loss, means, maxima)


def _without_padding(rows: RolloutRows) -> RolloutRows:
  """Masks rows of weight 0 and clears what stands where nothing counts.

  A NaN there would survive its zero weight as a gradient of 0 * NaN.
  """
  mask = rows.response_mask & (rows.row_weight > 0)[..., None]
  clear = {
    name: jnp.where(mask, getattr(rows, name), 0.0)
    for name in ('rollout_logps', 'advantages', 'returns', 'old_values')
  }
  return rows.replace(response_mask=mask, **clear)


def _metrics(logps, entropy, ratio, drift, weights, rows, c):
  """Token averages, every active row counted once, and maxima.

  logp_gap compares these log-probs with the sampler's: at the first update
  after sampling it is the error between the two, later also the drift.
  """
  active = rows.response_mask
  unit = (rows.row_weight > 0).astype(jnp.float32)
  gap = jnp.abs(jnp.where(active, logps - rows.rollout_logps, 0.0))
  up, down = rows.advantages > 0, rows.advantages < 0
  per_token = {
    'entropy': entropy,
    'clip_high': up & (ratio > 1 + c.clip_high),
    'clip_low': down & (ratio < 1 - c.clip_low),
    'clip_dual': down & (ratio > c.dual_clip) & (c.dual_clip > 0),
    'approx_kl': jnp.expm1(drift) - drift,  # k3 of KL(old || pi)
    'importance_weight': weights,
    'logp_gap_abs_mean': gap,
  }
  means = {
    name: aggregate(value, active, unit, 'token_mean')
    for name, value in per_token.items()
  }
  maxima = {
    'ratio_max': jnp.where(active, ratio, 0.0).max(),
    'logp_gap_abs_max': gap.max(),
  }
  return jax.lax.stop_gradient((means, maxima))
