"""A finished run, opened and played by a policy that keeps what it did."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from configs import common
from mem_alpha_jax.config import command
from mem_alpha_jax.evaluation import held_out, loop
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.methods import memory, policy, protocol
from mem_alpha_jax.run import build, parameters
from mem_alpha_jax.types import Episode


def opened(
  workdir: str, episodes: int, arg: str = ''
) -> tuple[build.Experiment, Any]:
  """A run's parts, for so many episodes of any length, and its parameters.

  Args:
    arg: config overrides, as configs take them.
  """
  config = command.of_workdir(workdir).unlock()
  config = common.parse_arg(config, arg).unlock()
  config.data.eval_episodes = config.eval.length_episodes = episodes
  parts = build.build(config, workdir)
  return parts, parameters.saved_params(parts, workdir)


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


def play(parts: build.Experiment, params: Any, episodes: Sequence[Episode]):
  """The moments of each episode, and its answers to the strict reader."""
  rows = range(len(episodes))
  given = protocol.Given(parts, parts.config, params, episodes, rows)
  method, panel = Recorded(given), loop.panel(parts, parts.readers[:1])
  plans = [held_out.ending(e) for e in episodes]
  return method.moments, loop.run(method, episodes, plans, panel).records
