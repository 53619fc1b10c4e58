"""The symbolic core of worlds: facts on a clock, told, and asked over spans.

A world is a table: which sentences it tells, what each makes true, and what may
be asked of a fact. The clock counts chunks. Everything else follows from the
events: perfect notes (here), text and the spans over which an answer holds
(`streams.py`), the state that a memory should end with (`grading.py`).
"""

import dataclasses
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from mem_alpha_jax.data.source import Notes, OracleNote
from mem_alpha_jax.data.worlds import questions, vocabulary
from mem_alpha_jax.data.worlds.language import Language, Line
from mem_alpha_jax.reading import choices
from mem_alpha_jax.text import words as words_lib
from mem_alpha_jax.types import Episode

Key = tuple[str, ...]  # whom a fact is about, what else names it, its attribute
Facts = dict[Key, str]


class Effect(NamedTuple):
  """What a sentence makes true: templates of its fields."""

  key: Key
  # '' ends the fact; of facts, (facts, fields) -> what the sentence leaves out,
  # None where it changes nothing.
  value: str | Callable[[Facts, Mapping[str, str]], str | None] = ''


class Ask(NamedTuple):
  """A question, whose answer is a function of the facts."""

  form: str  # key of Language.asked
  fields: Mapping[str, str]
  type: Callable[[Facts, bool], str]  # (facts, it had an answer before)
  keys: tuple[Key, ...]  # facts that decide the answer
  gold: Callable[[Facts], str]  # '' while there is none
  options: Sequence[str] = ()  # one is to be chosen, and answers are letters

  def text(self, language: Language) -> str:
    text = language.ask(self.form, self.fields)
    return choices.question(text, self.options) if self.options else text

  def answer(self, facts: Facts) -> str:
    gold = self.gold(facts)
    letters = dict(zip(self.options, choices.LETTERS, strict=False))
    return letters.get(gold, '') if self.options else gold


def kind(first: str, again: str = '') -> Callable[[Facts, bool], str]:
  """The type of a question: another once an answer has replaced one."""
  return lambda facts, before: again if again and before else first


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
  due: list[Line] = dataclasses.field(default_factory=list)  # to be told
  marks: dict[Key, str] = dataclasses.field(default_factory=dict)  # of a world

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
    asks: (cast, facts, key of a fact that was told) -> questions about it; it
      may draw from the cast.
    read: form of a question -> how the reader by rules answers it.
    talk: form of `told` that states nothing and can always be told.
    record: field -> kind of its word; answers are JSON objects with these.
    rule: of scoring other answers.
    sums: attributes of facts that every line about them goes into.
    dated: attributes whose notes are of events: 'episodic'.
    entity: kind of the words that facts are about.
    start: (cast, facts) -> texts of the entries that a memory begins with; it
      fills the facts and what is due. None: it begins empty.
  """

  name: str
  told: Mapping[str, tuple[float, Maker]]
  effects: Mapping[str, Sequence[Effect]]
  asks: Callable[[Cast, Facts, Key], Iterable[Ask]]
  read: Mapping[str, questions.Read]
  talk: str
  record: Mapping[str, str] = dataclasses.field(default_factory=dict)
  rule: str = 'exact'
  sums: frozenset[str] = frozenset()
  dated: frozenset[str] = frozenset()
  entity: str = 'person'
  start: Callable[[Cast, Facts], list[str]] | None = None


def changes(world: World, line: Line, facts: Facts) -> list[tuple[Key, str]]:
  """The facts that a line sets; '' for those that it ends."""
  found = []
  for key, value in world.effects.get(line.form, ()):
    if callable(value):
      told = value(facts, line.fields)
    else:
      told = value.format(**line.fields)
    if told is not None:
      found.append((tuple(part.format(**line.fields) for part in key), told))
  return found


def apply(facts: Facts, changed: Iterable[tuple[Key, str]]) -> None:
  for key, value in changed:
    if value:
      facts[key] = value
    else:
      facts.pop(key, None)


def note(world: World, language: Language, key: Key, value: str) -> OracleNote:
  """What a perfect writer keeps of a fact; of one that ended, that it did."""
  parts = [language.cue(part) for part in key]
  kind = 'episodic' if key[-1] in world.dated else 'semantic'
  words = tuple(words_lib.terms(language.gap.join(parts)))
  text = language.gap.join([*parts, value]).strip()
  return OracleNote(words, kind, text, not value)


def started(world: World, episode: Episode) -> Facts:
  """What the entries say that a memory begins with, the last of each key."""
  if world.start is None:
    return {}
  parts = (note.text.split() for note in episode.start)
  return {tuple(p[:2]): p[2] for p in parts if len(p) == 3}


def notes(world: World, language: Language, episode: Episode) -> Notes:
  """Perfect notes of each chunk, read back from its text."""
  facts, found = started(world, episode), []
  for chunk in episode.chunks:
    found.append([])
    for line in language.read(chunk):
      changed = changes(world, line, facts)
      apply(facts, changed)
      found[-1] += [note(world, language, *change) for change in changed]
  return found
