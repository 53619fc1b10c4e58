"""Perfect notes on the synthetic world, and its questions for the reader.

Both are the sentence and question forms read backwards, as regexes: of either
wording, for the plain one's forms are among the seen templates.
"""

import functools
import itertools
import re
from collections.abc import Iterator

from mem_alpha_jax.data import synthetic_templates as templates
from mem_alpha_jax.data import synthetic_words as words
from mem_alpha_jax.data.source import OracleNote
from mem_alpha_jax.reading import extractive
from mem_alpha_jax.text import english

_DATE = r'(?P<day>\d+) (?P<month>[A-Z][a-z]+)'
_GROUPS = {'n': r'(?P<name>\w+)', 'v': r'(?P<value>\w+)', 'd': _DATE}


def _invert(form: str, **groups: str) -> str:
  """A regex of the form, with a group in the place of each {field}."""
  pattern = re.escape(form)
  for field, group in groups.items():
    pattern = pattern.replace(re.escape(f'{{{field}}}'), group)
  return pattern


def _whole(form: str) -> re.Pattern:
  return re.compile(_invert(form, **_GROUPS), re.IGNORECASE)


def _framed() -> re.Pattern:
  """A sentence: maybe an opening, a clause, maybe an ending, maybe a stop."""
  forms = itertools.chain(*(t.openings + t.lately for t in templates.BOTH))
  endings = itertools.chain(*(t.endings for t in templates.BOTH))
  before, after = (
    '|'.join(_invert(form.replace('{c}', ''), o=r'\w+') for form in some)
    for some in (forms, endings)
  )
  pattern = rf'(?:{before})?(?P<clause>.+?)(?:{after})?\.?'
  return re.compile(pattern, re.IGNORECASE)


_FRAMED = _framed()
_FACTS = {
  cue: [
    [_whole(pair[k]) for t in templates.BOTH for pair in t.clauses[cue]]
    for k in range(2)  # of a person, of the user
  ]
  for cue in words.ATTRIBUTES
}
_EVENTS = [_whole(form) for t in templates.BOTH for form in t.events]
_PEOPLE = words.LEXICON['person']
_USER = frozenset((words.USER,))


@functools.lru_cache(1 << 16)
def _note(sentence: str) -> OracleNote | None:
  clause = _FRAMED.fullmatch(sentence)['clause']
  for cue, (of_person, of_user) in _FACTS.items():
    if cue not in clause:
      continue
    for found in (
      *_matches(of_person, clause, _PEOPLE),
      *_matches(of_user, clause, _USER),
    ):
      name = found.get('name')
      shown = name or words.ATTRIBUTES[cue].user_word
      if sentence.islower():
        shown = shown.lower()
      key = ((name or words.USER).lower(), cue)
      return OracleNote(key, 'semantic', f'{shown} {cue} {found["value"]}')
  for found in _matches(_EVENTS, clause, _PEOPLE | _USER):
    parts = found['day'], found['month'], found['name'], found['value']
    text = ' '.join(parts)
    day, month, name, venue = text.lower().split()
    return OracleNote((name, day, month, venue), 'episodic', text)
  return None


def _matches(
  patterns: list[re.Pattern], clause: str, subjects: frozenset[str]
) -> Iterator[dict[str, str]]:
  """The groups of those patterns that the clause is of, of these subjects."""
  for pattern in patterns:
    if match := pattern.fullmatch(clause):
      found = match.groupdict()
      if found.get('name', words.USER).lower() in subjects:
        yield found


def oracle_notes(chunk: str) -> tuple[OracleNote, ...]:
  """What a perfect writer notes of a chunk; of decoys and small talk nothing.

  Keys are ('marta', 'job') or ('marta', '3', 'may', 'museum'), texts
  'Marta job baker', 'my boss Tom' or '3 May Marta museum', in the case of the
  sentence. The key of the user is ('i', 'boss').
  """
  parts = (part.rstrip(';') for part in english.clauses(chunk.strip()))
  return tuple(note for note in map(_note, parts) if note)


def _frames() -> Iterator[extractive.Frame]:
  for cue, attribute in words.ATTRIBUTES.items():
    user = re.escape(attribute.user_question.lower())
    word = attribute.user_word.lower()
    for pattern in (
      re.sub(rf'\b{word}\b', r'(?P<subject>\g<0>)', user),
      _invert(attribute.question.lower(), n=r'(?P<subject>\w+)'),
    ):
      yield extractive.Frame(re.compile(pattern), (cue,), attribute.kind)
  date = _DATE.replace('[A-Z]', '[a-z]')
  for kind, answer_type in (
    ('who', 'person'),
    ('where', 'venue'),
    ('when', 'date'),
  ):
    pattern = _invert(
      words.EVENT_QUESTIONS[kind].lower(),
      n=r'(?P<subject>\w+)',
      v=r'(?P<venue>\w+)',
      d=date,
    )
    yield extractive.Frame(re.compile(pattern), (), answer_type, ('episodic',))


FRAMES = tuple(_frames())
