"""A writer and its memories as a method of baselines/method.py."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from mem_alpha_jax.memory import batch as batch_lib
from mem_alpha_jax.memory import slots as slots_lib
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.recall import registry, view
from mem_alpha_jax.types import Request

QUESTION_WIDTH = 16  # questions a memory looks up in one call


class Written(NamedTuple):
  """What a writer says to one chunk."""

  ops: Sequence[state_lib.Op]
  errors: Sequence[str] = ()  # calls that could not be read
  noop: bool = False
  text: str = ''
  missing: bool = False  # nothing could be had of the writer


# (memories, chunks, views, live, t) -> one Written a memory.
Writer = Callable[..., list[Written]]


class MemoryMethod:
  """N memories that one writer fills; read by retrieval.

  Attributes:
    memories: the memories; `write` may look at them.
    written: what the writer said to the newest chunks.
    results: of its calls, one list a stream.
  """

  def __init__(
    self,
    write: Writer,
    streams: int,
    config: Any,
    count: Callable[[str], int],
    adapt: Callable = lambda limits: limits,
    embed: slots_lib.EmbedFn = slots_lib.no_vectors,
  ):
    """Args:
    write: the writer.
    streams: read side by side.
    config: the writer's config.
    count: tokens of a text.
    adapt: changes the limits of a memory (baselines keep longer entries).
    embed: makes the vectors that the memories are searched by.
    """
    self._write, self._config, self._count = write, config, count
    self._adapt, self._embed = adapt, embed
    self._time = 0
    self.written: list[Written] = []
    self.results: list[list] = []
    self._fill([state_lib.empty()] * streams, [0] * streams)

  def _fill(self, states, read) -> None:
    self.memories = batch_lib.Memories(
      states, read, self._config, self._count, self._adapt, self._embed
    )

  def observe(self, chunks: Sequence[str | None]) -> None:
    live = [chunk is not None for chunk in chunks]
    texts = [chunk or '' for chunk in chunks]
    for i, text in enumerate(texts):
      self.memories.read[i] += self._count(text)
    views = view.look(self.memories, texts)
    self.written = self._write(self.memories, texts, views, live, self._time)
    self.results = self.memories.write(
      [w.ops for w in self.written], self._time
    )
    self._time += 1

  def requests(self, questions: Sequence[Sequence[str]]) -> list[list[Request]]:
    if not any(questions):
      return [[] for _ in questions]
    return registry.requests(self.memories, questions, QUESTION_WIDTH)

  def memory_tokens(self) -> list[int]:
    return [state_lib.token_length(s) for s in self.memories.states]

  def to_json(self) -> Any:
    return {
      'time': self._time,
      'read': self.memories.read,
      'states': [state_lib.to_json(s) for s in self.memories.states],
    }

  def restore(self, value: Any) -> None:
    states = [state_lib.from_json(one) for one in value['states']]
    self._time = value['time']
    self._fill(states, list(value['read']))
