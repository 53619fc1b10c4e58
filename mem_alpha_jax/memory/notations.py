"""The notations of calls by prompt format: ids of a call, and calls of ids."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from mem_alpha_jax import types
from mem_alpha_jax.memory import (
  compact_calls,
  json_calls,
  reference_tools,
  tools,
)
from mem_alpha_jax.memory.state import Entry, Op

View = Sequence[Entry | None]  # the entries that were shown
_TAGS = re.compile('(</?tool_call>)')  # none is left in what a call says


class Notation(NamedTuple):
  """One way to write calls.

  Attributes:
    encode: (tokenizer, call, view) -> ids.
    nothing: tokenizer -> ids that say that there is nothing to store.
    parse: (tokenizer, ids, view, before) -> calls; never raises. `before` is
      text that the response goes on from: the beginning of a thought.
  """

  encode: Callable[[types.Tokenizer, Op, View], list[int]]
  nothing: Callable[[types.Tokenizer], list[int]]
  parse: Callable[
    [types.Tokenizer, Iterable[int], View, str], tools.ParsedResponse
  ]


def _encode(tokenizer: types.Tokenizer, text: str) -> list[int]:
  """Tags are tokens of the protocol, all else is data."""
  ids = []
  for i, part in enumerate(_TAGS.split(text)):
    ids += tokenizer.encode(part) if i % 2 else tokenizer.encode_text(part)
  return ids


def _of_text(render: Callable, parse: Callable) -> Notation:
  """A notation of text, which a chat model's tokenizer encodes."""
  return Notation(
    lambda tokenizer, op, view: _encode(tokenizer, render(op)),
    lambda tokenizer: tokenizer.encode(tools.NOOP_REPLY),
    lambda tokenizer, ids, view, before: parse(
      before + tokenizer.decode(ids), view
    ),
  )


NOTATIONS = {
  'compact': Notation(
    compact_calls.render,
    lambda tokenizer: [tokenizer.symbol(compact_calls.NONE)],
    lambda tokenizer, ids, view, before: compact_calls.parse(
      tokenizer, ids, view
    ),
  ),
  'chat': _of_text(json_calls.render, json_calls.parse),
  'reference': _of_text(reference_tools.render, reference_tools.parse),
}
