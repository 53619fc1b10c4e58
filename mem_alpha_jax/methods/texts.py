"""Methods without a memory of entries: all of the text, or one short text."""

from collections.abc import Callable, Sequence
from typing import Any

from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.methods import writers
from mem_alpha_jax.methods.protocol import Given, Step
from mem_alpha_jax.text import words as words_lib
from mem_alpha_jax.types import Note, Request, Written

TEXT_TOKENS = 1024  # of MemAgent's memory, as in its paper

# (memory, chunk) of each live stream -> the memory after it, None if it could
# not be had.
Rewrite = Callable[[Sequence[tuple[str, str]]], list[str | None]]
# (stream, question, chunks read) -> the chunks for a reader, oldest first.
Pick = Callable[[int, str, int], Sequence[int]]


class LongContext:
  """Remembers every chunk and shows the reader the newest picks that fit.

  The last tokens of the text are kept, as in Mem-alpha's long-context rows
  (arXiv 2509.25911, appendix C.2), in whole chunks; the oldest that is shown
  loses its beginning.
  """

  def __init__(
    self,
    streams: int,
    budget: int,
    count: Callable[[str], int],
    pick: Pick = lambda i, question, read: range(read),
  ):
    """Args: streams; budget, tokens a reader sees (0: all); count; pick."""
    self._budget, self._count, self._pick = budget, count, pick
    self._chunks: list[list[str]] = [[] for _ in range(streams)]
    self._tokens = [0] * streams

  def observe(self, chunks: Sequence[str | None]) -> None:
    for i, chunk in enumerate(chunks):
      if chunk is not None:
        self._chunks[i].append(chunk)
        self._tokens[i] += self._count(chunk)

  def requests(
    self, questions: Sequence[Sequence[str]]
  ) -> list[list[Request | None]]:
    made = []
    for i, row in enumerate(questions):
      chunks = self._chunks[i]
      picks = [self._pick(i, q, len(chunks)) for q in row]
      notes = {steps: self._newest(chunks, steps) for steps in {*picks}}
      pairs = zip(row, picks, strict=True)
      made.append([Request(q, notes[p]) if p else None for q, p in pairs])
    return made

  def _newest(
    self, chunks: Sequence[str], steps: Sequence[int]
  ) -> tuple[Note, ...]:
    notes, left = [], self._budget
    for step in reversed(steps):
      text = chunks[step]
      if self._budget:
        text = words_lib.last_words(text, left, self._count)
        left -= self._count(text)
      if text:
        kind = writers.chunk_kind(chunks[step])  # as entries of raw chunks
        notes.append(Note(kind, text, step))
      if text != chunks[step]:
        break
    return tuple(notes)

  def memory_tokens(self) -> list[int]:
    return list(self._tokens)

  def to_json(self) -> Any:
    return self._chunks

  def restore(self, value: Any) -> None:
    self._chunks = [list(chunks) for chunks in value]
    self._tokens = [sum(map(self._count, chunks)) for chunks in self._chunks]


class Rewritten:
  """Remembers one text of bounded length, written again after each chunk.

  A rewriting that could not be had leaves the text as it was, and is counted.
  """

  def __init__(
    self,
    streams: int,
    rewrite: Rewrite,
    limit: int,
    count: Callable[[str], int],
  ):
    """Args: streams; rewrite; limit of the text, tokens; count of tokens."""
    self._rewrite, self._limit, self._count = rewrite, limit, count
    self._texts = [''] * streams

  def observe(self, chunks: Sequence[str | None]) -> list[Step]:
    live = [i for i, chunk in enumerate(chunks) if chunk is not None]
    said = self._rewrite([(self._texts[i], chunks[i]) for i in live])
    steps = [Step(Written(), (), state_lib.empty())] * len(chunks)
    for i, text in zip(live, said, strict=True):
      if text is not None:
        self._texts[i] = words_lib.first_words(text, self._limit, self._count)
      state = state_lib.empty()._replace(core=self._texts[i])
      written = Written(text=text or '', lost=text is None)
      steps[i] = Step(written, (), state)
    return steps

  def requests(self, questions: Sequence[Sequence[str]]) -> list[list[Request]]:
    return [
      [Request(q, (), text) for q in row]
      for text, row in zip(self._texts, questions, strict=True)
    ]

  def memory_tokens(self) -> list[int]:
    return [self._count(text) for text in self._texts]

  def to_json(self) -> Any:
    return self._texts

  def restore(self, value: Any) -> None:
    self._texts = list(value)


def long_context(given: Given) -> LongContext:
  budget = given.config.reading.budget
  return LongContext(len(given.episodes), budget, given.count)


def gold_evidence(given: Given) -> LongContext:
  """The chunks that the answer takes: what a perfect memory could bring."""

  def told(i: int, question: str, read: int) -> tuple[int, ...]:
    holding = (
      q.evidence
      for q in given.episodes[i].questions
      if q.text == question and q.first < read <= q.last + 1
    )
    return tuple(sorted(set().union(*holding)))

  budget = given.config.reading.budget
  return LongContext(len(given.episodes), budget, given.count, told)


def no_memory(given: Given) -> Rewritten:
  """Nothing is kept: what can be answered without any memory."""
  return _rewritten(given, lambda limit: lambda pairs: [''] * len(pairs))


def by_rule(rule: Callable[..., Rewrite], given: Given) -> Rewritten:
  """Args: rule, (limit, count) -> Rewrite; given."""
  return _rewritten(given, lambda limit: rule(limit, given.count))


def by_model(rule: Callable[..., Rewrite], given: Given) -> Rewritten:
  """Args: rule, (chat model, limit) -> Rewrite; given."""
  model = given.chat_model()
  return _rewritten(given, lambda limit: rule(model, limit))


def _rewritten(given: Given, rewrite: Callable[[int], Rewrite]) -> Rewritten:
  """One text may fill what the reader may be shown, at most TEXT_TOKENS."""
  limit = min(given.config.reading.budget or TEXT_TOKENS, TEXT_TOKENS)
  return Rewritten(len(given.episodes), rewrite(limit), limit, given.count)
