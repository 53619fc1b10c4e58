"""The people of the synthetic world: what is true, and how it is told.

Facts are stated and overwritten, events happen, decoys say what is untrue.
"""

import dataclasses
import functools
import math
import random
from collections.abc import Sequence
from typing import NamedTuple

from mem_alpha_jax.data import synthetic_wording as wording_lib
from mem_alpha_jax.data import synthetic_words as words
from mem_alpha_jax.data.worlds import vocabulary
from mem_alpha_jax.text import words as words_lib
from mem_alpha_jax.types import Question

_USER = words.USER
_MINE = frozenset(('i', 'my', 'me'))
_NAMES = words.LEXICON['person']
_TRIES = 20  # draws of a random key or date before another sentence is tried
Key = tuple[str, str]  # (subject, cue)


@dataclasses.dataclass(frozen=True)
class WorldConfig:
  """The mix of the world; the five weights of sentences sum to 1."""

  chunk_sentences: int = 1  # sentences of a chunk; varied: at most
  person: float = 0.45  # weight of facts of a person
  event: float = 0.15  # weight of events
  user: float = 0.12  # weight of facts of the user
  decoy: float = 0.13  # weight of sentences that state no fact of the world
  small_talk: float = 0.15  # weight of sentences without facts
  overwrite: float = 0.45  # share of fact sentences that change a fact
  people: tuple[int, int] = (2, 4)  # at the start, from..to; at least 2
  people_from: int = 8  # sentences before more people join
  people_every: int = 6  # sentences between two that join
  user_events: float = 0.15  # share of events, and of decoys, about the user
  asked_rate: float = 0.6  # questions asked for every sentence
  asked_min: int = 2  # of an episode
  asked_max: int = 64  # of an episode
  asked_shares: tuple[tuple[str, float], ...] = (
    ('current', 0.30),
    ('overwritten', 0.35),
    ('events', 0.20),
    ('user', 0.15),
  )
  wording: str = 'plain'  # or 'varied', which the fields below are of
  style: str = ''  # of synthetic_wording.STYLES
  scrambled: float = 0.0  # share of clauses, see synthetic_wording.Varied
  crowd: tuple[int, int] = (2, 8)  # people at the start, in place of `people`
  joining: tuple[int, int] = (2, 64)  # in place of `people_every`
  returns: float = 0.25  # share of overwrites with an earlier value
  shared: float = 0.0  # share of values that somebody has, where there are any


_SIZES = (7, 2, 1)  # weights of a chunk of one, two, three or more sentences
_FACTS = ('person', 'event', 'user')
_EXACTLY = {'two': 2, 'three': 3}  # styles -> facts of a chunk that has some


class Fact(NamedTuple):
  """What is true now, since chunk `first`, and whether it replaced a fact."""

  value: str
  first: int
  overwritten: bool


@dataclasses.dataclass
class State:
  """All that the simulation remembers: bounded by people, not sentences."""

  rng: random.Random
  split: str
  wording: wording_lib.Plain | wording_lib.Varied
  names: list[str]  # of the split, in the order in which they join
  joined: int
  facts: dict[Key, Fact] = dataclasses.field(default_factory=dict)
  stated: dict[str, list[Key]] = dataclasses.field(default_factory=dict)
  free: dict[str, list[Key]] = dataclasses.field(default_factory=dict)
  denied: dict[Key, set[str]] = dataclasses.field(default_factory=dict)
  past: dict[Key, set[str]] = dataclasses.field(default_factory=dict)
  visited: set[tuple[str, str]] = dataclasses.field(default_factory=set)
  dated: set[tuple[str, str]] = dataclasses.field(default_factory=set)
  events: list[Question] = dataclasses.field(default_factory=list)
  closed: list[Question] = dataclasses.field(default_factory=list)


def fact_question(key: Key, fact: Fact, last: int) -> Question:
  """The question about a fact that held until chunk `last`."""
  attribute = words.ATTRIBUTES[key[1]]
  if key[0] == _USER:
    text, kind = attribute.user_question, 'user'
  else:
    text, kind = attribute.question.format(n=key[0]), 'current'
  kind = 'overwritten' if fact.overwritten else kind
  span = fact.first, last
  return Question(text, fact.value, kind, *span, False, evidence=span[:1])


def join(state: State, count: int) -> None:
  """Lets people join until there are `count`, or all of the split."""
  count = min(count, len(state.names))
  for name in state.names[state.joined : count]:
    state.free['person'] += [(name, cue) for cue in words.ATTRIBUTES]
  state.joined = count


def crowd(state: State, world: WorldConfig) -> tuple[int, int]:
  """People at the start, and sentences between two that join."""
  if not _varied(state):
    return state.rng.randint(*world.people), world.people_every
  drawn = [
    math.exp(state.rng.uniform(*map(math.log, bounds)))
    for bounds in (world.crowd, world.joining)
  ]
  return round(drawn[0]), round(drawn[1])


def _varied(state: State) -> bool:
  return isinstance(state.wording, wording_lib.Varied)


def _allowed(state: State, name: str, kind: str) -> tuple[str, ...]:
  return words.allowed(state.split, name, kind, _varied(state))


def _may_deny(state: State, key: Key) -> bool:
  """Decoys take at most a third of the values, the others stay possible."""
  values = _allowed(state, key[0], words.ATTRIBUTES[key[1]].kind)
  return len(state.denied.get(key, ())) < len(values) // 3


def _deniable(state: State, key: Key, value: str) -> bool:
  if value in state.denied.get(key, ()):
    return True
  fact = state.facts.get(key)
  return (not fact or fact.value != value) and _may_deny(state, key)


def _pick_value(
  state: State,
  key: Key,
  decoy: bool = False,
  returns: float = 0.0,
  shared: float = 0.0,
) -> str | None:
  """A value that is not the present one; decoys and facts share none."""
  kind = words.ATTRIBUTES[key[1]].kind
  present = state.facts[key].value if key in state.facts else None
  denied = state.denied.get(key, ())
  wanted = decoy and not _may_deny(state, key)
  options = [
    value
    for value in _allowed(state, key[0], kind)
    if value != present and (value in denied) == wanted
  ]
  earlier = [v for v in options if v in state.past.get(key, ())]
  if returns and earlier and state.rng.random() < returns:
    return state.rng.choice(earlier)
  others = {fact.value for k, fact in state.facts.items() if k[1] == key[1]}
  same = [value for value in options if value in others]
  if shared and same and state.rng.random() < shared:
    return state.rng.choice(same)
  if kind == 'person' and state.rng.random() < 0.5:
    # People of the same story as values: names alone tell no roles.
    joined = set(state.names[: state.joined])
    options = [v for v in options if v in joined] or options
  return state.rng.choice(options) if options else None


def _pop_random(rng: random.Random, items: list) -> Key:
  place = rng.randrange(len(items))
  items[place], items[-1] = items[-1], items[place]
  return items.pop()


def _fact(state: State, world: WorldConfig, t: int, owner: str) -> str | None:
  """States a new fact or overwrites one; None if no value is allowed."""
  rng, stated, free = state.rng, state.stated[owner], state.free[owner]
  overwrite = bool(stated)
  if overwrite and free:
    overwrite = rng.random() < world.overwrite
  for _ in range(_TRIES):
    if not overwrite and not free:
      return None
    key = rng.choice(stated) if overwrite else _pop_random(rng, free)
    returns = world.returns if overwrite and _varied(state) else 0.0
    value = _pick_value(state, key, returns=returns, shared=world.shared)
    if value:
      break
  else:
    return None
  if overwrite:
    state.past.setdefault(key, set()).add(state.facts[key].value)
    if state.facts[key].first < t:
      state.closed.append(fact_question(key, state.facts[key], t - 1))
  else:
    stated.append(key)
  state.facts[key] = Fact(value, t, overwrite)
  return state.wording.fact(rng, key, value, _people(state))


def _people(state: State) -> list[str]:
  return state.names[: state.joined]


def _someone(state: State, world: WorldConfig) -> str:
  if state.rng.random() < world.user_events:
    return _USER
  return state.rng.choice(_people(state))


def _event_parts(state: State, world: WorldConfig) -> wording_lib.Event | None:
  """Subject, venue and date; (subject, date) and (venue, date) are new."""
  for _ in range(_TRIES):
    name = _someone(state, world)
    venues = _allowed(state, name, 'venue')
    if not venues:
      continue
    venue, date = state.rng.choice(venues), state.rng.choice(words.DATES)
    if not {(name, date), (venue, date)} & state.dated:
      return wording_lib.Event(name, venue, date)
  return None


def _event(state: State, world: WorldConfig, t: int) -> str | None:
  event = _event_parts(state, world)
  if event is None or event[:2] in state.visited:
    return None
  name, venue, date = event
  state.visited.add((name, venue))
  state.dated |= {(name, date), (venue, date)}
  golds = {'who': name, 'where': venue, 'when': date}
  if name == _USER:
    del golds['who']
  kind = state.rng.choice([*golds])
  shown = words.subject(name)
  text = words.EVENT_QUESTIONS[kind].format(n=shown, v=venue, d=date)
  question = Question(text, golds[kind], kind, t, t, False, evidence=(t,))
  state.events.append(question)
  return state.wording.event(state.rng, event, _people(state))


def _decoy_event(state: State, world: WorldConfig) -> str | None:
  event = _event_parts(state, world)
  if event is None or event.name == _USER:
    return None
  # The decoy must stay untrue: this person does nothing else on that date, and
  # nobody who may be named with them is at that place.
  state.dated.add((event.name, event.date))
  if _varied(state):
    state.dated.add((event.venue, event.date))
  return state.wording.event_decoy(state.rng, event, _people(state))


def _decoy(state: State, world: WorldConfig, t: int) -> str | None:
  """A sentence about a value that is not, and will not be, the true one."""
  rng = state.rng
  if rng.random() < 0.2:
    return _decoy_event(state, world)
  key = _someone(state, world), rng.choice([*words.ATTRIBUTES])
  if state.stated['person'] and rng.random() < 0.5:
    key = rng.choice(state.stated['person'])  # bait for an update
  value = _pick_value(state, key, decoy=True)
  other = rng.choice(_people(state))
  if not value or other in (key[0], value):
    return None
  text = state.wording.decoy(rng, key, value, other)
  untrue = _untrue(text, key, value)
  if not all(_deniable(state, *pair) for pair in untrue):
    return None
  for denied, said in untrue:
    state.denied.setdefault(denied, set()).add(said)
  return text


def _untrue(text: str, key: Key, value: str) -> list[tuple[Key, str]]:
  """All that a decoy may be taken for, whoever it is thought to be about."""
  said = [_USER if w in _MINE else w for w in words_lib.terms(text)]
  people = [w.title() if w != _USER else w for w in dict.fromkeys(said)]
  people = [p for p in people if p == _USER or p.lower() in _NAMES]
  owners = dict.fromkeys((key[0], *people))
  pairs = [((owner, key[1]), value) for owner in owners if owner != value]
  if people[:1] == [value] and key[0] != _USER:
    pairs.append(((value, key[1]), key[0]))  # 'Tom is the boss of Ana'
  return pairs


def _small_talk(state: State, world: WorldConfig, t: int) -> str:
  name, other = state.rng.sample(_people(state), 2)
  return state.wording.small_talk(state.rng, name, other)


_MAKERS = {
  'person': functools.partial(_fact, owner='person'),
  'event': _event,
  'user': functools.partial(_fact, owner='user'),
  'decoy': _decoy,
  'small_talk': _small_talk,
}


def next_kinds(state: State, world: WorldConfig) -> list[Sequence[str]]:
  """For each sentence of the next chunk, the kinds that it may be of."""
  every = [*_MAKERS]
  if not _varied(state):
    return [every] * world.chunk_sentences
  if facts := _EXACTLY.get(world.style):
    weights = [getattr(world, kind) for kind in every]
    (kind,) = state.rng.choices(every, weights)
    return [_FACTS] * facts if kind in _FACTS else [[kind]]
  most = world.chunk_sentences
  weights = (_SIZES + _SIZES[-1:] * most)[:most]
  (size,) = state.rng.choices(range(1, most + 1), weights)
  return [every] * size


def next_sentence(
  state: State, world: WorldConfig, t: int, kinds: Sequence[str]
) -> str:
  """Draws a kind of sentence, changes the state by it, returns its text."""
  weights = [getattr(world, kind) for kind in kinds]
  (kind,) = state.rng.choices(kinds, weights)
  for _ in range(_TRIES):
    sentence = _MAKERS[kind](state, world, t)
    if sentence:
      return sentence
  return _small_talk(state, world, t)


def start(world: WorldConfig, split: str, seed: int | str) -> State:
  """A world before its first sentence; nobody has joined."""
  rng = random.Random(f'{split} {seed}')
  names = list(words.WORDS['person'][vocabulary.base_split(split)])
  rng.shuffle(names)
  return State(
    rng=rng,
    split=split,
    wording=wording_lib.make(
      world.wording, split, world.style, world.scrambled
    ),
    names=names,
    joined=0,
    stated={'person': [], 'user': []},
    free={'person': [], 'user': [(_USER, cue) for cue in words.ATTRIBUTES]},
  )
