"""The inspector's page, and its static export, episodes.html.

One file with inline style and script, and no network: a server gives it without
data, and `write` with those of a run. The script makes text of all that came
from a model or a data set, never elements; the policy in the head of the page
lets no other script run. What the script shows is `episode`'s value.
"""

import base64
import functools
import hashlib
import json
from collections.abc import Iterable, Sequence
from importlib import resources
from typing import Any, NamedTuple

import jinja2
import markupsafe

from mem_alpha_jax.system import files

# Of a workdir: held-out episodes before and after RL; groups while it trains,
# a line a step.
EPISODES, TURNS = 'episodes.json', 'turns.jsonl'
KINDS = ('semantic', 'episodic')

Value = dict[str, Any]  # JSON-able
Entries = Sequence[tuple[str, int, str]]  # kind, id, text


class TraceStep(NamedTuple):
  """One chunk: what was read, said and done, and the memory after it."""

  chunk: str  # the text that was read
  response: str  # the raw response, control symbols included
  calls: Sequence[tuple[str, bool, str]]  # text, ok, error; unreadable ones too
  memory: Entries  # afterwards
  core: str = ''  # afterwards
  view: Entries = ()  # shown to the writer
  tokens: Sequence[tuple[str, float]] = ()  # of the response, with log-probs


class TraceAnswer(NamedTuple):
  question: str
  type: str
  gold: str
  answer: str  # what the reader said, '' if it abstained
  correct: bool | None  # None if it could not be scored
  notes: Sequence[str] | None = None  # shown to the reader; None: not kept
  core: str = ''  # shown as well


class Trace(NamedTuple):
  """One writer on one episode."""

  title: str
  steps: Sequence[TraceStep]
  answers: Sequence[TraceAnswer]


def episode(heading: str, traces: Sequence[Trace]) -> Value:
  """An episode for the page: what each writer tried, turn by turn.

  ValueError if the traces differ in chunks or questions.
  """
  _check(heading, traces)
  first = traces[0]
  return {
    'heading': heading,
    'names': [trace.title for trace in traces],
    'turns': [
      {'chunk': step.chunk, 'tries': [_tried(trace, t) for trace in traces]}
      for t, step in enumerate(first.steps)
    ],
    'questions': [
      {
        **{name: getattr(asked, name) for name in ('question', 'type', 'gold')},
        'tries': [
          {
            name: getattr(trace.answers[k], name)
            for name in ('answer', 'correct', 'notes', 'core')
          }
          for trace in traces
        ],
      }
      for k, asked in enumerate(first.answers)
    ],
  }


def changes(
  before: Entries, after: Entries, cores: tuple[str, str] = ('', '')
) -> list[tuple[str, int | None, str | None, str | None]]:
  """(kind, id, old text, new text) of what differs, None where there is none.

  Args:
    cores: the core before and after.
  """
  found = []
  if cores[0] != cores[1]:
    found.append(('core', None, cores[0] or None, cores[1] or None))
  for kind in KINDS:
    old, new = (
      {i: text for k, i, text in side if k == kind} for side in (before, after)
    )
    found += [
      (kind, i, old.get(i), new.get(i))
      for i in sorted(old | new)
      if old.get(i) != new.get(i)
    ]
  return found


def write(path: str, episodes: Iterable[Value]) -> None:
  """Writes the page with these episodes in it, whole or not at all."""
  text, _ = html({'episodes': list(episodes)})
  files.write_text(path, text)


@functools.cache
def _parts() -> tuple[jinja2.Template, Value]:
  """The template, and what stands in it as it is."""
  folder = resources.files('mem_alpha_jax') / 'assets' / 'report'
  read = lambda name: (folder / name).read_text(encoding='utf-8')
  inline = {'style': read('page.css'), 'script': read('page.js')}
  sums = {
    name: base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    for name, text in inline.items()
  }
  policy = (
    f"default-src 'none'; connect-src 'self'; base-uri 'none'; "
    f"form-action 'none'; style-src 'sha256-{sums['style']}'; "
    f"script-src 'sha256-{sums['script']}'"
  )
  fixed = {name: markupsafe.Markup(text) for name, text in inline.items()}
  environment = jinja2.Environment(autoescape=True)
  template = environment.from_string(read('page.html.jinja'))
  return template, {'policy': policy, **fixed}


def html(data: Value | None = None) -> tuple[str, str]:
  """The page and its content security policy; with data it needs no server."""
  template, fixed = _parts()
  # No `<`: nothing in the data ends the element that holds it. ASCII, for text
  # of a model may hold halves of surrogate pairs, which UTF-8 has not.
  text = json.dumps(files.plain(data)).replace('<', '\\u003c')
  page = template.render(data=markupsafe.Markup(text), **fixed)
  return page, fixed['policy']


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


def _tried(trace: Trace, t: int) -> Value:
  step = trace.steps[t]
  before = trace.steps[t - 1] if t else TraceStep('', '', (), ())
  return {
    'text': step.response,
    'tokens': step.tokens,
    'view': step.view,
    'calls': step.calls,
    'changes': changes(before.memory, step.memory, (before.core, step.core)),
  }
