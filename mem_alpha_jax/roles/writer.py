"""The writer: reads a chunk and calls the memory's tools."""

from collections.abc import Sequence
from typing import Any

from mem_alpha_jax.data import chunking
from mem_alpha_jax.memory import execution, notations, tools
from mem_alpha_jax.reward import parts as parts_lib
from mem_alpha_jax.roles import chat_prompt, prompt, role
from mem_alpha_jax.text import chat_template, english
from mem_alpha_jax.types import Episode, Outcome, Turn, Written

PROMPTS = {
  'compact': prompt.compact,
  'chat': chat_prompt.chat,
  'reference': chat_prompt.chat,
}


def pieces(chunk: str, clauses: int) -> list[str]:
  """What single turns read of a chunk, at least one: rollout.clauses each."""
  found = english.clauses(chunk) if clauses else []
  return [' '.join(p) for p in chunking.groups(found, clauses)] or [chunk]


def read_chunks(episode: Episode, clauses: int = 0) -> list[Turn]:
  """The schedule of writing alone: the chunks in order, whole or in pieces."""
  return [
    Turn('writer', text, episode, t)
    for t, chunk in enumerate(episode.chunks)
    for text in pieces(chunk, clauses)
  ]


def show(setup: Any, turn: Turn) -> prompt.Prompt:
  """The prompt of config.memory.prompt_format, cut to the largest buckets."""
  memory = setup.config.memory
  room = prompt.Room(setup.buckets.prefix[-1], setup.buckets.own[-1])
  return PROMPTS[memory.prompt_format](
    setup.tokenizer, turn.text, turn.state, turn.view, memory, room
  )


def read(setup: Any, ids: Sequence[int], view: Sequence) -> Written:
  """What the ids of a response say, in the notation of the prompts."""
  memory, before = setup.config.memory, ''
  if chat_prompt.opens_thought(setup.tokenizer, memory):
    before = chat_template.THINK
  parse = notations.NOTATIONS[memory.prompt_format].parse
  parsed = parse(setup.tokenizer, ids, view, before)
  return limited(parsed, setup.config.rollout.max_calls)


def limited(parsed: tools.ParsedResponse, most: int) -> Written:
  """The first `most` calls of a response; those past them are errors.

  One response could outgrow the padded edits of a step.
  """
  calls = parsed.calls[:most]
  errors = tuple(c.error for c in calls if c.op is None)
  errors += ('too many calls',) * (len(parsed.calls) - len(calls))
  read = [c for c in calls if c.op is not None]
  return Written(
    tuple(c.op for c in read),
    errors,
    parsed.noop,
    tuple(c.repairs for c in read),
  )


def act(setup: Any, turn: Turn, ids: Sequence[int]) -> Outcome:
  """Reads a response and applies its calls in order."""
  said = read(setup, ids, turn.view)
  state, results = execution.apply_all(
    turn.state, said.ops, turn.limits, setup.tokenizer.count, turn.clock
  )
  return Outcome(
    state,
    said.ops,
    results,
    said.errors,
    said.noop,
    repairs=said.repairs,
  )


def earn(turns, outcomes, config) -> dict[str, parts_lib.Column]:
  """Every part of the registry that the config asks for."""
  return {
    name: part(turns, outcomes, config)
    for name, part in parts_lib.of(config).items()
  }


ROLE = role.Role(show, act, earn, explores=True)
