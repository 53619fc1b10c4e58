"""Questions of worlds for the reader by rules: templates read backwards."""

import functools
import json
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mem_alpha_jax.data.worlds.language import Language, fields_of, kind_of
from mem_alpha_jax.reading import extractive
from mem_alpha_jax.reading.protocol import Reader
from mem_alpha_jax.types import Request


class Read(NamedTuple):
  """What a note must hold to answer a form of question, and what it may not."""

  # Kind of the word that is the answer, or kinds with '+', or 'yes_no'.
  answer: str
  cues: tuple[str, ...] = ()  # attributes
  value: str = ''  # the field that a yes/no question is about
  needs: tuple[str, ...] = ()  # fields, beside the entity
  then: tuple[str, ...] = ()  # attributes of a second look
  without: tuple[str, ...] = ()  # kinds and attributes of no supporting note
  otherwise: str = ''  # whose note counts where the entity has none


def known(language: Language) -> frozenset[str]:
  """The words that a text is searched for; all of it, of Latin letters."""
  latin = all(word.isascii() for word in language.vocabulary)
  return frozenset() if latin else language.vocabulary


words = extractive.words


def reader(
  language: Language,
  read: Mapping[str, Read],
  record: Mapping[str, str],
  entity: str,
  config,
  strict: bool,
) -> Reader:
  """The reader of a world's questions, or of its JSON objects."""
  del config
  people = {r.otherwise for r in read.values()} - {''}
  lexicon = dict(language.lexicon)
  lexicon['person'] |= frozenset(people)
  for kinds in (r.answer for r in read.values() if '+' in r.answer):
    lexicon[kinds] = frozenset().union(*map(lexicon.get, kinds.split('+')))
  make = lambda kind: extractive.ExtractiveReader(
    tuple(
      _frame(language, form, r, entity, kind or r.answer)
      for form, r in read.items()
    ),
    lexicon,
    strict,
    known(language),
  )
  if not record:
    return make('')
  return functools.partial(_records, {f: make(k) for f, k in record.items()})


def _frame(
  language: Language, form: str, read: Read, entity: str, answer: str
) -> extractive.Frame:
  cues = lambda attributes: tuple(language.cue(a).lower() for a in attributes)
  never = [
    language.lexicon.get(name, {language.cue(name).lower()})
    for name in read.without
  ]
  return extractive.Frame(
    _pattern(language, form, read, entity),
    cues(read.cues),
    answer,
    ('semantic', 'episodic', 'core'),
    two_hop=bool(read.then),
    then=cues(read.then),
    without=frozenset().union(*never),
    otherwise=read.otherwise,
    spoken=language.spoken,
  )


def _pattern(
  language: Language, form: str, read: Read, entity: str
) -> re.Pattern:
  named = {entity: 'subject', read.value: 'value'}
  named |= {field: field for field in read.needs}
  parts = []
  for text, field in fields_of(language.asked[form].lower()):
    parts.append(re.escape(text))
    if field:
      group = f'?P<{named[field]}>' if field in named else '?:'
      parts.append(f'({group}{language.any_of(kind_of(field))})')
  return re.compile(''.join(parts))


def _records(
  fields: Mapping[str, Reader], requests: Sequence[Request]
) -> list[str]:
  """A JSON object for each request, '' where a field has no answer."""
  answers = zip(*(read(requests) for read in fields.values()), strict=True)
  return [
    json.dumps(dict(zip(fields, found, strict=True))) if all(found) else ''
    for found in answers
  ]
