"""episodes.html: what writers did, chunk by chunk, side by side.

One file with inline style, no script and no network. Everything that came
from a model or a data set is escaped.
"""

import html
from collections.abc import Sequence
from typing import NamedTuple

from mem_alpha_jax.system import files

KINDS = ('semantic', 'episodic')
# Unchanged entries shown before they fold away.
_UNFOLDED = 4


class TraceStep(NamedTuple):
  """One chunk: what was read, said and done, and the memory after it.

  Attributes:
    chunk: the text that was read.
    response: the raw response, control symbols included.
    calls: (text, ok, error) of every call in it, parse errors included.
    memory: (kind, id, text) of every entry afterwards.
    core: core text afterwards.
  """

  chunk: str
  response: str
  calls: Sequence[tuple[str, bool, str]]
  memory: Sequence[tuple[str, int, str]]
  core: str = ''


class TraceAnswer(NamedTuple):
  """One question.

  Attributes:
    question: its text.
    type: its type.
    gold: the gold answer.
    answer: what the reader said, '' if it abstained.
    correct: None if it could not be scored.
    notes: texts that the reader was shown; None if that was not kept.
  """

  question: str
  type: str
  gold: str
  answer: str
  correct: bool | None
  notes: Sequence[str] | None = None


class Trace(NamedTuple):
  """One writer on one episode; answers are `TraceAnswer`s or their tuples."""

  title: str
  steps: Sequence[TraceStep]
  answers: Sequence[TraceAnswer]


def write(
  path: str,
  episodes: Sequence[tuple[str, Sequence[Trace]]],
  title: str = 'Episodes before and after RL',
) -> None:
  """Writes the page of (heading, traces side by side), whole or not at all.

  Raises:
    ValueError: the traces of an episode differ in chunks or questions.
  """
  # Text of a model may hold halves of surrogate pairs, which UTF-8 has not.
  text = page(episodes, title).encode('utf-8', 'xmlcharrefreplace')
  files.write_bytes(path, text)


def page(episodes: Sequence[tuple[str, Sequence[Trace]]], title: str) -> str:
  """Returns the whole HTML document."""
  sections = ''.join(
    _episode(i, heading, traces) for i, (heading, traces) in enumerate(episodes)
  )
  links = ''.join(
    f'<a href="#e{i}">{_text(heading)}</a>'
    for i, (heading, _) in enumerate(episodes)
  )
  return (
    '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    '<meta http-equiv="Content-Security-Policy" '
    "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
    f'<title>{_text(title)}</title>\n<style>{_CSS}</style>\n</head>\n<body>\n'
    f'<header><h1>{_text(title)}</h1><p>Each row is one chunk: the text, the '
    'raw response, its calls, and the memory after them. '
    '<span class="key new">new</span> <span class="key changed">updated</span> '
    '<span class="key gone">deleted</span></p>'
    f'<nav>{links}</nav></header>\n<main>\n{sections}</main>\n</body>\n</html>\n'
  )


def _text(value: object) -> str:
  return html.escape(str(value), quote=True)


def _episode(index: int, heading: str, traces: Sequence[Trace]) -> str:
  """Returns the section of one episode; columns are the traces."""
  _check(heading, traces)
  steps = ''.join(
    _step(t, traces) for t in range(len(traces[0].steps) if traces else 0)
  )
  heads = ''.join(
    f'<div class="head">{_text(trace.title)} {_score(trace)}</div>'
    for trace in traces
  )
  questions = ''.join(
    _question(q, traces) for q in range(len(traces[0].answers) if traces else 0)
  )
  if questions:
    questions = f'<h3>Questions</h3>\n{questions}'
  return (
    f'<section id="e{index}" style="--n:{len(traces)}">\n'
    f'<h2>{_text(heading)}</h2>\n<div class="row heads">{heads}</div>\n'
    f'{steps}{questions}</section>\n'
  )


def _check(heading: str, traces: Sequence[Trace]) -> None:
  """Raises ValueError if the columns would not be about the same text."""
  for trace in traces[1:]:
    for name, found, wanted in (
      ('chunks', _chunks(trace), _chunks(traces[0])),
      ('questions', _questions(trace), _questions(traces[0])),
    ):
      if found != wanted:
        raise ValueError(
          f'{heading}: {trace.title!r} and {traces[0].title!r} differ in '
          f'their {name}; trace both on the same episode'
        )


def _chunks(trace: Trace) -> list[str]:
  return [step.chunk for step in trace.steps]


def _questions(trace: Trace) -> list[str]:
  return [answer[0] for answer in trace.answers]


def _score(trace: Trace) -> str:
  """Returns the chips of a column: right answers, calls that failed."""
  scored = [TraceAnswer(*answer) for answer in trace.answers]
  known = [a.correct for a in scored if a.correct is not None]
  failed = sum(not ok for step in trace.steps for _, ok, _ in step.calls)
  chips = f'<span class="chip">{sum(known)} of {len(known)} right</span>'
  if len(known) < len(scored):
    missing = len(scored) - len(known)
    chips += f'<span class="chip">{missing} not scored</span>'
  if trace.steps:
    entries = len(trace.steps[-1].memory)
    chips += f'<span class="chip">{entries} entries</span>'
  if failed:
    chips += f'<span class="chip bad">{failed} failed calls</span>'
  return chips


def _step(t: int, traces: Sequence[Trace]) -> str:
  """Returns one chunk and, side by side, what each writer did with it."""
  cells = []
  for trace in traces:
    step = trace.steps[t]
    before = trace.steps[t - 1] if t else TraceStep('', '', (), ())
    response = _text(step.response) or '<i>empty</i>'
    cells.append(
      f'<div class="cell"><div class="label">{_text(trace.title)}</div>'
      f'<pre>{response}</pre>{_calls(step)}{_memory(before, step)}</div>'
    )
  return (
    f'<article><p class="chunk"><b>{t + 1}</b>{_text(traces[0].steps[t].chunk)}'
    f'</p><div class="row">{"".join(cells)}</div></article>\n'
  )


def _calls(step: TraceStep) -> str:
  """Returns the calls with their badges."""
  if not step.calls:
    return '<ul class="calls"><li class="quiet">no calls</li></ul>'
  items = []
  for text, ok, error in step.calls:
    badge = '<span class="badge ok">ok</span>'
    if not ok:
      badge = f'<span class="badge bad">error: {_text(error)}</span>'
    items.append(f'<li><code>{_text(text)}</code> {badge}</li>')
  return f'<ul class="calls">{"".join(items)}</ul>'


def _memory(before: TraceStep, after: TraceStep) -> str:
  """Returns the memory after a step, with what changed marked."""
  parts = []
  if before.core or after.core:
    parts.append(f'<h4>core</h4><ul>{_core(before.core, after.core)}</ul>')
  for kind in KINDS:
    old = {i: text for k, i, text in before.memory if k == kind}
    new = {i: text for k, i, text in after.memory if k == kind}
    if not old and not new:
      continue
    lines = {'same': [], 'moved': []}
    for i in sorted(old | new):
      line = _entry(i, old.get(i), new.get(i))
      lines['same' if old.get(i) == new.get(i) else 'moved'].append(line)
    same, moved = lines['same'], lines['moved']
    body = f'<ul>{"".join(same + moved)}</ul>'
    if len(same) > _UNFOLDED:
      body = (
        f'<details><summary>{len(same)} unchanged</summary>'
        f'<ul>{"".join(same)}</ul></details><ul>{"".join(moved)}</ul>'
      )
    parts.append(f'<h4>{kind} <small>{len(new)}</small></h4>{body}')
  body = ''.join(parts) or '<p class="quiet">memory is empty</p>'
  return f'<div class="memory">{body}</div>'


def _core(old: str, new: str) -> str:
  if old == new:
    return f'<li>{_text(new)}</li>'
  items = f'<li class="gone"><del>{_text(old)}</del></li>' if old else ''
  state = 'changed' if old else 'new'
  return items + (f'<li class="{state}">{_text(new)}</li>' if new else '')


def _entry(number: int, old: str | None, new: str | None) -> str:
  """Returns one entry; `old` or `new` is None where it did not exist."""
  name = f'<span class="id">{number}</span>'
  if new is None:
    return f'<li class="gone">{name}<del>{_text(old)}</del></li>'
  if old is None:
    return f'<li class="new">{name}{_text(new)}</li>'
  if old == new:
    return f'<li>{name}{_text(new)}</li>'
  return f'<li class="changed">{name}{_text(new)} <del>{_text(old)}</del></li>'


def _question(q: int, traces: Sequence[Trace]) -> str:
  """Returns one question and, side by side, the answers to it."""
  first = TraceAnswer(*traces[0].answers[q])
  cells = []
  for trace in traces:
    one = TraceAnswer(*trace.answers[q])
    mark, state = {
      True: ('&#10003; right', 'ok'),
      False: ('&#10007; wrong', 'bad'),
    }.get(one.correct, ('not scored', 'quiet'))
    answer = _text(one.answer) or '<i>no answer</i>'
    cells.append(
      f'<div class="cell"><div class="label">{_text(trace.title)}</div>'
      f'<p><span class="badge {state}">{mark}</span> {answer}</p>'
      f'{_notes(one)}</div>'
    )
  return (
    f'<article><p class="chunk question"><b>?</b><span>{_text(first.question)}'
    f' <span class="gold">{_text(first.gold)}</span>'
    f' <span class="chip">{_text(first.type)}</span></span></p>'
    f'<div class="row">{"".join(cells)}</div></article>\n'
  )


def _notes(answer: TraceAnswer) -> str:
  """Returns what the reader was shown, nothing where that was not kept."""
  if answer.notes is None:
    return ''
  items = ''.join(f'<li>{_text(note)}</li>' for note in answer.notes)
  body = f'<ul>{items}</ul>' if items else '<i>nothing</i>'
  return f'<div class="notes"><h4>retrieved</h4>{body}</div>'


_CSS = """
:root { color-scheme: light dark; --page: #f6f7f9; --card: #fff;
  --ink: #1c2027; --soft: #646b76; --line: #dfe3e8; --code: #f1f3f6;
  --blue: #0b6bcb; --green: #17663a; --green-bg: #ddf3e4;
  --amber: #7a4a00; --amber-bg: #fdeecb; --red: #a3222f; --red-bg: #fbe1e3; }
@media (prefers-color-scheme: dark) { :root { --page: #14171c;
  --card: #1c2027; --ink: #e6e8ec; --soft: #98a0ac; --line: #323843;
  --code: #252a33; --blue: #6db3ff; --green: #8fdcab; --green-bg: #173826;
  --amber: #f3cb7e; --amber-bg: #40310f; --red: #ff9ea6;
  --red-bg: #451d22; } }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
header, main { max-width: 1180px; margin: 0 auto; padding: 0 20px; }
header p { color: var(--soft); margin: 4px 0 10px; max-width: 70ch; }
h1 { font-size: 24px; margin: 28px 0 0; }
h2 { font-size: 19px; margin: 0 0 8px; }
h3 { font-size: 16px; margin: 28px 0 10px; }
h4 { font-size: 12px; font-weight: 600; color: var(--soft);
  margin: 8px 0 2px; }
h4 small { font-weight: 400; }
nav { display: flex; flex-wrap: wrap; gap: 6px 16px; }
a { color: var(--blue); text-decoration: none; }
a:hover { text-decoration: underline; }
section { margin: 28px 0 56px; padding-top: 20px;
  border-top: 1px solid var(--line); }
.row { display: grid; gap: 12px;
  grid-template-columns: repeat(var(--n, 2), minmax(0, 1fr)); }
.heads { position: sticky; top: 0; z-index: 1; background: var(--page);
  padding: 8px 0; border-bottom: 1px solid var(--line); }
.head { font-weight: 600; padding: 0 13px; }
article { margin: 18px 0 0; }
.chunk { display: flex; gap: 12px; margin: 0 0 8px; font-size: 16px; }
.chunk b { flex: none; min-width: 1.6em; color: var(--soft);
  font-weight: 400; text-align: right; }
.gold { color: var(--green); font-weight: 600; }
.cell { background: var(--card); border: 1px solid var(--line);
  border-radius: 8px; padding: 10px 12px; min-width: 0; }
.label { display: none; font-size: 12px; font-weight: 600;
  color: var(--soft); margin-bottom: 4px; }
.cell p { margin: 0; }
pre, code { font: 13px/1.5 ui-monospace, Menlo, Consolas, monospace; }
pre { background: var(--code); border-radius: 6px; padding: 6px 9px;
  margin: 0; white-space: pre-wrap; max-height: 14em; overflow: auto; }
ul { list-style: none; margin: 0; padding: 0; }
.calls { margin: 8px 0; }
.calls li { margin: 3px 0; }
.memory, .notes { border-top: 1px solid var(--line); padding-top: 2px; }
.notes { margin-top: 8px; }
.notes li, .notes i { color: var(--soft); font-size: 14px; }
.memory { font-size: 14px; }
.memory li { padding: 1px 6px; border-radius: 4px; margin: 1px 0; }
.id { display: inline-block; min-width: 1.8em; color: var(--soft);
  font-variant-numeric: tabular-nums; }
.new, .badge.ok { background: var(--green-bg); color: var(--green); }
.changed { background: var(--amber-bg); color: var(--amber); }
.gone, .badge.bad { background: var(--red-bg); color: var(--red); }
del, .key.gone { text-decoration: line-through; opacity: 0.8; }
.badge, .key { border-radius: 4px; padding: 1px 6px; font-size: 12px;
  font-weight: 600; white-space: nowrap; }
.badge.bad { white-space: normal; }
.chip { border: 1px solid var(--line); border-radius: 10px; padding: 0 8px;
  margin-left: 4px; white-space: nowrap; font-size: 12px; font-weight: 400;
  color: var(--soft); }
.chip.bad { color: var(--red); border-color: var(--red); }
.quiet { color: var(--soft); }
summary { color: var(--soft); cursor: pointer; padding: 0 6px; }
@media (max-width: 760px) { .row { grid-template-columns: 1fr; }
  .heads { position: static; } .label { display: block; } }
@media print { .heads { position: static; } pre { max-height: none; }
  article { break-inside: avoid; } }
"""
