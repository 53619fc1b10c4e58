"""A reader of free text by rules: the sentence most like the question.

For runs without a language model, on dialogues whose questions no frame of the
extractive reader knows. Sentences of the notes are compared with the question
by the stems that they share, rare ones counting more (the sliding window of
Richardson et al. 2013, MCTest, with whole sentences as windows). The answer is
what that sentence adds to the question: its date, its number, or its words.
"""

import math
import re
from collections.abc import Sequence

from mem_alpha_jax.text import english
from mem_alpha_jax.text import words as words_lib
from mem_alpha_jax.types import Note, Request

ANSWER_WORDS = 8  # longest answer; half of LoCoMo's golds have 4 or fewer
SHARED = 0.3  # share of the question's weight below which it is not answered
# Words that stand in questions and sentences of any topic.
_COMMON = frozenset((
  'a', 'an', 'and', 'are', 'as', 'at', 'be', 'been', 'but', 'by', 'can',
  'could', 'did', 'do', 'does', 'for', 'from', 'had', 'has', 'have', 'her',
  'his', 'how', 'i', 'in', 'is', 'it', 'its', 'just', 'many', 'me', 'much',
  'my', 'of', 'on', 'or', 'our', 'she', 'so', 'that', 'the', 'their',
  'they', 'this', 'to', 'up', 'was', 'we', 'were', 'what', 'when', 'where',
  'which', 'who', 'whose', 'why', 'will', 'with', 'would', 'you', 'your',
  's', 't',
))  # fmt: skip
_MONTH = f'(?:{"|".join(english.MONTHS)})'
_DATE = re.compile(
  rf'\b(?:\d{{1,2}} +)?{_MONTH}(?:,? +\d{{4}})?\b|\b(?:19|20)\d{{2}}\b',
  re.IGNORECASE,
)
_NUMBER = re.compile(
  r'\b(?:\d[\d,.]*|one|two|three|four|five|six|seven|eight|nine|ten|twice)\b',
  re.IGNORECASE,
)
_WHEN = re.compile(r'\b(?:when|what (?:date|day|month|year))\b', re.IGNORECASE)
_HOW_MANY = re.compile(r'\bhow (?:many|much|old|long|often)\b', re.IGNORECASE)


def answer(question: str, notes: Sequence[Note], core: str) -> str:
  """What the best sentence of the notes says to a question.

  Args:
    notes: the retrieved entries; of equally good sentences the first counts.
    core: lines of it are read after the notes.

  Returns:
    A date, a number or at most ANSWER_WORDS words; '' if no note shares SHARED
    of the question's weight.
  """
  texts = [
    (note.text, line) for note in notes for line in english.sentences(note.text)
  ]
  texts += [(line, line) for line in english.sentences(core)]
  asked = _stems(question)
  found = [(_stems(note) & asked, _stems(line) & asked) for note, line in texts]
  weight = {
    stem: math.log(
      1 + (1 + len(found)) / (1 + sum(stem in n for n, _ in found))
    )
    for stem in asked
  }
  total = lambda stems: sum(weight[stem] for stem in sorted(stems))
  # A note may say in one sentence who, and in the next one what.
  scores = [total(note) + total(line) for note, line in found]
  enough = [total(note) >= SHARED * total(asked) for note, _ in found]
  best = max(
    (i for i in range(len(texts)) if enough[i] and scores[i]),
    key=scores.__getitem__,
    default=None,
  )
  if best is None:
    return ''
  note, sentence = texts[best]
  return _said(question, sentence, note)


def read(requests: Sequence[Request]) -> list[str]:
  """The reader; see `answer`."""
  return [answer(*request) for request in requests]


def _said(question: str, sentence: str, note: str) -> str:
  undated = _DATE.sub(' ', sentence)
  if _WHEN.search(question):
    found = _DATE.search(sentence) or _DATE.search(note)
  else:
    found = _HOW_MANY.search(question) and _NUMBER.search(undated)
  if found:
    return found[0]
  known = _stems(question) | _COMMON
  words = re.findall(r"[\w'-]+", undated)
  new = [w for w in words if not _stems(w) <= known]
  return ' '.join(new[:ANSWER_WORDS])


def _stems(text: str) -> set[str]:
  return {
    english.stem(word) for word in words_lib.terms(text) if word not in _COMMON
  }
