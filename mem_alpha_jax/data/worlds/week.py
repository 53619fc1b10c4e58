"""Week: what only all of some days tell: counts, orders, preferences, habits.

After EgoMemReason (arXiv 2605.09874), a week of first-person video: six types
of multiple choice whose answers take several pieces of evidence, hours or days
apart. Here the week is told, two sentences a day from Monday on, and no
sentence states an answer: a memory has to carry the aggregate (a count, a rank,
where somebody has mostly been) from chunk to chunk. `Question.evidence` has the
chunks that went into the answer: how many, and from which to which day. A
longer stream is further weeks.

  state  what is left of what was bought and used     count  how many times
  order  which came second      link   of two hops, the second an aggregate
  place  where mostly           habit  at what time of day mostly

The world is ours.
"""

import collections
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence

from mem_alpha_jax.data.worlds import core, streams
from mem_alpha_jax.data.worlds.core import Ask, Cast, Effect, Facts, Key
from mem_alpha_jax.data.worlds.questions import Read
from mem_alpha_jax.data.worlds.week_words import (
  DAYS,
  ENGLISH,
  NUMBERS,
  ORDINALS,
  PARTS,
)

_A_DAY = 2  # sentences
_OFFERED = 4  # words to choose from, where not all of a kind are


def _day(cast: Cast) -> str:
  return DAYS[cast.sentences // _A_DAY % len(DAYS)]


def _known(cast: Cast, facts: Facts, attribute: str) -> Key:
  """The key of a fact that there is, () where a new one shall be told."""
  known = [key for key in facts if key[-1] == attribute]
  if known and cast.rng.random() < cast.overwrite:
    return cast.rng.choice(known)
  return ()


def _counted(attribute: str, *kinds: str) -> core.Maker:
  """An event that is counted: one more, or somewhere or some time else."""

  def make(cast: Cast, facts: Facts):
    met = (value for key, value in facts.items() if key[-1] == 'met')
    new = cast.rng.choice([*cast.people(), *met])
    name, *words = _known(cast, facts, attribute)[:-1] or (new,)
    if words and cast.rng.random() < 0.4:
      words[-1] = cast.word(kinds[-1], name, words[-1])
    words = words or [cast.word(kind, name) for kind in kinds]
    if facts.get((name, *words, attribute)) == NUMBERS[-1]:
      return None
    return dict(zip(kinds, words, strict=True), person=name, day=_day(cast))

  return make


def _takes_up(cast: Cast, facts: Facts):
  name, *_ = _known(cast, facts, 'took') or (cast.rng.choice(cast.people()),)
  known = [key[1] for key in _took(facts, name)]
  if len(known) == len(ORDINALS):
    return None
  activity = cast.word('activity', name, *known)
  return {'person': name, 'activity': activity, 'day': _day(cast)}


def _buys(cast: Cast, facts: Facts):
  name = cast.rng.choice(cast.people())
  new = name, cast.word('item', name), 'left'
  name, item, _ = _known(cast, facts, 'left') or new
  number = cast.rng.randint(2, 5)
  if _left(facts, name, item) + number >= len(NUMBERS):
    return None
  return _amount(cast, name, item, number)


def _uses(cast: Cast, facts: Facts):
  known = [k for k, v in facts.items() if k[-1] == 'left' and v != 'zero']
  if not known:
    return None
  name, item, _ = cast.rng.choice(known)
  return _amount(
    cast, name, item, cast.rng.randint(1, _left(facts, name, item))
  )


def _amount(cast: Cast, name: str, item: str | None, number: int):
  return {
    'person': name, 'item': item, 'number': NUMBERS[number], 'day': _day(cast)
  }  # fmt: skip


def _meets(cast: Cast, facts: Facts):
  """Somebody; mostly one of whom it is known where they have been."""
  name = cast.rng.choice(cast.people())
  now = facts.get((name, 'met'), '')
  allowed = cast.language.allowed(cast.split, name, 'person')
  known = [k[0] for k in facts if k[-1] == 'visits' and k[0] in allowed]
  known = [one for one in known if one != now]
  other = cast.word('person', name, now)
  if known and cast.rng.random() < 0.8:
    other = cast.rng.choice(known)
  return {'person': name, 'person2': other, 'day': _day(cast)}


def _talk(cast: Cast, facts: Facts):
  del facts
  kinds = 'person', 'place', 'activity', 'item', 'part'
  return {kind: cast.word(kind) for kind in kinds} | {'day': _day(cast)}


def _left(facts: Facts, name: str, item: str) -> int:
  return NUMBERS.index(facts.get((name, item, 'left'), 'zero'))


def _tally(*fields: str):
  """One more."""

  def value(facts: Facts, told: Mapping[str, str]) -> str:
    key = tuple(field.format(**told) for field in fields)
    return NUMBERS[NUMBERS.index(facts.get(key, NUMBERS[0])) + 1]

  return Effect(fields, value)


def _most(tally: Effect, place: int) -> Effect:
  """The word at a place of the key with the highest tally: alone, over one."""
  *_, attribute = tally.key
  key = (*tally.key[:place], _MOST[attribute])

  def value(facts: Facts, told: Mapping[str, str]) -> str:
    own = tuple(field.format(**told) for field in tally.key)
    counts = {
      k[place]: NUMBERS.index(v)
      for k, v in (facts | {own: tally.value(facts, told)}).items()
      if k[-1] == attribute and k[:place] == own[:place]
    }
    (word, most), *rest = collections.Counter(counts).most_common(2)
    return word if most > max([1, *(count for _, count in rest)]) else ''

  return Effect(key, value)


def _rank(facts: Facts, told: Mapping[str, str]) -> str:
  return ORDINALS[len(_took(facts, told['person']))]


def _took(facts: Facts, name: str) -> list[Key]:
  return [key for key in facts if key[0] == name and key[-1] == 'took']


def _changed(sign: int) -> Effect:
  def value(facts: Facts, told: Mapping[str, str]) -> str:
    by = sign * NUMBERS.index(told['number'])
    return NUMBERS[_left(facts, told['person'], told['item']) + by]

  return Effect(('{person}', '{item}', 'left'), value)


def _offered(key: Key, near: Iterable[str], words: Sequence[str] = ()):
  """Some of the words to choose from, those near first; the same for a key."""
  rng = random.Random(' '.join(key))
  others = rng.sample(words, min(_OFFERED, len(words)))
  found = [*dict.fromkeys([*near, *others])]
  found = found[:_OFFERED] if words else found
  return rng.sample(found, len(found))


def _asks(cast: Cast, facts: Facts, key: Key) -> Iterator[Ask]:
  """Questions about a fact that has just been told."""
  name, *rest, attribute = key
  fields, form, kind, near, words = {'person': name}, attribute, '', (), ()
  if attribute in _TALLIED:
    fields |= dict(zip(_TALLIED[attribute], rest, strict=True))
    kind, near = 'state' if attribute == 'left' else 'count', NUMBERS
  elif attribute == 'usually':
    fields['activity'], kind, near = *rest, 'habit', PARTS
  elif attribute == 'favorite':
    kind, near = 'place', [facts[key], *_places(facts, name)]
    words = cast.language.words['place'][cast.base]
    for (other, *also), value in facts.items():
      if also == ['met'] and value == name:
        yield from _link(cast, facts, other)
  elif attribute == 'met':
    yield from _link(cast, facts, name)
  elif facts[key] != ORDINALS[0]:
    yield _order(cast, facts, key)
  if kind:
    gold = lambda facts: facts.get(key, '')
    if kind == 'count':  # of what happened more than once
      gold = lambda facts: facts.get(key, '').replace('one', '')
    offered = _offered(key, near, words)
    yield Ask(form, fields, core.kind(kind), (key,), gold, offered)


def _places(facts: Facts, name: str) -> list[str]:
  return [k[1] for k in facts if k[0] == name and k[-1] == 'visits']


def _order(cast: Cast, facts: Facts, key: Key) -> Ask:
  """Which came at the last rank so far: it takes all those before."""
  mine = _took(facts, key[0])
  words = cast.language.words['activity'][cast.base]
  offered = _offered(key, [k[1] for k in reversed(mine)], words)
  fields = {'person': key[0], 'ordinal': facts[key]}
  gold = lambda facts: key[1]
  return Ask('order', fields, core.kind('order'), tuple(mine), gold, offered)


def _link(cast: Cast, facts: Facts, name: str) -> Iterator[Ask]:
  """One of all places, some in each; who is met next makes no other text."""
  met, words = (name, 'met'), cast.language.words['place'][cast.base]
  keys = met, (facts[met], 'favorite')
  gold = lambda facts: facts.get((facts.get(met, ''), 'favorite'), '')
  words = _offered(met, words)
  for i in range(0, len(words), _OFFERED):
    some, kind = words[i : i + _OFFERED], core.kind('link')
    yield Ask('link', {'person': name}, kind, keys, gold, some)


# Attributes with a number, and what it is of beside a person.
_TALLIED = {
  'visits': ('place',), 'times': ('activity', 'part'), 'left': ('item',)
}  # fmt: skip
_MOST = {'visits': 'favorite', 'times': 'usually'}
_VISITS = _tally('{person}', '{place}', 'visits')
_TIMES = _tally('{person}', '{activity}', '{part}', 'times')
WEEK = core.World(
  'week',
  told={
    'visits': (0.28, _counted('visits', 'place')),
    'does': (0.2, _counted('times', 'activity', 'part')),
    'takes up': (0.12, _takes_up),
    'buys': (0.09, _buys),
    'uses': (0.09, _uses),
    'meets': (0.14, _meets),
    'talk': (0.08, _talk),
  },
  effects={
    'visits': (_VISITS, _most(_VISITS, 1)),
    'does': (_TIMES, _most(_TIMES, 2)),
    'takes up': (Effect(('{person}', '{activity}', 'took'), _rank),),
    'buys': (_changed(1),),
    'uses': (_changed(-1),),
    'meets': (Effect(('{person}', 'met'), '{person2}'),),
  },
  asks=_asks,
  read={
    'visits': Read('number', ('visits',), needs=('place',)),
    'times': Read('number', ('times',), needs=('activity', 'part')),
    'left': Read('number', ('left',), needs=('item',)),
    'favorite': Read('place', ('favorite',)),
    'usually': Read('part', ('usually',), needs=('activity',)),
    'order': Read('activity', ('took',), needs=('ordinal',)),
    'link': Read('place', ('met',), then=('favorite',)),
  },
  talk='talk',
  rule='choice',
  sums=frozenset(('visits', 'times', 'left', 'favorite', 'usually')),
)
SOURCES = (streams.source(WEEK, ENGLISH),)
