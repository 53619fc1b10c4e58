"""One chunk of one stream: from a response to memory, results and rewards."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from mem_alpha_jax.memory import reference_tools, tools
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.reward import parts as parts_lib


class Outcome(NamedTuple):
  """What a response did to a memory.

  Attributes:
    state: the memory after it.
    ops: the operations it asked for that could be read.
    results: their results, one each.
    errors: calls that could not be read.
    noop: True for a valid response that stores nothing.
    calls_reward: r2, share of valid calls.
    size_reward: r3 of this step.
    content_reward: r4, share of content found in the chunk.
  """

  state: state_lib.MemoryState
  ops: tuple[state_lib.Op, ...]
  results: tuple[state_lib.OpResult, ...]
  errors: tuple[str, ...]
  noop: bool
  calls_reward: float
  size_reward: float
  content_reward: float


# Prompt format -> (response, what its handles stand for) -> calls.
PARSERS = {
  'compact': tools.parse_compact,
  'chat': lambda text, view: tools.parse_json(text),
  'reference': lambda text, view: reference_tools.parse(text),
}


def view_items(view: Sequence) -> list:
  """Handles of the entries in view, for the parser."""
  return [e and tools.ViewItem(e.id, e.kind) for e in view]


def parse(response: str, view: Sequence, config) -> tuple[tuple, tuple, bool]:
  """Reads a response: operations, errors of unreadable calls, and no-op.

  Calls past `rollout.max_calls` are errors, so that one response cannot
  outgrow the padded edits of a step.
  """
  parsed = PARSERS[config.memory.prompt_format](response, view_items(view))
  calls = parsed.calls[: config.rollout.max_calls]
  errors = tuple(c.error for c in calls if c.op is None)
  errors += ('too many calls',) * (len(parsed.calls) - len(calls))
  return tuple(c.op for c in calls if c.op is not None), errors, parsed.noop


def perform(
  state: state_lib.MemoryState,
  response: str,
  chunk: str,
  view: Sequence,
  limits: state_lib.Limits,
  count_tokens: Callable[[str], int],
  step: int,
  config,
) -> Outcome:
  """Parses a response, applies its calls in order and scores the step."""
  ops, errors, noop = parse(response, view, config)
  old = replaced(state, ops, view)
  before = state_lib.token_length(state)
  results = []
  for op in ops:
    state, result = execution.apply(state, op, limits, count_tokens, step)
    results.append(result)
  added = state_lib.token_length(state) - before
  calls = parts_lib.calls_reward(results, len(errors), noop)
  content = parts_lib.content_reward(ops, results, chunk, old, len(errors))
  if noop and not results:
    calls, content = calls * config.reward.noop, content * config.reward.noop
  return Outcome(
    state=state,
    ops=ops,
    results=tuple(results),
    errors=errors,
    noop=noop,
    calls_reward=calls,
    size_reward=parts_lib.size_step(added, count_tokens(chunk)),
    content_reward=content,
  )


def replaced(
  state: state_lib.MemoryState, ops: Sequence[state_lib.Op], view: Sequence
) -> list[str]:
  """The text that each operation replaces, '' where it replaces none."""
  texts = {e.id: e.text for e in view if e}
  return [
    state.core if op.kind == 'core' else texts.get(op.entry_id, '')
    for op in ops
  ]
