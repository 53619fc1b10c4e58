"""A seeded world of people whose facts change, told one sentence at a time.

People get jobs, homes, hobbies, bosses and allergies, change them, and go to
places on dates; decoys and small talk hold the same words and state nothing.
Any length is a prefix of one endless stream whose memory grows with the
people and not with the sentences.
"""

import dataclasses
import functools
import random
from collections.abc import Iterator
from typing import NamedTuple

from mem_alpha_jax.data import synthetic_notes
from mem_alpha_jax.data import synthetic_words as words
from mem_alpha_jax.types import Episode, Question

SOURCE = 'synthetic'
USER = words.USER
SPLITS = words.SPLITS
LEXICON = words.LEXICON
FRAMES = synthetic_notes.FRAMES
oracle_notes = synthetic_notes.oracle_notes
_GROUPS = {'who': 'events', 'where': 'events', 'when': 'events'}
_TRIES = 20  # draws of a random key or date before another sentence is tried
_TEXT_CHUNKS = 8  # chunks of a stream that the tokenizer reads


@dataclasses.dataclass(frozen=True)
class WorldConfig:
  """The mix of the world; the five weights of sentences sum to 1."""

  chunk_sentences: int = 1  # sentences of a chunk
  person: float = 0.45  # weight of facts of a person
  event: float = 0.15  # weight of events
  user: float = 0.12  # weight of facts of the user
  decoy: float = 0.13  # weight of sentences that state no fact of the world
  small_talk: float = 0.15  # weight of sentences without facts
  overwrite: float = 0.45  # share of fact sentences that change a fact
  people: tuple[int, int] = (2, 4)  # people at the start, both ends included
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


class Step(NamedTuple):
  """A chunk, and the questions whose window of validity ended with it."""

  chunk: str
  closed: tuple[Question, ...]


class _Fact(NamedTuple):
  value: str
  first: int
  overwritten: bool


Key = tuple[str, str]  # (subject, cue)


@dataclasses.dataclass
class _State:
  """All that the simulation remembers: bounded by people, not sentences."""

  rng: random.Random
  split: str
  names: list[str]  # of the split, in the order in which they join
  joined: int
  facts: dict[Key, _Fact] = dataclasses.field(default_factory=dict)
  stated: dict[str, list[Key]] = dataclasses.field(default_factory=dict)
  free: dict[str, list[Key]] = dataclasses.field(default_factory=dict)
  denied: dict[Key, set[str]] = dataclasses.field(default_factory=dict)
  visited: set[tuple[str, str]] = dataclasses.field(default_factory=set)
  dated: set[tuple[str, str]] = dataclasses.field(default_factory=set)
  events: list[Question] = dataclasses.field(default_factory=list)
  closed: list[Question] = dataclasses.field(default_factory=list)


def _fact_question(key: Key, fact: _Fact, last: int) -> Question:
  attribute = words.ATTRIBUTES[key[1]]
  if key[0] == USER:
    text, kind = attribute.user_question, 'user'
  else:
    text, kind = attribute.question.format(n=key[0]), 'current'
  kind = 'overwritten' if fact.overwritten else kind
  return Question(text, fact.value, kind, fact.first, last, False)


def _join(state: _State, count: int) -> None:
  count = min(count, len(state.names))
  for name in state.names[state.joined : count]:
    state.free['person'] += [(name, cue) for cue in words.ATTRIBUTES]
  state.joined = count


def _pick_value(state: _State, key: Key) -> str | None:
  """A value that is neither the present one nor one that a decoy used."""
  kind = words.ATTRIBUTES[key[1]].kind
  present = state.facts[key].value if key in state.facts else None
  options = [
    v for v in words.allowed(state.split, key[0], kind) if v != present
  ]
  if kind == 'person' and state.rng.random() < 0.5:
    # People of the same story as values: names alone tell no roles.
    joined = set(state.names[: state.joined])
    options = [v for v in options if v in joined] or options
  denied = state.denied.get(key, ())
  options = [v for v in options if v not in denied] or options
  return state.rng.choice(options) if options else None


def _pop_random(rng: random.Random, items: list) -> Key:
  place = rng.randrange(len(items))
  items[place], items[-1] = items[-1], items[place]
  return items.pop()


def _fact(state: _State, world: WorldConfig, t: int, owner: str) -> str | None:
  """States a new fact or overwrites one; None if no value is allowed."""
  rng, stated, free = state.rng, state.stated[owner], state.free[owner]
  overwrite = bool(stated)
  if overwrite and free:
    overwrite = rng.random() < world.overwrite
  for _ in range(_TRIES):
    if not overwrite and not free:
      return None
    key = rng.choice(stated) if overwrite else _pop_random(rng, free)
    value = _pick_value(state, key)
    if value:
      break
  else:
    return None
  if overwrite:
    if state.facts[key].first < t:
      state.closed.append(_fact_question(key, state.facts[key], t - 1))
  else:
    stated.append(key)
  state.facts[key] = _Fact(value, t, overwrite)
  return words.sentence(
    rng.choice(words.FACT_FORMS), c=words.clause(*key, value)
  )


def _someone(state: _State, world: WorldConfig) -> str:
  if state.rng.random() < world.user_events:
    return USER
  return state.rng.choice(state.names[: state.joined])


def _event_parts(
  state: _State, world: WorldConfig
) -> tuple[str, str, str] | None:
  """Subject, venue and date; (subject, date) and (venue, date) are new."""
  for _ in range(_TRIES):
    name = _someone(state, world)
    venues = words.allowed(state.split, name, 'venue')
    if not venues:
      continue
    venue, date = state.rng.choice(venues), state.rng.choice(words.DATES)
    if not {(name, date), (venue, date)} & state.dated:
      return name, venue, date
  return None


def _event(state: _State, world: WorldConfig, t: int) -> str | None:
  parts = _event_parts(state, world)
  if parts is None or parts[:2] in state.visited:
    return None
  name, venue, date = parts
  state.visited.add((name, venue))
  state.dated |= {(name, date), (venue, date)}
  golds = {'who': name, 'where': venue, 'when': date}
  if name == USER:
    del golds['who']
  kind = state.rng.choice([*golds])
  shown = words.subject(name)
  text = words.EVENT_QUESTIONS[kind].format(n=shown, v=venue, d=date)
  state.events.append(Question(text, golds[kind], kind, t, t, False))
  form = state.rng.choice(words.EVENT_FORMS)
  return words.sentence(form, n=shown, v=venue, d=date)


def _decoy_event(state: _State, world: WorldConfig) -> str | None:
  parts = _event_parts(state, world)
  if parts is None or parts[0] == USER:
    return None
  name, venue, date = parts
  # The decoy must stay untrue: this person does nothing else on that date.
  state.dated.add((name, date))
  form = state.rng.choice(words.EVENT_DECOYS)
  return words.sentence(form, n=name, v=venue, d=date)


def _decoy(state: _State, world: WorldConfig, t: int) -> str | None:
  """A sentence about a value that is not, and will not be, the true one."""
  rng = state.rng
  if rng.random() < 0.2:
    return _decoy_event(state, world)
  key = _someone(state, world), rng.choice([*words.ATTRIBUTES])
  if state.stated['person'] and rng.random() < 0.5:
    key = rng.choice(state.stated['person'])  # bait for an update
  value = _pick_value(state, key)
  other = rng.choice(state.names[: state.joined])
  theirs = state.facts.get((other, key[1]))
  if not value or other in (key[0], value):
    return None
  if theirs and theirs.value == value:
    return None
  forms = words.DECOY_FORMS
  if key[0] != USER:
    forms = forms + words.ATTRIBUTE_DECOYS[key[1]] * 2
  for denied in (key, (other, key[1])):
    state.denied.setdefault(denied, set()).add(value)
  clause = words.clause(*key, value)
  return words.sentence(rng.choice(forms), c=clause, n=key[0], v=value, o=other)


def _small_talk(state: _State, world: WorldConfig, t: int) -> str:
  name, other = state.rng.sample(state.names[: state.joined], 2)
  return words.sentence(state.rng.choice(words.SMALL_TALK), n=name, o=other)


_MAKERS = {
  'person': functools.partial(_fact, owner='person'),
  'event': _event,
  'user': functools.partial(_fact, owner='user'),
  'decoy': _decoy,
  'small_talk': _small_talk,
}


def _next_sentence(state: _State, world: WorldConfig, t: int) -> str:
  kinds = [*_MAKERS]
  weights = [getattr(world, kind) for kind in kinds]
  (kind,) = state.rng.choices(kinds, weights)
  for _ in range(_TRIES):
    sentence = _MAKERS[kind](state, world, t)
    if sentence:
      return sentence
  return _small_talk(state, world, t)


def _sample_asked(
  rng: random.Random, world: WorldConfig, sentences: int, open_: list[Question]
) -> list[Question]:
  """Marks the questions to ask: always the group furthest below its share."""
  groups = {name: [] for name, _ in world.asked_shares}
  for place in rng.sample(range(len(open_)), len(open_)):
    kind = open_[place].type
    groups[_GROUPS.get(kind, kind)].append(place)
  wanted = round(world.asked_rate * sentences)
  wanted = min(max(wanted, world.asked_min), world.asked_max, len(open_))
  taken = dict.fromkeys(groups, 0)
  asked = set()
  while len(asked) < wanted:
    name = max(
      (n for n, places in groups.items() if places),
      key=lambda n: dict(world.asked_shares)[n] * (len(asked) + 1) - taken[n],
    )
    taken[name] += 1
    asked.add(groups[name].pop())
  return [q._replace(asked=i in asked) for i, q in enumerate(open_)]


def _close_all(
  state: _State, world: WorldConfig, t: int, sentences: int
) -> list[Question]:
  """Closes every open window at chunk t, the last of the stream."""
  facts = [_fact_question(key, f, t) for key, f in state.facts.items()]
  events = [q._replace(last=t) for q in state.events]
  return _sample_asked(state.rng, world, sentences, facts + events)


def _start(world: WorldConfig, split: str, seed: int | str) -> _State:
  rng = random.Random(f'{split} {seed}')
  names = list(words.WORDS['person'][words.base_split(split)])
  rng.shuffle(names)
  return _State(
    rng=rng,
    split=split,
    names=names,
    joined=0,
    stated={'person': [], 'user': []},
    free={'person': [], 'user': [(USER, cue) for cue in words.ATTRIBUTES]},
  )


def stream(
  world: WorldConfig, split: str, seed: int | str, num_chunks: int | None
) -> Iterator[Step]:
  """Yields the chunks of one world; the same for the same split and seed.

  A shorter stream is a prefix of a longer one, but for its last `closed`.

  Args:
    world: the mix.
    split: one of SPLITS.
    seed: any number or text.
    num_chunks: chunks to yield; None never ends, and closes only questions
      whose fact was overwritten.

  Yields:
    Chunk t with the questions whose window ended: those overwritten by chunk
    t have last = t - 1; the last chunk closes all others, with last = t.
  """
  state = _start(world, split, seed)
  crew = state.rng.randint(*world.people)
  t = sentences = 0
  while num_chunks is None or t < num_chunks:
    chunk = []
    for _ in range(world.chunk_sentences):
      sentences += 1
      late = max(0, sentences - world.people_from)
      _join(state, crew + late // world.people_every)
      chunk.append(_next_sentence(state, world, t))
    closed, state.closed = state.closed, []
    if t + 1 == num_chunks:
      closed += _close_all(state, world, t, sentences)
    yield Step(' '.join(chunk), tuple(closed))
    t += 1


def episode(
  world: WorldConfig, split: str, uid: int, num_chunks: int, seed: int
) -> Episode:
  """The episode of (seed, split, uid); draws again if it asks too little."""
  least = min(world.asked_min, num_chunks * world.chunk_sentences)
  for attempt in range(1000):
    steps = [*stream(world, split, f'{seed} {uid} {attempt}', num_chunks)]
    questions = tuple(q for step in steps for q in step.closed)
    if sum(q.asked for q in questions) >= least:
      chunks = tuple(step.chunk for step in steps)
      return Episode(uid, SOURCE, chunks, questions)
  raise ValueError(
    f'no episode with {least} questions in {num_chunks} chunks; raise '
    'person, event or user of WorldConfig, or lower asked_min'
  )


def texts(world: WorldConfig, split: str, seed: int, n: int) -> Iterator[str]:
  """Chunks, and notes on them, of n short streams: text for a tokenizer."""
  for i in range(n):
    for step in stream(world, split, f'{seed} text {i}', _TEXT_CHUNKS):
      yield step.chunk
      for note in oracle_notes(step.chunk):
        yield note.text
