"""The face of model/: a policy as pure functions of a tree of parameters.

Sampling and training share `prefill` and the layers: a group's prefix is run
once, then its G samples' own tokens (context, then response) are run against
it.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import traverse_util
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int

from mem_alpha_jax.model import (
  attention,
  blockwise_softmax,
  decoding,
  distribution,
  flash,
  grammar,
  kv_cache,
  lora,
  packing,
  pooling,
  presets,
  transformer,
)
from mem_alpha_jax.model import masks as masks_lib
from mem_alpha_jax.system import sharding
from mem_alpha_jax.types import RolloutRows

Params = Any


@dataclasses.dataclass(frozen=True, eq=False)
class Policy:
  """A decoder; `make_policy` makes one."""

  config: presets.ModelConfig
  mesh: Mesh | None  # None is one device
  layout: attention.Layout  # of training and of prefixes
  decode: attention.Layout  # of what decode loops read
  options: dict | None  # XLA's, for a program with a decode loop
  unstacked: bool  # a decode loop reads a copy of each layer by itself
  keeps_stacked: bool  # and keeps them stacked as well
  table: grammar.Table | None = None  # of responses that have targets

  def init(self, key: Array) -> Params:
    """First values, in the dtype they are kept in; LoRA's stay float32."""
    flat = traverse_util.flatten_dict(nn.unbox(_init(self.config, key)))
    return traverse_util.unflatten_dict(
      {
        path: x if lora.is_factor(path) else x.astype(self.config.param_dtype)
        for path, x in flat.items()
      }
    )

  def logical_axes(self) -> Any:
    """A tree like the parameters, of tuples of logical axis names."""
    return _logical_axes(self.config)

  def prefill(
    self, params: Params, tokens: Int[Array, 'B P'], lengths: Int[Array, 'B']
  ) -> kv_cache.Prefix:
    """Runs right-padded prefixes."""
    return self._prefill(params, tokens, lengths)[0]

  def _prefill(
    self, params, tokens, lengths
  ) -> tuple[kv_cache.Prefix, Float[Array, 'B 1 P D'], masks_lib.Masks]:
    own, keep = tokens[:, None], self.layout.keep
    masks = masks_lib.whole(self.config, own, jnp.zeros_like(lengths))
    hidden, kv = self._run(params, own, None, masks)
    k, v = (keep(a[:, :, :, 0], 'layers', 'batch', 'kv_heads') for a in kv)
    pointer = None
    if self.config.copy_head:
      pointer = self._apply(params, 'pointer_keys', hidden[:, 0])
    prefix = kv_cache.Prefix(k, v, tokens, lengths, pointer)
    return prefix, hidden, masks

  def _apply(self, params, method, *args):
    model = _model(self.config, self.layout)
    return model.apply({'params': params}, *args, method=method)

  def _embed(self, params, tokens, masks, layout):
    x = self._apply(params, 'embed', tokens, masks.seen)
    return layout.keep(x, 'batch')

  def prepare(self, params: Params, positions: int) -> Params:
    """What `extend` and `head` take as parameters; see decoding.prepare."""

    def place(params, config):
      return jax.tree.map(
        lambda x, names: self.decode.keep(x, *names),
        params,
        _logical_axes(config),
      )

    return decoding.prepare(
      self.config, params, positions, self.unstacked, place, self.keeps_stacked
    )

  def place(self, prefix: kv_cache.Prefix) -> kv_cache.Prefix:
    """Lays a prefix out on the mesh as decode loops read it."""
    k, v = (
      self.decode.keep(x, 'layers', 'batch', 'kv_heads')
      for x in (prefix.k, prefix.v)
    )
    return prefix.replace(k=k, v=v)

  def unstack(self, prefix: kv_cache.Prefix) -> kv_cache.Prefix:
    """Slices the layers apart if a decode loop reads them so."""
    if not self.unstacked:
      return prefix
    return prefix.replace(k=tuple(prefix.k), v=tuple(prefix.v))

  def init_cache(
    self, own_length: Int[Array, 'B G'], context: int, slots: int
  ) -> kv_cache.Cache:
    """An empty cache for C tokens of context, of `slots` places a sample."""
    cache = kv_cache.init_cache(self.config, own_length, context, slots)
    if not self.unstacked:
      cache = cache.replace(k=jnp.stack(cache.k), v=jnp.stack(cache.v))
    return self._place_cache(cache)

  def grow_cache(self, cache: kv_cache.Cache, slots: int) -> kv_cache.Cache:
    """The cache with room for `slots` places a sample."""
    return self._place_cache(kv_cache.grow(cache, slots))

  def _place_cache(self, cache):
    """Stacked layers have a dimension of their own."""
    names = ('batch', 'kv_heads')
    if not self.unstacked:
      names = ('layers', *names)
    k, v = jax.tree.map(
      lambda x: self.decode.keep(x, *names), (cache.k, cache.v)
    )
    return cache.replace(k=k, v=v)

  def extend(
    self,
    params: Params,
    prefix: kv_cache.Prefix,
    cache: kv_cache.Cache,
    tokens: Int[Array, 'B G n'],
    previous: Int[Array, 'B G n'],
    slot: Int[Array, ''] | int,
  ) -> tuple[Float[Array, 'B G n D'], kv_cache.Cache]:
    """Runs own tokens written at `slot`; `params` come from `prepare`.

    More than one token starts at slot 0. `previous` are the tokens before.
    """
    masks, cache = masks_lib.at_slot(
      self.config, params['rope'], tokens, previous, prefix, cache, slot
    )
    layout, n = self.decode, tokens.shape[-1]
    x = self._embed(params, tokens, masks, layout)
    if n == 1:
      layout = layout._replace(attend=attention.attend)
    run, layers = decoding.run, params['blocks']
    if n > 1 and 'stacked' in params:
      run, layers = decoding.fill, params['stacked']
    x, cache = run(self.config, layout, layers, x, prefix, cache, masks)
    return self._apply(params, 'norm', x), cache

  def head(
    self,
    params: Params,
    prefix: kv_cache.Prefix,
    hidden: Float[Array, 'B G n D'],
    tokens: Int[Array, 'B G n'],
  ) -> distribution.Distribution:
    """What follows `tokens`, whose hidden states are given, in a loop."""
    dist = self._head(params, prefix, hidden, tokens, self.decode)
    if self.unstacked:
      return dist
    return dist._replace(unembedding=decoding.blocked(dist.unembedding))

  def _head(self, params, prefix, hidden, tokens, layout):
    found = masks_lib.prefix_match(self.config, tokens, prefix.tokens)
    mask = kv_cache.prefix_mask(prefix)[:, None]
    copy = self._copy(params, prefix, hidden, mask, found)
    unembedding = self._unembedding(params, layout)
    return distribution.Distribution(hidden, unembedding, copy)

  def _copy(self, params, prefix, hidden, mask, found):
    """The copy head's part, None without one."""
    if not self.config.copy_head:
      return None
    keys = prefix.pointer, prefix.tokens
    return self._apply(params, 'point', hidden, *keys, mask, found)

  def _unembedding(self, params, layout) -> Float[Array, 'V D']:
    """Whole but for 'vocab': its rows meet split batches."""
    rows = params['embedding' if self.config.tied else 'head']
    return layout.keep(rows.astype(self.config.dtype), 'vocab', None)

  def logps_and_entropy(
    self, params: Params, rows: RolloutRows, temperature: float
  ) -> tuple[
    Float[Array, 'M G R'], Float[Array, 'M G R'], Float[Array, 'M G R']
  ]:
    """Returns (log-probs, entropy, values) at each response token, in nats.

    One prefill and one extend over own ++ response[:-1]; only the R hidden
    states that predict a response token reach the head; all of packed rows.
    `temperature` is a Python float; other than 1 it needs all V log-probs at
    each position. Values are zeros without a value head. Rows with targets were
    sampled by the grammar, and have the log-probs of what it allows.
    """
    hidden, tokens, targets, prefix = self._trained()._predicting(params, rows)
    dist = self._head(params, prefix, hidden, tokens, self.layout)
    logps, entropy = distribution.log_prob_and_entropy(
      dist,
      targets,
      self.config.block_logits,
      temperature,
      grammar.of_rows(self.table, rows),
    )
    values = jnp.zeros(hidden.shape[:-1], jnp.float32)
    if self.config.value_head:
      values = self._apply(params, 'values', hidden)
    if rows.places is None:
      return logps, entropy, values
    context = rows.own.shape[-1]
    put = lambda x: packing.put(rows.places, rows.own_length, context, x)
    return put(logps), put(entropy), put(values)

  def _predicting(self, params, rows):
    """Returns (hidden, tokens, the tokens after them, prefix of each row)."""
    prefix, _, _ = self._prefill(params, rows.prefix, rows.prefix_length)
    shared = attention.KV(prefix.k, prefix.v)
    context, response = rows.own.shape[-1], rows.response
    tokens = jnp.concatenate([rows.own, response[..., :-1]], axis=-1)
    if rows.places is not None:
      targets = packing.behind(response, context)
      tokens, masks, prefix = masks_lib.packed(
        self.config, rows.places, tokens, prefix, rows.own_length, context
      )
      hidden, _ = self._run(params, tokens, shared, masks)
      return hidden, tokens, packing.take(rows.places, targets), prefix
    masks = masks_lib.whole(
      self.config, tokens, rows.prefix_length, rows.own_length, prefix, context
    )
    hidden, _ = self._run(params, tokens, shared, masks)
    # Token 0 is predicted by the last context token, i by response[i - 1].
    last = rows.own_length[..., None] - 1
    first = jnp.take_along_axis(hidden, last[..., None], axis=2)
    hidden = jnp.concatenate([first, hidden[:, :, context:]], axis=2)
    first = jnp.take_along_axis(tokens, last, axis=2)
    tokens = jnp.concatenate([first, tokens[:, :, context:]], axis=2)
    return self.layout.keep(hidden, 'batch'), tokens, response, prefix

  def _run(self, params, tokens, shared, masks):
    x = self._embed(params, tokens, masks, self.layout)
    return self._apply(params, 'run', x, shared, masks)

  def _trained(self):
    layout = transformer.unrolled(self.layout, self.mesh)
    return dataclasses.replace(self, layout=layout)

  def prompt_logps(
    self, params: Params, tokens: Int[Array, 'B P'], lengths: Int[Array, 'B']
  ) -> Float[Array, 'B P']:
    """Returns log p(token | tokens before it); 0 at the first and at padding.

    The copy head points to the token itself and those before it.
    """
    prefix, hidden, masks = self._trained()._prefill(params, tokens, lengths)
    copy = self._copy(
      params, prefix, hidden, masks.own_mask[:, 0], masks.own_match
    )
    unembedding = self._unembedding(params, self.layout)
    dist = distribution.Distribution(hidden, unembedding, copy)
    target = jnp.roll(tokens, -1, axis=1)[:, None]
    stats = blockwise_softmax.stats(
      hidden, unembedding, self.config.block_logits
    )
    logps = distribution.log_prob(dist, stats, target)[:, 0, :-1]
    logps = jnp.pad(logps, ((0, 0), (1, 0)))
    real = jnp.arange(tokens.shape[1]) < lengths[:, None]
    return jnp.where(real, logps, 0.0)

  def mean_states(
    self, params: Params, tokens: Int[Array, 'B P'], lengths: Int[Array, 'B']
  ) -> Float[Array, 'B D']:
    """The direction of the mean last hidden state of each text."""
    _, hidden, _ = self._prefill(params, tokens, lengths)
    return pooling.unit_mean(hidden[:, 0], lengths)


def make_policy(
  config: presets.ModelConfig,
  mesh: Mesh | None = None,
  decode: str = 'same',
  table: grammar.Table | None = None,
) -> Policy:
  """Builds the policy of a decoder.

  With a mesh of more than one device, activations and caches are kept
  sharded: batch over 'data' and 'fsdp', kv heads over 'tensor'. `decode` is
  config.mesh.decode, the layout of what decode loops read; other than 'same'
  it must not matter to the results beyond rounding. `table` is the grammar of
  responses.
  """

  def layout(rules):
    return attention.Layout(
      flash.make_attend(config.attention, mesh, rules),
      sharding.constrainer(mesh, rules),
    )

  return Policy(
    config=config,
    mesh=mesh,
    layout=layout(sharding.LOGICAL_RULES),
    decode=layout(sharding.LAYOUTS[decode]),
    options=decoding.options(config, mesh),
    unstacked=decoding.copies(config, mesh),
    keeps_stacked=decoding.keeps_stacked(mesh),
    table=table,
  )


def num_params(params: Params) -> int:
  """Returns the number of parameters; shapes suffice."""
  return sum(x.size for x in jax.tree.leaves(params))


def _model(config, layout=attention.PLAIN):
  return lora.adapt(transformer.Transformer(config, layout), config)


def _init(config, key):
  tokens = jnp.zeros((1, 1, 2), jnp.int32)
  masks = masks_lib.whole(config, tokens, jnp.zeros((1,), jnp.int32))
  return _model(config).init(key, tokens, masks)['params']


def _logical_axes(config):
  boxed = jax.eval_shape(lambda: _init(config, jax.random.key(0)))
  return jax.tree.map(
    lambda x: tuple(x.names),
    boxed,
    is_leaf=lambda x: isinstance(x, nn.LogicallyPartitioned),
  )
