"""LongMemEval: questions about a user's many sessions with an assistant.

Wu et al. 2024, arXiv 2410.10813. One file a size (oracle, s, m), each a list
of questions with their own haystack; format and names of the fields:
https://github.com/xiaowu0162/LongMemEval. An episode is one question, a chunk
a session with its date; long sessions are cut between turns.
"""

import pathlib
from collections.abc import Iterator

from mem_alpha_jax.data import chunking, json_files
from mem_alpha_jax.types import UNANSWERABLE, Episode, Question

SOURCE = 'longmemeval'


def load(
  path: str | pathlib.Path,
  limit: int,
  count: chunking.Count,
  uid: int = 0,
) -> Iterator[Episode]:
  """Reads the episodes of a file, in its order.

  A question is asked after the last session, with the date it is asked on. Its
  gold holds from the last session of its evidence on. The type of a question
  that cannot be answered ends with '_abs' and its answer is ''.

  Args:
    path: of the JSON file.
    limit: tokens of a chunk.
    count: tokens of a text.
    uid: of the first episode; the others count up.

  Raises:
    FileNotFoundError: there is no such file.
    ValueError: the file or an item is not as published; names both.
  """

  def make(index: int, item: dict) -> Episode:
    return _episode(item, uid + index, limit, count)

  return json_files.items(path, make, 'question of LongMemEval')


def _episode(item: dict, uid: int, limit: int, count) -> Episode:
  want = json_files.want
  dates = want(item['haystack_dates'], list, 'haystack_dates')
  names = want(item['haystack_session_ids'], list, 'haystack_session_ids')
  sessions = want(item['haystack_sessions'], list, 'haystack_sessions')
  if not len(dates) == len(names) == len(sessions):
    raise ValueError(
      f'{len(sessions)} haystack_sessions, {len(names)} '
      f'haystack_session_ids and {len(dates)} haystack_dates'
    )
  chunks, last = [], {}
  for date, name, session in zip(dates, names, sessions, strict=True):
    turns = [_turn(turn) for turn in want(session, list, 'session')]
    head = f'Session of {date}'
    room = max(limit - count(head), 1)
    chunks += [f'{head}\n{part}' for part in chunking.pack(turns, room, count)]
    last[name] = len(chunks) - 1
  evidence = want(item['answer_session_ids'], list, 'answer_session_ids')
  end = len(chunks) - 1
  return Episode(
    uid, SOURCE, tuple(chunks), (_question(item, evidence, last, end),)
  )


def _question(item, evidence, last, end: int) -> Question:
  kind = json_files.want(item['question_type'], str, 'question_type')
  name = json_files.want(item['question_id'], str, 'question_id')
  text = json_files.want(item['question'], str, 'question')
  answer = str(json_files.want(item['answer'], (str, int, float), 'answer'))
  if name.endswith(UNANSWERABLE):
    kind, answer = kind + UNANSWERABLE, ''
  unknown = [one for one in evidence if one not in last]
  if unknown:
    raise ValueError(f'answer_session_ids: no session {unknown[0]!r}')
  return Question(
    f'{text} (asked on {item["question_date"]})',
    answer,
    kind,
    max((last[one] for one in evidence), default=end),
    end,
  )


def _turn(turn: dict) -> str:
  role = json_files.want(turn['role'], str, 'role')
  return f'{role}: {json_files.want(turn["content"], str, "content")}'
