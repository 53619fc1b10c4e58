"""Perfect notes on the synthetic world, and its questions for the reader.

Both are the sentence and question forms read backwards, as regexes.
"""

import re
from collections.abc import Iterator

from mem_alpha_jax.data import synthetic_words as words
from mem_alpha_jax.data.source import OracleNote
from mem_alpha_jax.reading import extractive
from mem_alpha_jax.text import english

_DATE = r'(?P<day>\d+) (?P<month>[A-Z][a-z]+)'


def _invert(form: str, **groups: str) -> str:
  """A regex of the form, with a group in the place of each {field}."""
  pattern = re.escape(form)
  for field, group in groups.items():
    pattern = pattern.replace(re.escape(f'{{{field}}}'), group)
  return pattern


def _attribute_patterns() -> Iterator[tuple[str, re.Pattern]]:
  """Pairs (cue, regex over a whole sentence)."""
  prefixes = [form.removesuffix('{c}.') for form in words.FACT_FORMS]
  prefix = '(?:' + '|'.join(map(re.escape, prefixes)) + ')'
  for cue, attribute in words.ATTRIBUTES.items():
    user = attribute.user_clause  # starts a sentence, or follows a prefix
    either_case = f'[{user[0].lower()}{user[0].upper()}]'
    for clause in (
      _invert(attribute.clause, n=r'(?P<name>[A-Z]\w+)', v=r'(?P<value>\w+)'),
      either_case + _invert(user[1:], v=r'(?P<value>\w+)'),
    ):
      yield cue, re.compile(prefix + clause + r'\.')


_ATTRIBUTE_PATTERNS = tuple(_attribute_patterns())
_EVENT_PATTERNS = tuple(
  re.compile(
    _invert(form, n=r'(?P<name>[A-Z]\w*)', v=r'(?P<value>\w+)', d=_DATE)
  )
  for form in words.EVENT_FORMS
)


def _note(sentence: str) -> OracleNote | None:
  for cue, pattern in _ATTRIBUTE_PATTERNS:
    match = pattern.fullmatch(sentence)
    if match:
      name = match.groupdict().get('name')
      shown = name or words.ATTRIBUTES[cue].user_word
      key = ((name or words.USER).lower(), cue)
      return OracleNote(key, 'semantic', f'{shown} {cue} {match["value"]}')
  for pattern in _EVENT_PATTERNS:
    match = pattern.fullmatch(sentence)
    if match:
      parts = match['day'], match['month'], match['name'], match['value']
      text = ' '.join(parts)
      day, month, name, venue = text.lower().split()
      return OracleNote((name, day, month, venue), 'episodic', text)
  return None


def oracle_notes(chunk: str) -> tuple[OracleNote, ...]:
  """What a perfect writer notes of a chunk; of decoys and small talk nothing.

  Keys are ('marta', 'job') or ('marta', '3', 'may', 'museum'), texts
  'Marta job baker', 'my boss Tom' or '3 May Marta museum'. The key of the
  user is ('i', 'boss').
  """
  notes = map(_note, english.sentences(chunk.strip()))
  return tuple(note for note in notes if note)


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
