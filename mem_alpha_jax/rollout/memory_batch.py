"""N memories stepped together: host values with a device mirror."""

from collections.abc import Sequence

import jax
import numpy as np

from mem_alpha_jax.memory import retrieval
from mem_alpha_jax.memory import slots as slots_lib
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.reading import budget
from mem_alpha_jax.roles import prompt
from mem_alpha_jax.types import Note, Request

QUERY_TERMS = 16  # words of a query that are looked up; more are dropped

# Words that say nothing about what a text is about; 'i' and 'my' do.
STOP = frozenset(
  [
    'a',
    'an',
    'and',
    'are',
    'at',
    'did',
    'do',
    'does',
    'for',
    'go',
    'have',
    'in',
    'is',
    'it',
    'of',
    'on',
    's',
    'the',
    'to',
    'was',
    'went',
    'what',
    'when',
    'where',
    'which',
    'who',
    'with',
  ]
)


class Memories:
  """A batch of memories.

  The host values are the truth; the slot arrays follow every operation and
  serve retrieval. `read` counts the tokens each memory's stream has shown,
  which sets its cap: cap_base + cap_rate * read tokens. `embed` makes the
  vectors of entries and questions.
  """

  def __init__(
    self,
    states,
    read,
    config,
    count_tokens,
    adapt=lambda limits: limits,
    embed: slots_lib.EmbedFn = slots_lib.no_vectors,
  ):
    self.states: list[state_lib.MemoryState] = list(states)
    self.read: list[int] = list(read)
    self.config = config
    self.count_tokens = count_tokens
    self.adapt = adapt
    self.embed = embed
    self.bank = slots_lib.from_states(
      self.states, self._slots_needed(), config.memory.slot_terms, embed
    )

  def limits(self, i: int) -> state_lib.Limits:
    """What memory i may hold now."""
    m = self.config.memory
    cap = int(m.cap_base + m.cap_rate * self.read[i]) if m.cap_rate else None
    limits = state_lib.Limits(m.core_tokens, m.entry_tokens, m.max_slots, cap)
    return self.adapt(limits)

  def look(self, chunks: Sequence[str]) -> list[tuple]:
    """Entries the writer sees beside each chunk: tuples of Entry or None."""
    m = self.config.memory
    if m.view == 'newest':
      found = [()] * len(chunks)
    else:
      slots, ok = search(
        self.bank,
        [[c] for c in chunks],
        self.config,
        m.view_entries,
        1,
        self.embed,
      )
      found = [
        row[keep].tolist()
        for row, keep in zip(slots[:, 0], ok[:, 0], strict=True)
      ]
    return [
      prompt.view_entries(state, hits, m)
      for state, hits in zip(self.states, found, strict=True)
    ]

  def write(self, ops: Sequence[Sequence], step: int) -> list[list]:
    """Applies each memory's operations in order; returns their results."""
    all_results = []
    for i, calls in enumerate(ops):
      results = []
      for op in calls:
        self.states[i], result = state_lib.apply(
          self.states[i], op, self.limits(i), self.count_tokens, step
        )
        results.append(result)
      all_results.append(results)
    self.mirror(ops, all_results, step)
    return all_results

  def mirror(self, ops, results, step: int | Sequence[int]) -> None:
    """Brings the slot arrays up to date with operations just applied.

    `step` is the clock of all memories, or one of each.
    """
    needed = self._slots_needed()
    if needed > self.bank.valid.shape[1]:
      self.bank = slots_lib.grow(self.bank, needed)
    self.bank = slots_lib.apply_edits(self.bank, self.edits(ops, results, step))

  def edits(self, ops, results, step: int | Sequence[int]):
    """The slot edits of successful operations, padded to one shape."""
    width = self.config.memory.slot_terms
    return slots_lib.edits_from_results(ops, results, step, width, self.embed)

  def requests(self, questions, width: int) -> list[list[Request]]:
    """What a reader is to be asked, from retrieved entries and the core.

    Args:
      questions: question texts, one list a memory.
      width: questions looked up in one call; a shape of the search.
    """
    slots, ok = look_up(
      self.bank, self.states, questions, self.config, width, self.embed
    )
    return [
      list(map(self.fit, requests(*one)))
      for one in zip(self.states, questions, slots, ok, strict=True)
    ]

  def fit(self, request: Request) -> Request:
    """The request within `reading.budget` tokens."""
    limit = self.config.reading.budget
    return budget.within(request, limit, self.count_tokens)

  def _slots_needed(self) -> int:
    used = max(
      (e.slot + 1 for s in self.states for e in s.semantic + s.episodic),
      default=0,
    )
    slots = self.config.memory.slots
    while slots < used + self.config.rollout.max_calls:
      slots *= 2
    return slots


def search(bank, texts, config, top: int, width: int, embed):
  """Looks up all queries, `width` padded ones of each memory at a time.

  Their vectors come from one call of `embed`, if any are needed.

  Returns:
    Slot indices and whether each was found, both [N, Q, top] on host, where
    Q is a multiple of `width`, at least `width`.
  """
  longest = max(1, *map(len, texts))
  starts = range(0, longest, width)
  vectors = None
  if config.reading.retrieval != 'bm25':
    vectors = _vectors(texts, len(starts) * width, embed)
  found = []
  for start in starts:
    part = slice(start, start + width)
    ids = retrieval.encode_queries(
      [row[part] for row in texts], QUERY_TERMS, width, STOP
    )
    found.append(
      retrieval.search(
        bank,
        ids,
        None if vectors is None else vectors[:, part],
        method=config.reading.retrieval,
        k=top,
        overlap=1,
      )
    )
  slots, ok = zip(*jax.device_get(found), strict=True)
  return np.concatenate(slots, 1), np.concatenate(ok, 1)


def _vectors(texts, width: int, embed):
  """Vectors of queries [N, width, E], zeros beyond those there are."""
  rows = embed([text for row in texts for text in row])
  out = np.zeros((len(texts), width, rows.shape[1]), np.float32)
  lengths = np.array([len(row) for row in texts])
  out[np.arange(width) < lengths[:, None]] = rows
  return out


def look_up(bank, states, questions, config, width: int, embed):
  """Retrieves reading.top_k entries for each question.

  With reading.hops above 1 the question is looked up again together with the
  entries it found: "Where is the milk?" finds 'milk Mary', and both of them
  find 'Mary kitchen'.

  Returns:
    As `search`.
  """
  top = config.reading.top_k
  slots, ok = search(bank, questions, config, top, width, embed)
  for _ in range(config.reading.hops - 1):
    texts = [
      _with_found(*one)
      for one in zip(states, questions, slots, ok, strict=True)
    ]
    slots, ok = search(bank, texts, config, top, width, embed)
  return slots, ok


def _with_found(state, questions, slots, found) -> list[str]:
  """Each question of one memory, followed by the entries found for it."""
  by_slot = state_lib.by_slot(state)
  return [
    ' '.join([question, *(by_slot[s].text for s in row[ok].tolist())])
    for question, row, ok in zip(questions, slots, found, strict=False)
  ]


def requests(state, questions, slots, found) -> list[Request]:
  """One request a question: the slots retrieved for it, and the core."""
  by_slot = state_lib.by_slot(state)
  made = []
  for question, row, ok in zip(questions, slots, found, strict=False):
    notes = tuple(
      _note(by_slot[s]) for s, hit in zip(row.tolist(), ok, strict=True) if hit
    )
    made.append(Request(question, notes, state.core))
  return made


def _note(entry: state_lib.Entry) -> Note:
  return Note(entry.kind, entry.text, entry.step)
