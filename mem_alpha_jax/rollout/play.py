"""Turns of a batch at once: shown as padded prompts, sampled, and done.

The same for training and for greedy evaluation; `setup` is the collector's.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from mem_alpha_jax.config import sizes
from mem_alpha_jax.memory import notations
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.recall import view as view_lib
from mem_alpha_jax.roles import prompt as prompt_lib
from mem_alpha_jax.roles import registry
from mem_alpha_jax.rollout import forced_calls
from mem_alpha_jax.sampling import buckets as buckets_lib
from mem_alpha_jax.system import multihost
from mem_alpha_jax.types import Outcome, Turn


class Prompts(NamedTuple):
  """Prompts of N turns, padded to the buckets of those of all processes."""

  prefix: Int[np.ndarray, 'N P']
  prefix_length: Int[np.ndarray, 'N']
  own: Int[np.ndarray, 'N C']
  own_length: Int[np.ndarray, 'N']
  # What responses may name, flat; None where rollout.grammar is off.
  targets: Int[np.ndarray, 'N targets'] | None = None


class Responses(NamedTuple):
  """What was sampled, as sampling.sampler.Samples."""

  tokens: Int[np.ndarray, 'N W R']
  logps: Float[np.ndarray, 'N W R']
  mask: Bool[np.ndarray, 'N W R']
  finished: Bool[np.ndarray, 'N W']


def show(
  setup: Any, turns: Sequence[Turn]
) -> tuple[list[Turn], list[prompt_lib.Prompt]]:
  """Prompts, and the turns with the entries that these had room for."""
  shown = [registry.ROLES[turn.role].show(setup, turn) for turn in turns]
  seen = [
    turn._replace(view=p.view) for turn, p in zip(turns, shown, strict=True)
  ]
  return seen, shown


def pad(
  setup: Any,
  prompts: Sequence[prompt_lib.Prompt],
  turns: Sequence[Turn] = (),
) -> Prompts:
  """Right-pads to the smallest buckets that hold the longest.

  What samples of one state share is `prefix` then, as sizes.prompt_shape says.
  With the turns that they show, also says what responses may name.
  """
  prefix, own = [p.prefix for p in prompts], [p.own for p in prompts]
  longest = multihost.largest(*(max(map(len, x)) for x in (prefix, own)))
  widths = (
    buckets_lib.pick(setup.buckets, length, name)
    for length, name in zip(longest, ('prefix', 'own'), strict=True)
  )
  widths = sizes.prompt_shape(setup.config, *widths)
  if widths[1] == 1:
    prefix = [[*a, *b[:-1]] for a, b in zip(prefix, own, strict=True)]
    own = [ids[-1:] for ids in own]
  arrays = []
  for lists, width in zip((prefix, own), widths, strict=True):
    arrays += buckets_lib.pad(lists, width, setup.tokenizer.pad_id)
  if not turns or setup.config.rollout.grammar == 'off':
    return Prompts(*arrays)
  name, tokenizer = setup.config.memory.prompt_format, setup.tokenizer
  targets = [
    notations.targets(name, tokenizer, turn.view, turn.state.core).ravel()
    for turn in turns
  ]
  return Prompts(*arrays, np.stack(targets))


def unread(config: Any, texts: Iterable[str]) -> list[Turn]:
  """Turns of a writer that reads each text beside an empty memory."""
  empty = (None,) * view_lib.places(config.memory)
  return [
    Turn('writer', text, state=state_lib.empty(), view=empty) for text in texts
  ]


@jax.jit
def row_keys(
  key: Array,
  step: int,
  uids: Int[Array, 'N'],
  samples: Int[Array, 'N'],
  turn: int,
) -> Array:
  """One key a row, by meaning: (step, episode, sample, turn)."""
  key = jax.random.fold_in(key, step)

  def one(uid, sample):
    by_row = jax.random.fold_in(jax.random.fold_in(key, uid), sample)
    return jax.random.fold_in(by_row, turn)

  return jax.vmap(one)(uids, samples)


def sample(
  setup: Any,
  params: Any,
  prompts: Prompts,
  forced: Int[np.ndarray, 'N W F'],
  keys: Array,
  stride: int = 1,
) -> Responses:
  """W responses to each prompt.

  Args:
    forced: first tokens, FREE where there is none.
    keys: N * W of them.
    stride: turns side by side that share their prefix, prefilled once.

  Raises:
    FloatingPointError: if the policy has no distribution any more.
  """
  n, width = forced.shape[:2]
  groups = (n // stride, stride * width)
  targets = () if prompts.targets is None else (prompts.targets,)
  out = setup.generate(
    params,
    prompts.prefix[::stride],
    prompts.prefix_length[::stride],
    np.repeat(prompts.own, width, 0).reshape(*groups, -1),
    np.repeat(prompts.own_length, width).reshape(groups),
    forced.reshape(*groups, -1),
    keys.reshape(groups),
    *(np.repeat(x, width, 0).reshape(*groups, -1) for x in targets),
  )
  arrays = (np.asarray(x) for x in out)
  out = Responses(*(x.reshape(n, width, *x.shape[2:]) for x in arrays))
  if not np.isfinite(out.logps[out.mask]).all():
    raise FloatingPointError(
      'log-probs of what was sampled are not finite: the parameters have blown '
      'up; lower optim.learning_rate, and go on from an older checkpoint or in '
      'a new --workdir'
    )
  return out


def act(
  setup: Any,
  turn: Turn,
  tokens: Int[np.ndarray, 'W R'],
  mask: Bool[np.ndarray, 'W R'],
) -> list[Outcome]:
  """What each response does, none if not live; equal ones share it."""
  if not turn.live:
    return []
  role, seen = registry.ROLES[turn.role], {}
  ids = [tuple(row[kept].tolist()) for row, kept in zip(tokens, mask)]  # noqa
  for response in ids:
    if response not in seen:
      seen[response] = role.act(setup, turn, response)
  return [seen[response] for response in ids]


def respond(
  setup: Any, params: Any, turns: Sequence[Turn]
) -> list[tuple[Turn, list[int], list[float]]]:
  """Each turn as it is shown, and ids and log-probs of a free response."""
  n, t = len(turns), max(turn.index for turn in turns)
  keys = row_keys(setup.key, 0, np.arange(n), np.zeros(n, int), t)
  free = forced_calls.free(n, 1, forced_calls.WIDTH['compact'])
  turns, shown = show(setup, turns)
  out = sample(setup, params, pad(setup, shown, turns), free.tokens, keys)
  return [
    (turn, ids[mask].tolist(), logps[mask].tolist())
    for turn, ids, logps, mask in zip(
      turns, out.tokens[:, 0], out.logps[:, 0], out.mask[:, 0], strict=True
    )
  ]
