"""From an automaton over bytes and symbols to one over the ids of a tokenizer.

Made once a run on the host. Most of a vocabulary is treated alike by every
state, so states times tokens is kept as classes of tokens, and as different
rows of bits.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from mem_alpha_jax.memory import grammar
from mem_alpha_jax.memory.grammar import Automaton
from mem_alpha_jax.model.grammar import (
  ALL,
  BITS,
  CLOSING,
  END,
  FREE,
  LAST,
  NOTHING,
  OFF,
  Table,
)

_NEVER = 1 << 14  # tokens to an end that there is not


def make(
  found: Automaton,
  pieces: Sequence[Sequence[int] | None],
  ends: Iterable[int],
  vocab: int,
  entries: int,
  name: int,
  calls: int,
) -> Table:
  """Builds the table.

  Args:
    pieces: units of each token id, None of those that say nothing.
    ends: ids that end a response.
    vocab: ids of the model, which may be more than the tokenizer's.
    entries: most that a row may name.
    name: most tokens of a name.
    calls: most of a response.
  """
  state = np.arange(len(found.step)) + 1  # END is put in
  state[0] = OFF
  spread = lambda x, empty: np.insert(x, END, empty, axis=0)
  accepts = spread(found.accepts, True)
  chooses = spread(found.chooses, 0)
  is_open = spread(found.open, True)
  after = spread(state[found.step[:, grammar.NAMED]], OFF)
  step, classes = _classes(found, state, pieces, [*ends], vocab)
  rows, worst, masks = _rows(step, accepts, chooses, after, is_open, name)
  return Table(
    masks=_packed(masks, classes),
    rows=rows,
    worst=worst,
    step=step,
    classes=classes,
    accepts=accepts.astype(np.int32),
    chooses=chooses.astype(np.int32),
    after=after.astype(np.int32),
    start=int(state[found.start]),
    calls=calls,
    targets=(entries + 1, name + 2),
  )


def _classes(found, state, pieces, ends, vocab):
  """The step of each class of tokens [S, classes], and the class of each id."""
  # Most units go the same ways, so many tokens do.
  moves, kind = np.unique(found.step, axis=1, return_inverse=True)
  kind, alike = kind.ravel().tolist(), {}
  for i, piece in enumerate(pieces):
    if piece and i not in ends:
      alike.setdefault(tuple(kind[unit] for unit in piece), []).append(i)
  none = np.zeros(len(state) + 1, np.int16)
  columns, classes = {none.tobytes(): 0}, np.zeros(vocab, np.int32)
  before, path = (), [np.arange(len(state))]
  for units in sorted(alike):
    same = next(
      (
        k for k, (a, b) in enumerate(zip(before, units, strict=False)) if a != b
      ),
      min(len(before), len(units)),
    )
    del path[same + 1 :]
    for unit in units[same:]:
      new = moves[path[-1], unit]
      if len(path) > 1:  # a token does not go past the end of a call
        new = np.where(found.accepts[path[-1]] & ~found.accepts[new], 0, new)
      path.append(new)
    column, before = none.copy(), units
    column[state] = state[path[-1]]
    classes[alike[units]] = columns.setdefault(column.tobytes(), len(columns))
  end = none.copy()
  end[state[found.accepts]] = END
  classes[ends] = columns.setdefault(end.tobytes(), len(columns))
  step = np.stack([np.frombuffer(c, np.int16) for c in columns], axis=1)
  return step, classes


def _rows(step, accepts, chooses, after, is_open, name: int):
  """Rows by kinds, part and state; the worst ends; different masks by class."""
  size, classes = step.shape
  reach = np.zeros((size, size), bool)
  reach[np.repeat(np.arange(size), classes), step.ravel()] = True
  reach[:, OFF] = False
  rows = np.zeros((grammar.KINDS, 3, size), np.int32)
  worst = np.zeros((grammar.KINDS, 2, size), np.int16)
  masks = {np.zeros(classes, bool).tobytes(): NOTHING}
  masks[np.ones(classes, bool).tobytes()] = ALL
  for kinds in range(grammar.KINDS):
    named = np.where(chooses & kinds, after, OFF)
    far = _distances(reach, named, is_open[:, kinds], name)
    there = reach & (far < _NEVER)
    stays = ~(accepts[:, None] & ~accepts)  # begins no call
    parts = {
      FREE: there,
      LAST: there & stays,
      CLOSING: there & (far[None] < far[:, None]),
    }
    for part, allowed in parts.items():
      if part != CLOSING:
        worst[kinds, part] = np.where(allowed, far[None], 0).max(1)
      by_class = np.take_along_axis(allowed, step.astype(int), axis=1)
      for s in range(size):
        key = by_class[s].tobytes()
        rows[kinds, part, s] = masks.setdefault(key, len(masks))
  rows[..., OFF] = rows[..., END] = ALL
  worst[..., OFF] = worst[..., END] = -1
  return rows, worst, [np.frombuffer(m, bool) for m in masks]


def _distances(reach, named, is_open, name: int) -> np.ndarray:
  """Tokens from each state to END; `named` is the state behind a name."""
  far = np.full(len(reach), _NEVER)
  far[END] = 0
  while True:
    new = np.where(reach, far[None], _NEVER).min(1) + 1
    new = np.minimum(new, far[named] + name)
    new = np.where(is_open & (new < _NEVER), new, _NEVER)
    new[END], new[OFF] = 0, _NEVER
    if (new == far).all():
      return far
    far = new


def _packed(masks: Sequence[np.ndarray], classes: np.ndarray) -> np.ndarray:
  """Masks of classes as masks of tokens, a bit each."""
  words = -(-len(classes) // BITS)
  packed = np.zeros((len(masks), words * BITS // 8), np.uint8)
  for row, mask in enumerate(masks):
    some = np.packbits(mask[classes], bitorder='little')
    packed[row, : len(some)] = some
  packed[ALL] = 255
  return packed.view('<u4')
