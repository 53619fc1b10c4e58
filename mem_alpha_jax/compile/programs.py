"""Every compiled program of a run, as shapes: nothing is allocated.

A run pads all that reaches a program to the table of its config, so the
config says which programs there will be and with which shapes.
"""

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding

from mem_alpha_jax.config import sizes
from mem_alpha_jax.memory import slots
from mem_alpha_jax.model import policy as policy_lib
from mem_alpha_jax.recall import scores
from mem_alpha_jax.recall.registry import RECALL
from mem_alpha_jax.rl import packing
from mem_alpha_jax.rl import update as update_lib
from mem_alpha_jax.rollout import forced_calls
from mem_alpha_jax.run import learning
from mem_alpha_jax.sampling import sampler
from mem_alpha_jax.system import sharding
from mem_alpha_jax.types import RolloutRows


class Program(NamedTuple):
  kind: str  # sample | greedy | logps | values | update | reshard | retrieve
  shape: dict[str, int]  # bucket sizes in tokens, by name
  rows: int  # sequences it runs
  width: int  # of them that share a prefix
  lower: Callable[[], jax.stages.Lowered]

  @property
  def name(self) -> str:
    return ' '.join([self.kind, *(f'{k}={v}' for k, v in self.shape.items())])


def programs(config: Any, policy: policy_lib.Policy, mesh: Mesh) -> list:
  """Returns the programs of a run of `config` on a mesh, largest first.

  The mesh may be of a topology that is not here.
  """
  r = config.rollout
  params = sharding.param_shapes(policy, mesh)
  learner = learning.create(config, policy, mesh)
  found = []
  for own, prefix in itertools.product(r.own_buckets[::-1], r.prefix_buckets):
    prefix, own = sizes.prompt_shape(config, prefix, own)
    shape = dict(prefix=prefix, own=own, response=r.response_buckets[-1])
    found += _updates(config, learner, mesh, params, shape)
    found += [
      _sampler(config, policy, mesh, params, shape, below)
      for below in (*_branches(r), 0)
    ]
  found.sort(key=lambda p: -p.shape['prefix'])
  return [*found, _reshard(config, policy, params), _retrieval(config, mesh)]


def _branches(rollout) -> list[int]:
  """Trajectories below a memory: 1 without rollout.forks, some before each."""
  turns = (0, *rollout.forks)
  return sorted({sizes.leaves_below(rollout, t) for t in turns})


def _batch(mesh: Mesh, tree: Any) -> Any:
  """Arrays whose first dim is spread as a batch."""

  def place(x):
    return NamedSharding(mesh, sharding.spec(mesh, x.shape, ('batch',)))

  return sharding.placed(tree, jax.tree.map(place, tree))


def _ints(*shape: int) -> jax.ShapeDtypeStruct:
  return jax.ShapeDtypeStruct(shape, jnp.int32)


def _sampler(config, policy, mesh, params, shape, below: int) -> Program:
  """Prefill and the whole decode loop; greedy of evaluation if `below` is 0."""
  r, greedy = config.rollout, not below
  prompts, samples = config.data.batch_episodes, r.group_size // (below or 1)
  width = forced_calls.width(config)
  if greedy:
    prompts, samples = config.data.eval_episodes, 1
    width = forced_calls.WIDTH['compact']
  elif r.groups == 'trajectory' and not sizes.shares_prefix(config):
    prompts, samples = prompts * samples, 1
  generate = sampler.make_sampler(
    policy,
    response_len=shape['response'],
    eos_id=policy.config.vocab_size - 1,
    pad_id=0,
    temperature=r.temperature,
    greedy=greedy,
  )
  split = lambda: jax.random.split(jax.random.key(0), (prompts, samples))
  arguments = (
    _ints(prompts, shape['prefix']),
    _ints(prompts),
    _ints(prompts, samples, shape['own']),
    _ints(prompts, samples),
    _ints(prompts, samples, width),
    jax.eval_shape(split),
  )
  arguments = _batch(mesh, arguments)
  return Program(
    kind='greedy' if greedy else 'sample',
    shape=shape | ({'below': below} if below > 1 else {}),
    rows=prompts * samples,
    width=samples,
    lower=lambda: generate.lower(params, *arguments),
  )


def _updates(config, learner, mesh, params, shape) -> list[Program]:
  """The update, and the log-probs before it where a config asks for them."""
  rl, width = config.rl, sizes.prompt_width(config)
  groups = rl.minibatch_rows // width
  width = min(rl.train_samples or width, width)
  rows = rows_of(groups, width, **shape)
  if rl.packed_groups:
    devices, packed = sharding.batch_parts(mesh), packing.shape(rl, width)
    places = packing.places_shape(rows, packed, devices)
    rows = rows_of(places[0] * packed.groups, width, **shape)
    rows = rows.replace(places=_ints(*places))
  rows = _batch(mesh, rows)
  logps = _batch(mesh, rows.rollout_logps)
  old = logps if rl.importance_cap else None
  reference = logps if rl.kl_coef else None
  state = update_lib.abstract_state(params, learner.tx, mesh)
  lower = learner.update.lower
  lowers = {'update': lambda: lower(state, rows, reference, old)}
  if rl.importance_cap or rl.kl_coef:
    lowers['logps'] = lambda: learner.logps.lower(params, rows)
  if rl.advantage == 'gae':
    lowers['values'] = lambda: learner.values.lower(params, rows)
  return [
    Program(kind, shape, groups * width, width, lower)
    for kind, lower in lowers.items()
  ]


def rows_of(
  groups: int, width: int, prefix: int, own: int, response: int
) -> RolloutRows:
  floats = jax.ShapeDtypeStruct((groups, width, response), jnp.float32)
  return RolloutRows(
    prefix=_ints(groups, prefix),
    prefix_length=_ints(groups),
    own=_ints(groups, width, own),
    own_length=_ints(groups, width),
    response=_ints(groups, width, response),
    response_mask=jax.ShapeDtypeStruct(floats.shape, bool),
    rollout_logps=floats,
    advantages=floats,
    row_weight=jax.ShapeDtypeStruct((groups, width), jnp.float32),
    returns=floats,
    old_values=floats,
  )


def _reshard(config, policy, params) -> Program:
  """From the layout of training to that of decoding; a part of `sample`."""
  r = config.rollout
  prompt = sizes.prompt_shape(config, r.prefix_buckets[-1], r.own_buckets[-1])
  size = sum(prompt) + r.response_buckets[-1]
  prepare = jax.jit(lambda params: policy.prepare(params, size))
  return Program('reshard', {}, 0, 0, lambda: prepare.lower(params))


def _retrieval(config, mesh) -> Program:
  """A look-up of all questions of a step in full memories."""
  m, r = config.memory, config.rollout
  count = config.data.batch_episodes
  if r.groups == 'trajectory':
    count *= r.group_size
  bank = jax.eval_shape(
    lambda: slots.empty(count, m.max_slots, m.entry_tokens, m.embedding_size)
  )
  queries = _ints(count, r.probes, scores.LEAST_WORDS)
  way, vectors = RECALL[config.reading.retrieval], None
  if way.vectors:
    shape = (count, r.probes, m.embedding_size)
    vectors = jax.ShapeDtypeStruct(shape, jnp.float32)
  bank, queries, vectors = _batch(mesh, (bank, queries, vectors))
  k = config.reading.top_k
  return Program(
    'retrieve',
    dict(slots=m.max_slots, questions=r.probes),
    count,
    1,
    lambda: scores.best.lower(way.score, bank, queries, vectors, k, 1),
  )
