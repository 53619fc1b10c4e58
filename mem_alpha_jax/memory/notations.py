"""The notations of calls by prompt format: ids of a call, and calls of ids."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from mem_alpha_jax import types
from mem_alpha_jax.memory import (
  compact_calls,
  grammar,
  json_calls,
  reference_tools,
  token_table,
  tools,
)
from mem_alpha_jax.memory.state import Entry, Op
from mem_alpha_jax.model.grammar import Table

View = Sequence[Entry | None]  # the entries that were shown
_TAGS = re.compile('(</?tool_call>)')  # none is left in what a call says


class Notation(NamedTuple):
  """One way to write calls.

  Attributes:
    encode: (tokenizer, call, view) -> ids.
    nothing: tokenizer -> ids that say that there is nothing to store.
    parse: (tokenizer, ids, view, before) -> calls; never raises. `before` is
      text that the response goes on from: the beginning of a thought.
    name: (tokenizer, place in view, entry) -> ids that name it in a call.
    language: what the grammar knows of its calls.
    symbols: control symbols that `language` has, in its order.
    longest: most tokens of a name.
  """

  encode: Callable[[types.Tokenizer, Op, View], list[int]]
  nothing: Callable[[types.Tokenizer], list[int]]
  parse: Callable[
    [types.Tokenizer, Iterable[int], View, str], tools.ParsedResponse
  ]
  name: Callable[[types.Tokenizer, int, Entry], list[int]]
  language: Callable[[], grammar.Language]
  symbols: Callable[[], tuple[str, ...]] = tuple
  longest: int = 8


def _encode(tokenizer: types.Tokenizer, text: str) -> list[int]:
  """Tags are tokens of the protocol, all else is data."""
  ids = []
  for i, part in enumerate(_TAGS.split(text)):
    ids += tokenizer.encode(part) if i % 2 else tokenizer.encode_text(part)
  return ids


def _of_text(render: Callable, parse: Callable, label: Callable) -> Notation:
  """A notation of text, which a chat model's tokenizer encodes."""
  return Notation(
    lambda tokenizer, op, view: _encode(tokenizer, render(op)),
    lambda tokenizer: tokenizer.encode(tools.NOOP_REPLY),
    lambda tokenizer, ids, view, before: parse(
      before + tokenizer.decode(ids), view
    ),
    lambda tokenizer, place, entry: tokenizer.encode_text(label(entry.id)),
    lambda: grammar.of_text(render, label),
  )


NOTATIONS = {
  'compact': Notation(
    compact_calls.render,
    lambda tokenizer: [tokenizer.symbol(compact_calls.NONE)],
    lambda tokenizer, ids, view, before: compact_calls.parse(
      tokenizer, ids, view
    ),
    lambda tokenizer, place, entry: [
      tokenizer.symbol(compact_calls.HANDLES[place])
    ],
    lambda: grammar.in_symbols(
      compact_calls.symbols(), compact_calls.KIND_SYMBOLS, compact_calls.NONE
    ),
    compact_calls.symbols,
    longest=1,
  ),
  'chat': _of_text(json_calls.render, json_calls.parse, str),
  'reference': _of_text(
    reference_tools.render, reference_tools.parse, reference_tools.label
  ),
}


def table(
  prompt_format: str,
  tokenizer: types.Tokenizer,
  *,
  vocab: int,
  entries: int,
  calls: int,
  thinks: bool,
  opens: bool,
) -> Table:
  """The grammar of responses over the ids of a tokenizer.

  Args:
    vocab: ids of the model.
    entries: places of a view.
    calls: most of a response.
    thinks: a response may begin with a thought.
    opens: it begins inside of one.
  """
  notation = NOTATIONS[prompt_format]
  pieces = [piece and tuple(piece) for piece in tokenizer.pieces()]
  symbols = notation.symbols()
  for i, name in enumerate(symbols, grammar.SYMBOL):
    pieces[tokenizer.symbol(name)] = (i,)
  units = grammar.SYMBOL + len(symbols)
  found = grammar.automaton(notation.language(), units, thinks, opens)
  return token_table.make(
    found, pieces, tokenizer.eos_ids, vocab, entries, notation.longest, calls
  )


def targets(
  prompt_format: str, tokenizer: types.Tokenizer, view: View, core: str
) -> Int[np.ndarray, 'K n']:
  """What a response may name: the entries in view, and a core that is there."""
  notation = NOTATIONS[prompt_format]
  found = np.full((len(view) + 1, notation.longest + 2), -1, np.int32)
  found[:, 0] = 0
  found[-1, 0] = grammar.KIND_BITS['core'] * bool(core)
  for place, entry in enumerate(view):
    ids = notation.name(tokenizer, place, entry) if entry else []
    if 0 < len(ids) <= notation.longest:
      found[place, 0] = grammar.KIND_BITS[entry.kind]
      found[place, 1 : len(ids) + 1] = ids
  return found
