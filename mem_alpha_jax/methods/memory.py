"""N memories that one writer fills, read by retrieval."""

from collections.abc import Callable, Sequence
from typing import Any

from mem_alpha_jax.memory import batch as batch_lib
from mem_alpha_jax.memory import slots as slots_lib
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.methods.protocol import Given, Step
from mem_alpha_jax.recall import registry, view
from mem_alpha_jax.system import multihost
from mem_alpha_jax.types import Request, Written

QUESTION_WIDTH = 16  # questions a memory looks up in one call

# (memories, chunks, views, t) -> one Written a memory. What it says to a chunk
# that is None, of a stream that has ended, does not count.
Writer = Callable[..., list[Written]]


class MemoryMethod:
  """A `protocol.Method` of memories that a writer fills."""

  def __init__(
    self,
    write: Writer,
    given: Given,
    adapt: Callable = lambda limits: limits,  # baselines keep longer entries
    embed: slots_lib.EmbedFn | None = None,  # None: the policy's
    cut: Callable[[str], Sequence[str]] = lambda chunk: [chunk],
  ):
    embed = embed or given.parts.eval_setup.embed(given.params)
    self._write, self._cut = write, cut
    self._make = lambda states, read, bank: batch_lib.Memories(
      states, read, given.config, given.count, adapt, embed, bank
    )
    n = len(given.episodes)
    states = [state_lib.holding(e.start, given.count) for e in given.episodes]
    self.take(states, [0] * n, [0] * n)

  def take(
    self,
    states: Sequence[state_lib.MemoryState],
    read: Sequence[int],
    times: Sequence[int],
    bank: slots_lib.SlotBank | None = None,
  ) -> None:
    """Goes on with these memories, as many as they are.

    Args:
      read: tokens that each one's stream has shown.
      times: chunks that each one has read.
      bank: of the states; without one it is built.
    """
    self.memories, self._times = self._make(states, read, bank), list(times)

  def observe(self, chunks: Sequence[str | None]) -> list[Step]:
    """Reads the pieces of each chunk one after the other."""
    pieces = [[None] if chunk is None else self._cut(chunk) for chunk in chunks]
    (most,) = multihost.largest(max(map(len, pieces)))
    steps = self.read([some[0] for some in pieces])
    for k in range(1, most):
      now = [some[k] if k < len(some) else None for some in pieces]
      steps = list(map(_both, steps, self.read(now), now))
    self._times = [time + 1 for time in self._times]
    return steps

  def read(self, chunks: Sequence[str | None]) -> list[Step]:
    """Reads what one turn of each memory reads; nothing where that is None."""
    texts = [chunk or '' for chunk in chunks]
    for i, text in enumerate(texts):
      self.memories.read[i] += self.memories.count_tokens(text)
    views = view.look(self.memories, texts)
    said = self._write(
      self.memories, chunks, views, max(self._times, default=0)
    )
    written = [
      Written(noop=True) if chunk is None else one
      for chunk, one in zip(chunks, said, strict=True)
    ]
    results = self.memories.write([w.ops for w in written], self._times)
    return list(map(Step, written, results, self.memories.states))

  def requests(self, questions: Sequence[Sequence[str]]) -> list[list[Request]]:
    if not any(questions):
      return [[] for _ in questions]
    return registry.requests(self.memories, questions, QUESTION_WIDTH)

  def memory_tokens(self) -> list[int]:
    return [state_lib.token_length(s) for s in self.memories.states]

  def to_json(self) -> Any:
    return {
      'time': max(self._times, default=0),
      'read': self.memories.read,
      'states': [state_lib.to_json(s) for s in self.memories.states],
    }

  def restore(self, value: Any) -> None:
    states = [state_lib.from_json(one) for one in value['states']]
    self.take(states, value['read'], [value['time']] * len(states))


def _both(before: Step, after: Step, piece: str | None) -> Step:
  """Two pieces as one step; a second of None does not count."""
  if piece is None:
    return before
  one, two = before.written, after.written
  written = Written(
    (*one.ops, *two.ops),
    (*one.errors, *two.errors),
    one.noop and two.noop,
    (*one.repairs, *two.repairs),
    '\n'.join(filter(None, (one.text, two.text))),
    one.view,
    lambda: [*one.tokens(), *two.tokens()],
    one.lost or two.lost,
    one.cut or two.cut,
  )
  return Step(written, [*before.results, *after.results], after.state)
