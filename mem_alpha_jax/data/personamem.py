"""PersonaMem: chats of a persona whose likes change (arXiv 2504.14225).

Files questions_<size>.csv and shared_contexts_<size>.jsonl of
https://huggingface.co/datasets/bowen-upenn/PersonaMem in <root>/personamem. A
context is an episode, and a session begins with each of its system messages.
A question is asked when as many messages have been read as the file says; a
session ends there, too, so that no chunk goes beyond it.
"""

import ast
import collections
import pathlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from mem_alpha_jax.data import rows, sessions
from mem_alpha_jax.data.source import Source, numbered
from mem_alpha_jax.reading import choices
from mem_alpha_jax.types import Episode, Question

SOURCE = 'personamem'
_PUBLISHER = 'https://huggingface.co/datasets/bowen-upenn/PersonaMem'
_QUESTIONS, _CONTEXTS = 'questions_', 'shared_contexts_'
_COLUMNS = (
  'question_id', 'question_type', 'user_question_or_message', 'correct_answer',
  'all_options', 'shared_context_id', 'end_index_in_shared_context',
)  # fmt: skip
_LETTER = re.compile(r'\(([a-j])\)\s*')


class _Message(rows.Row):
  role: str
  content: str


class _Asked(NamedTuple):
  text: str  # with its choices
  letter: str  # of the right one
  kind: str
  end: int  # messages that have been said before it


def load(path: pathlib.Path, turns: int = 0, words: int = 0) -> list[Episode]:
  """Reads a file of questions and the contexts beside it, an episode each.

  Raises:
    FileNotFoundError: one of the two is not there.
    ValueError: a row is not of PersonaMem, or its context is not there.
  """
  left = collections.Counter()
  asked = _questions(path, left)
  size = path.stem.removeprefix(_QUESTIONS)
  found = []
  contexts = path.with_name(f'{_CONTEXTS}{size}.jsonl')
  kind = dict[str, list[_Message]]
  for _, several in rows.json_lines(contexts, kind, _PUBLISHER):
    for key, messages in several.items():
      mine = asked.pop(key, ())
      found.append(_episode(len(found), messages, mine, (turns, words)))
      left['contexts without a question'] += not mine
  if asked:
    raise ValueError(f'{path}: no context {next(iter(asked))!r} beside it')
  count = sum(len(episode.questions) for episode in found)
  rows.report(str(path), f'{len(found)} contexts, {count} questions', left)
  return found


def _questions(path: pathlib.Path, left) -> dict[str, list[_Asked]]:
  """By the context that they are asked about."""
  found, seen = collections.defaultdict(list), set()
  for where, row in rows.table(path, _PUBLISHER, _COLUMNS):
    right = _LETTER.match(row['correct_answer'].strip().lower())
    end = row['end_index_in_shared_context']
    if not right or not end.isdecimal():
      raise ValueError(
        f"{where}: expected an answer such as '(a)' and a number of messages, "
        f'got {rows.shown(row["correct_answer"])}, {rows.shown(end)}'
      )
    if row['question_id'] in seen:
      left['questions that come again'] += 1
    elif not int(end):
      left['questions before anything was said'] += 1
    else:
      offered = _offered(row['all_options'], where)
      text = choices.question(row['user_question_or_message'], offered)
      asked = _Asked(text, right[1].upper(), row['question_type'], int(end))
      found[row['shared_context_id']].append(asked)
    seen.add(row['question_id'])
  return found


def _offered(text: str, where: str) -> list[str]:
  """Choices of a Python or JSON list in text, without their letters."""
  try:
    items = ast.literal_eval(text)
  except (ValueError, SyntaxError) as error:
    raise ValueError(f'{where}: all_options: no list ({error})') from error
  return [
    _LETTER.sub('', item, count=1).strip()
    for item in rows.check(list[str], items, f'{where}: all_options')
  ]


def _episode(
  uid: int, messages: Sequence[_Message], asked: Sequence[_Asked], size
) -> Episode:
  ends = {min(question.end, len(messages)) for question in asked}
  starts = {i for i, m in enumerate(messages) if m.role == 'system'}
  said = [sessions.said(m.role, m.content) for m in messages]
  laid, last = sessions.cut(said, starts | ends, lambda i: '', *size)
  questions = tuple(_placed(asked, last, len(messages)))
  return Episode(uid, SOURCE, laid.chunks, questions, laid.sizes)


def _placed(
  asked: Sequence[_Asked], last: Mapping[int, int], most: int
) -> Iterator[Question]:
  for question in sorted(asked, key=lambda one: one.end):
    at = last[min(question.end, most)]
    yield Question(question.text, question.letter, question.kind, at, at)


def _episodes(config, split: str) -> list[Episode]:
  del split
  d = config.data
  paths = rows.files(d.root, SOURCE, f'{_QUESTIONS}*.csv', _PUBLISHER, d.file)
  found = (e for path in paths for e in load(path, d.turns, d.turn_words))
  return numbered(found)


SOURCES = (
  Source(
    SOURCE,
    rule='choice',
    episodes=_episodes,
    splits=('test',),
    held_out=('.csv', load),
    chats=True,
  ),
)
