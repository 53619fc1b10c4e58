"""LongMemEval for training: the evidence of a few questions, one history.

Mem-alpha (arXiv 2509.25911, table 7) trains on questions of LongMemEval (arXiv
2410.10813) over short histories; its own file was not released. Here some
questions of longmemeval_oracle.json, whose sessions are all evidence, share one
history in the order of time, a session a chunk, and come at its end.
"""

import pathlib
from collections.abc import Callable, Sequence

from mem_alpha_jax.data import content, longmemeval
from mem_alpha_jax.data.longmemeval import Instance, Session
from mem_alpha_jax.data.source import Source
from mem_alpha_jax.types import Episode, Question

SOURCE = 'lme_train'


def load(root: str) -> list[Instance]:
  """Reads <root>/longmemeval/longmemeval_oracle.json.

  Raises:
    FileNotFoundError: the file is not there.
    ValueError: a broken file; names row and field.
  """
  path = pathlib.Path(root) / 'longmemeval' / 'longmemeval_oracle.json'
  return list(longmemeval.instances(path))


def episodes(
  instances: Sequence[Instance],
  split: str,
  seed: int,
  *,
  count: Callable[[str], int],
  most: int,
  limit: int = 2048,
  questions: int = 4,
  uid0: int = 0,
) -> list[Episode]:
  """Histories of at least `questions` questions of the split (90/10).

  Questions that share a session stay together, in one split and one history.

  Args:
    instances: all of them; the split is taken here.
    split: 'train' or 'validation'.
    seed: of the order.
    count: tokens of a text, by the tokenizer of the policy.
    most: episodes at most.
    limit: tokens of a chunk; a longer session is split between turns.
    questions: of an episode at least; what is left over makes none.
    uid0: uid of the first episode.
  """
  rng = content.generator(seed, SOURCE, split)
  mine = [g for g in _related(instances) if content.belongs(_name(g), split)]
  made, group = [], []
  for k in rng.permutation(len(mine)):
    group += mine[k]
    if len(made) < most and len(group) >= questions:
      made.append(_episode(group, uid0 + len(made), limit, count))
      group = []
  return made


def _episode(
  group: Sequence[Instance], uid: int, limit: int, count: Callable[[str], int]
) -> Episode:
  sessions = {_said(s): s for instance in group for s in instance.sessions}
  chunks, read = [], {}  # the chunk with which a session has been read
  for key, session in sorted(sessions.items(), key=lambda item: item[1].date):
    date, turns = session.date, session.turns
    chunks += longmemeval.session_chunks(date, turns, limit, count)[0]
    read[key] = len(chunks) - 1
  asked = tuple(
    Question(
      longmemeval.dated(instance.question, instance.date),
      instance.answer,
      instance.type,
      first=max(read[_said(session)] for session in instance.sessions),
      last=len(chunks) - 1,
    )
    for instance in group
  )
  return Episode(uid, SOURCE, tuple(chunks), asked)


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
  return min(instance.question for instance in group)


def _said(session: Session) -> tuple[str, ...]:
  """The same for a session wherever it comes again."""
  return (session.date, *(turn.text for turn in session.turns))


SOURCES = (Source(SOURCE, rule='contains', judged=True),)
