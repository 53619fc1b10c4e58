"""What the writer reads: chunk, core and the viewed entries as token ids.

compact, chunk_first (our default; the chunk is shared by a whole group):
  <bos> chunk [<core> core] {kind text <null>.. <i>} x view <sep> | <call>
compact, memory_first (the reference's order):
  <bos> [<core> core] {kind text <null>.. <i>} x view <sep> chunk | <call>
Left of the bar is `Prompt.prefix`, right of it `Prompt.own`.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import ml_collections

from mem_alpha_jax import types
from mem_alpha_jax.memory import compact_calls
from mem_alpha_jax.memory import state as state_lib

Entry = state_lib.Entry


class Room(NamedTuple):
  """Most ids of the two parts of a prompt: the largest buckets."""

  prefix: int
  own: int


class Prompt(NamedTuple):
  """Token ids of one prompt."""

  prefix: list[int]  # ids that the samples of a group share
  own: list[int]  # ids after them, at least one
  view: tuple[Entry | None, ...]  # those shown; handle <i> is view[i - 1]
  truncated: int = 0  # ids of the texts that did not fit and were left out
  cut_entries: int = 0  # entries that were cut or left out for it


def check(memory: ml_collections.ConfigDict) -> None:
  """Raises ValueError if config.memory wants more entries than handles."""
  most = len(compact_calls.HANDLES)
  if memory.prompt_format == 'compact' and memory.view_entries > most:
    raise ValueError(
      f'config.memory.view_entries={memory.view_entries}: use 0 to {most}, '
      'the handles of the compact prompt'
    )


def compact(
  tokenizer: types.Tokenizer,
  chunk: str,
  state: state_lib.MemoryState,
  view: Sequence[Entry | None],
  memory: ml_collections.ConfigDict,
  room: Room | None = None,
) -> Prompt:
  """Renders the compact prompt.

  With `memory.fixed_width` every place of the view takes entry_tokens + 2
  ids, so what a position holds does not depend on the memory's age.

  Args:
    view: the entries to show, from recall/view.py.
    room: most ids; the chunk loses its oldest ids to fit.
  """
  notes, truncated, cut = [], 0, 0
  if state.core:
    ids = tokenizer.encode_text(state.core)
    truncated += max(len(ids) - memory.core_tokens, 0)
    notes.append(tokenizer.symbol(compact_calls.KIND_SYMBOLS['core']))
    notes += ids[: memory.core_tokens]
  width, fixed = memory.entry_tokens, memory.fixed_width
  for place, item in enumerate(view):
    key = (item.kind, item.text) if item else None
    ids, lost = _place(tokenizer, place, key, width, fixed)
    notes += ids
    truncated += lost
    cut += lost > 0
  notes.append(tokenizer.symbol(compact_calls.SEP))
  chunk_ids = tokenizer.encode_text(chunk)
  if room is not None:
    over = max(len(chunk_ids) + len(notes) + 1 - room.prefix, 0)
    truncated += min(over, len(chunk_ids))
    chunk_ids = chunk_ids[over:]
  bos = [tokenizer.bos_id]
  own = [tokenizer.symbol(compact_calls.CALL)]
  if memory.prompt_order == 'memory_first':
    prefix = bos + notes + chunk_ids
  else:
    prefix = bos + chunk_ids + notes
  return Prompt(prefix, own, tuple(view), truncated, cut)


@functools.lru_cache(maxsize=1 << 16)
def _place(tokenizer, place, key, width, fixed) -> tuple[tuple[int, ...], int]:
  """Returns the ids of one place of the view and how many did not fit."""
  handle = tokenizer.symbol(compact_calls.HANDLES[place])
  null = tokenizer.symbol(compact_calls.NULL)
  if key is None:
    return ((null,) * (width + 1) + (handle,) if fixed else ()), 0
  kind, text = key
  ids = tokenizer.encode_text(text)
  lost = max(len(ids) - width, 0)
  ids = ids[:width] + [null] * (width - len(ids) if fixed else 0)
  return (
    tokenizer.symbol(compact_calls.KIND_SYMBOLS[kind]),
    *ids,
    handle,
  ), lost
