"""Writers without a model: rules that fill a memory.

A rule sees what the policy sees (its memory, the chunk and the viewed
entries) and returns calls, which the same `state.apply` executes. Only the
oracle is told more: the facts of the chunk, never a question or an answer.
"""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from mem_alpha_jax.data.source import OracleNote
from mem_alpha_jax.memory import execution, slots
from mem_alpha_jax.memory import state as memory_state
from mem_alpha_jax.memory.effects import misfit
from mem_alpha_jax.memory.state import Entry, Limits, MemoryState, Op
from mem_alpha_jax.methods import memory as memory_lib
from mem_alpha_jax.methods.protocol import Given
from mem_alpha_jax.text import english
from mem_alpha_jax.text import words as words_lib
from mem_alpha_jax.types import Outcome, Turn, Written

_MONTH = f'(?:{"|".join(english.MONTHS)})'
_DATE = re.compile(
  rf'\b(?:\d{{1,2}} +{_MONTH}|{_MONTH} +\d{{1,2}})\b', re.IGNORECASE
)
_NO_LIMIT = 1 << 30  # tokens; larger than any text


class Seen(NamedTuple):
  """What a rule sees of one memory when it reads a chunk."""

  memory: MemoryState  # before the chunk
  chunk: str
  view: tuple[Entry | None, ...]  # entries that the policy would see
  limits: Limits  # that `apply` will enforce on this step
  count: Callable[[str], int]  # tokens of a text
  rng: np.random.Generator  # of this episode and chunk
  notes: Sequence[OracleNote] = ()  # facts of the chunk; for the oracle alone


Rule = Callable[[Seen], list[Op]]


def chunk_kind(chunk: str) -> str:
  """Returns 'episodic' for a chunk with a day and a month, else 'semantic'.

  The reader looks for events among episodic entries and for facts among
  semantic ones. Storing raw chunks twice would double the memory, so raw
  chunks go where the questions about them look: it favours the baselines.
  """
  return 'episodic' if _DATE.search(chunk) else 'semantic'


def keep_everything(seen: Seen) -> list[Op]:
  """Stores every chunk as it is; one seen before moves to the newest."""
  return store(seen.memory, seen.chunk)


def keep_newest(seen: Seen) -> list[Op]:
  """Stores every chunk and drops the oldest entries until it fits the cap.

  A chunk that is longer than the whole cap loses its last words.
  """
  memory, limits, count = seen.memory, seen.limits, seen.count
  cap = _NO_LIMIT if limits.total_tokens is None else limits.total_tokens
  room = cap - memory.core_tokens
  text = words_lib.first_words(
    seen.chunk, min(room, limits.entry_tokens), count
  )
  if not text:
    return []
  kind = chunk_kind(seen.chunk)  # of the whole: the cut may lose the date
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
  return store(memory, text, kind, drop)


def random_inserts(seen: Seen) -> list[Op]:
  """Stores two to four words of the chunk, in order, in a random list.

  It inserts nothing when the memory is full or the note exists already: a
  writer that knows the rules of the memory and nothing about its use.
  """
  rng = seen.rng
  words = words_lib.terms(seen.chunk)
  size = min(int(rng.integers(2, 5)), len(words))
  kind = 'semantic' if rng.random() < 0.5 else 'episodic'
  chosen = np.sort(rng.choice(len(words), size, replace=False))
  return _if_it_fits(seen, kind, ' '.join(words[i] for i in chosen))


def rule_insert(seen: Seen) -> list[Op]:
  """Stores the chunk without function words, cut, until the cap is full."""
  return _if_it_fits(seen, chunk_kind(seen.chunk), _telegram(seen))


def rule_update(seen: Seen) -> list[Op]:
  """The same, but what it sees of the same subject is brought up to date.

  That is an entry with the same first word and a further one in common, a
  cue, at best: the most in common, the first in view of equals. A note with a
  date is of an event, which stays true.
  """
  text, kind = _telegram(seen), chunk_kind(seen.chunk)
  first, *rest = words_lib.terms(text) or ('',)

  def common(entry: Entry | None) -> int:
    words = words_lib.terms(entry.text) if entry else []
    same = kind == 'semantic' and entry and entry.kind == kind
    return len(set(rest) & set(words[1:])) if same and words[0] == first else 0

  old = max(seen.view, key=common, default=None)
  if not common(old):
    return _if_it_fits(seen, kind, text)
  return [Op('update', kind, text, old.id)]


def _telegram(seen: Seen) -> str:
  """The words of the chunk that say something, as many as an entry holds."""
  kept = ''.join(words_lib.telling(seen.chunk)).strip()
  return words_lib.first_words(kept, seen.limits.entry_tokens, seen.count)


def _if_it_fits(seen: Seen, kind: str, text: str) -> list[Op]:
  """An insert, nothing where the memory is full or says the same already."""
  memory, limits, op = seen.memory, seen.limits, Op('insert', kind, text)
  full = memory_state.count(memory) >= limits.slots
  if not text or full or misfit(memory, op, limits, seen.count(text)):
    return []
  return [op]


def oracle(seen: Seen, tidy: bool = True) -> list[Op]:
  """Stores the facts of the chunk; revises entries that its view shows.

  It sees only the view, like the policy, so a fact whose old entry was not
  retrieved is inserted again and the two contradict each other, until a view
  shows both: this is the ceiling of the view and the memory, not of an
  omniscient writer.

  Args:
    tidy: False for one call a note: other entries about its fact stay.
  """
  # Of two notes with one key in the same chunk, the later is the truth.
  latest = {(note.kind, note.key): note for note in seen.notes}
  ops = []
  for note in latest.values():
    same = [e for e in seen.view if e is not None and same_fact(e, note)]
    # An entry that is right already is kept, else the first becomes right.
    same.sort(key=lambda entry: entry.text != note.text)
    same = same if tidy else same[:1]
    if not (same or note.over):
      ops.append(Op('insert', note.kind, note.text))
    elif not note.over and same[0].text != note.text:
      ops.append(Op('update', note.kind, note.text, same[0].id))
    gone = same[not note.over :]
    ops += [Op('delete', e.kind, entry_id=e.id) for e in gone]
  return ops


def expert(
  turn: Turn,
  notes: Sequence[OracleNote],
  count: Callable[[str], int],
  most: int | None,
  tidy: bool = True,
) -> Outcome:
  """What the oracle makes of the memory of a turn, in at most so many calls.

  Args:
    notes: of the turn's chunk, or of those that it reads at once.
    most: None for any number.
    tidy: as `oracle` takes it.
  """
  rng = np.random.default_rng(0)  # of no use to it
  sees = turn.state, turn.text, turn.view, turn.limits, count, rng, notes
  ops = tuple(oracle(Seen(*sees), tidy)[:most])
  done = execution.apply_all(turn.state, ops, turn.limits, count, turn.clock)
  return Outcome(done[0], ops, done[1])


def same_fact(entry: Entry, note: OracleNote) -> bool:
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


def store(
  memory: MemoryState, text: str, kind: str = '', drop: Sequence[Entry] = ()
) -> list[Op]:
  """Returns the calls that drop entries and store a text as the newest."""
  kind = kind or chunk_kind(text)
  twin = memory_state.with_text(memory, kind, text)
  gone = [*drop, twin] if twin else drop
  deletes = [Op('delete', e.kind, entry_id=e.id) for e in gone]
  return [*deletes, Op('insert', kind, text)]


WRITERS: dict[str, Rule] = {
  'keep_everything': keep_everything,
  'keep_newest': keep_newest,
  'random_inserts': random_inserts,
  'rule_insert': rule_insert,
  'rule_update': rule_update,
  'oracle': oracle,
}
# Raw chunks may be longer than an entry of the policy, so both writers that
# keep them have no limit per entry; keep_everything has no cap either.
_LIMITS = {
  'keep_everything': {'entry_tokens': _NO_LIMIT, 'total_tokens': None},
  'keep_newest': {'entry_tokens': _NO_LIMIT},
}


def limits_of(name: str, limits: Limits) -> Limits:
  return limits._replace(**_LIMITS.get(name, {}))


def method(
  name: str, given: Given, embed: slots.EmbedFn | None = None
) -> memory_lib.MemoryMethod:
  """The rule WRITERS[name] as a method; `embed` as MemoryMethod takes it."""
  rule, seed = WRITERS[name], given.config.seed
  facts = [given.parts.oracle_notes(episode) for episode in given.episodes]

  def write(memories, chunks, views, t):
    written = []
    for i, chunk in enumerate(chunks):
      ops = ()
      if chunk is not None:
        rng = np.random.default_rng((seed, given.rows[i], t))
        ops = rule(
          Seen(
            memories.states[i],
            chunk,
            views[i],
            memories.limits(i),
            given.count,
            rng,
            facts[i][t],
          )
        )
      written.append(Written(ops, noop=not ops))
    return written

  adapt = lambda limits: limits_of(name, limits)
  return memory_lib.MemoryMethod(write, given, adapt, embed)
