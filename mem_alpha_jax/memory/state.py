"""The memory as an immutable value: pure operations and an event log.

A state is never changed in place, so a fork costs nothing: credit assignment,
replay and streaming evaluation keep as many states as they like.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

KINDS = ('core', 'semantic', 'episodic')  # index = the int used in arrays
TOOLS = ('insert', 'update', 'delete')


class Entry(NamedTuple):
  """One note of the semantic or the episodic list.

  Attributes:
    id: a counter's value, never used twice in a memory.
    kind: 'semantic' or 'episodic'.
    text: what the note says.
    step: step of the last write.
    slot: row of the device bank that holds the note.
    tokens: length of the text in tokens.
    time: when it happened, if the writer knows.
    parents: ids of the entries that this one was made from.
  """

  id: int
  kind: str
  text: str
  step: int
  slot: int
  tokens: int
  time: str = ''
  parents: tuple[int, ...] = ()


class Op(NamedTuple):
  """One tool call: `text` is unused by delete, `entry_id` by insert."""

  tool: str
  kind: str
  text: str = ''
  entry_id: int | None = None


class OpResult(NamedTuple):
  """What became of an `Op`; `slot` is None for calls on the core."""

  ok: bool
  error: str = ''
  entry_id: int | None = None
  slot: int | None = None


class Limits(NamedTuple):
  """Budgets at the time of a call, in tokens except `slots`."""

  core_tokens: int
  entry_tokens: int
  slots: int
  total_tokens: int | None = None  # None is no cap


class LogRecord(NamedTuple):
  """One event: with `tokens`, the length of op.text, it can be replayed."""

  op: Op
  step: int
  limits: Limits
  result: OpResult
  tokens: int


class MemoryState(NamedTuple):
  """The whole memory; entries are in the order of their insertion."""

  core: str = ''
  core_tokens: int = 0
  semantic: tuple[Entry, ...] = ()
  episodic: tuple[Entry, ...] = ()
  next_id: int = 1
  log: tuple[LogRecord, ...] = ()


def empty() -> MemoryState:
  """Returns a memory that holds nothing."""
  return MemoryState()


def apply(
  state: MemoryState,
  op: Op,
  limits: Limits,
  count_tokens: Callable[[str], int],
  step: int,
) -> tuple[MemoryState, OpResult]:
  """Executes one call; a call that fails changes nothing but the log.

  Rights: the core can be updated and deleted, the lists also take inserts.
  Never raises on a bad call: the reason is in `OpResult.error`.
  """
  writes = op.tool != 'delete' and not _bad_text(op.text)
  tokens = count_tokens(op.text) if writes else 0
  return _record(state, op, limits, tokens, step)


def replay(
  log: Iterable[LogRecord], count_tokens: Callable[[str], int] | None = None
) -> MemoryState:
  """Executes a log from an empty memory; the result equals the logged state.

  Args:
    log: the records, in order.
    count_tokens: counts anew; None takes the counts of the log.
  """
  state = empty()
  for op, step, limits, _, tokens in log:
    if count_tokens is None:
      state, _ = _record(state, op, limits, tokens, step)
    else:
      state, _ = apply(state, op, limits, count_tokens, step)
  return state


def token_length(state: MemoryState) -> int:
  """Returns the tokens of the core and of all entries."""
  lists = state.semantic + state.episodic
  return state.core_tokens + sum(entry.tokens for entry in lists)


def entries(state: MemoryState) -> tuple[Entry, ...]:
  """Returns the entries of both lists in the order of their ids."""
  return tuple(sorted(state.semantic + state.episodic))


def by_slot(state: MemoryState) -> dict[int, Entry]:
  """Returns the entries by the slot they occupy."""
  return {entry.slot: entry for entry in state.semantic + state.episodic}


def by_id(state: MemoryState) -> dict[int, Entry]:
  """Returns the entries by id."""
  return {entry.id: entry for entry in state.semantic + state.episodic}


def without_log(state: MemoryState) -> MemoryState:
  """Returns the memory with its history forgotten."""
  return state._replace(log=())


def to_json(state: MemoryState, with_log: bool = True) -> dict[str, Any]:
  """Returns the state as JSON values; `from_json` is the way back."""
  value = state._asdict() | {
    'semantic': [entry._asdict() for entry in state.semantic],
    'episodic': [entry._asdict() for entry in state.episodic],
    'log': [
      record._asdict()
      | {
        'op': record.op._asdict(),
        'limits': record.limits._asdict(),
        'result': record.result._asdict(),
      }
      for record in state.log
    ],
  }
  if not with_log:
    del value['log']
  return value


def from_json(value: dict[str, Any]) -> MemoryState:
  """Reads what `to_json` made; without a log the log is empty.

  Raises:
    ValueError: if a field is missing or unknown.
  """
  try:
    lists = {
      kind: tuple(
        Entry(**{**entry, 'parents': tuple(entry.get('parents', ()))})
        for entry in value[kind]
      )
      for kind in ('semantic', 'episodic')
    }
    log = tuple(
      LogRecord(
        op=Op(**record['op']),
        step=record['step'],
        limits=Limits(**record['limits']),
        result=OpResult(**record['result']),
        tokens=record['tokens'],
      )
      for record in value.get('log', ())
    )
    return MemoryState(**{**value, **lists, 'log': log})
  except (KeyError, TypeError) as error:
    raise ValueError(
      f'memory state: field {error} is missing or unknown; '
      'write the file again with state.to_json'
    ) from error


def _record(state, op, limits, tokens, step):
  """Executes and logs a call whose text has `tokens` tokens."""
  changed, result = _execute(state, op, limits, tokens, step)
  record = LogRecord(op, step, limits, result, tokens)
  return changed._replace(log=state.log + (record,)), result


def _execute(state, op, limits, tokens, step):
  error = _refusal(op)
  if error:
    return state, OpResult(False, error)
  if op.kind == 'core':
    return _edit_core(state, op, limits, tokens)
  if op.tool == 'insert':
    return _insert(state, op, limits, tokens, step)
  return _edit_entry(state, op, limits, tokens, step)


def _refusal(op: Op) -> str:
  """Returns why a call is bad in any state, '' if it is not."""
  if op.tool not in TOOLS:
    return 'unknown tool'
  if op.kind not in KINDS:
    return 'unknown kind'
  if op.tool == 'insert' and op.kind == 'core':
    return 'core takes no insert'
  return '' if op.tool == 'delete' else _bad_text(op.text)


def _bad_text(text) -> str:
  """Returns why no note can hold the text, '' if one can."""
  if not isinstance(text, str):
    return 'text is not a string'
  if not text.strip():
    return 'empty text'
  try:
    text.encode()
  except UnicodeEncodeError:  # lone surrogates, which JSON can spell
    return 'text is not valid unicode'
  return ''


def _over(state, limits, added: int) -> bool:
  cap = limits.total_tokens
  return cap is not None and token_length(state) + added > cap


def _edit_core(state, op, limits, tokens):
  if op.tool == 'delete':
    if not state.core:
      return state, OpResult(False, 'core is empty')
    return state._replace(core='', core_tokens=0), OpResult(True)
  if tokens > limits.core_tokens:
    return state, OpResult(False, 'too long')
  if op.text == state.core:
    return state, OpResult(False, 'duplicate')
  if _over(state, limits, tokens - state.core_tokens):
    return state, OpResult(False, 'full')
  return state._replace(core=op.text, core_tokens=tokens), OpResult(True)


def _insert(state, op, limits, tokens, step):
  notes = getattr(state, op.kind)
  if tokens > limits.entry_tokens:
    return state, OpResult(False, 'too long')
  if any(note.text == op.text for note in notes):
    return state, OpResult(False, 'duplicate')
  if _over(state, limits, tokens):
    return state, OpResult(False, 'full')
  used = {note.slot for note in state.semantic + state.episodic}
  slot = next((i for i in range(limits.slots) if i not in used), None)
  if slot is None:
    return state, OpResult(False, 'no free slot')
  note = Entry(state.next_id, op.kind, op.text, step, slot, tokens)
  state = state._replace(
    **{op.kind: notes + (note,)}, next_id=state.next_id + 1
  )
  return state, OpResult(True, '', note.id, slot)


def _edit_entry(state, op, limits, tokens, step):
  notes = getattr(state, op.kind)
  at = next((i for i, note in enumerate(notes) if note.id == op.entry_id), None)
  if at is None:
    return state, OpResult(False, 'unknown id')
  old = notes[at]
  if op.tool == 'delete':
    kept = notes[:at] + notes[at + 1 :]
    done = OpResult(True, '', old.id, old.slot)
    return state._replace(**{op.kind: kept}), done
  if tokens > limits.entry_tokens:
    return state, OpResult(False, 'too long')
  if any(note.text == op.text for note in notes):
    return state, OpResult(False, 'duplicate')
  if _over(state, limits, tokens - old.tokens):
    return state, OpResult(False, 'full')
  new = old._replace(text=op.text, step=step, tokens=tokens, parents=())
  kept = notes[:at] + (new,) + notes[at + 1 :]
  done = OpResult(True, '', old.id, old.slot)
  return state._replace(**{op.kind: kept}), done
