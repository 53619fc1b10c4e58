"""What the tools do to a memory: pure functions of a state and a call.

  (state, op, limits, tokens of op.text, step) -> (state after, result)

An effect is only asked about a kind that its tool works on, with a text that
a note can hold where the tool takes one. A call that fails changes nothing,
and one that repeats what is stored is skipped: that is no failure
(`OpResult.neutral`). Which texts are the same is `state.plain`.
"""

from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.memory.state import Entry, Limits, MemoryState, Op, OpResult

Done = tuple[MemoryState, OpResult]


def insert(
  state: MemoryState, op: Op, limits: Limits, tokens: int, step: int
) -> Done:
  """Adds an entry in the lowest free slot."""
  slot = state_lib.free_slot(state)
  error = misfit(state, op, limits, tokens)
  error = error or ('' if slot < limits.slots else 'full: no free slot')
  if error:
    return state, OpResult(False, error)
  entry = Entry(state.next_id, op.kind, op.text, step, slot, tokens)
  return state_lib.put(state, entry), done(entry)


def update(
  state: MemoryState, op: Op, limits: Limits, tokens: int, step: int
) -> Done:
  """Replaces the text of an entry, or the core.

  Where another entry says the new text already, that one stays and this one,
  which is out of date, goes.
  """
  if op.kind == 'core':
    return _update_core(state, op, limits, tokens)
  old = state_lib.with_id(state, op.kind, op.entry_id)
  if old is None:
    return state, OpResult(False, 'unknown id')
  twin = state_lib.with_text(state, op.kind, op.text)
  if twin and twin.id != old.id:
    return state_lib.drop(state, old), done(old)
  error = misfit(state, op, limits, tokens, old.tokens)
  if error:
    return state, OpResult(False, error)
  new = old._replace(text=op.text, step=step, tokens=tokens, parents=())
  return state_lib.put(state, new), done(new)


def delete(
  state: MemoryState, op: Op, limits: Limits, tokens: int, step: int
) -> Done:
  """Removes an entry, or clears the core."""
  del limits, tokens, step
  if op.kind == 'core':
    if not state.core:
      return state, OpResult(False, 'bad target: core is empty')
    return state._replace(core='', core_tokens=0), OpResult(True)
  old = state_lib.with_id(state, op.kind, op.entry_id)
  if old is None:
    return state, OpResult(False, 'unknown id')
  return state_lib.drop(state, old), done(old)


def _update_core(state, op, limits, tokens) -> Done:
  error = ''
  if tokens > limits.core_tokens:
    error = 'bad text: too long'
  elif state_lib.plain(op.text) == state_lib.plain(state.core):
    error = state_lib.DUPLICATE
  elif _over(state, limits, tokens - state.core_tokens):
    error = 'full'
  if error:
    return state, OpResult(False, error)
  return state._replace(core=op.text, core_tokens=tokens), OpResult(True)


def done(*changed: Entry) -> OpResult:
  """The result of a call that changed these entries, its own first."""
  return OpResult(True, '', changed[0].id, tuple(e.slot for e in changed))


def misfit(
  state: MemoryState, op: Op, limits: Limits, tokens: int, freed: int = 0
) -> str:
  """Why op.text cannot be an entry when `freed` tokens go, '' if it can."""
  if state_lib.with_text(state, op.kind, op.text):
    return state_lib.DUPLICATE
  if tokens > limits.entry_tokens:
    return 'bad text: too long'
  return 'full' if _over(state, limits, tokens - freed) else ''


def _over(state, limits, added: int) -> bool:
  cap = limits.total_tokens
  return cap is not None and state_lib.token_length(state) + added > cap
