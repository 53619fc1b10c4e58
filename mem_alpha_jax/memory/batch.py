"""N memories stepped together: host values with a device mirror."""

from collections.abc import Callable, Sequence
from typing import Any

import jax

from mem_alpha_jax.memory import execution
from mem_alpha_jax.memory import slots as slots_lib
from mem_alpha_jax.memory.state import Limits, MemoryState, Op, OpResult


def limits(memory: Any, read: int) -> Limits:
  """What a memory may hold whose stream has shown `read` tokens."""
  m = memory
  cap = int(m.cap_base + m.cap_rate * read) if m.cap_rate else None
  return Limits(m.core_tokens, m.entry_tokens, m.max_slots, cap)


def slots_needed(states: Sequence[MemoryState], config: Any) -> int:
  """Room for the calls of a step: the configured slots, doubled."""
  used = max((state.top for state in states), default=0)
  slots = config.memory.slots
  while slots < used + config.rollout.max_calls:
    slots *= 2
  return slots


class Memories:
  """A batch of memories.

  The host values are the truth; the slot arrays follow every operation and
  serve recall.
  """

  def __init__(
    self,
    states: Sequence[MemoryState],
    read: Sequence[int],  # tokens that each stream has shown; they set the cap
    config: Any,  # of the run
    count_tokens: Callable[[str], int],
    adapt: Callable[[Limits], Limits] = lambda limits: limits,
    embed: slots_lib.EmbedFn = slots_lib.no_vectors,
    bank: slots_lib.SlotBank | None = None,  # None: built from the states
  ):
    self.states, self.read = list(states), list(read)
    self.config, self.count_tokens = config, count_tokens
    self.adapt, self.embed = adapt, embed
    if bank is None:
      slots, width = slots_needed(states, config), config.memory.entry_tokens
      bank = slots_lib.from_states(states, slots, width, embed)
    self.bank = bank

  def limits(self, i: int) -> Limits:
    """What memory i may hold now."""
    return self.adapt(limits(self.config.memory, self.read[i]))

  def write(
    self, ops: Sequence[Sequence[Op]], steps: Sequence[int]
  ) -> list[list]:
    """Results of each memory's operations, applied in order at its own step."""
    states, results = [], []
    for i, row in enumerate(ops):
      state, done = execution.apply_all(
        self.states[i], row, self.limits(i), self.count_tokens, steps[i]
      )
      states.append(state)
      results.append(list(done))
    self.become(states, results)
    return results

  def become(
    self, states: Sequence[MemoryState], results: Sequence[Sequence[OpResult]]
  ) -> None:
    """Takes the states after calls with these results, on host and device."""
    self.states = list(states)
    self.bank = self._edited(self.bank, states, results)

  def some(self, at: Sequence[int]) -> 'Memories':
    """Copies of these."""
    bank = jax.tree.map(lambda x: x[at], self.bank)
    return Memories(
      [self.states[i] for i in at], [self.read[i] for i in at], self.config,
      self.count_tokens, self.adapt, self.embed, bank,
    )  # fmt: skip

  def forked(
    self, states: Sequence[MemoryState], results: Sequence[Sequence[OpResult]]
  ) -> 'Memories':
    """Copies of each memory side by side, which took different calls.

    Args:
      states: [N * copies], those of one memory together.
      results: of the calls that led there from this memory.
    """
    copies = len(states) // len(self.states)
    bank = slots_lib.broadcast(self.bank, copies)
    bank = self._edited(bank, states, results)
    read = [n for n in self.read for _ in range(copies)]
    return Memories(
      states, read, self.config, self.count_tokens, self.adapt, self.embed, bank
    )

  def _edited(self, bank, states, results) -> slots_lib.SlotBank:
    touched = [
      [*dict.fromkeys(slot for result in row for slot in result.slots)]
      for row in results
    ]
    width = bank.term_ids.shape[2]
    edits = slots_lib.edits(states, touched, width, self.embed)
    width = edits.rows.term_ids.shape[2]
    bank = slots_lib.grow(bank, slots_needed(self.states, self.config), width)
    return slots_lib.apply_edits(bank, edits)
