"""A memory small enough that the gradient of its policy is exact.

A stream of chunks: statements about a few keys, each of which makes what was
stored about that key stale, and fillers. A memory is a row of slots, oldest
first. To each chunk the policy skips, inserts (a full memory drops its oldest
entry) or updates (one entry takes the place of all about the key; without any
the call is invalid and does nothing). It sees whether the chunk states
something, whether an entry is about the same key, and whether memory is full.
A question a key: right if an entry is fresh and none is stale.

The memories are few, so the distribution over them and their values are
computed by dynamic programming, with the gradient of any sum of rewards.
"""

import itertools
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

KEYS, SLOTS = 3, 3
FILLER = KEYS  # the kind of a chunk; kinds below state a key
SKIP, INSERT, UPDATE = ACTIONS = range(3)
OBSERVATIONS = 6  # 2 present + full of statements, 4 + full of fillers
# What an answerer sees of a key: no, one, more entries; it picks none, the
# oldest or the newest.
ANSWERS = 3
NONE, OLDEST, NEWEST = range(3)
_JUNK = 2 * KEYS + 1  # entries: 1 + key fresh, 1 + KEYS + key stale, junk

States = Int[np.ndarray, '*N']


class World(NamedTuple):
  """All memories S, and what each kind of chunk and action makes of them.

  Attributes:
    entries: of each memory, 0 for an empty slot.
    seen: observation of (kind, memory).
    after: memory of (kind, action, memory).
    valid: whether the call works.
    source: of each slot after it: the slot before, SLOTS if new, -1 if empty.
    written: whether the call wrote it.
    right: whether the question about each key is answered.
    shown: what an answerer sees of each key.
    picks: whether each of its picks is right.
  """

  entries: Int[np.ndarray, 'S C']
  seen: Int[np.ndarray, 'kinds S']
  after: Int[np.ndarray, 'kinds 3 S']
  valid: Bool[np.ndarray, 'kinds 3 S']
  source: Int[np.ndarray, 'kinds 3 S C']
  written: Bool[np.ndarray, 'kinds 3 S C']
  right: Bool[np.ndarray, 'S keys']
  shown: Int[np.ndarray, 'S keys']
  picks: Bool[np.ndarray, 'S keys 3']


def build() -> World:
  """Enumerates the memories."""
  states = [
    s
    for n in range(SLOTS + 1)
    for s in itertools.product(range(1, _JUNK + 1), repeat=n)
  ]
  number = {s: i for i, s in enumerate(states)}
  shape = (KEYS + 1, len(ACTIONS), len(states))
  seen = np.zeros((KEYS + 1, len(states)), int)
  after, valid = np.zeros(shape, int), np.zeros(shape, bool)
  source = np.full((*shape, SLOTS), -1)
  written = np.zeros((*shape, SLOTS), bool)
  for kind, (i, old) in itertools.product(range(KEYS + 1), enumerate(states)):
    held = [1 + KEYS + kind if e == 1 + kind else e for e in old]
    held = held if kind < FILLER else list(old)
    mine = [n for n, e in enumerate(held) if kind < FILLER and _about(e, kind)]
    full = len(held) == SLOTS
    seen[kind, i] = 4 + full if kind == FILLER else 2 * bool(mine) + full
    for action in ACTIONS:
      new, places, at, ok = _act(action, kind, held, mine)
      after[kind, action, i], valid[kind, action, i] = number[tuple(new)], ok
      source[kind, action, i, : len(new)] = places
      written[kind, action, i, at] = True
  entries = np.zeros((len(states), SLOTS), int)
  for i, s in enumerate(states):
    entries[i, : len(s)] = s
  return World(entries, seen, after, valid, source, written, *_answers(entries))


def _about(entry: int, key: int) -> bool:
  return entry in (1 + key, 1 + KEYS + key)


def _act(action: int, kind: int, held: list[int], mine: list[int]):
  """The entries after a call, where each was, those written, whether valid."""
  entry, places = 1 + kind if kind < FILLER else _JUNK, [*range(len(held))]
  if action == INSERT:
    first = len(held) == SLOTS
    new = [*held[first:], entry]
    return new, [*places[first:], SLOTS], [len(new) - 1], True
  if action == UPDATE and mine:
    kept = [n for n in places if n not in mine[1:]]
    new = [entry if n == mine[0] else held[n] for n in kept]
    return new, kept, [kept.index(mine[0])], True
  return held, places, [], action == SKIP


def _answers(entries):
  """What questions find in each memory."""
  right, shown, picks = [], [], []
  for key in range(KEYS):
    about = (entries == 1 + key) | (entries == 1 + KEYS + key)
    fresh, count = entries == 1 + key, about.sum(1)
    right.append((fresh.any(1)) & (count == fresh.sum(1)))
    shown.append(np.minimum(count, 2))
    rows = np.arange(len(entries))
    oldest = fresh[rows, about.argmax(1)] & (count > 0)
    newest = fresh[rows, SLOTS - 1 - about[:, ::-1].argmax(1)] & (count > 0)
    picks.append(np.stack([np.zeros_like(oldest), oldest, newest], 1))
  return [np.stack(x, 1) for x in (right, shown, picks)]


def streams(
  rng: np.random.Generator, count: int, turns: int, delay: int
) -> Int[np.ndarray, 'B L']:
  """Kinds of chunks: statements with a quarter fillers, then the delay."""
  kinds = rng.integers(0, KEYS, (count, turns))
  kinds[rng.random(kinds.shape) < 0.25] = FILLER
  kinds[:, 0] = rng.integers(0, KEYS, count)
  late = np.full((count, delay), FILLER)
  return np.concatenate([kinds, late], 1)


def policy(skill: float, spread: float = 0.5) -> Float[np.ndarray, '6 3']:
  """Logits: small fixed noise, and `skill` for what is right to do."""
  logits = np.random.default_rng(7).normal(0, spread, (OBSERVATIONS, 3))
  best = [INSERT, INSERT, UPDATE, UPDATE, SKIP, SKIP]
  logits[np.arange(OBSERVATIONS), best] += skill
  return logits


def softmax(logits):
  weight = np.exp(logits - logits.max(-1, keepdims=True))
  return weight / weight.sum(-1, keepdims=True)


class Exact(NamedTuple):
  """Of one stream: its expected reward, gradient, and values by turn."""

  value: float
  gradient: Float[np.ndarray, '6 3']
  values: Float[np.ndarray, 'L S']
  reached: Float[np.ndarray, 'S']  # distribution of the last memory


def exact(
  world: World,
  kinds: Int[np.ndarray, 'L'],
  logits: Float[np.ndarray, '6 3'],
  last: Float[np.ndarray, 'S'],
  each: Float[np.ndarray, 'L 3 S'] | float = 0.0,
) -> Exact:
  """The gradient of E[last reward + sum of each turn's], to the logits.

  dJ = sum_t sum_s d_t(s) sum_a pi(a | s) (Q_t(s, a) - V_t(s)) dlogit(s, a).
  """
  chance = softmax(logits)
  each = np.broadcast_to(each, (len(kinds), 3, len(last)))
  values, gaps, value = [], [], last
  for t in reversed(range(len(kinds))):
    pi = chance[world.seen[kinds[t]]].T  # [3, S]
    q = each[t] + value[world.after[kinds[t]]]
    value = (pi * q).sum(0)
    values.append(value)
    gaps.append(pi * (q - value))
  gradient = np.zeros_like(logits)
  reached = np.zeros(len(last))
  reached[0] = 1.0
  for t, kind in enumerate(kinds):
    np.add.at(gradient, world.seen[kind], (reached * gaps[-1 - t]).T)
    flow = reached * chance[world.seen[kind]].T
    reached = np.bincount(
      world.after[kind].ravel(), flow.ravel(), minlength=len(last)
    )
  return Exact(value[0], gradient, np.array(values[::-1]), reached)


class Played(NamedTuple):
  """What N trajectories did in L turns, and what is left of it."""

  before: Int[np.ndarray, 'N L']  # memories
  seen: Int[np.ndarray, 'N L']
  action: Int[np.ndarray, 'N L']
  valid: Bool[np.ndarray, 'N L']
  after: States  # memory at the end
  first: Int[np.ndarray, 'N C']  # turns that made its entries
  newest: Int[np.ndarray, 'N C']  # turns that wrote them last


def play(
  world: World,
  kinds: Int[np.ndarray, 'N L'],
  logits: Float[np.ndarray, '6 3'],
  rng: np.random.Generator,
  begun: Played | None = None,
) -> Played:
  """Plays on from an empty memory, or from the ends of `begun`."""
  n, late = len(kinds), 0
  state, first = np.zeros(n, int), np.full((n, SLOTS), -1)
  newest = first
  if begun is not None:
    state, first, newest = begun.after, begun.first, begun.newest
    late = begun.action.shape[1]
  columns = []
  for t in range(kinds.shape[1]):
    kind = kinds[:, t]
    seen = world.seen[kind, state]
    action = draw(softmax(logits), seen, rng)
    at = kind, action, state
    columns.append((state, seen, action, world.valid[at]))
    source, written = world.source[at], world.written[at]
    place = np.clip(source, 0, SLOTS - 1)
    keep = lambda x: np.take_along_axis(x, place, 1)  # noqa: B023
    new, none = source == SLOTS, source < 0
    first = np.where(none, -1, np.where(new, late + t, keep(first)))
    newest = np.where(none, -1, np.where(written, late + t, keep(newest)))
    state = world.after[at]
  return Played(*(np.stack(c, 1) for c in zip(*columns)), state, first, newest)  # noqa: B905


def draw(chance, seen, rng: np.random.Generator) -> Int[np.ndarray, '*N']:
  """An action of each row by the chances of what it sees."""
  bound = np.cumsum(chance, -1)[seen][..., :-1]
  return (rng.random(seen.shape)[..., None] > bound).sum(-1)
