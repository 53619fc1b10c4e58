"""A trained writer and its reader for many memories at once.

Memories, views, prompts, parsers, effects and recall are those of evaluation:
the method that it compares is given the states of whoever asks.
"""

import itertools
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mem_alpha_jax.config import command, override, validate
from mem_alpha_jax.data import chunking
from mem_alpha_jax.memory import batch as batch_lib
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.methods import policy
from mem_alpha_jax.methods.protocol import Given
from mem_alpha_jax.recall import registry as recall
from mem_alpha_jax.recall import view as view_lib
from mem_alpha_jax.roles import writer as writer_lib
from mem_alpha_jax.run import build as build_lib
from mem_alpha_jax.run import parameters
from mem_alpha_jax.serve import banks, events
from mem_alpha_jax.serve.events import Position
from mem_alpha_jax.text import english, tokenizer
from mem_alpha_jax.types import Episode, Request, Turn

FOUND = 32  # entries of a search at most, a shape of its program
BATCH = 16  # memories of one call
FEW = 4  # a call of so many costs about a quarter
KINDS = ('write', 'find', 'answer')  # of jobs
# Config and policy of a memory that names no run.
SHIPPED = 'configs/tiny.py', 'warm_start.checkpoint=tiny_writer'
Said = str | Sequence[Mapping[str, str]]  # a text, or messages of a chat


class Job(NamedTuple):
  """What a memory is to read, or is asked."""

  namespace: str
  position: Position
  text: str | None  # None fills a batch


_NO_JOB = Job('', Position(), None)


class Model:
  """What `Service` needs; calls of `run` must not overlap.

  Attributes:
    batch: jobs of one call of `run`, at most.
    count: tokens of a text.
  """

  def __init__(self, experiment: Any, params: Any, batch: int = BATCH):
    """Args:
    experiment: as run.build made it.
    params: of the policy.
    batch: memories of one call, at most; a few have smaller programs.
    """
    self.batch, self._config = batch, experiment.config
    self._sizes = sorted({1, min(FEW, batch), batch})
    self._setup = experiment.eval_setup
    nobody = [Episode(i, 'serve', (), ()) for i in range(batch)]
    given = Given(experiment, self._config, params, nobody, range(batch))
    self._method, self.count = policy.method(given), given.count
    self._banks = banks.Banks(self._config, self._method.memories.embed)
    self._room = self._chunk_room()

  def chunks(self, said: Said, time: str | None = None) -> list[str]:
    """Sentences as data.source=jsonl groups them, messages one by one.

    A sentence or message that the prompt has no room for is split.

    Raises:
      ValueError: if nothing is said.
    """
    size = self._config.data.chunk_sentences
    if isinstance(said, str):
      parts = english.sentences(tokenizer.valid(said))
      groups = [' '.join(g) for g in chunking.groups(parts, size)]
      heads = itertools.repeat([time] if time else [])
    else:
      groups = [tokenizer.valid(m['content']) for m in said]
      heads = [[*filter(None, (time, m.get('role')))] for m in said]
    found = []
    for head, group in zip(heads, groups, strict=False):
      before = tokenizer.valid(', '.join(head)) + ': ' if head else ''
      room = max(self._room - self.count(before), self._room // 2, 8)
      found += [before + p for p in chunking.pack([group], room, self.count)]
    if not found:
      raise ValueError('there is no word in what is to be added')
    return found

  def limits(self, read: int) -> state_lib.Limits:
    """What a memory may hold that was told so many tokens."""
    return batch_lib.limits(self._config.memory, read)

  def warm(self) -> None:
    """Compiles what requests need, so that none of them waits for it."""
    for n in self._sizes:
      for kind in KINDS:
        self.run(kind, [Job('', Position(), 'a')] * n)

  def run(self, kind: str, jobs: Sequence[Job]) -> list:
    """Does jobs of one kind.

    write -> events.Part; find -> entries, best first; answer -> (Request,
    answer).
    """
    size = next(size for size in self._sizes if size >= len(jobs))
    rest = [_NO_JOB] * (size - len(jobs))
    names, at, texts = zip(*jobs, *rest, strict=True)
    self._method.take(
      [now.state for now in at],
      [now.read for now in at],
      [now.clock for now in at],
      self._banks.bank(names, at),
    )
    return getattr(self, f'_{kind}')(texts)[: len(jobs)]

  def _write(self, chunks: Sequence[str | None]) -> list[events.Part]:
    steps = self._method.observe(chunks)
    return [
      events.Part(
        text=chunk,
        tokens=self.count(chunk),
        log=tuple(step.state.log),
        errors=tuple(step.written.errors),
      )
      for step, chunk in zip(steps, chunks, strict=True)
      if chunk is not None
    ]

  def _find(self, texts: Sequence[str | None]) -> list[list[state_lib.Entry]]:
    way = recall.RECALL[self._config.reading.retrieval]
    asked = [[tokenizer.valid(text or '')] for text in texts]
    found = way.find(self._method.memories, asked, FOUND, 1)
    return [row[0] for row in found]

  def _answer(
    self, texts: Sequence[str | None]
  ) -> list[tuple[Request, str | None]]:
    asked = [[] if text is None else [tokenizer.valid(text)] for text in texts]
    requests = [row[0] for row in self._method.requests(asked) if row]
    return list(zip(requests, self._setup.reader(requests), strict=True))

  def _chunk_room(self) -> int:
    """Tokens of a chunk that are sure to be read.

    Where a view has no fixed width it may take half of the room.
    """
    prefix, memory = self._setup.buckets.prefix[-1], self._config.memory
    self._method.take([state_lib.empty()], [0], [0])
    view = view_lib.look(self._method.memories, [''])[0]
    turn = Turn('writer', '', state=state_lib.empty(), view=view)
    left = prefix - len(writer_lib.show(self._setup, turn).prefix)
    fixed = memory.prompt_format == 'compact' and memory.fixed_width
    return left if fixed else left // 2


def open_run(run: str = '', fields: str = '') -> tuple[Any, Any]:
  """Parts and parameters of a run's newest policy, or of a config's first.

  Args:
    run: a workdir; or a config file, for model.source or the policy in the
      package before RL as they come; '' is the trained one in the package.
    fields: 'field=value,...' of the config, for instance reading.reader.

  Raises:
    FileNotFoundError: if there is no run, or no checkpoint in it.
    ValueError: for a config that does not fit.
  """
  path, arg = (run, '') if run else SHIPPED
  trained = not path.endswith('.py')
  config = command.of_workdir(path) if trained else command.load(path, arg)
  config = override.apply(config, override.pairs(fields))
  validate.validate(config)
  with tempfile.TemporaryDirectory() as new:
    experiment = build_lib.build(config, path if trained else new)
  if trained:
    return experiment, parameters.saved_params(experiment, path)
  return experiment, parameters.shipped_params(experiment)
