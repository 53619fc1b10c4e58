"""The symbolic core of worlds: facts on a clock, told, and asked over spans.

A world is a table: which sentences it tells, what each makes true, and what may
be asked of a fact. The clock counts chunks. Everything else follows from the
events: text, spans over which an answer holds, perfect notes, target state.
"""

import dataclasses
import functools
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from mem_alpha_jax.data.source import Made, Notes, OracleNote, Source
from mem_alpha_jax.data.worlds import questions, vocabulary
from mem_alpha_jax.data.worlds.language import Language, Line
from mem_alpha_jax.text import words as words_lib
from mem_alpha_jax.types import Episode, Question

Key = tuple[str, ...]  # whom a fact is about, what else names it, its attribute
Facts = dict[Key, str]
_TRIES = 20  # draws of a line before small talk is told
_TEXT_CHUNKS = 8  # chunks of a stream that the tokenizer reads


class Effect(NamedTuple):
  """What a sentence makes true: templates of its fields."""

  key: Key
  value: str = ''  # '' ends the fact


class Ask(NamedTuple):
  """A question, whose answer is a function of the facts."""

  form: str  # key of Language.asked
  fields: Mapping[str, str]
  type: str  # the key of tables
  keys: tuple[Key, ...]  # facts that decide the answer
  gold: Callable[[Facts], str]  # '' while there is none
  later: str = ''  # type of an answer that replaces another


@dataclasses.dataclass
class Cast:
  """What a stream draws from; more people join as it goes on."""

  language: Language
  split: str
  rng: random.Random
  overwrite: float  # share of draws of an owner that has the fact already
  names: list[str]  # of the split, in the order in which they join
  joined: int
  sentences: int = 0  # told so far

  @property
  def base(self) -> str:
    return vocabulary.base_split(self.split)

  def people(self) -> list[str]:
    late = max(0, self.sentences - 8) // 8
    return self.names[: self.joined + late]

  def owner(self, facts: Facts, attribute: str) -> str:
    """Somebody, at times one of those that have the attribute."""
    having = [key[0] for key in facts if key[1:] == (attribute,)]
    if having and self.rng.random() < self.overwrite:
      return self.rng.choice(having)
    return self.rng.choice(self.people())

  def word(self, kind: str, name: str = '', *but: str) -> str | None:
    """A word of a kind that may be said of a name; None if there is none."""
    allowed = self.language.allowed(self.split, name, kind)
    left = [word for word in allowed if word not in but]
    return self.rng.choice(left) if left else None


# (cast, facts) -> the fields of a line; None or a None in them: not now.
Maker = Callable[[Cast, Facts], Mapping[str, str | None] | None]


@dataclasses.dataclass(frozen=True)
class World:
  """A table of what is told and asked.

  Attributes:
    name: of its source.
    told: form -> its weight, and what fills its templates.
    effects: form -> what it makes true; forms that are not there state nothing.
    asks: (cast, facts, key of a fact that was told) -> questions about it.
    read: form of a question -> how the reader by rules answers it.
    talk: forms of `told` that state nothing and can always be told.
    record: field -> kind of its word; answers are JSON objects with these.
    dated: attributes whose notes are of events: 'episodic'.
  """

  name: str
  told: Mapping[str, tuple[float, Maker]]
  effects: Mapping[str, Sequence[Effect]]
  asks: Callable[[Cast, Facts, Key], Iterable[Ask]]
  read: Mapping[str, questions.Read]
  talk: str
  record: Mapping[str, str] = dataclasses.field(default_factory=dict)
  dated: frozenset[str] = frozenset()


class Step(NamedTuple):
  """A chunk, what it was made of, and questions whose span ended with it."""

  chunk: str
  lines: tuple[Line, ...]
  closed: tuple[Question, ...]


class Options(NamedTuple):
  """Fields of a config that decide a stream."""

  sentences: int = 1  # of a chunk
  overwrite: float = 0.5
  asked_rate: float = 0.45  # questions asked at the end for every sentence


def changes(world: World, line: Line) -> list[tuple[Key, str]]:
  """The facts that a line sets; '' for those that it ends."""
  fill = lambda text: text.format(**line.fields)
  return [
    (tuple(map(fill, effect.key)), fill(effect.value))
    for effect in world.effects.get(line.form, ())
  ]


def apply(facts: Facts, changed: Iterable[tuple[Key, str]]) -> None:
  for key, value in changed:
    if value:
      facts[key] = value
    else:
      facts.pop(key, None)


def note(
  world: World, language: Language, key: Key, value: str
) -> OracleNote:
  """What a perfect writer keeps of a fact; of one that ended, that it did."""
  parts = [language.cue(part) for part in key]
  kind = 'episodic' if key[-1] in world.dated else 'semantic'
  words = tuple(words_lib.terms(' '.join(parts)))
  return OracleNote(words, kind, ' '.join([*parts, value]).strip(), not value)


def notes(world: World, language: Language, episode: Episode) -> Notes:
  """Perfect notes of each chunk, read back from its text."""
  return [
    [
      note(world, language, *change)
      for line in language.read(chunk)
      for change in changes(world, line)
    ]
    for chunk in episode.chunks
  ]


class _Spans:
  """Questions whose answer holds, and since when."""

  def __init__(self, world: World, language: Language):
    self.world, self.language = world, language
    self.watched: dict[Key, dict[str, Ask]] = {}
    self.open: dict[str, Question] = {}
    self.had: set[str] = set()  # questions that had an answer before

  def update(self, cast: Cast, facts: Facts, keys: Iterable[Key], t: int):
    """The questions whose answer changed with chunk t, closed."""
    touched = {}
    for key in keys:
      for ask in self.world.asks(cast, facts, key) if key in facts else ():
        text = self.language.ask(ask.form, ask.fields)
        for one in ask.keys:
          self.watched.setdefault(one, {})[text] = ask
      touched |= self.watched.get(key, {})
    closed = []
    for text, ask in touched.items():
      was, gold = self.open.pop(text, None), ask.gold(facts)
      if was and was.answer == gold:
        self.open[text] = was
        continue
      if was and was.first < t:
        closed.append(was._replace(last=t - 1, asked=False))
      if gold:
        kind = ask.later if ask.later and text in self.had else ask.type
        self.open[text] = Question(text, gold, kind, t, t)
        self.had.add(text)
    return closed

  def end(self, rng: random.Random, t: int, wanted: int) -> list[Question]:
    """All that hold at chunk t, the last; those asked are of types by turns."""
    held = [q._replace(last=t, asked=False) for q in self.open.values()]
    by_type: dict[str, list[int]] = {}
    for i in rng.sample(range(len(held)), len(held)):
      by_type.setdefault(held[i].type, []).append(i)
    turns = [
      place
      for row in zip(*_padded(sorted(by_type.items())), strict=True)
      for place in row
      if place is not None
    ]
    for i in turns[:wanted]:
      held[i] = held[i]._replace(asked=True)
    return held


def _padded(groups) -> list[list[int | None]]:
  longest = max((len(places) for _, places in groups), default=0)
  return [[*p, *[None] * (longest - len(p))] for _, p in groups]


def start(
  language: Language, split: str, seed: str, overwrite: float
) -> Cast:
  rng = random.Random(f'{split} {seed}')
  names = list(language.words['person'][vocabulary.base_split(split)])
  rng.shuffle(names)
  return Cast(language, split, rng, overwrite, names, rng.randint(2, 3))


def _line(world: World, cast: Cast, facts: Facts, taken: set[Key]) -> Line:
  """A line that sets none of the facts that its chunk has set already."""
  forms = [*world.told]
  weights = [weight for weight, _ in world.told.values()]
  for _ in range(_TRIES):
    (form,) = cast.rng.choices(forms, weights)
    fields = world.told[form][1](cast, facts)
    if fields is not None and None not in fields.values():
      line = Line(form, fields)
      if taken.isdisjoint(key for key, _ in changes(world, line)):
        return line
  return Line(world.talk, world.told[world.talk][1](cast, facts))


def stream(
  world: World,
  language: Language,
  split: str,
  seed: str,
  chunks: int,
  options: Options = Options(),
) -> Iterator[Step]:
  """Yields the chunks of one world; the same for the same split and seed.

  A shorter stream is a prefix of a longer one, but for its last `closed`.
  """
  cast = start(language, split, seed, options.overwrite)
  facts, spans = {}, _Spans(world, language)
  held_out = split.endswith('_templates')
  for t in range(chunks):
    lines, changed = [], {}
    for _ in range(options.sentences):
      lines.append(_line(world, cast, facts, set(changed)))
      changed |= dict(changes(world, lines[-1]))
      apply(facts, changes(world, lines[-1]))
      cast.sentences += 1
    closed = spans.update(cast, facts, changed, t)
    if t + 1 == chunks:
      wanted = round(options.asked_rate * cast.sentences)
      closed += spans.end(cast.rng, t, min(max(wanted, 2), 64))
    said = [language.say(cast.rng, line, held_out) for line in lines]
    yield Step(language.gap.join(said), tuple(lines), tuple(closed))


def options_of(config: Any) -> Options:
  d = config.data
  return Options(d.chunk_sentences, d.overwrite, d.asked_rate)


def source(world: World, language: Language, name: str = '') -> Source:
  """The world in a language as a source of episodes of any length."""
  name = name or world.name
  told = functools.partial(stream, world, language)

  def episode(config, split: str, chunks: int, uid: int) -> Episode:
    options = options_of(config)
    for attempt in range(1000):
      seed = f'{config.seed} {uid} {attempt}'
      steps = [*told(split, seed, chunks, options)]
      asked = tuple(q for step in steps for q in step.closed)
      if sum(q.asked for q in asked) >= min(2, chunks):
        return Episode(uid, name, tuple(s.chunk for s in steps), asked)
    raise ValueError(
      f'data.train_chunks={config.data.train_chunks}: no episode of {name} '
      'with two questions; raise it'
    )

  def episodes(config, split: str, multiple: int = 1) -> Made:
    chunks = config.data.train_chunks * multiple
    return Made(functools.partial(episode, config, split, chunks))

  def texts(config, count: int) -> Iterator[str]:
    """Chunks and notes with tokenizer.known_words of names and values."""
    open_kinds = (
      words for words in language.words.values() if words['train'] != words['test']
    )
    every = {w.lower() for d in open_kinds for some in d.values() for w in some}
    hidden = vocabulary.hidden(every, config.tokenizer.known_words)
    for i in range(count):
      seed = f'{config.seed} text {i}'
      for step in told('train', seed, _TEXT_CHUNKS, options_of(config)):
        found = [step.chunk] + [
          note(world, language, *change).text
          for line in step.lines
          for change in changes(world, line)
          if change[1]
        ]
        yield from (t for t in found if hidden.isdisjoint(_known(t)))

  known = questions.known(language)
  lexicon = frozenset().union(*language.lexicon.values())

  def _known(text: str) -> set[str]:
    return lexicon.intersection(questions.words(text, known))

  return Source(
    name,
    rule='json' if world.record else 'exact',
    episodes=episodes,
    splits=vocabulary.SPLITS,
    reader=functools.partial(
      questions.reader, language, world.read, world.record
    ),
    oracle=functools.partial(notes, world, language),
    alone=True,
    any_length=True,
    texts=texts,
  )
