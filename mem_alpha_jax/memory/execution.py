"""Calls carried out on a memory, logged so that they can be replayed."""

from collections.abc import Callable, Iterable
from typing import Any

from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.memory.state import (
  KINDS,
  Limits,
  LogRecord,
  MemoryState,
  Op,
  OpResult,
)
from mem_alpha_jax.memory.tools import TOOLS


def apply(
  state: MemoryState,
  op: Op,
  limits: Limits,
  count_tokens: Callable[[str], int],
  step: int,
) -> tuple[MemoryState, OpResult]:
  """Executes one call; a call that fails changes nothing but the log.

  Never raises on a bad call: the reason is in `OpResult.error`. Spaces around
  a text are no part of the note.
  """
  if isinstance(op.text, str):
    op = op._replace(text=op.text.strip())
  known = op.tool in TOOLS and TOOLS[op.tool].takes_text
  writes = known and not _bad_text(op.text)
  tokens = count_tokens(op.text) if writes else 0
  return _record(state, op, limits, tokens, step)


def apply_all(
  state: MemoryState,
  ops: Iterable[Op],
  limits: Limits,
  count_tokens: Callable[[str], int],
  step: int,
) -> tuple[MemoryState, tuple[OpResult, ...]]:
  """Executes calls in order, each as `apply`."""
  results = []
  for op in ops:
    state, result = apply(state, op, limits, count_tokens, step)
    results.append(result)
  return state, tuple(results)


def replay(
  log: Iterable[LogRecord], state: MemoryState | None = None
) -> MemoryState:
  """Executes a log on what it began with, an empty memory by default."""
  state = state_lib.empty() if state is None else state
  for op, step, limits, _, tokens in log:
    state, _ = _record(state, op, limits, tokens, step)
  return state


def _record(state, op, limits, tokens, step):
  """Executes and logs a call whose text has `tokens` tokens."""
  changed, result = state, OpResult(False, _refusal(op))
  if not result.error:
    tool = TOOLS[op.tool]
    changed, result = tool.effect(state, op, limits, tokens, step)
  record = LogRecord(op, step, limits, result, tokens)
  return changed._replace(log=state.log.append(record)), result


def _refusal(op: Op) -> str:
  """Returns why a call is bad in any state, '' if it is not."""
  if op.tool not in TOOLS:
    return 'unknown tool'
  if op.kind not in KINDS:
    return 'bad target: unknown kind'
  tool = TOOLS[op.tool]
  if op.kind not in tool.kinds:
    return f'bad target: {op.kind} takes no {op.tool}'
  return _bad_text(op.text) if tool.takes_text else ''


def _bad_text(text: Any) -> str:
  """Returns why no note can hold the text, '' if one can."""
  if not isinstance(text, str):
    return 'bad text: not a string'
  if not text.strip():
    return 'bad text: empty'
  try:
    text.encode()
  except UnicodeEncodeError:  # lone surrogates, which JSON can spell
    return 'bad text: not valid Unicode'
  return ''
