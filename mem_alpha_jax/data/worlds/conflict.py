"""Conflict: a store that is already wrong, to be set right by what is read.

After ClawForge (arXiv 2605.14133), whose agents meet state that is stale,
duplicate, contradicting or half finished. An episode starts with such entries,
and a line comes for each: six abilities, which are the types of its questions.

  duplicate  what is stored, in two wordings, is said once more: one must go
  gap        an entry without its value gets it
  repair     a value is replaced
  sources    of two entries that contradict each other one is named
  transfer   a value is that of another project, which the memory alone knows
  workflow   a project goes to the stage that comes after the stored one

What nothing is said of ('kept') must stay as it is: the state at the end is
graded (grading.py), strict and in part. The shell of ClawForge is here the
tools of the memory; a writer is shown entries before it writes and does not
choose to look, so how often it looked is no number here. The world is ours.
"""

from collections.abc import Callable, Iterator

from mem_alpha_jax.data.worlds import core, streams
from mem_alpha_jax.data.worlds.conflict_words import ENGLISH, ROLES, STAGES
from mem_alpha_jax.data.worlds.core import Ask, Cast, Effect, Facts, Key
from mem_alpha_jax.data.worlds.language import Line
from mem_alpha_jax.data.worlds.questions import Read

_NEXT = dict(zip(STAGES, STAGES[1:], strict=False))
_TROUBLES = 4, 5  # of the store at the start, fewest and most


def _key(fields) -> Key:
  return fields['project'], fields.get('role', 'stage')


def _due(cast: Cast) -> set[Key]:
  """The facts that lines to come are about, or take a value from."""
  keys = {_key(line.fields) for line in cast.due}
  others = [line.fields for line in cast.due if 'project2' in line.fields]
  return keys | {(fields['project2'], fields['role']) for fields in others}


def _open(cast: Cast, facts: Facts, *stages: str) -> list[Key]:
  """Facts about which no line is due; of roles, or projects at these stages."""
  due = _due(cast)
  fits = lambda key: facts[key] in stages if stages else key[1] in ROLES
  return [key for key in facts if key not in due and fits(key)]


def _new(cast: Cast, facts: Facts) -> dict[str, str | None]:
  """A role that nothing is known of, nor due."""
  due = _due(cast)
  free = [
    (project, role)
    for project in cast.people()
    for role in ROLES
    if (project, role) not in facts and (project, role) not in due
  ]
  project, role = cast.rng.choice(free) if free else ('', None)
  return {
    'project': project, 'role': role, 'person': cast.word('person', project)
  }  # fmt: skip


def _known(cast: Cast, facts: Facts):
  """A fact about a role, as it is."""
  if not (known := _open(cast, facts)):
    return None
  key = cast.rng.choice(known)
  return {'project': key[0], 'role': key[1], 'person': facts[key]}


def _replaced(cast: Cast, facts: Facts):
  if not (old := _known(cast, facts)):
    return None
  person = cast.word('person', old['project'], old['person'])
  return old | {'person': person, 'person2': old['person']}


def _copied(cast: Cast, facts: Facts):
  """The role of a project from another; training makes no held-out pair."""
  if not (source := _known(cast, facts)):
    return None
  role, person = source['role'], source['person']
  allowed = lambda name: cast.language.allowed('train', name, 'person')
  others = [
    project
    for project in cast.people()
    if project != source['project']
    and facts.get((project, role)) != person
    and (cast.split != 'train' or person in allowed(project))
    and (project, role) not in _due(cast)
  ]
  if not others:
    return None
  project = cast.rng.choice(others)
  return {'project': project, 'project2': source['project'], 'role': role}


def _advanced(cast: Cast, facts: Facts):
  known = _open(cast, facts, *_NEXT)
  return {'project': cast.rng.choice(known)[0]} if known else None


def _talk(cast: Cast, facts: Facts):
  del facts
  project, other = cast.rng.sample(cast.names, 2)
  words = {kind: cast.word(kind) for kind in ('person', 'role')}
  return words | {'project': project, 'project2': other}


def _duplicate(cast: Cast, facts: Facts):
  fields = _new(cast, facts)
  project, role = _key(fields)
  person = facts[project, role] = fields['person']
  texts = f'{project} {role} {person}', f'{project} has {role} {person}'
  return Line('still', fields), texts


def _gap(cast: Cast, facts: Facts):
  fields = _new(cast, facts)
  return Line('fills', fields), (' '.join(_key(fields)),)


def _repair(cast: Cast, facts: Facts):
  fields = _new(cast, facts)
  project, role = _key(fields)
  old = facts[project, role] = fields['person']
  person = cast.word('person', project, old)
  line = Line('replaces', fields | {'person': person, 'person2': old})
  return line, (f'{project} {role} {old}',)


def _sources(cast: Cast, facts: Facts):
  fields = _new(cast, facts)
  project, role = _key(fields)
  other = cast.word('person', project, fields['person'])
  if other is None:
    return None
  texts = [f'{project} {role} {name}' for name in (fields['person'], other)]
  return Line('settles', fields), tuple(sorted(texts))


def _transfer(cast: Cast, facts: Facts):
  fields = _copied(cast, facts)
  return (Line('copies', fields), ()) if fields else None


def _workflow(cast: Cast, facts: Facts):
  free = [p for p in cast.people() if (p, 'stage') not in facts]
  if not free:
    return None
  project = cast.rng.choice(free)
  stage = facts[project, 'stage'] = cast.rng.choice([*_NEXT])
  return Line('advances', {'project': project}), (f'{project} stage {stage}',)


_ABILITIES: dict[str, Callable] = {
  'duplicate': _duplicate,
  'gap': _gap,
  'repair': _repair,
  'sources': _sources,
  'transfer': _transfer,
  'workflow': _workflow,
}


def _start(cast: Cast, facts: Facts) -> list[str]:
  """The texts of a store with troubles, each with a line that is due."""
  texts = []
  for _ in range(2):  # nothing is wrong with these
    fields = _new(cast, facts)
    if None not in fields.values():
      facts[_key(fields)] = fields['person']
      texts.append(' '.join((*_key(fields), fields['person'])))
  wanted = cast.rng.randint(*_TROUBLES)
  for ability in cast.rng.sample([*_ABILITIES], len(_ABILITIES)):
    before = dict(facts)
    found = _ABILITIES[ability](cast, facts)
    if (
      len(cast.due) < wanted and found and None not in found[0].fields.values()
    ):
      cast.due.append(found[0])
      cast.marks[_key(found[0].fields)] = ability
      texts += found[1]
    else:
      facts.clear()
      facts.update(before)
  cast.rng.shuffle(texts)
  return texts


def _asks(cast: Cast, facts: Facts, key: Key) -> Iterator[Ask]:
  del facts
  fields = {'project': key[0], 'role': key[1]}
  form = 'stage' if key[1] == 'stage' else 'role'
  ability = core.kind(cast.marks.get(key, 'kept'))
  yield Ask(form, fields, ability, (key,), lambda facts: facts.get(key, ''))


def _of_other(facts: Facts, fields) -> str:
  return facts.get((fields['project2'], fields['role']), '')


def _next_stage(facts: Facts, fields) -> str:
  return _NEXT.get(facts.get((fields['project'], 'stage'), ''), '')


_ROLE = '{project}', '{role}'
CONFLICT = core.World(
  'conflict',
  told={
    'names': (0.2, _new),
    'still': (0.2, _known),
    'replaces': (0.2, _replaced),
    'copies': (0.1, _copied),
    'advances': (0.1, _advanced),
    'talk': (0.2, _talk),
  },
  effects={
    **dict.fromkeys(
      ('names', 'still', 'fills', 'replaces', 'settles'),
      (Effect(_ROLE, '{person}'),),
    ),
    'copies': (Effect(_ROLE, _of_other),),
    'advances': (Effect(('{project}', 'stage'), _next_stage),),
  },
  asks=_asks,
  read={
    'role': Read('person', needs=('role',)),
    'stage': Read('stage', ('stage',)),
  },
  talk='talk',
  entity='project',
  start=_start,
)
SOURCES = (streams.source(CONFLICT, ENGLISH),)
