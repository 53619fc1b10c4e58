"""A grammar of responses on the device: which tokens may come next.

`Table` is an automaton over token ids, made on the host once for a tokenizer
(memory/token_table.py). The sampler masks by it and normalizes what is left;
training runs it again over what was sampled, so that the log-probs of both are
those of one distribution. What a response may name differs from row to row
(ids of the entries in view), and comes with the row as `targets`.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, UInt

from mem_alpha_jax.model import blockwise_softmax, packing
from mem_alpha_jax.types import RolloutRows

OFF, END = 0, 1  # states: outside of the grammar, where all goes; after the end
NOTHING, ALL = 0, 1  # rows of Table.masks
FREE, LAST, CLOSING = range(3)  # what of the grammar: all, no new call, the end
BITS = 32  # of a word of a mask

Targets = Int[Array, '... K n']  # kind (a bit; 0: none), then ids, -1: no more


class Table(NamedTuple):
  """The automaton; `kinds` are the sum of the kinds among a row's targets."""

  masks: UInt[np.ndarray, 'rows words']  # a bit a token, different ones only
  rows: Int[np.ndarray, 'kinds 3 S']  # of masks, by what is left of the grammar
  worst: Int[np.ndarray, 'kinds 2 S']  # most tokens to the end after a token
  step: Int[np.ndarray, 'S classes']  # the next state, OFF: not allowed
  classes: Int[np.ndarray, 'V']  # of the tokens that all states treat alike
  accepts: Int[np.ndarray, 'S']  # whether a response may end here
  chooses: Int[np.ndarray, 'S']  # kinds of targets of which one may come here
  after: Int[np.ndarray, 'S']  # the state behind it
  start: int
  calls: int  # most of a response
  targets: tuple[int, int]  # K and n of a row's targets


class State(NamedTuple):
  """Where responses are."""

  state: Int[Array, '...']
  calls: Int[Array, '...']  # begun, the first from the start
  place: Int[Array, '...']  # tokens written of a target
  alive: Int[Array, '... K']  # targets that begin so


class Allowed(NamedTuple):
  """What may come next: a row of Table.masks, and tokens of targets."""

  row: Int[Array, '...']
  extra: Int[Array, '... K']  # -1: none


def begin(table: Table, targets: Targets) -> State:
  shape = targets.shape[:-2]
  full = lambda value: jnp.full(shape, value, jnp.int32)
  alive = jnp.ones(targets.shape[:-1], bool)
  return State(full(table.start), full(1), full(0), alive)


def _next(table, targets, at: State):
  """The next token of each target that may go on here, -1 where it is over."""
  kinds = jnp.asarray(table.chooses)[at.state][..., None] & targets[..., 0]
  place = jnp.broadcast_to(at.place[..., None, None] + 1, kinds.shape + (1,))
  said = jnp.take_along_axis(targets, place, axis=-1, mode='clip')[..., 0]
  return (kinds > 0) & at.alive, said


def look(
  table: Table, targets: Targets, at: State, left: Int[Array, '...'] | int
) -> Allowed:
  """What may come next, where so many tokens are left, this one included.

  Nothing is begun that could not be ended in time.
  """
  kinds = jnp.bitwise_or.reduce(targets[..., 0], axis=-1)
  there, said = _next(table, targets, at)
  state = _behind(table, at)
  accepts = jnp.asarray(table.accepts)[state] > 0
  part = jnp.where((at.calls >= table.calls) & accepts, LAST, FREE)
  late = jnp.asarray(table.worst)[kinds, part, state] >= left
  part = jnp.where(late, CLOSING, part)
  row = jnp.asarray(table.rows)[kinds, part, state]
  over = (at.place == 0) | (there & (said < 0)).any(-1)
  return Allowed(jnp.where(over, row, NOTHING), jnp.where(there, said, -1))


def _behind(table, at: State) -> Int[Array, '...']:
  """The state, behind a name where one has been begun."""
  return jnp.where(at.place > 0, jnp.asarray(table.after)[at.state], at.state)


def advance(
  table: Table, targets: Targets, at: State, token: Int[Array, '...']
) -> State:
  """Where responses are after a token each."""
  there, said = _next(table, targets, at)
  named = there & (said == token[..., None])
  inside = named.any(-1)
  state = _behind(table, at)
  new = jnp.asarray(table.step)[state, jnp.asarray(table.classes)[token]]
  ends, new = jnp.asarray(table.accepts) > 0, new.astype(jnp.int32)
  begun = ends[state] & ~ends[new] & ~inside
  return State(
    jnp.where(inside, at.state, new),
    at.calls + begun,
    jnp.where(inside, at.place + 1, 0),
    jnp.where(inside[..., None], named, True),
  )


def replay(
  table: Table, targets: Targets, response: Int[Array, '... R']
) -> Allowed:
  """What could come where each token of a response stands: [.., R]."""
  size = response.shape[-1]

  def step(at, inputs):
    token, left = inputs
    return advance(table, targets, at, token), look(table, targets, at, left)

  tokens = jnp.moveaxis(response, -1, 0), jnp.arange(size, 0, -1)
  _, found = jax.lax.scan(step, begin(table, targets), tokens)
  lead = response.ndim - 1
  return jax.tree.map(lambda x: jnp.moveaxis(x, 0, lead), found)


def bits(
  table: Table, allowed: Allowed, token: Int[Array, '...']
) -> UInt[Array, '... words']:
  """The mask of each place, a bit a token.

  A token that stands there and is not allowed was forced: the grammar does not
  hold for it, nor for what follows.

  Args:
    token: what is sampled or forced there, -1 if that is not known.
  """
  found = jnp.asarray(table.masks)[allowed.row]
  words = jnp.arange(found.shape[-1])
  for k in range(allowed.extra.shape[-1]):
    extra = allowed.extra[..., k : k + 1]
    bit = jnp.uint32(1) << (extra % BITS).astype(jnp.uint32)
    there = (extra >= 0) & (words == extra // BITS)
    found |= jnp.where(there, bit, jnp.uint32(0))
  given = jnp.maximum(token, 0)[..., None]
  word = jnp.take_along_axis(found, given // BITS, axis=-1)
  barred = (token >= 0) & ~blockwise_softmax.is_set(word, given)[..., 0]
  return jnp.where(barred[..., None], ~jnp.uint32(0), found)


def of_rows(
  table: Table | None, rows: RolloutRows
) -> blockwise_softmax.Bits | None:
  """The masks of sampled tokens, where they stand; None without targets."""
  if rows.targets is None:
    return None
  token = rows.response
  targets = rows.targets.reshape(*token.shape[:2], *table.targets)
  found = replay(table, targets, token)
  if rows.places is not None:
    context = rows.own.shape[-1]
    take = lambda x: packing.take(rows.places, packing.behind(x, context))
    extra = [take(found.extra[..., k]) for k in range(table.targets[0])]
    found = Allowed(take(found.row), jnp.stack(extra, -1))
    token = take(token)
  return bits(table, found, token)
