"""How the synthetic world puts into words what it states: plain or varied.

Both draw from what they are given and know nothing of what is true.
"""

import dataclasses
import random
import re
from collections.abc import Sequence
from typing import NamedTuple

from mem_alpha_jax.data import synthetic_templates as templates
from mem_alpha_jax.data import synthetic_words as words

# Properties that all sentences of a set may be made to have; of 'two' and
# 'three' every chunk with facts has so many.
STYLES = (
  '', 'no_stop', 'lower', 'prefix', 'clause', 'inverted', 'two', 'three'
)  # fmt: skip
# Shares of sentences; each is drawn for itself.
_OPENING, _ENDING, _LOWER, _NO_STOP = 0.4, 0.2, 0.2, 0.2
_DOUBT, _FRAMED_EVENT = 0.5, 0.5  # of decoys, of decoys about events
_FILLERS = 3  # most invented words in a clause of `Varied.scrambled`
_UNIT = re.compile(r'\d+ \w+|\S+')  # a date stays together
_SYLLABLES = tuple(c + v for c in 'bdfghklmnprstvw' for v in 'aeiou')


class Event(NamedTuple):
  """Somebody, or the user, at a place on a date."""

  name: str
  venue: str
  date: str


class Plain:
  """One clause a fact, three openings, a full stop."""

  def fact(self, rng: random.Random, key, value: str, people) -> str:
    clause = words.clause(*key, value)
    return words.sentence(rng.choice(words.FACT_FORMS), c=clause)

  def decoy(self, rng: random.Random, key, value: str, other: str) -> str:
    forms = words.DECOY_FORMS
    if key[0] != words.USER:
      forms = forms + (words.ATTRIBUTES[key[1]].decoy,) * 2
    form, clause = rng.choice(forms), words.clause(*key, value)
    return words.sentence(form, c=clause, n=key[0], v=value, o=other)

  def event(self, rng: random.Random, event: Event, people) -> str:
    return _event(rng.choice(words.EVENT_FORMS), event)

  def event_decoy(self, rng: random.Random, event: Event, people) -> str:
    return _event(rng.choice(words.EVENT_DECOYS), event)

  def small_talk(self, rng: random.Random, name: str, other: str) -> str:
    return words.sentence(rng.choice(words.SMALL_TALK), n=name, o=other)

  def join(self, sentences: Sequence[str]) -> str:
    return ' '.join(sentences)


@dataclasses.dataclass(frozen=True)
class Varied:
  """Sentences of templates, with openings and endings, in any case."""

  said: templates.Templates
  style: str = ''  # of STYLES
  # Share of clauses with invented words in them, and in any order where that
  # does not say who is what of whom: no template to learn.
  scrambled: float = 0.0

  def fact(self, rng: random.Random, key, value: str, people) -> str:
    forms = self._in_style(self.said.clauses[key[1]])
    clause = _of(rng.choice(forms), key[0], value)
    clause = self._scrambled(rng, clause, key[1])
    others = [p for p in people if p not in (key[0], value)]
    return self._framed(rng, clause, others, self.said.lately)

  def decoy(self, rng: random.Random, key, value: str, other: str) -> str:
    if rng.random() < _DOUBT:
      form = rng.choice(self._in_style(self.said.clauses[key[1]]))
      clause = self._scrambled(rng, _of(form, key[0], value), key[1])
      return self._doubted(rng, clause, other)
    form = rng.choice(self.said.relatives[key[1]])
    clause = self._scrambled(rng, _of(form, key[0], value), key[1])
    return self._framed(rng, clause, [other])

  def event(self, rng: random.Random, event: Event, people) -> str:
    forms = self._in_style(tuple((form, form) for form in self.said.events))
    others = [p for p in people if p != event.name]
    clause = self._scrambled(rng, _event(rng.choice(forms)[0], event))
    return self._framed(rng, clause, others)

  def event_decoy(self, rng: random.Random, event: Event, people) -> str:
    others = [p for p in people if p != event.name]
    if others and rng.random() < _FRAMED_EVENT:
      clause = _event(rng.choice(self.said.events), event)
      clause = self._scrambled(rng, clause)
      return self._doubted(rng, clause, rng.choice(others))
    clause = _event(rng.choice(self.said.unhappened), event)
    return self._framed(rng, self._scrambled(rng, clause), others)

  def small_talk(self, rng: random.Random, name: str, other: str) -> str:
    form = rng.choice(self.said.small_talk)
    return self._finished(rng, form.format(n=name, o=other))

  def join(self, sentences: Sequence[str]) -> str:
    """A sentence that lost its stop ends with a semicolon before another."""
    *first, last = sentences
    first = [s if s.endswith('.') else f'{s};' for s in first]
    return ' '.join((*first, last))

  def _in_style(self, forms: Sequence[templates.Pair]):
    if self.style != 'inverted':
      return forms
    return [f for f in forms if f[0].index('{v}') < f[0].index('{n}')]

  def _framed(self, rng, clause: str, others, lately: Sequence[str] = ()):
    """The clause, maybe behind an opening, maybe before an ending."""
    for style, share, forms in (
      ('clause', _ENDING, self.said.endings),
      ('prefix', _OPENING, (*self.said.openings, *lately)),
    ):
      if not others:
        forms = [form for form in forms if '{o}' not in form]
      if self.style == style or rng.random() < share:
        other = rng.choice(others) if others else ''
        clause = rng.choice(forms).format(c=clause, o=other)
    return self._finished(rng, clause)

  def _scrambled(self, rng, clause: str, cue: str = '') -> str:
    if not self.scrambled or rng.random() >= self.scrambled:
      return clause
    units = _UNIT.findall(clause)
    if not cue or words.ATTRIBUTES[cue].kind != 'person':
      rng.shuffle(units)
    for _ in range(rng.randint(0, _FILLERS)):
      invented = ''.join(rng.choices(_SYLLABLES, k=rng.randint(1, 4)))
      units.insert(rng.randint(0, len(units)), invented)
    return ' '.join(units)

  def _doubted(self, rng, clause: str, other: str) -> str:
    text = rng.choice(self.said.doubts).format(c=clause, o=other)
    return self._finished(rng, text)

  def _finished(self, rng, text: str) -> str:
    text = text[0].upper() + text[1:]
    if self.style == 'lower' or rng.random() < _LOWER:
      text = text.lower()
    bare = self.style == 'no_stop' or rng.random() < _NO_STOP
    return text if bare else f'{text}.'


def _of(form: templates.Pair, name: str, value: str) -> str:
  return form[name == words.USER].format(n=name, v=value)


def _event(form: str, event: Event) -> str:
  shown = words.subject(event.name)
  return form.format(n=shown, v=event.venue, d=event.date)


def make(
  wording: str, split: str, style: str, scrambled: float = 0.0
) -> Plain | Varied:
  """The wording of a split; ValueError for one that there is not."""
  held_out = split.endswith('_templates')
  if wording == 'plain' and not (held_out or style or scrambled):
    return Plain()
  if wording != 'varied' or style not in STYLES:
    raise ValueError(
      f'wording={wording!r}, style={style!r}, scrambled={scrambled}: no '
      f'{split} split; use '
      f"'varied' with one of {STYLES}, or 'plain' without templates or style"
    )
  said = templates.HELD_OUT if held_out else templates.SEEN
  return Varied(said, style, scrambled)
