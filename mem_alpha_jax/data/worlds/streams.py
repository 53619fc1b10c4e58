"""Streams of a world: its text, and questions over the spans of answers."""

import functools
import itertools
import random
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from mem_alpha_jax.data.source import Grade, Made, Source
from mem_alpha_jax.data.worlds import core, grading, questions, vocabulary
from mem_alpha_jax.data.worlds.core import Ask, Cast, Facts, Key, World
from mem_alpha_jax.data.worlds.language import Language, Line
from mem_alpha_jax.memory.state import MemoryState
from mem_alpha_jax.types import Episode, Note, Question

_TRIES = 20  # draws of a line before small talk is told
_ATTEMPTS = 1000  # draws of an episode
_TEXT_CHUNKS = 8  # chunks of a stream that the tokenizer reads


class Step(NamedTuple):
  """A chunk, what it was made of, and questions whose span ended with it."""

  chunk: str
  lines: tuple[Line, ...]
  changed: tuple[tuple[Key, str], ...]  # facts; '' for one that ended
  closed: tuple[Question, ...]
  stored: tuple[str, ...]  # texts of the entries that the memory began with


class Options(NamedTuple):
  """Fields of a config that decide a stream."""

  sentences: int = 1  # of a chunk
  overwrite: float = 0.65  # share of draws of an owner that has the fact
  asked_rate: float = 0.45  # questions asked at the end for every sentence


class _Spans:
  """Questions whose answer holds, and since when."""

  def __init__(self, world: World, language: Language):
    self.world, self.language = world, language
    self.watched: dict[Key, dict[str, Ask]] = {}
    self.open: dict[str, Question] = {}
    self.had: set[str] = set()  # questions that had an answer before
    self.told: dict[Key, tuple[int, ...]] = {}  # the chunks of each fact

  def update(self, cast: Cast, facts: Facts, keys: Iterable[Key], t: int):
    """The questions whose answer changed with chunk t, closed."""
    touched = {}
    for key in keys:
      before = self.told.get(key, ()) if key[-1] in self.world.sums else ()
      self.told[key] = (*before, t)
      for ask in self.world.asks(cast, facts, key) if key in facts else ():
        text = ask.text(self.language)
        for one in ask.keys:
          self.watched.setdefault(one, {})[text] = ask
      touched |= self.watched.get(key, {})
    closed = []
    for text, ask in touched.items():
      was, gold = self.open.pop(text, None), ask.answer(facts)
      if was and was.answer == gold:
        self.open[text] = was
        continue
      if was and was.first < t:
        closed.append(was._replace(last=t - 1, asked=False))
      if gold:
        kind = ask.type(facts, text in self.had)
        told = self._evidence(ask)
        self.open[text] = Question(text, gold, kind, t, t, evidence=told)
        self.had.add(text)
    return closed

  def _evidence(self, ask: Ask) -> tuple[int, ...]:
    """The chunks of its facts; of none that a memory may have begun with."""
    if self.world.start:
      return ()
    return tuple(sorted(set().union(*(self.told.get(k, ()) for k in ask.keys))))

  def end(self, rng: random.Random, t: int, wanted: int) -> list[Question]:
    """All that hold at chunk t, the last; those asked are of types by turns."""
    held = [q._replace(last=t, asked=False) for q in self.open.values()]
    by_type: dict[str, list[int]] = {}
    for i in rng.sample(range(len(held)), len(held)):
      by_type.setdefault(held[i].type, []).append(i)
    kinds = rng.sample(sorted(by_type), len(by_type))
    rows = itertools.zip_longest(*map(by_type.get, kinds))
    turns = [i for row in rows for i in row if i is not None]
    for i in turns[:wanted]:
      held[i] = held[i]._replace(asked=True)
    return held


def _cast(world: World, language: Language, split: str, seed: str, share):
  rng = random.Random(f'{split} {seed}')
  names = list(language.words[world.entity][vocabulary.base_split(split)])
  rng.shuffle(names)
  return Cast(language, split, rng, share, names, rng.randint(2, 3))


def _line(world: World, cast: Cast, facts: Facts, taken: set[Key]) -> Line:
  """A line that sets none of the facts that its chunk has set already.

  Every second one is due, where some are.
  """
  fits = lambda line: taken.isdisjoint(
    key for key, _ in core.changes(world, line, facts)
  )
  if cast.due and cast.sentences % 2 == 0 and fits(cast.due[-1]):
    return cast.due.pop()
  forms = [*world.told]
  weights = [weight for weight, _ in world.told.values()]
  for _ in range(_TRIES):
    (form,) = cast.rng.choices(forms, weights)
    fields = world.told[form][1](cast, facts)
    if fields is not None and None not in fields.values():
      line = Line(form, fields)
      if fits(line):
        return line
  return Line(world.talk, world.told[world.talk][1](cast, facts))


def stream(
  world: World,
  language: Language,
  split: str,
  seed: str,
  chunks: int,
  options: Options,
) -> Iterator[Step]:
  """Yields the chunks of one world; the same for the same split and seed.

  A shorter stream is a prefix of a longer one, but for its last `closed`.
  """
  cast = _cast(world, language, split, seed, options.overwrite)
  facts, spans = {}, _Spans(world, language)
  stored = tuple(world.start(cast, facts)) if world.start else ()
  first = [*facts]
  held_out = split.endswith('_templates')
  for t in range(chunks):
    lines, changed = [], {}
    for _ in range(options.sentences):
      lines.append(_line(world, cast, facts, set(changed)))
      told = core.changes(world, lines[-1], facts)
      changed |= dict(told)
      core.apply(facts, told)
      cast.sentences += 1
    chunk = language.gap.join(
      language.say(cast.rng, line, held_out) for line in lines
    )
    keys = [*changed] if t else [*first, *changed]
    closed = spans.update(cast, facts, keys, t)
    if t + 1 == chunks:
      wanted = round(options.asked_rate * cast.sentences)
      closed += spans.end(cast.rng, t, min(max(wanted, 2), 64))
    changes = tuple(changed.items())
    yield Step(chunk, tuple(lines), changes, tuple(closed), stored)


def options_of(config: Any) -> Options:
  d = config.data
  return Options(d.chunk_sentences, d.overwrite, d.asked_rate)


def _episode(
  world: World,
  language: Language,
  name: str,
  config: Any,
  split: str,
  chunks: int,
  uid: int,
) -> Episode:
  """The episode of (seed, split, uid); drawn again if it asks too little."""
  for attempt in range(_ATTEMPTS):
    seed = f'{config.seed} {uid} {attempt}'
    steps = [*stream(world, language, split, seed, chunks, options_of(config))]
    asked = tuple(q for step in steps for q in step.closed)
    if sum(q.asked for q in asked) >= min(2, chunks):
      start = tuple(Note('semantic', text, 0) for text in steps[0].stored)
      read = tuple(step.chunk for step in steps)
      return Episode(uid, name, read, asked, start=start)
  raise ValueError(
    f'data.train_chunks={config.data.train_chunks}: no episode of {name} with '
    'two questions; raise it'
  )


def _texts(
  world: World, language: Language, config: Any, count: int
) -> Iterator[str]:
  """Chunks and notes with tokenizer.known_words of names and values."""
  dealt = (d for d in language.words.values() if d['train'] != d['test'])
  every = {w.lower() for d in dealt for words in d.values() for w in words}
  hidden = vocabulary.hidden(every, config.tokenizer.known_words)
  known, options = questions.known(language), options_of(config)
  for i in range(count):
    seed = f'{config.seed} text {i}'
    for step in stream(world, language, 'train', seed, _TEXT_CHUNKS, options):
      found = [
        core.note(world, language, *change).text
        for change in step.changed
        if change[1]
      ]
      for text in (step.chunk, *found):
        if hidden.isdisjoint(questions.words(text, known)):
          yield text


def _grade(
  world: World, language: Language, episode: Episode, state: MemoryState
) -> Grade:
  before = core.started(world, episode).items()
  first = [core.note(world, language, *fact) for fact in before]
  wanted = grading.target([first, *core.notes(world, language, episode)])
  return grading.grade(language, wanted, state)


def source(world: World, language: Language, name: str = '') -> Source:
  """The world in a language as a source of episodes of any length."""
  name = name or world.name
  bound = lambda function: functools.partial(function, world, language)

  def episodes(config, split: str, multiple: int = 1) -> Made:
    chunks = config.data.train_chunks * multiple
    return Made(functools.partial(bound(_episode), name, config, split, chunks))

  return Source(
    name,
    rule='json' if world.record else world.rule,
    episodes=episodes,
    splits=vocabulary.SPLITS,
    reader=functools.partial(
      questions.reader, language, world.read, world.record, world.entity
    ),
    oracle=bound(core.notes),
    grade=bound(_grade),
    any_length=True,
    texts=bound(_texts),
  )
