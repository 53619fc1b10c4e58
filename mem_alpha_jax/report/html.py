"""episodes.html: what writers did, chunk by chunk, side by side.

One file with inline style, no script and no network. Everything that came
from a model or a data set is escaped, and its control characters are shown.
How it looks is in the template.
"""

import functools
from collections.abc import Sequence
from importlib import resources
from typing import Any, NamedTuple

import jinja2

from mem_alpha_jax.system import files

KINDS = ('semantic', 'episodic')
# U+2400 and on are pictures of the first; others stand as \\x85.
_CONTROLS = {
  **{code: chr(0x2400 + code) for code in range(32) if chr(code) not in '\t\n'},
  **{code: f'\\x{code:02x}' for code in range(0x7F, 0xA0)},
}
UNFOLDED = 4  # unchanged entries shown before they fold away


class TraceStep(NamedTuple):
  """One chunk: what was read, said and done, and the memory after it."""

  chunk: str  # the text that was read
  response: str  # the raw response, control symbols included
  calls: Sequence[tuple[str, bool, str]]  # text, ok, error; unreadable ones too
  memory: Sequence[tuple[str, int, str]]  # kind, id, text of entries afterwards
  core: str = ''  # afterwards


class TraceAnswer(NamedTuple):
  question: str
  type: str
  gold: str
  answer: str  # what the reader said, '' if it abstained
  correct: bool | None  # None if it could not be scored
  notes: Sequence[str] | None = None  # shown to the reader; None: not kept


class Trace(NamedTuple):
  """One writer on one episode."""

  title: str
  steps: Sequence[TraceStep]
  answers: Sequence[TraceAnswer]


def write(
  path: str,
  episodes: Sequence[tuple[str, Sequence[Trace]]],
  title: str = 'Episodes before and after RL',
) -> None:
  """Writes the page of (heading, traces side by side), whole or not at all.

  ValueError if the traces of an episode differ in chunks or questions.
  """
  page = _template().render(
    title=title,
    episodes=[_episode(heading, traces) for heading, traces in episodes],
    unfolded=UNFOLDED,
  )
  # Text of a model may hold halves of surrogate pairs, which UTF-8 has not.
  files.write_bytes(path, page.encode('utf-8', 'xmlcharrefreplace'))


@functools.cache
def _template() -> jinja2.Template:
  folder = resources.files('mem_alpha_jax') / 'assets' / 'report'
  text = (folder / 'episodes.html.jinja').read_text(encoding='utf-8')
  environment = jinja2.Environment(autoescape=True, finalize=_visible)
  return environment.from_string(text)


def _visible(value: Any) -> Any:
  """Text whose control characters can be seen; a browser drops them."""
  return value.translate(_CONTROLS) if type(value) is str else value


def _episode(heading: str, traces: Sequence[Trace]) -> dict[str, Any]:
  """What the template shows of one episode: rows of a cell a trace."""
  _check(heading, traces)
  steps = [
    [_step(trace, t) for trace in traces] for t in range(len(traces[0].steps))
  ]
  titled = [
    [{'title': trace.title, 'answer': answer} for answer in trace.answers]
    for trace in traces
  ]
  questions = [*zip(*titled, strict=True)]
  heads = [{'title': trace.title, **_score(trace)} for trace in traces]
  return dict(heading=heading, traces=heads, steps=steps, questions=questions)


def _check(heading: str, traces: Sequence[Trace]) -> None:
  """Raises ValueError if the columns would not be about the same text."""
  parts = {
    'chunks': lambda trace: [step.chunk for step in trace.steps],
    'questions': lambda trace: [answer.question for answer in trace.answers],
  }
  for trace in traces[1:]:
    for name, of in parts.items():
      if of(trace) != of(traces[0]):
        raise ValueError(
          f'{heading}: {trace.title!r} and {traces[0].title!r} differ in '
          f'their {name}; trace both on the same episode'
        )


def _score(trace: Trace) -> dict[str, int | None]:
  """The numbers of a column: right answers, entries, calls that failed."""
  known = [a.correct for a in trace.answers if a.correct is not None]
  return {
    'right': sum(known),
    'known': len(known),
    'missing': len(trace.answers) - len(known),
    'entries': len(trace.steps[-1].memory) if trace.steps else None,
    'failed': sum(not ok for step in trace.steps for _, ok, _ in step.calls),
  }


def _step(trace: Trace, t: int) -> dict[str, Any]:
  step = trace.steps[t]
  before = trace.steps[t - 1] if t else TraceStep('', '', (), ())
  memory = _changes(before, step)
  return {'title': trace.title, **step._asdict(), 'memory': memory}


def _changes(before: TraceStep, after: TraceStep) -> list[tuple]:
  """(kind, entries, same, moved) of each part of a memory that has any.

  `same` and `moved` hold (id, old text, new text), None where there was none.
  """
  parts = []
  if before.core or after.core:
    moved = [(None, before.core or None, after.core or None)]
    parts.append(('core', None, [], moved))
  for kind in KINDS:
    old, new = (
      {i: text for k, i, text in step.memory if k == kind}
      for step in (before, after)
    )
    found = [(i, old.get(i), new.get(i)) for i in sorted(old | new)]
    if found:
      same, moved = (
        [one for one in found if (one[1] == one[2]) == wanted]
        for wanted in (True, False)
      )
      parts.append((kind, len(new), same, moved))
  return parts
