"""LongMemEval for training: the evidence of a few questions, one history.

Mem-alpha (arXiv 2509.25911, table 7) trains on questions of LongMemEval (arXiv
2410.10813) over short histories; its own file was not released. Here some
questions of longmemeval_oracle.json, whose sessions are all evidence, share one
history in the order of time, a session a chunk, and come at its end.
"""

import pathlib
from collections.abc import Callable, Sequence

from mem_alpha_jax.data import chunking, content, longmemeval, rows
from mem_alpha_jax.data import sessions as sessions_lib
from mem_alpha_jax.data.longmemeval import Instance, Session
from mem_alpha_jax.data.source import Built, Request, Source
from mem_alpha_jax.text import english
from mem_alpha_jax.types import Episode

SOURCE = 'lme_train'
_LIMIT = 2048  # tokens of a chunk; a longer session is split between turns
_QUESTIONS = 4  # of an episode at least; what is left over makes none


def build(r: Request) -> list[Episode]:
  """Histories of some questions of the split (90/10).

  Questions that share a session stay together, in one split and one history.
  Where there are fewer than _QUESTIONS, they make an episode all the same.
  """
  return _build(r, _QUESTIONS) or _build(r, 1)


def _build(r: Request, least: int) -> list[Episode]:
  path = pathlib.Path(r.root, 'longmemeval', 'longmemeval_oracle.json')
  groups = _related(list(longmemeval.instances(path)))
  rng = content.generator(r.seed, SOURCE, r.split)
  names = content.keys_of(map(_name, groups), r.split)
  mine = [g for g in groups if _name(g) in names]
  made, group = [], []
  for related in content.shuffled(mine, rng):
    group += related
    if len(made) < r.most and len(group) >= least:
      made.append(_episode(group, len(made), r.count))
      group = []
  left = {'questions left over': len(group)}
  rows.report(f'{SOURCE} {r.split}', f'{len(made)} episodes', left)
  return made


def _episode(
  group: Sequence[Instance], uid: int, count: Callable[[str], int]
) -> Episode:
  sessions = {_said(s): s for instance in group for s in instance.sessions}
  chunks, read = [], {}  # the chunk with which a session has been read
  moment = lambda item: longmemeval.moment(item[1].date)
  for key, session in sorted(sessions.items(), key=moment):
    chunks += _chunks(session, count)
    read[key] = len(chunks) - 1
  asked = tuple(
    instance.question._replace(
      first=max(read[_said(session)] for session in instance.sessions),
      last=len(chunks) - 1,
    )
    for instance in group
  )
  return Episode(uid, SOURCE, tuple(chunks), asked)


def _chunks(session: Session, count: Callable[[str], int]) -> list[str]:
  """A chat as chunks that all begin with its date, split between turns."""
  head = f'{sessions_lib.heading(session.date)}\n'
  room, parts = _LIMIT - count(head), []
  for turn in map(longmemeval.line, session.turns):
    long = count(turn) > room
    sentences = english.sentences(turn) if long else ()
    parts += chunking.pack(sentences, room, count) if long else [turn]
  chunks = chunking.pack(parts, room, count, '\n')
  return [head + chunk for chunk in chunks] or [head.strip()]


def _related(instances: Sequence[Instance]) -> list[list[Instance]]:
  """Groups of instances that share sessions, through others as well."""
  groups, group_of = {}, {}
  for i, instance in enumerate(instances):
    keys = {_said(session) for session in instance.sessions}
    groups[i] = [instance]
    for old in sorted({group_of[key] for key in keys if key in group_of}):
      groups[i] += groups.pop(old)
    for member in groups[i]:
      group_of |= {_said(session): i for session in member.sessions}
  return list(groups.values())


def _name(group: Sequence[Instance]) -> str:
  """What decides the split of a group, whatever its order."""
  return min(instance.asked for instance in group)


def _said(session: Session) -> tuple[str, ...]:
  """The same for a session wherever it comes again."""
  return (session.date, *(turn.content for turn in session.turns))


SOURCES = (
  Source(
    SOURCE,
    'contains',
    judged=True,
    built=Built(build, 3, 45, 5, 45),
    chats=True,
  ),
)
