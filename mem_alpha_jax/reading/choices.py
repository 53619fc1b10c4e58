"""Multiple choice: how it is asked, and a reader of it by rules."""

import math
import re
from collections.abc import Sequence

from mem_alpha_jax.reading import protocol
from mem_alpha_jax.text import english
from mem_alpha_jax.text import words as words_lib
from mem_alpha_jax.types import Note, Request

LETTERS = 'ABCDEFGHIJ'
_ASK = 'Answer with the letter of the right choice.'
_CHOICE = re.compile(r'^([A-J])\. (.*)$', re.MULTILINE)


def question(asked: str, choices: Sequence[str]) -> str:
  """The question, its choices by letter, a line each, and what is wanted.

  Raises:
    ValueError: fewer than two choices, or more than there are letters.
  """
  if not 2 <= len(choices) <= len(LETTERS):
    raise ValueError(f'{len(choices)} choices, expected 2 to {len(LETTERS)}')
  pairs = zip(LETTERS, choices, strict=False)
  lines = (f'{letter}. {" ".join(text.split())}' for letter, text in pairs)
  return '\n'.join((asked.strip(), *lines, _ASK))


def answer(
  choices: Sequence[tuple[str, str]],
  notes: Sequence[Note],
  core: str,
  strict: bool,
) -> str:
  """The letter of the choice that shares most with one of the notes.

  Words that fewer choices have count more; no rule knows what 'not' denies.

  Args:
    choices: letters and texts.
    strict: if True choices that share as much make the reader abstain; else
      the first of them is taken. Where none shares a word both abstain.
  """
  stems = [_stems(text) for _, text in choices]
  weight = {
    stem: math.log(len(stems) / sum(stem in s for s in stems))
    for stem in set().union(*stems)
  }
  read = [_stems(text) for text in (*(note.text for note in notes), core)]
  shared = [
    max(sum(weight[stem] for stem in sorted(own & note)) for note in read)
    / math.sqrt(len(own) or 1)
    for own in stems
  ]
  best = max(shared)
  fits = [a for (a, _), x in zip(choices, shared, strict=True) if x == best]
  return '' if not best or strict and len(fits) > 1 else fits[0]


def make_reader(otherwise: protocol.Reader, strict: bool) -> protocol.Reader:
  """Returns a reader of what `question` asks; `otherwise` reads the rest."""

  def read(requests: Sequence[Request]) -> list[str | None]:
    mine = [request.question.endswith(_ASK) for request in requests]
    others = [r for r, chosen in zip(requests, mine, strict=True) if not chosen]
    said = iter(otherwise(others) if others else ())
    return [
      answer(_CHOICE.findall(r.question), r.notes, r.core, strict)
      if chosen
      else next(said)
      for r, chosen in zip(requests, mine, strict=True)
    ]

  return read


def lettered(read: protocol.Reader) -> protocol.Reader:
  """Returns a reader that says which choice is what `read` answers.

  `read` is not shown the choices; '' where none of them is its answer.
  """

  def answer(requests: Sequence[Request]) -> list[str | None]:
    offered = [
      {text.lower(): letter for letter, text in _CHOICE.findall(r.question)}
      for r in requests
    ]
    bare = [
      r._replace(question=r.question.partition('\n')[0]) if named else r
      for r, named in zip(requests, offered, strict=True)
    ]
    return [
      named.get(said, '') if named else said
      for said, named in zip(read(bare), offered, strict=True)
    ]

  return answer


def _stems(text: str) -> set[str]:
  return {english.stem(word) for word in words_lib.terms(text)}
