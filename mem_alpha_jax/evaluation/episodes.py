"""Held-out episodes, one loop for the policy, the baselines and the oracle.

All writers read the same episodes chunk by chunk, all memories are searched
with the same budget and read by the same reader, and one module scores.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from mem_alpha_jax.evaluation import asking
from mem_alpha_jax.memory import slots as slots_lib
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.methods import writers
from mem_alpha_jax.methods.memory import MemoryMethod, Writer, Written
from mem_alpha_jax.reading import judge as judge_lib
from mem_alpha_jax.reading import protocol
from mem_alpha_jax.report import html
from mem_alpha_jax.roles import writer
from mem_alpha_jax.rollout import collector, play
from mem_alpha_jax.system import multihost, stopping
from mem_alpha_jax.types import Episode, Turn


class Record(NamedTuple):
  """One episode's outcome, the unit of every interval."""

  types: tuple[str, ...]  # of the asked questions
  strict: tuple[float | None, ...]  # by the strict reader, None if it failed
  lenient: tuple[float | None, ...]  # newest note wins
  memory_tokens: int
  read_tokens: int
  calls: dict[str, int]  # by tool, plus 'valid', 'all' and 'noop'
  trace: html.Trace | None = None


def policy_writer(setup: collector.Setup, params: Any) -> Writer:
  """Greedy decoding of the policy; `setup.generate` must be greedy."""

  def write(memories, chunks, views, live, t):
    turns = [
      Turn('writer', chunk, index=t, state=state, view=view)
      for state, chunk, view in zip(memories.states, chunks, views, strict=True)
    ]
    texts = play.respond(setup, params, turns)
    return [
      Written(*writer.parse(text, turn.view, setup.config), text)
      if ok
      else Written((), noop=True)
      for turn, text, ok in zip(turns, texts, live, strict=True)
    ]

  return write


def baseline_writer(name: str, episodes, config, tokenizer, notes) -> Writer:
  """A method of baselines.writers behind the same interface.

  Args:
    name: key of writers.WRITERS.
    episodes: those it will read.
    config: the run's config, for its seed.
    tokenizer: counts tokens.
    notes: episode -> facts of each chunk, which only the oracle reads.
  """
  method = writers.WRITERS[name]
  rows = multihost.share(range(len(episodes)))
  facts = [notes(episodes[row]) for row in rows]

  def write(memories, chunks, views, live, t):
    written = []
    for i, chunk in enumerate(chunks):
      if not live[i]:
        written.append(Written((), noop=True))
        continue
      context = writers.WriterContext(
        rng=np.random.default_rng((config.seed, rows[i], t)),
        limits=memories.limits(i),
        count_tokens=tokenizer.count,
        step=t,
        oracle_notes=facts[i][t],
      )
      ops = method(memories.states[i], chunk, views[i], context)
      written.append(Written(ops, noop=not ops))
    return written

  return write


def run(
  write: Writer,
  episodes: Sequence[Episode],
  config,
  tokenizer,
  readers: tuple[protocol.Reader, protocol.Reader],
  traces: int = 0,
  adapt: Callable = lambda limits: limits,
  embed: slots_lib.EmbedFn = slots_lib.no_vectors,
  judge: judge_lib.AnswerJudge | None = None,
) -> tuple[list[Record], float]:
  """Steps episodes through a writer and asks their questions.

  Every process of a run calls it and steps its share of them.

  Args:
    write: the method under test, for the memories of this process.
    episodes: held-out episodes, the same in every process.
    config: the writer's config.
    tokenizer: counts tokens.
    readers: the strict and the lenient reader.
    traces: episodes, from the first, whose steps are kept for the report.
    adapt: changes the limits of a memory (baselines keep longer entries).
    embed: makes the vectors that the memories are searched by.
    judge: decides where the source has no rule as good.

  Returns:
    One record an episode, and the seconds one chunk took, summed over the
    batch of this process.
  """
  total, rows = len(episodes), multihost.share(range(len(episodes)))
  length = max(len(e.chunks) for e in episodes)
  episodes = [episodes[row] for row in rows]
  method = MemoryMethod(
    write, len(episodes), config, tokenizer.count, adapt, embed
  )
  tallies = [_Tally(row < traces) for row in rows]
  rule = asking.rule_of(config, judge)

  started = time.perf_counter()
  for t in range(length):
    stopping.beat(f'evaluation, chunk {t + 1} of {length}')
    chunks = [e.chunks[t] if t < len(e.chunks) else None for e in episodes]
    method.observe(chunks)
    for i, tally in enumerate(tallies):
      if chunks[i] is not None:
        tally.step(
          chunks[i],
          method.written[i],
          method.results[i],
          method.memories.states[i],
        )
    due = asking.ending(episodes, t)
    for found in asking.ask(method, episodes, due, readers, rule, judge):
      tallies[found.stream].answer(found)
  seconds = (time.perf_counter() - started) / length
  memories = method.memories
  records = [
    tally.record(episode, state, read)
    for tally, episode, state, read in zip(
      tallies, episodes, memories.states, memories.read, strict=True
    )
  ]
  return multihost.gather_lists(records)[:total], seconds


class _Tally:
  """Counts of one episode while it runs."""

  def __init__(self, traced: bool):
    self.types, self.strict, self.lenient = [], [], []
    self.calls = dict.fromkeys(
      ('insert', 'update', 'delete', 'noop', 'valid', 'all'), 0
    )
    self.steps = [] if traced else None
    self.answers = []

  def step(self, chunk, written: Written, results, state) -> None:
    self.calls['noop'] += written.noop
    self.calls['all'] += len(results) + len(written.errors)
    self.calls['valid'] += sum(r.ok for r in results)
    for op in written.ops:
      self.calls[op.tool] += 1
    if self.steps is not None:
      self.steps.append(_trace_step(chunk, written, results, state))

  def answer(self, found: asking.Answered) -> None:
    """Counts the strict and the lenient reader's answer to a question."""
    question, (strict, lenient) = found.question, found.scores
    self.types.append(question.type)
    self.strict.append(strict)
    self.lenient.append(lenient)
    if self.steps is not None:
      correct = None if strict is None else strict == 1.0
      self.answers.append(
        (
          question.text,
          question.type,
          question.answer,
          found.answers[0],
          correct,
          tuple(note.text for note in found.request.notes),
        )
      )

  def record(self, episode: Episode, state, read_tokens: int) -> Record:
    trace = None
    if self.steps is not None:
      title = f'{episode.source} {episode.uid}'
      trace = html.Trace(title, self.steps, self.answers)
    return Record(
      tuple(self.types),
      tuple(self.strict),
      tuple(self.lenient),
      state_lib.token_length(state),
      read_tokens,
      self.calls,
      trace,
    )


def _trace_step(chunk, written: Written, results, state):
  calls = [
    (f'{op.tool} {op.kind} {op.entry_id or ""} {op.text}', r.ok, r.error)
    for op, r in zip(written.ops, results, strict=True)
  ]
  calls += [('unreadable', False, error) for error in written.errors]
  memory = [(e.kind, e.id, e.text) for e in state_lib.entries(state)]
  return html.TraceStep(chunk, written.text, calls, memory, state.core)
