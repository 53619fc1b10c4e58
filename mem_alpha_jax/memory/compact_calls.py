"""Calls of tiny policies, in control symbols of the tokenizer.

  <ins><sem> Marta job baker<upd><2> Marta job pilot<del><3>

Every <..> is one token. A handle <i> is the i-th entry shown in the prompt.
Calls are read from ids: text that spells a symbol is text, in a chunk, in a
note and in a response alike.
"""

import functools
from collections.abc import Iterable, Sequence

from mem_alpha_jax import types
from mem_alpha_jax.memory.state import Entry, Op
from mem_alpha_jax.memory.tools import (
  ARGUMENTS,
  TOOLS,
  ParsedCall,
  ParsedResponse,
  failed,
)

KIND_SYMBOLS = {'core': '<core>', 'semantic': '<sem>', 'episodic': '<epi>'}
HANDLES = tuple(f'<{i}>' for i in range(1, 10))
CALL, NONE, SEP, NULL = '<call>', '<none>', '<sep>', '<null>'
_KIND_OF_SYMBOL = {symbol: kind for kind, symbol in KIND_SYMBOLS.items()}
_SLIP = frozenset({'stray_text'})


def symbols() -> tuple[str, ...]:
  """The control symbols; a tokenizer has them all."""
  tools = (tool.symbol for tool in TOOLS.values())
  return (CALL, *tools, NONE, *KIND_SYMBOLS.values(), *HANDLES, SEP, NULL)


def render(
  tokenizer: types.Tokenizer, op: Op, view: Sequence[Entry | None] = ()
) -> list[int]:
  """The ids of a call; ValueError if it names an entry that is not in view."""
  tool, targets = TOOLS[op.tool], [KIND_SYMBOLS[op.kind]]
  if tool.ids and op.kind != 'core':
    ids = [item.id if item else None for item in view]
    wanted = [getattr(op, ARGUMENTS[name][0]) for name in tool.ids]
    for entry_id in wanted:
      if entry_id is None or entry_id not in ids:
        raise ValueError(f'entry {entry_id} is not in the view {ids}')
    targets = [HANDLES[ids.index(entry_id)] for entry_id in wanted]
  text = tokenizer.encode_text(f' {op.text}') if tool.takes_text else []
  return [*map(tokenizer.symbol, (tool.symbol, *targets)), *text]


def parse(
  tokenizer: types.Tokenizer, ids: Iterable[int], view: Sequence[Entry | None]
) -> ParsedResponse:
  """Reads a response; `view[i - 1]` is what handle <i> stands for."""
  # Odd positions are symbols, even ones the text between them.
  parts = _split(tokenizer, ids)
  said = [part for i, part in enumerate(parts) if i % 2 or part.strip()]
  if said == parts[1:2] == [NONE]:
    return ParsedResponse([], True)
  keys = {tool.symbol: key for key, tool in TOOLS.items()}
  starts = [i for i in range(1, len(parts), 2) if parts[i] in keys]
  if not starts:
    return ParsedResponse([failed('no call')])
  calls, before = [], parts[: starts[0]]
  if before[1:] or before[0].strip():
    calls.append(failed('unreadable', 'text before the first call'))
  for start, end in zip(starts, starts[1:] + [len(parts)], strict=True):
    calls.append(_call(keys[parts[start]], parts[start:end], view))
  return ParsedResponse(calls)


def _split(tokenizer, ids: Iterable[int]) -> list[str]:
  """Text, symbol, text, ..., text."""
  names, parts, run = _names(tokenizer, symbols()), [], []
  for i in map(int, ids):
    if i in names:
      parts += [tokenizer.decode(run), names[i]]
      run = []
    else:
      run.append(i)
  return [*parts, tokenizer.decode(run)]


@functools.lru_cache(maxsize=4)
def _names(tokenizer, names: tuple[str, ...]) -> dict[int, str]:
  return {tokenizer.symbol(name): name for name in names}


def _call(
  key: str, parts: list[str], view: Sequence[Entry | None]
) -> ParsedCall:
  """Reads [tool symbol, '', target symbol, ..., text] and what follows it."""
  tool = TOOLS[key]
  if len(parts) < 4 or parts[1].strip():
    return failed('bad target', f'{key} without a target')
  at_kind = parts[2] in _KIND_OF_SYMBOL or not tool.ids
  count = 1 if at_kind else len(tool.ids)  # targets
  targets, text = parts[2 : 2 * count + 2 : 2], parts[2 * count + 1 :][:1]
  if any(part.strip() for part in parts[3 : 2 * count + 1 : 2]) or not text:
    return failed('bad target', f'{key} without a target')
  rest = parts[2 * count + 2 :]
  if any(part.strip() for part in rest):
    return failed('unreadable', 'symbol inside the text')
  text = text[0].removeprefix(' ')
  if text.strip() and not tool.takes_text:
    return failed('unreadable', f'{key} takes no text')
  if tool.takes_text and not text.strip():
    return failed('bad text', 'empty')
  spaces = [*parts[1 : 2 * count + 1 : 2], '' if tool.takes_text else text]
  repairs = _SLIP if any(spaces) else frozenset()
  text = text if tool.takes_text else ''
  if at_kind:
    kind = _KIND_OF_SYMBOL.get(targets[0])
    if kind not in tool.kinds or tool.ids and kind != 'core':
      return failed('bad target', f'{key} cannot target {targets[0]}')
    return ParsedCall(Op(key, kind, text), repairs=repairs)
  items = []
  for target in targets:
    if target not in HANDLES:
      return failed('bad target', f'{key} cannot target {target}')
    place = HANDLES.index(target)
    item = view[place] if place < len(view) else None
    if item is None:
      return failed('bad target', f'{target} shows no entry')
    items.append(item)
  found = zip(tool.ids, items, strict=True)
  fields = {ARGUMENTS[name][0]: item.id for name, item in found}
  return ParsedCall(Op(key, items[0].kind, text, **fields), repairs=repairs)
