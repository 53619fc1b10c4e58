"""Home: what a house should do for whom, as commands that must be equal.

After MemHome (arXiv 2604.10110), of which the abstract alone is known to us:
devices are controlled by a memory of habits, which are added, changed and
revoked. A command is a JSON object, {"device": "lamp", "setting": "warm"}: that
of the user's own habit or, without one, of the house's rule. So a habit that
was revoked and is still noted gives the wrong command. The world is ours.
"""

import json
from collections.abc import Iterator

from mem_alpha_jax.data.worlds import core, streams
from mem_alpha_jax.data.worlds.core import Ask, Cast, Effect, Facts, Key
from mem_alpha_jax.data.worlds.home_words import ENGLISH
from mem_alpha_jax.data.worlds.questions import Read

HOUSE = 'house'
_RECORD = {'device': 'device', 'setting': 'setting'}


def _command(cast: Cast, facts: Facts, name: str, activity: str | None):
  """A new command for somebody's activity."""
  device = cast.word('device', name)
  setting = cast.word('setting', name)
  if facts.get((name, activity)) == f'{device} {setting}':
    return None
  return {
    'person': name, 'activity': activity, 'device': device, 'setting': setting
  }  # fmt: skip


def _wants(cast: Cast, facts: Facts):
  """A habit where there is none; at times against a rule of the house."""
  name = cast.rng.choice(cast.people())
  ruled = [k[1] for k in facts if k[0] == HOUSE and (name, k[1]) not in facts]
  activity = cast.word('activity', name)
  if ruled and cast.rng.random() < 0.5:
    activity = cast.rng.choice(ruled)
  if (name, activity) in facts:
    return None
  return _command(cast, facts, name, activity)


def _habits(facts: Facts) -> list[Key]:
  return [key for key in facts if key[0] != HOUSE]


def _another(cast: Cast, facts: Facts):
  """Another command for a habit: a change, or of one day, or of a guest."""
  habits = _habits(facts)
  return _command(cast, facts, *cast.rng.choice(habits)) if habits else None


def _revokes(cast: Cast, facts: Facts):
  """Ends a habit: one that a rule of the house takes the place of, if any."""
  habits = _habits(facts)
  ruled = [key for key in habits if (HOUSE, key[1]) in facts]
  if not habits:
    return None
  name, activity = cast.rng.choice(ruled or habits)
  return {'person': name, 'activity': activity}


def _rules(cast: Cast, facts: Facts):
  """A rule of the house, at times for what somebody has a habit of."""
  activity = cast.word('activity', HOUSE)
  if (habits := _habits(facts)) and cast.rng.random() < 0.5:
    activity = cast.rng.choice(habits)[1]
  return _command(cast, facts, HOUSE, activity)


def _talk(cast: Cast, facts: Facts):
  del facts
  kinds = 'device', 'setting', 'activity'
  return {'person': cast.rng.choice(cast.people())} | {
    kind: cast.word(kind) for kind in kinds
  }


def _asks(cast: Cast, facts: Facts, key: Key) -> Iterator[Ask]:
  """The command of whose habit it is; of a rule, of somebody at home."""
  del facts
  name, activity = key
  name = cast.rng.choice(cast.people()) if name == HOUSE else name
  own, rule = (name, activity), (HOUSE, activity)

  def gold(facts: Facts) -> str:
    words = facts.get(own, facts.get(rule, '')).split()
    return json.dumps(dict(zip(_RECORD, words, strict=True))) if words else ''

  def kind(facts: Facts, again: bool) -> str:
    if own in facts:
      return 'changed' if again else 'habit'
    return 'revoked' if again else 'house'

  fields = {'person': name, 'activity': activity}
  yield Ask('command', fields, kind, (own, rule), gold)


_KEY, _COMMAND = ('{person}', '{activity}'), '{device} {setting}'
HOME = core.World(
  'home',
  told={
    'wants': (0.26, _wants),
    'changes': (0.2, _another),
    'revokes': (0.14, _revokes),
    'rules': (0.2, _rules),
    'once': (0.06, _another),
    'guest': (0.06, _another),
    'talk': (0.08, _talk),
  },
  effects={
    'wants': (Effect(_KEY, _COMMAND),),
    'changes': (Effect(_KEY, _COMMAND),),
    'revokes': (Effect(_KEY),),
    'rules': (Effect((HOUSE, '{activity}'), _COMMAND),),
  },
  asks=_asks,
  read={
    'command': Read(
      '', needs=('activity',), without=('guest', 'today'), otherwise=HOUSE
    )
  },
  talk='talk',
  record=_RECORD,
)
SOURCES = (streams.source(HOME, ENGLISH),)
