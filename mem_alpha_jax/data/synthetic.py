"""A seeded world of people whose facts change, told one sentence at a time.

People get jobs, homes, hobbies, bosses and allergies, change them, and go to
places on dates; decoys and small talk hold the same words and state nothing.
Any length is a prefix of one endless stream whose memory grows with the
people and not with the sentences.
"""

import dataclasses
import random
from collections.abc import Iterator
from typing import NamedTuple

from mem_alpha_jax.data import synthetic_notes
from mem_alpha_jax.data import synthetic_words as words
from mem_alpha_jax.data import synthetic_world as world_lib
from mem_alpha_jax.data.source import Made, Source
from mem_alpha_jax.data.worlds import vocabulary
from mem_alpha_jax.reading import extractive
from mem_alpha_jax.text import words as words_lib
from mem_alpha_jax.types import Episode, Question

SPLITS = vocabulary.SPLITS
WorldConfig = world_lib.WorldConfig
LEXICON = words.LEXICON
FRAMES = synthetic_notes.FRAMES
oracle_notes = synthetic_notes.oracle_notes
_TEXT_CHUNKS = 8  # chunks of a stream that the tokenizer reads


class Step(NamedTuple):
  """A chunk, and the questions whose window of validity ended with it."""

  chunk: str
  closed: tuple[Question, ...]


def _sample_asked(
  rng: random.Random, world: WorldConfig, sentences: int, open_: list[Question]
) -> list[Question]:
  """Marks the questions to ask: always the group furthest below its share."""
  groups = {name: [] for name, _ in world.asked_shares}
  for place in rng.sample(range(len(open_)), len(open_)):
    kind = open_[place].type
    kind = 'events' if kind in words.EVENT_QUESTIONS else kind
    groups[kind].append(place)
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
  state: world_lib.State, world: WorldConfig, t: int, sentences: int
) -> list[Question]:
  """Closes every open window at chunk t, the last of the stream."""
  facts = [world_lib.fact_question(key, f, t) for key, f in state.facts.items()]
  events = [q._replace(last=t) for q in state.events]
  return _sample_asked(state.rng, world, sentences, facts + events)


def stream(
  world: WorldConfig, split: str, seed: int | str, num_chunks: int | None
) -> Iterator[Step]:
  """Yields the chunks of one world; the same for the same split and seed.

  A shorter stream is a prefix of a longer one, but for its last `closed`.

  Args:
    num_chunks: chunks to yield; None never ends, and closes only questions
      whose fact was overwritten.

  Yields:
    Chunk t with the questions whose window ended: those overwritten by chunk
    t have last = t - 1; the last chunk closes all others, with last = t.
  """
  state = world_lib.start(world, split, seed)
  crew, every = world_lib.crowd(state, world)
  t = sentences = 0
  while num_chunks is None or t < num_chunks:
    chunk = []
    for kinds in world_lib.next_kinds(state, world):
      sentences += 1
      late = max(0, sentences - world.people_from)
      world_lib.join(state, crew + late // every)
      chunk.append(world_lib.next_sentence(state, world, t, kinds))
    closed, state.closed = state.closed, []
    if t + 1 == num_chunks:
      closed += _close_all(state, world, t, sentences)
    yield Step(state.wording.join(chunk), tuple(closed))
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
      return Episode(uid, 'synthetic', chunks, questions)
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


def _world(config, style: str = '') -> WorldConfig:
  return WorldConfig(
    chunk_sentences=config.data.chunk_sentences,
    overwrite=config.data.overwrite,
    asked_rate=config.data.asked_rate,
    wording=config.data.wording,
    style=style,
  )


def episodes(config, split: str, multiple: int = 1, style: str = '') -> Made:
  """Episodes by uid, of so many train lengths and a style of STYLES."""
  world, chunks = _world(config, style), config.data.train_chunks * multiple
  if split == 'train':
    some = {name: config.data[name] for name in ('scrambled', 'shared')}
    world = dataclasses.replace(world, **some)
  return Made(lambda uid: episode(world, split, uid, chunks, config.seed))


def _known_texts(config, count: int) -> Iterator[str]:
  """Lines whose names and values are in tokenizer.known_words of them."""
  every = set().union(*LEXICON.values())
  hidden = vocabulary.hidden(every, config.tokenizer.known_words)
  lines = texts(_world(config), 'train', config.seed, count)
  return (x for x in lines if hidden.isdisjoint(words_lib.terms(x)))


SOURCES = (
  Source(
    'synthetic',
    rule='exact',
    episodes=episodes,
    splits=SPLITS,
    reader=lambda config, strict: extractive.ExtractiveReader(
      FRAMES, LEXICON, strict
    ),
    oracle=lambda episode: [oracle_notes(chunk) for chunk in episode.chunks],
    alone=True,
    any_length=True,
    texts=_known_texts,
  ),
)
