"""The writer: reads a chunk and calls the memory's tools."""

from collections.abc import Sequence
from typing import Any

from mem_alpha_jax.memory import execution, reference_tools, tools
from mem_alpha_jax.reward import parts as parts_lib
from mem_alpha_jax.roles import chat_prompt, prompt, role
from mem_alpha_jax.types import Episode, Outcome, Turn

PROMPTS = {
  'compact': prompt.compact,
  'chat': chat_prompt.chat,
  'reference': chat_prompt.chat,
}
# Prompt format -> (response, what its handles stand for) -> calls.
PARSERS = {
  'compact': tools.parse_compact,
  'chat': lambda text, view: tools.parse_json(text),
  'reference': lambda text, view: reference_tools.parse(text),
}


def read_chunks(episode: Episode) -> list[Turn]:
  """The schedule of writing alone: the chunks in order."""
  return [
    Turn('writer', text, episode, t) for t, text in enumerate(episode.chunks)
  ]


def show(setup: Any, turn: Turn) -> prompt.Prompt:
  """The prompt of config.memory.prompt_format, cut to the largest buckets."""
  memory = setup.config.memory
  room = prompt.Room(setup.buckets.prefix[-1], setup.buckets.own[-1])
  return PROMPTS[memory.prompt_format](
    setup.tokenizer, turn.text, turn.state, turn.view, memory, room
  )


def parse(
  response: str, view: Sequence, config, notation: str = ''
) -> tuple[tuple, tuple, bool]:
  """Reads a response: operations, errors of unreadable calls, and no-op.

  Calls past `rollout.max_calls` are errors, so that one response cannot
  outgrow the padded edits of a step. The notation is that of the prompts.
  """
  parsed = PARSERS[notation or config.memory.prompt_format](response, view)
  calls = parsed.calls[: config.rollout.max_calls]
  errors = tuple(c.error for c in calls if c.op is None)
  errors += ('too many calls',) * (len(parsed.calls) - len(calls))
  return tuple(c.op for c in calls if c.op is not None), errors, parsed.noop


def act(setup: Any, turn: Turn, response: str) -> Outcome:
  """Parses a response and applies its calls in order."""
  ops, errors, noop = parse(response, turn.view, setup.config)
  state, results = turn.state, []
  for op in ops:
    state, result = execution.apply(
      state, op, turn.limits, setup.tokenizer.count, turn.clock
    )
    results.append(result)
  return Outcome(state, ops, tuple(results), errors, noop)


def earn(turns, outcomes, config) -> dict[str, parts_lib.Column]:
  """Every part of the registry."""
  return {
    name: part(turns, outcomes, config)
    for name, part in parts_lib.PARTS.items()
  }


ROLE = role.Role(show, act, earn, explores=True)
