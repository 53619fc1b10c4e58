"""The jitted sampler: prefill once for a group, then decode its G samples."""

import functools
import math
import operator
import os
from collections.abc import Callable, Sequence
from concurrent import futures
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from mem_alpha_jax.model import (
  blockwise_softmax,
  distribution,
  grammar,
  kv_cache,
  matmul,
)
from mem_alpha_jax.model import policy as policy_lib
from mem_alpha_jax.sampling import logits
from mem_alpha_jax.system import sharding

SEGMENT = 512  # tokens after which the cache grows
STREAMS = 2  # parts of a batch that are sampled at once on CPU


class Samples(NamedTuple):
  """Sampled responses, padded with pad_id where `mask` is False.

  Log-probs (nats) are the policy's at the sampling temperature, those of forced
  tokens too; 0 where masked.
  """

  tokens: Int[Array, 'B G R']  # exactly the sampled or forced ids, EOS too
  logps: Float[Array, 'B G R']
  mask: Bool[Array, 'B G R']  # True at real tokens
  finished: Bool[Array, 'B G']  # EOS was reached


class _State(NamedTuple):
  """Carry of the decode loop; outputs are time-major."""

  t: Int[Array, '']
  last: Int[Array, 'B G']  # the newest token, not run yet
  before: Int[Array, 'B G']  # the token before it
  cache: kv_cache.Cache
  tokens: Int[Array, 'R B G']
  logps: Float[Array, 'R B G']
  mask: Bool[Array, 'R B G']
  done: Bool[Array, 'B G']
  rules: grammar.State | None  # where responses with targets are


def make_sampler(
  policy: policy_lib.Policy, response_len: int, **options: Any
) -> Callable[..., Samples]:
  """Returns generate(params, prefix [B, P], prefix_length [B],
  own [B, G, C], own_length [B, G], forced [B, G, F], keys [B, G]).

  `forced` ids >= 0 replace the sampled token at their position; keys are
  typed, token t of a row uses fold_in(key, t), so that a row's sample does
  not depend on where in a batch it is. One compilation a shape; on CPU the
  prompts are sampled in streams. `options` are those of `make_responder`. With
  a last argument `targets` [B, G, K n] the policy's grammar holds.
  """
  respond = make_responder(policy, response_len, **options)

  def generate(
    params, prefix, prefix_length, own, own_length, forced, keys, targets=None
  ):
    shared = policy.prefill(params, prefix, prefix_length)
    size = prefix.shape[1] + own.shape[2] + response_len
    layers = policy.prepare(params, size)
    return respond(layers, shared, own, own_length, forced, keys, targets)

  generate = jax.jit(generate, compiler_options=policy.options)
  one_device = policy.mesh is None or policy.mesh.size == 1
  if one_device and sharding.platform(policy.mesh) == 'cpu':
    return _in_streams(generate, min(STREAMS, os.cpu_count() or 1))
  return generate


def make_responder(
  policy: policy_lib.Policy,
  response_len: int,
  *,
  eos_id: int | Sequence[int],
  pad_id: int,
  temperature: float = 1.0,
  greedy: bool = False,
  segment: int = SEGMENT,
) -> Callable[..., Samples]:
  """Returns respond(layers, shared, own, own_length, forced, keys, targets).

  As `make_sampler`, for a prefix that many calls share: `shared` is what
  `policy.prefill` gave of it and `layers` what `policy.prepare` gave for the
  longest sequence, both computed once by the caller. Not jitted.

  A step reads its cache as long as it is, so a long response is decoded in
  segments, with a cache that grows from one to the next. Any of several
  `eos_id` ends a response.
  """
  if temperature <= 0:
    raise ValueError(f'rollout.temperature={temperature} must be above 0')
  choose = _chooser(temperature, greedy)
  ends = (eos_id,) if isinstance(eos_id, int) else tuple(eos_id)

  def respond(layers, shared, own, own_length, forced, keys, targets=None):
    b, g, context = own.shape
    length, table, rules = response_len, policy.table, None
    if targets is not None:
      targets = targets.reshape(b, g, *table.targets)
      rules = grammar.begin(table, targets)
    whole = policy.place(shared)
    shared = policy.unstack(whole)
    # The last token is never run, so it needs no slot.
    stops = segment_ends(length, segment)
    cache = policy.init_cache(own_length, context, context + stops[0] - 1)
    uniform = _uniforms(keys, length)
    forced = _pad_forced(forced, length)

    def emit(state, hidden, queries, cache):
      """Picks token t from the hidden states of `queries` [B, G, 1]."""
      dist = policy.head(layers, shared, hidden, queries)
      bits, rules = None, state.rules
      if rules is not None:
        found = grammar.look(table, targets, rules, length - state.t)
        bits = grammar.bits(table, found, forced[state.t])[:, :, None]
      token, score = choose(dist, uniform[state.t], bits)
      token = jnp.where(forced[state.t] >= 0, forced[state.t], token[..., 0])
      token = jnp.where(state.done, pad_id, token)
      logp = jnp.where(state.done, 0.0, score(token[..., None])[..., 0])
      if rules is not None:
        rules = grammar.advance(table, targets, rules, token)
      return _State(
        t=state.t + 1,
        last=token,
        before=queries[..., 0],
        cache=cache,
        tokens=state.tokens.at[state.t].set(token),
        logps=state.logps.at[state.t].set(logp),
        mask=state.mask.at[state.t].set(~state.done),
        done=functools.reduce(
          operator.or_, (token == end for end in ends), state.done
        ),
        rules=rules,
      )

    def step(state):
      tokens, previous = state.last[..., None], state.before[..., None]
      slot = context + state.t - 1
      hidden, cache = policy.extend(
        layers, shared, state.cache, tokens, previous, slot
      )
      return emit(state, hidden, tokens, cache)

    before = kv_cache.last_token(shared.tokens, shared.length)
    previous = kv_cache.previous_tokens(own, before, own_length, context)
    hidden, cache = policy.extend(layers, whole, cache, own, previous, 0)
    at = own_length[..., None] - 1
    hidden = jnp.take_along_axis(hidden, at[..., None], axis=2)
    queries = jnp.take_along_axis(own, at, axis=2)
    state = _start(b, g, length, pad_id)._replace(rules=rules)
    state = emit(state, hidden, queries, cache)
    for end in stops:
      grown = policy.grow_cache(state.cache, context + end - 1)
      state = jax.lax.while_loop(
        lambda s, end=end: (s.t < end) & ~jnp.all(s.done),
        step,
        state._replace(cache=grown),
      )
    outputs = (state.tokens, state.logps, state.mask)
    return Samples(*(jnp.moveaxis(x, 0, -1) for x in outputs), state.done)

  return respond


def segment_ends(length: int, segment: int = SEGMENT) -> list[int]:
  """Tokens after which the cache grows; the last is the response's length."""
  return [*range(segment, length, segment), length]


def _in_streams(
  generate: Callable[..., Samples], streams: int
) -> Callable[..., Samples]:
  """Returns generate run on `streams` equal parts of the prompts at once.

  The small products of a decode step keep one core busy, so parts that run in
  threads of their own finish sooner. Rows do not change, only which batch they
  share. Arrays come back in host memory. Prompts that do not divide by
  `streams` run as one part, and so do rows of which a part would take another
  product (`matmul.is_few`) than all of them, and so round otherwise.
  """
  pool = futures.ThreadPoolExecutor(streams, 'sampler')
  compiled = set()  # shapes: two threads would both compile

  def run(params, *inputs):
    prompts, shape = len(inputs[0]), tuple(x.shape for x in inputs)
    rows = math.prod(inputs[-1].shape[:2])
    other_product = rows > matmul.FEW >= rows // streams
    if streams == 1 or prompts % streams or other_product:
      return generate(params, *inputs)
    size = prompts // streams
    part = lambda i: [x[i * size : (i + 1) * size] for x in inputs]
    sample = lambda i: jax.device_get(generate(params, *part(i)))
    first = [] if shape in compiled else [sample(0)]
    compiled.add(shape)
    # A thread each: one thread's computations run one after the other.
    outs = [*first, *pool.map(sample, range(len(first), streams))]
    return Samples(*map(np.concatenate, zip(*outs, strict=True)))

  run.lower = generate.lower
  return run


def _start(b, g, length, pad_id):
  empty = jnp.zeros((b, g), jnp.int32)
  return _State(
    t=jnp.int32(0),
    last=empty,
    before=empty,
    cache=None,
    tokens=jnp.full((length, b, g), pad_id, jnp.int32),
    logps=jnp.zeros((length, b, g), jnp.float32),
    mask=jnp.zeros((length, b, g), bool),
    done=jnp.zeros((b, g), bool),
    rules=None,
  )


def _uniforms(keys, length):
  """Two uniforms for every token [R, B, G, 2], all drawn before the loop."""

  def draw(key, t):
    return jax.random.uniform(jax.random.fold_in(key, t), (2,))

  flat = jax.vmap(jax.vmap(draw, (0, None)), (None, 0))
  uniform = flat(keys.reshape(-1), jnp.arange(length))
  return uniform.reshape(length, *keys.shape, 2)


def _pad_forced(forced, length):
  """Returns [R, B, G]; -1 beyond the forced positions."""
  forced = forced[..., :length]
  pad = [(0, 0), (0, 0), (0, length - forced.shape[-1])]
  return jnp.moveaxis(jnp.pad(forced, pad, constant_values=-1), -1, 0)


def _chooser(temperature, greedy):
  """Returns choose(dist, uniform [B, G, 2], bits) -> (token, token -> logp).

  Tokens and log-probs are [B, G, 1]; `bits` are of those allowed, or None.
  """

  def choose(dist, uniform, bits):
    if temperature != 1.0 and dist.copy is not None:
      return choose_dense(dist, uniform, bits)
    values = blockwise_softmax.logits(dist.hidden, dist.unembedding)
    values /= temperature
    stats = blockwise_softmax.stats_of(values)
    if bits is not None:
      values, whole = blockwise_softmax.barred(values, bits), stats
      stats = blockwise_softmax.stats_of(values)
      dist = distribution.restrict(dist, whole, stats, bits)
    if greedy:
      token = distribution.mode(dist, stats, values, bits)
    else:
      token = logits.sample(dist, values, uniform[:, :, None])
    return token, functools.partial(
      distribution.log_prob, dist, stats, temperature=temperature
    )

  def choose_dense(dist, uniform, bits):
    """A tempered mixture is no mixture: all V log-probs are needed."""
    values = distribution.tempered_mixture(dist, temperature, bits)
    if greedy:
      token = distribution.argmax(values)
    else:
      token = logits.pick(jnp.exp(values), uniform[:, :, None, 0])
    return token, functools.partial(distribution.at, values)

  return choose
