"""The seam: a policy as pure functions over a pytree of parameters.

The only importer of Flax modules outside model/. Sampling and training share
`prefill` and `extend`: a group's prefix is run once, then its G samples' own
tokens (context, then response) are run against it.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import traverse_util
from jaxtyping import Array, Bool, Float, Int

from mem_alpha_jax.model import (
  attention,
  blockwise_softmax,
  decoding,
  distribution,
  flash,
  kv_cache,
  lora,
  presets,
  transformer,
)
from mem_alpha_jax.pretrained import pooling
from mem_alpha_jax.system import sharding
from mem_alpha_jax.types import RolloutRows

Params = Any


class Policy(NamedTuple):
  """Pure functions; see the functions of the same names below.

  Attributes:
    config: shape and options of the decoder.
    options: XLA's, for a program with a decode loop.
    init: key -> params.
    logical_axes: () -> pytree like params of tuples of logical axis names.
    prefill: params, tokens [B, P], lengths [B] -> Prefix.
    prepare: params, positions -> what `extend` and `head` take as params.
    place: Prefix -> Prefix laid out on the mesh as decode loops read it.
    apart: Prefix -> Prefix with its layers as a decode loop reads them.
    init_cache: own_length [B, G], C, slots -> Cache.
    grow_cache: Cache, slots -> Cache with room for more of them.
    extend: prepared, prefix, cache, tokens, previous, slot ->
      (hidden [B, G, n, D], cache).
    head: params, prefix, hidden, tokens -> Distribution.
    logps_and_entropy: params, rows, temperature -> three of [M, G, R].
    prompt_logps: params, tokens [B, P], lengths [B] -> [B, P].
    values: params, hidden -> [B, G, n], zeros without a value head.
    mean_states: params, tokens [B, P], lengths [B] -> unit vectors [B, D].
  """

  config: presets.ModelConfig
  options: dict | None
  init: Callable
  logical_axes: Callable
  prefill: Callable
  prepare: Callable
  place: Callable
  apart: Callable
  init_cache: Callable
  grow_cache: Callable
  extend: Callable
  head: Callable
  logps_and_entropy: Callable
  prompt_logps: Callable
  values: Callable
  mean_states: Callable


def make_policy(
  model_config: Any,
  vocab_size: int | None = None,
  mesh: jax.sharding.Mesh | None = None,
  decode: str = 'same',
) -> Policy:
  """Builds the policy of `config.model` (or of a ModelConfig, a preset).

  With a mesh of more than one device, activations and caches are kept
  sharded: batch over 'data' and 'fsdp', kv heads over 'tensor'. `decode` is
  config.mesh.decode, the layout of what decode loops read; other than 'same'
  it must not matter to the results beyond rounding.
  """
  c = model_config
  if not isinstance(c, presets.ModelConfig):
    c = presets.model_config(c, vocab_size)
  at = _layout(c, mesh, sharding.LOGICAL_RULES)
  loop = _layout(c, mesh, sharding.LAYOUTS[decode])
  copy = decoding.copies(c, mesh)
  return Policy(
    config=c,
    options=decoding.options(c, mesh),
    init=lambda key: _stored(c, nn.unbox(_init(c, key))),
    logical_axes=lambda: _logical_axes(c),
    prefill=lambda *args: _prefill(c, at, *args)[0],
    prepare=functools.partial(
      _prepare, c, loop, copy, decoding.keeps_stacked(mesh)
    ),
    place=functools.partial(_place, loop),
    apart=kv_cache.apart if copy else lambda prefix: prefix,
    init_cache=functools.partial(_init_cache, c, loop, copy),
    grow_cache=functools.partial(_grow_cache, loop, copy),
    extend=functools.partial(_extend, c, loop),
    head=functools.partial(_head, c, loop, copy),
    logps_and_entropy=functools.partial(_logps_and_entropy, c, at),
    prompt_logps=functools.partial(_prompt_logps, c, at),
    values=functools.partial(_values, c, at),
    mean_states=functools.partial(_mean_states, c, at),
  )


def num_params(params: Params) -> int:
  """Returns the number of parameters; shapes suffice."""
  return sum(x.size for x in jax.tree.leaves(params))


def _layout(c, mesh, rules):
  return attention.Layout(
    flash.make_attend(c.attention, mesh, rules),
    sharding.constrainer(mesh, rules),
  )


def matrix_axes(policy: Policy) -> list[tuple[tuple, tuple]]:
  """Shape and logical names of what multiplies each token, output table first.

  An embedding that is no output table is only looked up, not multiplied.
  """
  c = policy.config
  shapes = jax.eval_shape(policy.init, jax.random.key(0))
  flat = traverse_util.flatten_dict(shapes)
  names = traverse_util.flatten_dict(policy.logical_axes())
  table = ('embedding',) if c.tied else ('head',)
  paths = [table, *(path for path in flat if path[0] == 'blocks')]
  return [(flat[path].shape, names[path]) for path in paths]


def _apply(c, params, method, *args, layout=attention.PLAIN):
  model = _model(c, layout)
  return model.apply({'params': params}, *args, method=method)


def _model(c, layout=attention.PLAIN):
  return lora.adapt(transformer.Transformer(c, layout), c)


def _init(c, key):
  tokens = jnp.zeros((1, 1, 2), jnp.int32)
  context = _context(c, tokens, jnp.zeros((1,), jnp.int32), None)
  return _model(c).init(key, tokens, context)['params']


def _stored(c, params):
  """Parameters in the dtype they are kept in; LoRA's stay float32."""
  flat = traverse_util.flatten_dict(params)
  return traverse_util.unflatten_dict(
    {
      path: x if lora.is_factor(path) else x.astype(c.param_dtype)
      for path, x in flat.items()
    }
  )


def _logical_axes(c):
  boxed = jax.eval_shape(lambda: _init(c, jax.random.key(0)))
  return jax.tree.map(
    lambda x: tuple(x.names),
    boxed,
    is_leaf=lambda x: isinstance(x, nn.LogicallyPartitioned),
  )


def _context(c, tokens, prefix_length, own_length, prefix=None, width=None):
  """Context of own tokens from slot 0 on; all are context by default."""
  b, g, n = tokens.shape
  if own_length is None:
    own_length = jnp.full((b, g), n, jnp.int32)
  before = jnp.full((b,), -1, jnp.int32)
  if prefix is not None:
    before = kv_cache.last_token(prefix.tokens, prefix.length)
  width = n if width is None else width
  slots = jnp.arange(n)
  positions = kv_cache.own_positions(prefix_length, own_length, width, slots)
  size = n if prefix is None else n + prefix.tokens.shape[1]
  cos, sin = attention.rope(attention.rope_table(c, size), positions)
  mask = kv_cache.own_mask(own_length, width, slots, n)
  context = attention.Context(cos, sin, mask)
  if c.match_bias:
    previous = kv_cache.previous_tokens(tokens, before, own_length, width)
    found = attention.match(tokens, tokens, previous)
    context = context._replace(own_match=found)
  return _finish(c, context, tokens, prefix)


def _finish(c, context, tokens, prefix):
  """Adds what queries see of the prefix, and which tokens occur there."""
  if c.match_bias:
    context = context._replace(seen=_seen(tokens, prefix))
  if prefix is not None:
    mask = jnp.arange(prefix.tokens.shape[1]) < prefix.length[:, None]
    found = _prefix_match(c, tokens, prefix.tokens)
    context = context._replace(prefix_mask=mask, prefix_match=found)
  return context


def _seen(tokens, prefix):
  """Whether each token occurs in the prefix, or earlier where it is one."""
  if prefix is None:
    equal = tokens[..., :, None] == tokens[..., None, :]
    return jnp.tril(equal, -1).any(-1)
  equal = tokens[..., None] == prefix.tokens[:, None, None]
  real = jnp.arange(prefix.tokens.shape[1]) < prefix.length[:, None]
  return (equal & real[:, None, None]).any(-1)


def _prefix_match(c, tokens, prefix_tokens):
  if not c.match_bias:
    return None
  before = jnp.full_like(prefix_tokens[:, :1], -1)
  previous = jnp.concatenate([before, prefix_tokens[:, :-1]], axis=1)
  return attention.match(tokens, prefix_tokens, previous)


def _prefill(
  c, at, params, tokens: Int[Array, 'B P'], lengths: Int[Array, 'B']
) -> tuple[kv_cache.Prefix, Float[Array, 'B 1 P D'], attention.Context]:
  """Runs right-padded prefixes; also returns hidden states and context."""
  own = tokens[:, None]
  context = _context(c, own, jnp.zeros_like(lengths), None)
  x = at.keep(_apply(c, params, 'embed', own, context.seen), 'batch')
  hidden, kv = _apply(c, params, 'run', x, None, context, layout=at)
  k, v = (at.keep(a[:, :, :, 0], 'layers', 'batch', 'kv_heads') for a in kv)
  pointer = None
  if c.copy_head:
    pointer = _apply(c, params, 'pointer_keys', hidden[:, 0])
  prefix = kv_cache.Prefix(k, v, tokens, lengths, pointer)
  return prefix, hidden, context


def _prepare(c, at, copy, stacked, params, positions: int):
  """See decoding.prepare; laid out as a decode loop reads it."""

  def place(params, config):
    return jax.tree.map(
      lambda x, names: at.keep(x, *names), params, _logical_axes(config)
    )

  return decoding.prepare(c, params, positions, copy, place, stacked)


def _place(at, prefix: kv_cache.Prefix) -> kv_cache.Prefix:
  k, v = (
    at.keep(x, 'layers', 'batch', 'kv_heads') for x in (prefix.k, prefix.v)
  )
  return prefix.replace(k=k, v=v)


def _init_cache(c, at, copy, own_length, context: int, slots: int):
  cache = kv_cache.init_cache(c, own_length, context, slots)
  if not copy:
    cache = cache.replace(k=jnp.stack(cache.k), v=jnp.stack(cache.v))
  return _keep_cache(at, copy, cache)


def _grow_cache(at, copy, cache: kv_cache.Cache, slots: int):
  return _keep_cache(at, copy, kv_cache.grow(cache, slots))


def _keep_cache(at, copy, cache: kv_cache.Cache) -> kv_cache.Cache:
  """Lays the cache out on the mesh; stacked layers have a dim of their own."""
  names = ('batch', 'kv_heads') if copy else ('layers', 'batch', 'kv_heads')
  k, v = jax.tree.map(lambda x: at.keep(x, *names), (cache.k, cache.v))
  return cache.replace(k=k, v=v)


def _extend(
  c,
  at,
  params,
  prefix: kv_cache.Prefix,
  cache: kv_cache.Cache,
  tokens: Int[Array, 'B G n'],
  previous: Int[Array, 'B G n'],
  slot: Int[Array, ''] | int,
) -> tuple[Float[Array, 'B G n D'], kv_cache.Cache]:
  """Runs own tokens written at `slot`; `params` come from `prepare`.

  More than one token starts at slot 0.
  """
  n, slots = tokens.shape[-1], cache.tokens.shape[-1]
  queries = slot + jnp.arange(n)
  positions = kv_cache.own_positions(
    prefix.length, cache.own_length, cache.context, queries
  )
  cos, sin = attention.rope(params['rope'], positions)
  mask = kv_cache.own_mask(cache.own_length, cache.context, queries, slots)
  context = attention.Context(cos, sin, mask, slot=slot)
  if c.match_bias:
    cache = cache.replace(
      tokens=kv_cache.write(cache.tokens, tokens, slot, 2),
      previous=kv_cache.write(cache.previous, previous, slot, 2),
    )
    found = attention.match(tokens, cache.tokens, cache.previous)
    context = context._replace(own_match=found)
  context = _finish(c, context, tokens, prefix)
  x = at.keep(_apply(c, params, 'embed', tokens, context.seen), 'batch')
  if n == 1:
    at = at._replace(attend=attention.attend)
  run, layers = decoding.run, params['blocks']
  if n > 1 and 'stacked' in params:
    run, layers = decoding.fill, params['stacked']
  x, cache = run(c, at, layers, x, prefix, cache, context)
  return _apply(c, params, 'norm', x), cache


def _table(c, at, params):
  """The output table, whole but for 'vocab': its rows meet split batches."""
  table = params['embedding' if c.tied else 'head'].astype(c.dtype)
  return at.keep(table, 'vocab', None)


def _head(
  c,
  at,
  copy_of_layers,
  params,
  prefix: kv_cache.Prefix,
  hidden,
  tokens: Int[Array, 'B G n'],
) -> distribution.Distribution:
  """Returns what follows `tokens`, whose hidden states are given."""
  copy = None
  if c.copy_head:
    mask = jnp.arange(prefix.tokens.shape[1]) < prefix.length[:, None]
    found = _prefix_match(c, tokens, prefix.tokens)
    copy = _apply(
      c, params, 'point', hidden, prefix.pointer, prefix.tokens,
      mask[:, None], found,
    )  # fmt: skip
  table = _table(c, at, params)
  if not copy_of_layers:
    table = decoding.blocked(table)
  return distribution.Distribution(hidden, table, copy)


def _values(c, at, params, hidden):
  del at
  if not c.value_head:
    return jnp.zeros(hidden.shape[:-1], jnp.float32)
  return _apply(c, params, 'values', hidden)


def _mean_states(
  c, at, params, tokens: Int[Array, 'B P'], lengths: Int[Array, 'B']
) -> Float[Array, 'B D']:
  """Returns the direction of the mean last hidden state of each text."""
  _, hidden, _ = _prefill(c, at, params, tokens, lengths)
  return pooling.unit_mean(hidden[:, 0], lengths)


def _logps_and_entropy(
  c, at, params, rows: RolloutRows, temperature: float
) -> tuple[Float[Array, 'M G R'], Float[Array, 'M G R'], Float[Array, 'M G R']]:
  """Returns (log-probs, entropy, values) at each response token, in nats.

  One prefill and one extend over own ++ response[:-1]; only the R hidden
  states that predict a response token reach the head. `temperature` is a
  Python float; other than 1 it needs all V log-probs at each position.
  """
  prefix, _, _ = _prefill(c, at, params, rows.prefix, rows.prefix_length)
  width = rows.own.shape[-1]
  tokens = jnp.concatenate([rows.own, rows.response[..., :-1]], axis=-1)
  context = _context(
    c, tokens, rows.prefix_length, rows.own_length, prefix, width
  )
  x = at.keep(_apply(c, params, 'embed', tokens, context.seen), 'batch')
  shared = attention.KV(prefix.k, prefix.v)
  hidden, _ = _apply(c, params, 'run', x, shared, context, layout=at)
  # Token 0 is predicted by the last context token, i by response[i - 1].
  last = rows.own_length[..., None] - 1
  first = jnp.take_along_axis(hidden, last[..., None], axis=2)
  hidden = jnp.concatenate([first, hidden[:, :, width:]], axis=2)
  hidden = at.keep(hidden, 'batch')
  first = jnp.take_along_axis(tokens, last, axis=2)
  queries = jnp.concatenate([first, tokens[:, :, width:]], axis=2)
  dist = _head(c, at, True, params, prefix, hidden, queries)
  logps, entropy = distribution.log_prob_and_entropy(
    dist, rows.response, c.block_logits, temperature
  )
  return logps, entropy, _values(c, at, params, hidden)


def _prompt_logps(
  c, at, params, tokens: Int[Array, 'B P'], lengths: Int[Array, 'B']
) -> Float[Array, 'B P']:
  """Returns log p(token | tokens before it); 0 at the first and at padding.

  The copy head points to the token itself and those before it.
  """
  prefix, hidden, context = _prefill(c, at, params, tokens, lengths)
  copy = None
  if c.copy_head:
    copy = _apply(
      c, params, 'point', hidden, prefix.pointer, tokens,
      context.own_mask[:, 0], context.own_match,
    )  # fmt: skip
  dist = distribution.Distribution(hidden, _table(c, at, params), copy)
  target = jnp.roll(tokens, -1, axis=1)[:, None]
  stats = blockwise_softmax.stats(hidden, dist.table, c.block_logits)
  logps = distribution.log_prob(dist, stats, target)[:, 0, :-1]
  logps = jnp.pad(logps, ((0, 0), (1, 0)))
  real: Bool[Array, 'B P'] = jnp.arange(tokens.shape[1]) < lengths[:, None]
  return jnp.where(real, logps, 0.0)
