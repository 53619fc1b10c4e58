"""How a world is told: templates by form, read back as they were filled.

A field of a template is a kind of words, with a number where there are two of
one kind: '{person} has {person2} as doctor'.
"""

import dataclasses
import functools
import random
import re
import string
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mem_alpha_jax.data.worlds import vocabulary
from mem_alpha_jax.text import english


class Line(NamedTuple):
  """A sentence before it is put into words."""

  form: str  # key of Language.said
  fields: Mapping[str, str]  # of its templates


class Said(NamedTuple):
  """Templates of a form."""

  seen: tuple[str, ...]
  held_out: tuple[str, ...]  # of the splits of templates


def kind_of(field: str) -> str:
  return field.rstrip(string.digits)


def fields_of(template: str) -> list[tuple[str, str | None]]:
  """The text before each field, and the field; None after the last."""
  return [
    (text, name) for text, name, _, _ in string.Formatter().parse(template)
  ]


def said(text: str) -> Said:
  """Templates, one a line; a line '--' stands before those held out."""
  seen, _, held_out = text.partition('--')
  lines = lambda part: tuple(
    line.strip() for line in part.splitlines() if line.strip()
  )
  return Said(lines(seen), lines(held_out))


@dataclasses.dataclass(frozen=True, eq=False)
class Language:
  """The words and templates of one world in one language.

  Attributes:
    words: kind -> split of words -> words.
    said: form -> templates of sentences, without their stop.
    asked: form of a question -> its text, a template.
    attributes: of facts.
    cues: attribute -> the word that says it in sentences and notes; an
      attribute that is not there is its own cue.
    stop: ends a sentence.
    gap: stands between sentences, and between the words of a note.
    spoken: yes and no.
  """

  words: Mapping[str, Mapping[str, Sequence[str]]]
  said: Mapping[str, Said]
  asked: Mapping[str, str]
  attributes: tuple[str, ...]
  cues: Mapping[str, str] = dataclasses.field(default_factory=dict)
  stop: str = '.'
  gap: str = ' '
  spoken: tuple[str, str] = ('yes', 'no')

  def allowed(self, split: str, name: str, kind: str) -> list[str]:
    """Words of a kind that a split may say of a name.

    All of a kind that the splits share, or of no name.
    """
    dealt = self.words[kind]
    found = dealt[vocabulary.base_split(split)]
    tenths = vocabulary.PAIR_TENTHS.get(split)
    if tenths and name and dealt['train'] != dealt['test']:
      found = [w for w in found if vocabulary.tenth(name, w) in tenths]
    return [w for w in found if w != name]

  def say(self, rng: random.Random, line: Line, held_out: bool) -> str:
    """One sentence, of a template drawn at random."""
    forms = self.said[line.form]
    form = rng.choice(forms.held_out if held_out else forms.seen)
    text = form.format(**line.fields)
    return text[0].upper() + text[1:] + self.stop

  def read(self, chunk: str) -> list[Line]:
    """The lines that a chunk was made of, whichever templates said them."""
    found = map(self._line, english.sentences(chunk.strip()))
    return [line for line in found if line]

  def ask(self, form: str, fields: Mapping[str, str]) -> str:
    return self.asked[form].format(**fields)

  def cue(self, attribute: str) -> str:
    return self.cues.get(attribute, attribute)

  @functools.cached_property
  def lexicon(self) -> dict[str, frozenset[str]]:
    """Lowercase words of each kind, of all splits."""
    return {
      kind: frozenset(w.lower() for words in dealt.values() for w in words)
      for kind, dealt in self.words.items()
    }

  @functools.cached_property
  def vocabulary(self) -> frozenset[str]:
    """All that a note of a fact is made of, in lowercase."""
    cues = (self.cue(name).lower() for name in self.attributes)
    return frozenset().union(*self.lexicon.values(), cues)

  def any_of(self, kind: str) -> str:
    """A regex of the words of a kind, in lowercase."""
    longest_first = sorted(self.lexicon[kind], key=lambda w: (-len(w), w))
    return '|'.join(map(re.escape, longest_first))

  @functools.cached_property
  def _readers(self) -> list[tuple[str, list[str], re.Pattern]]:
    """Form, texts between the fields, and regex of each template."""
    return [
      (form, [text.lower() for text, _ in fields_of(t)], self._pattern(t))
      for form, templates in self.said.items()
      for t in (*templates.seen, *templates.held_out)
    ]

  def _pattern(self, template: str) -> re.Pattern:
    parts = [
      re.escape(text)
      + (f'(?P<{name}>{self.any_of(kind_of(name))})' if name else '')
      for text, name in fields_of(template)
    ]
    return re.compile(''.join(parts), re.IGNORECASE)

  @functools.cached_property
  def _written(self) -> dict[str, str]:
    """Lowercase word -> as it is written."""
    dealt = (d for by_split in self.words.values() for d in by_split.values())
    return {word.lower(): word for words in dealt for word in words}

  def _line(self, sentence: str) -> Line | None:
    sentence = sentence.removesuffix(self.stop)
    lower = sentence.lower()
    for form, texts, pattern in self._readers:
      # Most templates fail here, at a fraction of what a regex costs.
      fits = all(text in lower for text in texts)
      if fits and (match := pattern.fullmatch(sentence)):
        found = match.groupdict().items()
        return Line(form, {k: self._written[v.lower()] for k, v in found})
    return None
