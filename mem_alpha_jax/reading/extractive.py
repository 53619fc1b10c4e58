"""A frozen reader that answers from short notes by rules; it learns nothing.

A question matches a frame; a note supports it if the note holds the frame's
cue and the question's own words; the answer is the word of the right kind in
the supporting notes. Contradicting notes make the strict reader abstain, so
a memory that is never updated costs answers.
"""

import dataclasses
import functools
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import regex

from mem_alpha_jax.text import english
from mem_alpha_jax.text import words as words_lib
from mem_alpha_jax.types import Note, Request

USER = '<user>'  # what 'i', 'my' and 'me' become: one person
_USER_WORDS = frozenset(('i', 'my', 'me'))
_WORD = re.compile(r'\b\w+\b')
_CLAUSE = re.compile(r'[.;]')
_NONE: frozenset[str] = frozenset()
_MONTHS = frozenset(month.lower() for month in english.MONTHS)


class Frame(NamedTuple):
  """One kind of question and what a note must hold to answer it.

  Attributes:
    pattern: matches the whole lowercase question; its named groups are words
      that a supporting note must hold. Group 'subject' says whom the question
      is about; group 'value' (of 'yes_no') is not required.
    cues: words that a supporting note must hold besides.
    answer_type: key of the lexicon, 'date' or 'yes_no'.
    kinds: kinds of entries that may answer.
    two_hop: if no supporting note has a candidate, the persons (or else the
      other words) of these notes become the subject of a second look.
    then: cues of the second look, which replace `cues`.
    without: words that no supporting note holds.
    otherwise: the subject of a second look where no note supports.
    spoken: yes and no.
  """

  pattern: re.Pattern
  cues: tuple[str, ...]
  answer_type: str
  kinds: tuple[str, ...] = ('semantic', 'core')
  two_hop: bool = False
  then: tuple[str, ...] = ()
  without: frozenset[str] = frozenset()
  otherwise: str = ''
  spoken: tuple[str, str] = ('yes', 'no')


class _Query(NamedTuple):
  frame: Frame
  subject: str  # '' if the question has none
  required: frozenset[str]  # subject included
  value: str  # of a yes/no question, else ''


@functools.lru_cache(maxsize=1 << 16)
def words(text: str, known: frozenset[str] = _NONE) -> tuple[str, ...]:
  """Lowercase words in order; 'i', 'my' and 'me' become USER.

  Args:
    known: the only words that count, where there are some, the longest first:
      of a script without spaces, and of one whose words `\\w` does not match.
  """
  found = (_search(known) if known else _WORD).findall(text.lower())
  return tuple(USER if w in _USER_WORDS else w for w in found)


@functools.cache
def _search(known: frozenset[str]) -> regex.Pattern:
  """Finds words; those of a script with spaces stand by themselves."""
  inside = r'[\p{L}\p{M}\p{N}]'
  forms = [
    regex.escape(word)
    if words_lib.is_spaceless(word)
    else f'(?<!{inside}){regex.escape(word)}(?!{inside})'
    for word in sorted(known, key=lambda w: (-len(w), w))
  ]
  return regex.compile('|'.join(forms), regex.VERSION1)


@functools.lru_cache(maxsize=1 << 12)
def _clauses(core: str) -> tuple[Note, ...]:
  parts = (part.strip() for part in _CLAUSE.split(core))
  return tuple(Note('core', part, -1) for part in parts if part)


@functools.lru_cache(maxsize=1 << 16)
def _query(
  question: str, frames: tuple[Frame, ...], known: frozenset[str]
) -> _Query | None:
  for frame in frames:
    match = frame.pattern.fullmatch(question.strip().lower())
    if match:
      groups = {k: v for k, v in match.groupdict().items() if v}
      value = groups.pop('value', '')
      subject = (words(groups.pop('subject', ''), known) or ('',))[0]
      required = {w for text in groups.values() for w in words(text, known)}
      required |= {subject} - {''} | set(frame.cues)
      return _Query(frame, subject, frozenset(required), value)
  return None


def _first_person(words: Sequence[str], persons: frozenset[str]) -> str:
  return next((w for w in words if w == USER or w in persons), '')


def _dates(words: Sequence[str]) -> set[str]:
  pairs = zip(words, words[1:], strict=False)
  return {f'{a} {b}' for a, b in pairs if b in _MONTHS and a.isdecimal()}


def _candidates(
  query: _Query, words: tuple[str, ...], lexicon: Mapping[str, frozenset[str]]
) -> set[str]:
  """Answers that a supporting note offers; more than one contradict."""
  answer_type = query.frame.answer_type
  if answer_type == 'date':
    return _dates(words)
  if answer_type == 'yes_no':
    kinds = [kind for kind, known in lexicon.items() if query.value in known]
    return {w for w in words if any(w in lexicon[k] for k in kinds)} - {
      query.subject
    }
  if answer_type == 'person' and not query.subject:
    return {_first_person(words, lexicon['person'])} - {''}
  return {w for w in words if w in lexicon[answer_type]} - query.required


def _supporting(
  query: _Query,
  notes: Sequence[Note],
  lexicon: Mapping[str, frozenset[str]],
  known: frozenset[str],
) -> list[tuple[Note, tuple[str, ...]]]:
  persons = lexicon['person']
  subject = query.subject
  about_person = subject == USER or subject in persons
  found = []
  for note in notes:
    if note.kind not in query.frame.kinds:
      continue
    said = words(note.text, known)
    if not query.required.issubset(said):
      continue
    if not query.frame.without.isdisjoint(said):
      continue
    # 'marta boss tom' is about Marta's boss and says nothing of Tom's.
    if about_person and _first_person(said, persons) != subject:
      continue
    found.append((note, said))
  return found


def _decide(votes: list[tuple[int, set[str]]], strict: bool) -> set[str] | None:
  """The one set of candidates that counts, or None if notes contradict."""
  if strict:
    agreed = set.union(*(c for _, c in votes))
  else:
    # max keeps the first of equals, so look from the end: the later wins.
    agreed = max(reversed(votes), key=lambda vote: vote[0])[1]
  return agreed if len(agreed) == 1 else None


def _next_subject(query, supporting, lexicon, strict) -> str:
  """The person (or word) that the supporting notes lead to, '' if unclear."""
  persons, votes = lexicon['person'], []
  for note, words in supporting:
    others = [w for w in words if w not in query.required]
    named = {w for w in others if w == USER or w in persons}
    votes.append((note.step, named or set(others)))
  votes = [vote for vote in votes if vote[1]]
  agreed = _decide(votes, strict) if votes else None
  return agreed.pop() if agreed else ''


def answer(
  question: str,
  notes: Sequence[Note],
  core: str,
  frames: tuple[Frame, ...],
  lexicon: Mapping[str, frozenset[str]],
  strict: bool,
  known: frozenset[str] = _NONE,
) -> str:
  """Answers one question from retrieved notes.

  Args:
    core: the core text; each of its clauses (split at '.' and ';') counts as
      a note of kind 'core', older than every entry.
    frames: known questions; the first that matches counts.
    lexicon: lowercase words of each kind; needs 'person'.
    strict: if True, all supporting notes must agree; else the newest wins
      (largest step, later in the list at equal steps).
    known: as `words` takes them.

  Returns:
    The answer in lowercase, '' if the reader abstains: unknown question, no
    supporting note, or a contradiction.
  """
  query = _query(question, frames, known)
  if query is None:
    return ''
  notes = (*_clauses(core), *notes) if core else notes
  frame = query.frame
  for looks_left in (frame.two_hop or bool(frame.otherwise), False):
    supporting = _supporting(query, notes, lexicon, known)
    votes = [(n.step, _candidates(query, w, lexicon)) for n, w in supporting]
    votes = [vote for vote in votes if vote[1]]
    if votes:
      agreed = _decide(votes, strict)
      found = agreed.pop() if agreed else ''
      if frame.answer_type == 'yes_no' and found:
        return frame.spoken[found != query.value]
      return 'i' if found == USER else found
    subject = '' if supporting else frame.otherwise
    if frame.two_hop:
      subject = _next_subject(query, supporting, lexicon, strict)
    if not (looks_left and subject):
      return ''
    required = query.required - {query.subject, *frame.cues}
    required |= {subject, *frame.then}
    query = query._replace(subject=subject, required=required)
  return ''


@dataclasses.dataclass(frozen=True)
class ExtractiveReader:
  """A protocol.Reader: `answer` with frames, lexicon and strictness bound."""

  frames: tuple[Frame, ...]
  lexicon: Mapping[str, frozenset[str]]
  strict: bool
  known: frozenset[str] = _NONE

  def __post_init__(self):
    needed = {f.answer_type for f in self.frames} - {'date', 'yes_no'}
    missing = sorted((needed | {'person'}) - set(self.lexicon))
    if missing:
      raise ValueError(
        f'the reader lexicon lacks {missing}; add a set of lowercase words '
        'for each answer_type of its frames, and for person'
      )

  def __call__(self, requests: Sequence[Request]) -> list[str]:
    return [
      answer(*request, self.frames, self.lexicon, self.strict, self.known)
      for request in requests
    ]
