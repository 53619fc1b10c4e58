"""Whether an answer is right, and a note true to its chunk, by a chat model.

The criteria of answers are those that LongMemEval (Wu et al. 2024, arXiv
2410.10813, evaluation code) gives for each of its question types, in our
words. A verdict that cannot be read is missing, never wrong: the reference
takes a reply for a yes if it holds "yes" and not "no", which "know" holds.
"""

import json
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from absl import logging

from mem_alpha_jax.reading import chat
from mem_alpha_jax.types import ERRATUM, UNANSWERABLE

TOKENS = 1024  # of a verdict at most; a judge that thinks needs some hundreds
_NAMES = r'verdict|answer|judg(?:e?ment|e)|decision|result|label|correct'
# 'Yes', '**Verdict:** no.', 'The answer is not correct', but not 'no-one',
# "No's", 'Yes/No' or 'Right now'.
_VERDICT = re.compile(
  rf'\W*(?:(?:the |my |final )*(?:{_NAMES})\W+(?:is\W+)?)?'
  r"(?:(yes|no)(?![\w'’-])(?!\W{0,3}(?:or|and)?\W{0,3}(?:yes|no)\b)|"
  r'(not )?(correct|incorrect|right|wrong|true|false)(?=\W*$|[^\w\s]))',
  re.IGNORECASE,
)
_RIGHT = ('yes', 'correct', 'right', 'true')
# A line that names its verdict, after reasons for it.
_LINE = re.compile(rf'^\W*(?:final )?(?:{_NAMES})\W*[:=].*', re.I | re.M)


class Case(NamedTuple):
  """An answer to be judged."""

  question: str
  gold: str  # the correct answer; one a line where several are
  answer: str
  kind: str  # type of the question


class Stored(NamedTuple):
  """A note to be judged: what is stored, where, and the chunk it is from."""

  kind: str  # core | semantic | episodic
  text: str
  chunk: str


AnswerJudge = Callable[[Sequence[Case]], list[bool | None]]
ContentJudge = Callable[[Sequence[Stored]], list[bool | None]]

SAME = (
  'Is the answer right? It is if it says what the correct answer says, in '
  'whatever words, or holds all steps that lead to it. It is not if it gives '
  'only a part of what is asked for.'
)
CRITERIA = {
  'temporal-reasoning': (
    f'{SAME} Where days, weeks or months are counted, being off by one is no '
    'mistake.'
  ),
  'knowledge-update': (
    f'{SAME} It may tell what was true before, if it also tells what is true '
    'now and gives that as its answer.'
  ),
  **dict.fromkeys(
    # Of LongMemEval, of RealMem, whose golds are what a reply makes use of,
    # and of BEAM.
    (
      'single-session-preference',
      'dynamic_incremental',
      'dynamic_updating',
      'implicit_preference',
      'instruction_following',
      'preference_following',
    ),
    'The correct answer describes what a reply that suits this user takes '
    'into account. Is the answer such a reply? It need not take up every '
    'point, but what it uses about the user must be right.',
  ),
  **dict.fromkeys(  # of LongMemEval-V2, as the next
    ('static-environment-abs', 'dynamic-environment-abs', 'procedure-abs'),
    'The question takes something for granted that is not so; the correct '
    'answer says what. Is the answer right? It is if it names that flaw, or '
    'says that it has no access to what is asked about. It is not if it '
    'answers as if all were so, says no more than that it does not know, or '
    'does both.',
  ),
  'errors-gotchas': (
    'The correct answer tells what is to be known of this place. Is the answer '
    'right? It is if it says at least one point of it and contradicts none.'
  ),
}
ABSTAIN = (
  'Nothing that the answer could be drawn from was ever said. Does the answer '
  'recognise that: does it say that it does not know, or that there is too '
  'little to go by?'
)
_ANSWER = (
  '{criterion}\n\nQuestion: {question}\nCorrect answer: {gold}\n'
  'Answer: {answer}\n\nReply with yes or no alone.'
)
KINDS = {
  'core': 'a short text about the user, or about the whole of what was read',
  'semantic': 'facts that stand without a date',
  'episodic': 'what happened, with the time when it did',
}
_CONTENT = (
  'A memory has this part: {part}.\n\nText:\n{chunk}\n\nNote that was stored '
  'from it:\n{text}\n\nIs the note of the kind that this part is for, and is '
  'everything that it says true by the text? Reply with yes or no alone.'
)


def criterion(kind: str) -> str:
  """What is asked of an answer to a question of a type."""
  kind = kind.removesuffix(ERRATUM)
  return ABSTAIN if kind.endswith(UNANSWERABLE) else CRITERIA.get(kind, SAME)


def prompt(case: Case) -> str:
  """What is asked of an answer."""
  return _ANSWER.format(
    criterion=criterion(case.kind),
    question=case.question,
    gold=case.gold or '(there is none)',
    answer=case.answer or '(empty)',
  )


def verdict(reply: str | None) -> bool | None:
  """What a reply says after any thinking; None if that cannot be read.

  Its first word, after a name such as 'Verdict:', or the last line that has
  such a name; or a JSON object with one.
  """
  text = (chat.final_text(reply or '') or '').strip()
  text = _in_json(text) or text
  match = _VERDICT.match(text)
  for line in [] if match else _LINE.findall(text)[::-1]:
    match = match or _VERDICT.match(line)
  if not match:
    return None
  if match[1]:
    return match[1].lower() == 'yes'
  return (match[3].lower() in _RIGHT) != bool(match[2])


def _in_json(text: str) -> str:
  """The verdict of a JSON object, bare or in a code block; '' without."""
  try:
    found = json.loads(text[text.index('{') : text.rindex('}') + 1])
  except (ValueError, RecursionError):
    return ''
  for name, value in found.items():
    if re.fullmatch(rf'(?:is_)?(?:{_NAMES})', name, re.IGNORECASE):
      return str(value)
  return ''


def answer_judge(model: chat.ChatModel) -> AnswerJudge:
  """Returns judge(cases): right, wrong, or None where there is no verdict."""
  return lambda cases: _verdicts(model, [*map(prompt, cases)])


def content_judge(model: chat.ChatModel) -> ContentJudge:
  """Returns judge(notes): true to the chunk and in the right part, or not."""
  return lambda notes: _verdicts(
    model,
    [
      _CONTENT.format(part=KINDS[n.kind], chunk=n.chunk, text=n.text)
      for n in notes
    ],
  )


def _verdicts(model: chat.ChatModel, asked: Sequence[str]) -> list[bool | None]:
  chats = [[{'role': 'user', 'content': text}] for text in asked]
  replies = model.complete(chats, TOKENS)
  found = [verdict(reply) for reply in replies]
  unread = [
    reply
    for reply, one in zip(replies, found, strict=True)
    if one is None and reply is not None
  ]
  if unread:
    logging.warning(
      '%d of %d verdicts of the judge say neither yes nor no, the first: %r',
      len(unread), len(found), unread[0][-200:],
    )  # fmt: skip
  return found
