"""Traps: facts of people that are easily taken for others' or for old ones.

After MedMemoryBench (arXiv 2605.11814), whose traps are confusable events and
sessions about somebody else: one's own allergy and a relative's; a drug that is
planned, taken, stopped; what is denied or said of people at large. Its six
types of questions, with answers that a rule can tell: of an entity, when, after
an update, one of several, an inference, two hops. The world is ours.
"""

from collections.abc import Iterator

from mem_alpha_jax.data.worlds import core, streams
from mem_alpha_jax.data.worlds.core import Ask, Cast, Effect, Facts, Key
from mem_alpha_jax.data.worlds.questions import Read
from mem_alpha_jax.data.worlds.traps_arabic import ARABIC
from mem_alpha_jax.data.worlds.traps_chinese import CHINESE
from mem_alpha_jax.data.worlds.traps_hindi import HINDI
from mem_alpha_jax.data.worlds.traps_words import ENGLISH


def _own(attribute: str, kind: str) -> core.Maker:
  """A new value of somebody's attribute."""

  def make(cast: Cast, facts: Facts):
    name = cast.owner(facts, attribute)
    value = cast.word(kind, name, facts.get((name, attribute), ''))
    return {'person': name, kind: value}

  return make


def _relatives(attribute: str, kind: str) -> core.Maker:
  """A value of a relative's attribute; of one who is known, if any is."""

  def make(cast: Cast, facts: Facts):
    name = cast.rng.choice(cast.people())
    keys = [k for k in facts if k[1:] == (name, attribute)]
    relation = cast.rng.choice(keys)[0] if keys else cast.word('relation')
    now = facts.get((relation, name, attribute), '')
    # The own value is the bait: it must not be true of both.
    value = cast.word(kind, name, now, facts.get((name, attribute), ''))
    return {'person': name, 'relation': relation, kind: value}

  return make


def _takes(cast: Cast, facts: Facts):
  """What was planned begins; without a plan, another drug."""
  fields = _own('takes', 'drug')(cast, facts)
  planned = facts.get((fields['person'], 'plans'))
  return fields | {'drug': planned} if planned else fields


def _plans(cast: Cast, facts: Facts):
  fields = _own('plans', 'drug')(cast, facts)
  taken = facts.get((fields['person'], 'takes'))
  return None if fields['drug'] == taken else fields


def _stopped(cast: Cast, facts: Facts):
  taking = [k[0] for k in facts if k[1:] == ('takes',)]
  if not taking:
    return None
  name = cast.rng.choice(taking)
  return {'person': name, 'drug': facts[name, 'takes']}


def _doctor(cast: Cast, facts: Facts):
  """A doctor: at times one whose clinic is known, which is two hops away."""
  name = cast.owner(facts, 'doctor')
  now = facts.get((name, 'doctor'), '')
  allowed = cast.language.allowed(cast.split, name, 'person')
  known = [k[0] for k in facts if k[-1] == 'clinic' and k[0] in allowed]
  known = [one for one in known if one != now]
  if known and cast.rng.random() < 0.5:
    return {'person': name, 'person2': cast.rng.choice(known)}
  return {'person': name, 'person2': cast.word('person', name, now)}


def _clinic(cast: Cast, facts: Facts):
  doctors = [v for k, v in facts.items() if k[-1] == 'doctor']
  if not doctors:
    return None
  name = cast.rng.choice(doctors)
  return {
    'person': name,
    'city': cast.word('city', name, facts.get((name, 'clinic'), '')),
  }


def _found(cast: Cast, facts: Facts):
  name = cast.rng.choice(cast.people())
  illness = cast.word('illness', name)
  if (name, illness, 'found') in facts:
    return None
  return {'person': name, 'illness': illness, 'month': cast.word('month')}


def _talk(cast: Cast, facts: Facts):
  del facts
  return {k: cast.word(k) for k in ('food', 'drug', 'illness', 'city', 'month')}


def _asks(cast: Cast, facts: Facts, key: Key) -> Iterator[Ask]:
  """Questions about a fact that has just been told."""
  *whose, attribute = key
  now = lambda facts: facts.get(key, '')
  if attribute == 'found':
    fields = {'person': key[0], 'illness': key[1]}
    yield Ask('found', fields, core.kind('when'), (key,), now)
    return
  fields, form = {'person': whose[-1]}, attribute
  if len(whose) > 1:
    fields['relation'], form = whose[0], f'relative {attribute}'
  yield Ask(form, fields, core.kind('entity', 'update'), (key,), now)
  if attribute == 'allergic':
    yield _infer(cast, whose[-1], facts[key])
  elif attribute == 'takes':
    yield _choice(cast, facts, whose[-1])
  elif attribute == 'doctor':
    yield _hops(key[0], facts[key])
  elif attribute == 'clinic':
    for (name, *rest), value in facts.items():
      if rest == ['doctor'] and value == key[0]:
        yield _hops(name, value)


def _infer(cast: Cast, name: str, food: str) -> Ask:
  """Whether a food is bad for somebody: their own, or a relative's."""
  key, (yes, no) = (name, 'allergic'), cast.language.spoken

  def gold(facts: Facts) -> str:
    return {None: '', food: yes}.get(facts.get(key), no)

  fields = {'person': name, 'food': food}
  return Ask('infer', fields, core.kind('infer'), (key,), gold)


def _choice(cast: Cast, facts: Facts, name: str) -> Ask:
  """Which of three drugs: those in other states, and of relatives, first."""
  key = name, 'takes'
  near = [
    value
    for k, value in facts.items()
    if k[-2:-1] == (name,) and k[-1] in ('takes', 'plans', 'stopped')
  ]
  some = cast.language.words['drug'][cast.base]
  options = list(dict.fromkeys([*near, *cast.rng.sample(some, 3)]))[:3]
  fields = dict(zip(('drug', 'drug2', 'drug3'), sorted(options), strict=True))

  def gold(facts: Facts) -> str:
    now = facts.get(key, '')
    return now if now in options else ''

  fields['person'] = name
  return Ask('choice', fields, core.kind('choice'), (key,), gold)


def _hops(name: str, doctor: str) -> Ask:
  keys = (name, 'doctor'), (doctor, 'clinic')
  gold = lambda facts: facts.get((facts.get(keys[0], ''), 'clinic'), '')
  return Ask('hops', {'person': name}, core.kind('hops'), keys, gold)


_OWN = ('relation',)  # whose words no note about somebody's own fact holds
TRAPS = core.World(
  'traps',
  told={
    'allergic': (0.12, _own('allergic', 'food')),
    'relative allergic': (0.12, _relatives('allergic', 'food')),
    'takes': (0.12, _takes),
    'relative takes': (0.08, _relatives('takes', 'drug')),
    'plans': (0.09, _plans),
    'stopped': (0.08, _stopped),
    'doctor': (0.1, _doctor),
    'clinic': (0.1, _clinic),
    'found': (0.06, _found),
    'denied': (0.04, _own('allergic', 'food')),
    'refused': (0.03, _own('takes', 'drug')),
    'talk': (0.08, _talk),
  },
  effects={
    'allergic': (Effect(('{person}', 'allergic'), '{food}'),),
    'relative allergic': (
      Effect(('{relation}', '{person}', 'allergic'), '{food}'),
    ),
    'takes': (
      Effect(('{person}', 'plans')),
      Effect(('{person}', 'takes'), '{drug}'),
    ),
    'relative takes': (Effect(('{relation}', '{person}', 'takes'), '{drug}'),),
    'plans': (Effect(('{person}', 'plans'), '{drug}'),),
    'stopped': (
      Effect(('{person}', 'takes')),
      Effect(('{person}', 'stopped'), '{drug}'),
    ),
    'doctor': (Effect(('{person}', 'doctor'), '{person2}'),),
    'clinic': (Effect(('{person}', 'clinic'), '{city}'),),
    'found': (Effect(('{person}', '{illness}', 'found'), '{month}'),),
  },
  asks=_asks,
  read={
    'allergic': Read('food', ('allergic',), without=_OWN),
    'relative allergic': Read('food', ('allergic',), needs=('relation',)),
    'takes': Read('drug', ('takes',), without=(*_OWN, 'plans', 'stopped')),
    'relative takes': Read('drug', ('takes',), needs=('relation',)),
    'plans': Read('drug', ('plans',), without=_OWN),
    'stopped': Read('drug', ('stopped',), without=_OWN),
    'doctor': Read('person', ('doctor',)),
    'clinic': Read('city', ('clinic',)),
    'found': Read('month', ('found',), needs=('illness',)),
    'choice': Read('drug', ('takes',), without=(*_OWN, 'plans', 'stopped')),
    'infer': Read('yes_no', ('allergic',), value='food', without=_OWN),
    'hops': Read('city', ('doctor',), then=('clinic',)),
  },
  talk='talk',
  dated=frozenset(('found',)),
)
SOURCES = (
  streams.source(TRAPS, ENGLISH),
  streams.source(TRAPS, CHINESE, 'traps_zh'),
  streams.source(TRAPS, ARABIC, 'traps_ar'),
  streams.source(TRAPS, HINDI, 'traps_hi'),
)
