"""Which responses are valid, as an automaton over bytes and control symbols.

A notation says what its calls look like (`Language`): fixed text, free text,
and names of entries, which differ from prompt to prompt. The automaton of all
responses is the subset construction over the small automata of these parts
(Rabin and Scott 1959), with equal states merged (Moore 1956).
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from mem_alpha_jax.memory import tools
from mem_alpha_jax.memory.state import LISTS, Op

SYMBOL = 256  # units from here on are control symbols, in order; others bytes
KIND_BITS = {'semantic': 1, 'episodic': 2, 'core': 4}
KINDS = 8  # sets of kinds
NAMED = -1  # the unit of a whole name, the last of an automaton's step
_TEXT, _ID = '\ue000', 999_999_999  # stand for a text and an id in a call
_HEX = b'0123456789abcdefABCDEF'
_OPEN, _CLOSE = b'<think>', b'</think>'


class Part(NamedTuple):
  """A small automaton that begins at 0."""

  moves: Mapping[Any, Mapping[int, Any]]  # place -> unit -> place
  done: frozenset  # places at which it may end
  kinds: int = 0  # of the targets of which one stands here


class Form(NamedTuple):
  """One way to write something."""

  parts: tuple[Part, ...]
  needs: int = 0  # kinds of which one must be there; 0: none


class Language(NamedTuple):
  """A notation's calls."""

  calls: tuple[Form, ...]
  between: bytes  # may stand between two
  nothing: Part  # says that there is nothing to store


class Automaton(NamedTuple):
  """States by number; 0 is no state, into which all leads that is not valid."""

  step: np.ndarray  # int16 [S, units + 1], the last of a name
  start: int
  accepts: np.ndarray  # bool [S]
  chooses: np.ndarray  # [S], kinds of which one is named here
  open: np.ndarray  # bool [S, KINDS], whether what is begun can be meant


def literal(units: Sequence[int]) -> Part:
  moves = {i: {unit: i + 1} for i, unit in enumerate(units)}
  return Part(moves, frozenset([len(units)]))


def choice(kinds: int) -> Part:
  """The name of an entry, whose units no automaton has."""
  return Part({0: {NAMED: 1}}, frozenset([1]), kinds)


def text(quoted: bool) -> Part:
  """Any text that is not blank; quoted: of a JSON string, with its end.

  Where a character is cut its bytes are decoded to U+FFFD, which is no blank.
  """
  barred = {*range(32), *b'"\\'} if quoted else set()
  free = set(range(256)) - barred
  blank = [chr(i).encode() for i in range(0x3001) if chr(i).isspace()]
  begun = {b[:k] for b in blank for k in range(1, len(b))}
  said = dict.fromkeys(free, 'said')
  if quoted:
    said |= {ord('"'): 'end', ord('\\'): ('said', '\\')}
  moves: dict[Any, dict] = {'said': said}
  for place in (b'', *begun):
    here = dict(said)
    for unit in free:
      now = place + bytes([unit])
      if now in begun or now in blank:
        here[unit] = now if now in begun else 0
    moves[place or 0] = here
  if quoted:
    del moves[0][ord('"')]
    moves[0][ord('\\')] = (0, '\\')
    for place in (0, 'said'):
      moves |= _escapes(place)
  return Part(moves, frozenset(['end' if quoted else 'said']))


def _escapes(place) -> dict[Any, dict]:
  """What may follow a backslash; blank text stays blank where it might be."""
  moves = {(place, '\\'): dict.fromkeys(b'"\\/b', 'said')}
  moves[place, '\\'] |= dict.fromkeys(b'nrtf', place) | {ord('u'): (place, 4)}
  moves[place, 4] = {h: (place if h in b'0123' else 'said', 3) for h in _HEX}
  for after in {place, 'said'}:
    for left in (3, 2):
      moves[after, left] = dict.fromkeys(_HEX, (after, left - 1))
    moves[after, 1] = dict.fromkeys(_HEX, after)
  return moves


def until(mark: bytes) -> Part:
  """Any text up to a mark, and the mark."""
  moves = {}
  for k in range(len(mark)):
    moves[k] = {}
    for unit in range(256):
      now = mark[:k] + bytes([unit])
      ends = (n for n in range(k + 1, 0, -1) if now.endswith(mark[:n]))
      moves[k][unit] = next(ends, 0)
  return Part(moves, frozenset([len(mark)]))


SPACE = Part({0: dict.fromkeys(b' \n', 0)}, frozenset([0]))


def of_text(
  render: Callable[[Op], str], label: Callable[[int], str]
) -> Language:
  """The calls of a notation of JSON, as they are rendered."""
  calls = []
  pattern = re.compile(f'({_TEXT}"|{label(_ID)})')
  for key, tool in tools.TOOLS.items():
    for kind in tool.kinds:
      named = bool(tool.ids) and kind != 'core'
      fields = {tools.ARGUMENTS[n][0]: _ID for n in tool.ids if named}
      op = Op(key, kind, _TEXT if tool.takes_text else '', **fields)
      calls.append(
        Form(tuple(_part(p, kind) for p in pattern.split(render(op))))
      )
      if named or not tool.takes_text:
        calls[-1] = calls[-1]._replace(needs=KIND_BITS[kind])
  nothing = literal(tools.NOOP_REPLY.encode())
  return Language(tuple(calls), b'\n', nothing)


def _part(piece: str, kind: str) -> Part:
  if piece.startswith(_TEXT):
    return text(quoted=True)
  if piece.isalnum():
    return choice(KIND_BITS[kind])
  return literal(piece.encode())


def in_symbols(
  symbols: Sequence[str], kind_symbols: Mapping[str, str], nothing: str
) -> Language:
  """The calls of the compact notation."""
  unit = lambda name: SYMBOL + symbols.index(name)
  calls, lists = [], sum(KIND_BITS[kind] for kind in LISTS)
  for tool in tools.TOOLS.values():
    said = (text(quoted=False),) if tool.takes_text else ()
    first = unit(tool.symbol)
    if tool.ids:
      calls.append(Form((literal([first]), choice(lists), *said), lists))
    for kind in tool.kinds:
      if not tool.ids or kind == 'core':
        head = literal([first, unit(kind_symbols[kind])])
        needs = 0 if tool.takes_text else KIND_BITS[kind]
        calls.append(Form((head, *said), needs))
  return Language(tuple(calls), b'', literal([unit(nothing)]))


def automaton(
  language: Language, units: int, thinks: bool = False, opens: bool = False
) -> Automaton:
  """Of all valid responses.

  Args:
    units: how many there are.
    thinks: a response may begin with a thought.
    opens: it begins inside of one.
  """
  first = [*language.calls, Form((language.nothing,))]
  thought = (until(_CLOSE), SPACE)
  if opens:
    first = [f._replace(parts=(*thought, *f.parts)) for f in first]
  elif thinks:
    thought = (literal(_OPEN), *thought)
    first += [f._replace(parts=(*thought, *f.parts)) for f in first]
  later, mark = [*language.calls], literal(language.between)
  if language.between:
    later += [f._replace(parts=(mark, *f.parts)) for f in language.calls]
  forms = [*first, *later]
  # A place is (form, part, place in it); behind its last part it is valid, and
  # after a call another may come.
  silent = {i for i, f in enumerate(forms) if language.nothing in f.parts}
  again = [(i, 0, 0) for i in range(len(first), len(forms))]

  def closed(places: Iterable) -> frozenset:
    found, waiting = set(), list(places)
    while waiting:
      form, part, place = at = waiting.pop()
      if at in found:
        continue
      found.add(at)
      parts = forms[form].parts
      if part == len(parts):
        waiting += () if form in silent else again
      elif place in parts[part].done:
        waiting.append((form, part + 1, 0))
    return frozenset(found)

  start = closed((i, 0, 0) for i in range(len(first)))
  numbers, steps, waiting = {frozenset(): 0, start: 1}, {}, [start]
  while waiting:
    state, moves = waiting.pop(), {}
    for form, part, place in state:
      parts = forms[form].parts
      if part < len(parts):
        for unit, new in parts[part].moves.get(place, {}).items():
          moves.setdefault(unit, set()).add((form, part, new))
    for unit, new in moves.items():
      new = closed(new)
      if new not in numbers:
        numbers[new] = len(numbers)
        waiting.append(new)
      steps[numbers[state], unit] = numbers[new]
  step = np.zeros((len(numbers), units + 1), np.int16)
  step[tuple(np.array(list(steps)).T)] = list(steps.values())
  return _merged(step, [*map(lambda s: _label(forms, s), numbers)])


def _label(forms: Sequence[Form], state: frozenset) -> tuple[int, ...]:
  """Whether a state accepts, what it chooses from, and for whom it is open."""
  ends = any(part == len(forms[form].parts) for form, part, _ in state)
  kinds = 0
  for form, part, place in state:
    if part < len(forms[form].parts) and place == 0:
      kinds |= forms[form].parts[part].kinds
  # Behind a call others may begin, which do not make it one that is open.
  begun = [form for form, *at in state if at != [0, 0]]
  needs = {forms[form].needs for form in begun or [f for f, *_ in state]}
  is_open = [any(not n or n & have for n in needs) for have in range(KINDS)]
  return (int(ends), kinds, *is_open)


def _merged(step: np.ndarray, labels: Sequence[tuple]) -> Automaton:
  """States that nothing tells apart are one; state 0 stays 0, 1 the start."""
  labels = np.array(labels, int)
  labels[0] = -1  # sorts first
  group = np.unique(labels, axis=0, return_inverse=True)[1].ravel()
  different = np.unique(step, axis=1)  # most bytes go the same ways
  while True:
    known = np.column_stack([group, group[different]])
    _, first, new = np.unique(
      known, axis=0, return_index=True, return_inverse=True
    )
    new = new.ravel()
    if new.max() == group.max():
      break
    group = new
  labels = np.maximum(labels[first], 0)
  return Automaton(
    step=new[step[first]].astype(np.int16),
    start=int(new[1]),
    accepts=labels[:, 0] > 0,
    chooses=labels[:, 1],
    open=labels[:, 2:] > 0,
  )
