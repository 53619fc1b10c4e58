"""Writers without a model, behind the interface that evaluation gives all.

A writer sees what the policy sees (its memory, the chunk and the viewed
entries) and returns calls, which the same `state.apply` executes. Only the
oracle is told more: the facts of the chunk, never a question or an answer.
"""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from mem_alpha_jax.data.source import OracleNote
from mem_alpha_jax.memory import state as memory_state
from mem_alpha_jax.memory.state import Entry, Limits, MemoryState, Op
from mem_alpha_jax.text import english
from mem_alpha_jax.text import words as words_lib

_MONTH = f'(?:{"|".join(english.MONTHS)})'
_DATE = re.compile(
  rf'\b(?:\d{{1,2}} +{_MONTH}|{_MONTH} +\d{{1,2}})\b', re.IGNORECASE
)
_NO_LIMIT = 1 << 30  # tokens; larger than any text


class WriterContext(NamedTuple):
  """What a writer may use beside its memory and the chunk.

  Attributes:
    rng: generator of this episode and sample.
    limits: the limits that `apply` will enforce on this step.
    count_tokens: tokens of a text.
    step: index of the chunk.
    oracle_notes: the facts of the chunk; only the oracle reads them.
  """

  rng: np.random.Generator
  limits: Limits
  count_tokens: Callable[[str], int]
  step: int
  oracle_notes: Sequence[OracleNote] = ()


Writer = Callable[
  [MemoryState, str, tuple[Entry | None, ...], WriterContext], list[Op]
]


def chunk_kind(chunk: str) -> str:
  """Returns 'episodic' for a chunk with a day and a month, else 'semantic'.

  The reader looks for events among episodic entries and for facts among
  semantic ones. Storing raw chunks twice would double the memory, so raw
  chunks go where the questions about them look: it favours the baselines.
  """
  return 'episodic' if _DATE.search(chunk) else 'semantic'


def keep_everything(
  memory: MemoryState,
  chunk: str,
  view: tuple[Entry | None, ...],
  context: WriterContext,
) -> list[Op]:
  """Stores every chunk as it is; one seen before moves to the newest."""
  del view, context
  return _store(memory, chunk_kind(chunk), chunk, ())


def keep_newest(
  memory: MemoryState,
  chunk: str,
  view: tuple[Entry | None, ...],
  context: WriterContext,
) -> list[Op]:
  """Stores every chunk and drops the oldest entries until it fits the cap.

  A chunk that is longer than the whole cap loses its last words.
  """
  del view
  limits, count = context.limits, context.count_tokens
  cap = _NO_LIMIT if limits.total_tokens is None else limits.total_tokens
  room = cap - memory.core_tokens
  text = words_lib.first_words(chunk, min(room, limits.entry_tokens), count)
  if not text:
    return []
  kind = chunk_kind(chunk)  # of the whole chunk: the cut may lose the date
  twin = memory_state.with_text(memory, kind, text)
  used = memory_state.token_length(memory) - (twin.tokens if twin else 0)
  taken = memory_state.count(memory) - (twin is not None)
  drop = []
  for entry in memory_state.by_age(memory):
    if used + count(text) <= cap and taken < limits.slots:
      break
    if entry != twin:
      drop.append(entry)
      used, taken = used - entry.tokens, taken - 1
  return _store(memory, kind, text, drop)


def random_inserts(
  memory: MemoryState,
  chunk: str,
  view: tuple[Entry | None, ...],
  context: WriterContext,
) -> list[Op]:
  """Stores two to four words of the chunk, in order, in a random list.

  It inserts nothing when the memory is full or the note exists already: a
  writer that knows the rules of the memory and nothing about its use.
  """
  del view
  rng, limits = context.rng, context.limits
  words = words_lib.terms(chunk)
  size = min(int(rng.integers(2, 5)), len(words))
  kind = 'semantic' if rng.random() < 0.5 else 'episodic'
  chosen = np.sort(rng.choice(len(words), size, replace=False))
  text = ' '.join(words[i] for i in chosen)
  tokens = context.count_tokens(text)
  used = memory_state.token_length(memory)
  full = limits.total_tokens is not None and (
    used + tokens > limits.total_tokens
  )
  full |= memory_state.count(memory) >= limits.slots
  known = memory_state.with_text(memory, kind, text)
  if not text or full or known or tokens > limits.entry_tokens:
    return []
  return [Op('insert', kind, text)]


def oracle(
  memory: MemoryState,
  chunk: str,
  view: tuple[Entry | None, ...],
  context: WriterContext,
) -> list[Op]:
  """Stores the facts of the chunk; revises entries that its view shows.

  It sees only the view, like the policy, so a fact whose old entry was not
  retrieved is inserted anew and the two contradict each other, until a view
  shows both: this is the ceiling of the view and the memory, not of an
  omniscient writer.
  """
  del memory, chunk
  # Of two notes with one key in the same chunk, the later is the truth.
  latest = {(note.kind, note.key): note for note in context.oracle_notes}
  ops = []
  for note in latest.values():
    same = [e for e in view if e is not None and _same_fact(e, note)]
    # An entry that is right already is kept, else the first becomes right.
    same.sort(key=lambda entry: entry.text != note.text)
    if not same:
      ops.append(Op('insert', note.kind, note.text))
    elif same[0].text != note.text:
      ops.append(Op('update', note.kind, note.text, same[0].id))
    ops += [Op('delete', e.kind, entry_id=e.id) for e in same[1:]]
  return ops


def _same_fact(entry: Entry, note: OracleNote) -> bool:
  """Returns True if an entry states a note, or an older version of it.

  A fact is about its first word, for names occur as values too ('Leo boss
  Marta' is not about Marta's boss), and holds the rest of the key. The
  first word is compared with the note's: of the user, whose key says 'i',
  a note may say 'my boss'. An event is the same if all its parts are.
  """
  words = words_lib.terms(entry.text)
  if entry.kind != note.kind:
    return False
  if note.kind == 'episodic':
    return set(note.key) <= set(words)
  subject = words_lib.terms(note.text)[:1]
  return words[:1] == subject and set(note.key[1:]) <= set(words)


def _store(
  memory: MemoryState, kind: str, text: str, drop: Sequence[Entry]
) -> list[Op]:
  """Returns the calls that drop entries and store a text as the newest."""
  twin = memory_state.with_text(memory, kind, text)
  gone = [*drop, twin] if twin else drop
  deletes = [Op('delete', e.kind, entry_id=e.id) for e in gone]
  return [*deletes, Op('insert', kind, text)]


WRITERS: dict[str, Writer] = {
  'keep_everything': keep_everything,
  'keep_newest': keep_newest,
  'random_inserts': random_inserts,
  'oracle': oracle,
}


def limits_of(name: str, limits: Limits) -> Limits:
  """Returns the limits under which a baseline is run.

  Raw chunks may be longer than an entry of the policy, so both writers that
  keep them have no limit per entry; keep_everything has no cap either.
  """
  if name == 'keep_everything':
    return limits._replace(entry_tokens=_NO_LIMIT, total_tokens=None)
  if name == 'keep_newest':
    return limits._replace(entry_tokens=_NO_LIMIT)
  return limits
