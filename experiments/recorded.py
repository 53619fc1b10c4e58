"""The policy as a method that keeps what it saw and did: why it erred."""

from typing import NamedTuple

from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.methods import memory, policy, protocol


class Moment(NamedTuple):
  """One piece of a chunk of one stream, all of it by default."""

  at: int  # index of the chunk
  piece: str
  view: tuple
  ops: tuple
  results: tuple
  before: state_lib.MemoryState
  after: state_lib.MemoryState


class Recorded(memory.MemoryMethod):
  """The policy; keeps what it saw and did."""

  def __init__(self, given: protocol.Given):
    write, self.views = policy.writer(given), []
    self.moments, self.at = [[] for _ in given.episodes], 0

    def watch(memories, chunks, views, t):
      self.views = views
      return write(memories, chunks, views, t)

    super().__init__(watch, given, cut=policy.cut(given))

  def observe(self, chunks):
    steps = super().observe(chunks)
    self.at += 1
    return steps

  def read(self, pieces):
    before = self.memories.states
    steps = super().read(pieces)
    for i, (piece, step) in enumerate(zip(pieces, steps, strict=True)):
      if piece is not None:
        did = step.written.ops, step.results, before[i], step.state
        self.moments[i].append(Moment(self.at, piece, self.views[i], *did))
    return steps
