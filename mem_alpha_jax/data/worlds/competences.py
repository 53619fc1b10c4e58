"""Competences: four that a memory must have, one generator each.

After MemoryAgentBench (arXiv 2507.05257), whose four are the types of the
questions here:

  retrieval      a key and its value, said once
  learning       labels of topics, from examples that say much else
  understanding  whom of several suspects nothing has cleared, of a whole story
  resolution     facts with the number of their edition, of which the highest
                 holds, whichever was read last; of one hop and of two

The world is ours.
"""

from collections.abc import Iterator, Mapping

from mem_alpha_jax.data.worlds import core, streams
from mem_alpha_jax.data.worlds.competences_words import (
  EDITIONS,
  ENGLISH,
  LABELS,
)
from mem_alpha_jax.data.worlds.core import Ask, Cast, Effect, Facts, Key
from mem_alpha_jax.data.worlds.questions import Read


def _key(cast: Cast, facts: Facts):
  name = cast.rng.choice(cast.people())
  if (name, 'password') in facts:
    return None
  return {'project': name, 'food': cast.word('food', name)}


def _example(cast: Cast, facts: Facts):
  """A labelled text of a topic, at times of one whose label is known."""
  known = [key[0] for key in facts if key[1:] == ('label',)]
  topic = cast.word('topic')
  if known and cast.rng.random() < cast.overwrite:
    topic = cast.rng.choice(known)
  label = facts.get((topic, 'label')) or cast.rng.choice(LABELS)
  others = {kind: cast.word(kind) for kind in ('person', 'city')}
  return others | {'topic': topic, 'label': label}


def _suspects(cast: Cast, facts: Facts):
  name = cast.rng.choice(cast.people())
  if (name, 'suspects') in facts:
    return None
  first = cast.word('person', name)
  second = cast.word('person', name, first)
  third = cast.word('person', name, first, second)
  return {
    'project': name, 'person': first, 'person2': second, 'person3': third
  }  # fmt: skip


def _cleared(cast: Cast, facts: Facts):
  cases = [k for k, v in facts.items() if k[1:] == ('suspects',) and ' ' in v]
  if not cases:
    return None
  case = cast.rng.choice(cases)
  return {'project': case[0], 'person': cast.rng.choice(facts[case].split())}


def _chief(cast: Cast, facts: Facts):
  name = cast.owner(facts, 'chief')
  return _edition(cast, facts, ('project', name), 'chief', 'person')


def _home(cast: Cast, facts: Facts):
  """Of somebody who is or has been said to be the chief of a project."""
  chiefs = [v.split()[0] for k, v in facts.items() if k[1:] == ('chief',)]
  if not chiefs:
    return None
  name = cast.rng.choice(chiefs)
  return _edition(cast, facts, ('person', name), 'home', 'city')


def _edition(cast: Cast, facts: Facts, whose, attribute: str, kind: str):
  """Another value, of a higher edition than the one that holds, or a lower."""
  now, number = facts.get((whose[1], attribute), ' ').split(' ')
  left = [one for one in EDITIONS if one != number]
  if not number:
    left = EDITIONS[: len(EDITIONS) // 2]
  elif cast.rng.random() < 0.7:
    left = EDITIONS[EDITIONS.index(number) + 1 :][:2]
  value = cast.word(kind, whose[1], now)
  if not left:
    return None
  return dict([whose], number=cast.rng.choice(left)) | {kind: value}


def _talk(cast: Cast, facts: Facts):
  del facts
  kinds = 'person', 'city', 'food', 'topic'
  words = {kind: cast.word(kind) for kind in kinds}
  return words | {'project': cast.rng.choice(cast.names)}


def _asks(cast: Cast, facts: Facts, key: Key) -> Iterator[Ask]:
  """Questions about a fact that has just been told."""
  del cast
  name, attribute = key
  now = lambda facts: facts.get(key, '').split(' ')[0]
  if attribute == 'home':
    for (project, what), value in facts.items():
      if what == 'chief' and value.split()[0] == name:
        yield _hops(project, name)
    return
  if attribute == 'suspects':
    alone = lambda facts: '' if ' ' in facts.get(key, ' ') else facts[key]
  fields = {'topic' if attribute == 'label' else 'project': name}
  gold = alone if attribute == 'suspects' else now
  yield Ask(attribute, fields, core.kind(_TYPES[attribute]), (key,), gold)
  if attribute == 'chief':
    yield _hops(name, now(facts))


def _hops(project: str, chief: str) -> Ask:
  keys = (project, 'chief'), (chief, 'home')
  first = lambda facts, *key: facts.get(key, '').split(' ')[0]
  gold = lambda facts: first(facts, first(facts, project, 'chief'), 'home')
  kind = core.kind(_TYPES['chief'])
  return Ask('home', {'project': project}, kind, keys, gold)


def _newest(key: Key, value: str) -> Effect:
  """The value with its edition, unless one that is higher holds."""

  def told(facts: Facts, fields: Mapping[str, str]) -> str | None:
    held = facts.get(tuple(part.format(**fields) for part in key))
    rank = EDITIONS.index(fields['number'])
    if held and rank < EDITIONS.index(held.split()[1]):
      return None
    return f'{fields[value]} {fields["number"]}'

  return Effect(key, told)


def _without(facts: Facts, fields: Mapping[str, str]) -> str:
  left = facts[fields['project'], 'suspects'].split()
  return ' '.join(name for name in left if name != fields['person'])


_SUSPECTS = '{project}', 'suspects'
_TYPES = {
  'password': 'retrieval',
  'label': 'learning',
  'suspects': 'understanding',
  'chief': 'resolution',
}
COMPETENCES = core.World(
  'competences',
  told={
    'key': (0.12, _key),
    'example': (0.18, _example),
    'suspects': (0.08, _suspects),
    'cleared': (0.24, _cleared),
    'chief': (0.2, _chief),
    'home': (0.12, _home),
    'talk': (0.06, _talk),
  },
  effects={
    'key': (Effect(('{project}', 'password'), '{food}'),),
    'example': (Effect(('{topic}', 'label'), '{label}'),),
    'suspects': (Effect(_SUSPECTS, '{person} {person2} {person3}'),),
    'cleared': (Effect(_SUSPECTS, _without),),
    'chief': (_newest(('{project}', 'chief'), 'person'),),
    'home': (_newest(('{person}', 'home'), 'city'),),
  },
  asks=_asks,
  read={
    'password': Read('food', ('password',)),
    'label': Read('label', ('label',), needs=('topic',)),
    'suspects': Read('person', ('suspects',)),
    'chief': Read('person', ('chief',)),
    'home': Read('city', ('chief',), then=('home',)),
  },
  talk='talk',
  sums=frozenset(('suspects',)),
  entity='project',
)
SOURCES = (streams.source(COMPETENCES, ENGLISH),)
