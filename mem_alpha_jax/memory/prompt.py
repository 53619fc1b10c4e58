"""What the writer reads: chunk, core and the viewed entries as token ids.

compact, chunk_first (our default; the chunk is shared by a whole group):
  <bos> chunk [<core> core] {kind text <null>.. <i>} x view <sep> | <call>
compact, memory_first (the reference's order):
  <bos> [<core> core] {kind text <null>.. <i>} x view <sep> chunk | <call>
Left of the bar is `Prompt.prefix`, right of it `Prompt.own`.
"""

import functools
import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

import ml_collections

from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.memory import tools

Entry = state_lib.Entry

SYSTEM = """You keep the memory of an assistant. You read a long text one \
chunk at a time and see each chunk once. Store what may be asked about later \
so that it can be understood without the chunk: who, what, when. Update a \
note that the chunk makes outdated, delete one that it makes wrong, and leave \
out small talk. The core memory is one short text about the user and the \
whole; semantic memory holds facts; episodic memory holds dated events."""

TOOL_USE = """Call tools by JSON objects inside <tool_call></tool_call> tags, \
as many as the chunk needs, all in one reply:
<tool_call>
{"name": <name of the tool>, "arguments": <object of its arguments>}
</tool_call>
If there is nothing to store, reply Done."""


class TokenizerLike(Protocol):
  """What a prompt needs of a tokenizer; it must be hashable."""

  bos_id: int

  def encode(self, text: str) -> list[int]:
    """Ids of trusted text, control symbols included."""

  def encode_text(self, text: str) -> list[int]:
    """Ids of data."""

  def symbol(self, name: str) -> int:
    """Id of a control symbol."""


class View(NamedTuple):
  """The entries that are shown; handle <i> is items[i - 1]."""

  items: tuple[Entry | None, ...]


class Prompt(NamedTuple):
  """Token ids of one prompt.

  Attributes:
    prefix: ids that the samples of a group share.
    own: ids after them, at least one.
    view: what the handles stand for.
    shared: leading ids of `prefix` that do not depend on the memory; a group
      whose samples have different memories shares only these.
    truncated: ids of the texts that did not fit and were left out.
  """

  prefix: list[int]
  own: list[int]
  view: View
  shared: int
  truncated: int = 0


def view_entries(
  state: state_lib.MemoryState,
  slots_found: Iterable[int],
  memory: ml_collections.ConfigDict,
) -> tuple[Entry | None, ...]:
  """Chooses what the writer sees; empty places are None.

  view='retrieved': the entries in `slots_found`, best first; a slot that is
  negative or empty is skipped. view='newest': those written last, over both
  lists, or of each list for prompt_format='chat' (as the reference does).
  """
  count = memory.view_entries
  if memory.view == 'retrieved':
    found = state_lib.by_slot(state)
    picked = [found[int(slot)] for slot in slots_found if int(slot) in found]
    return _fill(picked, count)
  if memory.prompt_format == 'chat':
    lists = (state.semantic, state.episodic)
    return sum((_fill(_newest(notes, count), count) for notes in lists), ())
  return _fill(_newest(state.semantic + state.episodic, count), count)


def _newest(notes: Sequence[Entry], count: int) -> list[Entry]:
  return sorted(notes, key=lambda note: (-note.step, -note.id))[:count]


def _fill(notes: Sequence[Entry], count: int) -> tuple[Entry | None, ...]:
  return (*notes[:count], *(None,) * (count - len(notes)))


def compact(
  tokenizer: TokenizerLike,
  chunk: str,
  core: str,
  view: Sequence[Entry | None],
  memory: ml_collections.ConfigDict,
  budget: int | None = None,
) -> Prompt:
  """Renders the compact prompt.

  With `memory.fixed_width` every place of the view takes entry_tokens + 2
  ids, so what a position holds does not depend on the memory's age.

  Args:
    tokenizer: with the symbols `tools.COMPACT_SYMBOLS`.
    chunk: the text to read.
    core: the core memory, '' for none.
    view: the entries to show, from `view_entries`.
    memory: config.memory.
    budget: most ids of the prefix; the chunk loses its oldest ids to fit.

  Raises:
    ValueError: if the view has more places than there are handles.
  """
  if len(view) > len(tools.HANDLES):
    raise ValueError(
      f'memory.view_entries={len(view)}: the compact prompt has handles for '
      f'at most {len(tools.HANDLES)} entries'
    )
  notes, truncated = [], 0
  if core:
    ids = tokenizer.encode_text(core)
    truncated += max(len(ids) - memory.core_tokens, 0)
    notes.append(tokenizer.symbol(tools.KIND_SYMBOLS['core']))
    notes += ids[: memory.core_tokens]
  width, fixed = memory.entry_tokens, memory.fixed_width
  for place, item in enumerate(view):
    key = (item.kind, item.text) if item else None
    ids, lost = _place(tokenizer, place, key, width, fixed)
    notes += ids
    truncated += lost
  notes.append(tokenizer.symbol(tools.SEP))
  chunk_ids = tokenizer.encode_text(chunk)
  if budget is not None:
    over = max(len(chunk_ids) + len(notes) + 1 - budget, 0)
    truncated += min(over, len(chunk_ids))
    chunk_ids = chunk_ids[over:]
  bos = [tokenizer.bos_id]
  own = [tokenizer.symbol(tools.CALL)]
  if memory.prompt_order == 'memory_first':
    prefix, shared = bos + notes + chunk_ids, 1
  else:
    prefix, shared = bos + chunk_ids + notes, 1 + len(chunk_ids)
  return Prompt(prefix, own, View(tuple(view)), shared, truncated)


@functools.lru_cache(maxsize=1 << 16)
def _place(tokenizer, place, key, width, fixed) -> tuple[tuple[int, ...], int]:
  """Returns the ids of one place of the view and how many did not fit."""
  handle = tokenizer.symbol(tools.HANDLES[place])
  null = tokenizer.symbol(tools.NULL)
  if key is None:
    return ((null,) * (width + 1) + (handle,) if fixed else ()), 0
  kind, text = key
  ids = tokenizer.encode_text(text)
  lost = max(len(ids) - width, 0)
  ids = ids[:width] + [null] * (width - len(ids) if fixed else 0)
  return (tokenizer.symbol(tools.KIND_SYMBOLS[kind]), *ids, handle), lost


def chat_text(
  view: Sequence[Entry | None],
  core: str,
  chunk: str,
  order: str,
  disabled_kinds: Sequence[str] = (),
) -> tuple[str, str]:
  """Renders the prompt of a Qwen-family chat model.

  Returns:
    The text that does not depend on the memory, and the rest. With order
    'chunk_first' the first holds instructions, tools and chunk; with
    'memory_first' the memory follows the instructions, before the tools.
  """
  notes = _memory_text(view, core, disabled_kinds)
  schemas = map(json.dumps, tools.tool_schemas(disabled_kinds))
  tool_text = '\n'.join(
    ['# Tools', '<tools>', *schemas, '</tools>', '', TOOL_USE]
  )
  new = f'<new_chunk>\n{chunk}\n</new_chunk>'
  end = '<|im_end|>\n<|im_start|>assistant\n'
  start = f'<|im_start|>system\n{SYSTEM}\n\n'
  user = '<|im_end|>\n<|im_start|>user\n'
  if order == 'memory_first':
    return start, f'{notes}\n\n{tool_text}{user}{new}{end}'
  return f'{start}{tool_text}{user}{new}\n\n', f'{notes}{end}'


def _memory_text(view, core, disabled_kinds) -> str:
  blocks = ['# Memory']
  for kind in state_lib.KINDS:
    if kind in disabled_kinds:
      continue
    lines = [f'[{e.id}] {e.text}' for e in view if e and e.kind == kind]
    if kind == 'core':
      lines = [core] if core else []
    body = '\n'.join(lines) or 'Empty'
    blocks.append(f'<{kind}_memory>\n{body}\n</{kind}_memory>')
  return '\n'.join(blocks)


def chat(
  tokenizer: TokenizerLike,
  chunk: str,
  core: str,
  view: Sequence[Entry | None],
  memory: ml_collections.ConfigDict,
) -> Prompt:
  """Renders the chat prompt; the memory is in `own`, the rest is shared.

  The two texts are encoded apart, in sampling and in training alike, so no
  token spans their border.
  """
  shared_text, own_text = chat_text(view, core, chunk, memory.prompt_order)
  prefix = list(tokenizer.encode(shared_text))
  own = list(tokenizer.encode(own_text))
  return Prompt(prefix, own, View(tuple(view)), len(prefix))
