"""LoCoMo: very long dialogues of two people, with questions about them.

Maharana et al. 2024, arXiv 2402.17753. Files and names of the categories:
https://github.com/snap-research/locomo. Either its file locomo10.json, a list
of {sample_id: 'conv-26', conversation, qa}, or a file for each dialogue,
26.json, with what is in `conversation` beside `qa`. Sessions go by their
numbers, of which some may be missing; how many is logged.
"""

import collections
import itertools
import pathlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pydantic

from mem_alpha_jax import types
from mem_alpha_jax.data import chunking, errata, rows
from mem_alpha_jax.data.source import Source

SOURCE = 'locomo'
# Category of the files -> name.
CATEGORIES = {
  1: 'multi_hop',
  2: 'temporal',
  3: 'open_domain',
  4: 'single_hop',
}
# Category 5 asks what the dialogue does not tell; to abstain is right, and what
# its `adversarial_answer` says is wrong. Where it has another `answer` that is
# what the dialogue tells (two of dialogue 26): a type of its own, for the
# published score takes an abstention there as well.
ADVERSARIAL = 'adversarial'
ANSWERED = 'adversarial_answered'
_UNANSWERABLE = 5
_PUBLISHER = 'https://github.com/snap-research/locomo'
_ALL = 'locomo10.json'
_SESSION = re.compile(r'session_(\d+)(_date_time)?')
_TURN_ID = re.compile(r'D\d+:\d+')


class _Said(rows.Row):
  dia_id: str
  speaker: str
  text: str
  blip_caption: str | None = None  # of a photo


class _Asked(rows.Row):
  category: int
  question: str = ''
  answer: Any = None
  adversarial_answer: Any = None
  evidence: list[str] = []

  @pydantic.model_validator(mode='after')
  def _whole(self):
    known = self.category in CATEGORIES
    if known and self.answer is None:
      raise ValueError('answer: field required')
    if (known or self.category == _UNANSWERABLE) and not self.question:
      raise ValueError('question: field required')
    return self


class _Sample(rows.Row):
  sample_id: str = pydantic.Field(pattern=r'\d$')
  conversation: dict[str, Any]
  qa: list[_Asked]


class Turn(NamedTuple):
  """What one person says."""

  id: str  # 'D<session>:<turn>'
  session: int  # its number, from 1
  date: str  # of the session, as '8 May, 2023'
  speaker: str
  text: str  # and the caption of a photo that goes with it


class Question(NamedTuple):
  """A question; `evidence` are ids of turns and may be empty."""

  text: str
  answer: str
  category: str
  evidence: tuple[str, ...]


class Dialogue(NamedTuple):
  uid: int
  turns: tuple[Turn, ...]
  questions: tuple[Question, ...]


def load(root: str) -> list[Dialogue]:
  """Reads the dialogues in <root>/locomo, by their numbers.

  Raises:
    FileNotFoundError: there is none.
    ValueError: a file is not of LoCoMo, or a dialogue is there twice.
  """
  folder = pathlib.Path(root, 'locomo')
  paths = [path for path in sorted(folder.glob('*.json')) if _is_ours(path)]
  if not paths:
    raise FileNotFoundError(
      f'no {_ALL} and no <number>.json in {folder}; put the dialogues of '
      'LoCoMo there or set data.root'
    )
  found = {}
  for path in paths:
    for dialogue in _read(path):
      if dialogue.uid in found:
        raise ValueError(
          f'{path}: dialogue {dialogue.uid} is also in another file; remove one'
        )
      found[dialogue.uid] = dialogue
  return [found[uid] for uid in sorted(found)]


def episodes(root: str, turns: int = 0, words: int = 0) -> list[types.Episode]:
  """The dialogues as episodes; all questions are asked at the end.

  The type of a question is its category. `first` is the chunk of the last
  turn of the evidence, and the last chunk if no known turn is evidence.

  Args:
    root: the data folder, config field data.root.
    turns: of a chunk, never of two sessions; 0: a session is a chunk.
    words: a longer turn is split into several, after a sentence where one
      ends, for small readers of chunks; 0 is no limit.
  """
  return [
    _episode(_split(dialogue, words) if words else dialogue, turns)
    for dialogue in load(root)
  ]


def sessions(path: pathlib.Path) -> list[types.Episode]:
  """The dialogues of one file; a session is a chunk."""
  if not _is_ours(path):
    raise ValueError(
      f'{path}: files of LoCoMo are named {_ALL} or <number>.json'
    )
  return [_episode(dialogue, 0) for dialogue in _read(path)]


def note(turn: Turn) -> str:
  """The turn as an entry of a memory: '8 May, 2023, Ada: I moved out.'"""
  return f'{turn.date}, {turn.speaker}: {turn.text}'


def _episode(dialogue: Dialogue, size: int) -> types.Episode:
  groups = list(_groups(dialogue.turns, size))
  where = collections.defaultdict(set)  # chunks of each turn
  for i, group in enumerate(groups):
    for turn in group:
      where[turn.id].add(i)
  last, questions = len(groups) - 1, []
  for q in dialogue.questions:
    told = tuple(sorted(set().union(*(where[turn] for turn in q.evidence))))
    span = max(told, default=last), last
    questions.append(
      types.Question(q.text, q.answer, q.category, *span, evidence=told)
    )
  chunks = tuple('\n'.join(map(note, group)) for group in groups)
  sessions = collections.Counter(group[0].session for group in groups)
  return types.Episode(
    dialogue.uid, SOURCE, chunks, (*questions,), tuple(sessions.values())
  )


def _split(dialogue: Dialogue, words: int) -> Dialogue:
  """The same words in turns of at most `words`; pieces keep the turn's id."""
  pieces = [
    turn._replace(text=piece)
    for turn in dialogue.turns
    for piece in chunking.by_words(turn.text, words) or ['']
  ]
  return dialogue._replace(turns=tuple(pieces))


def _groups(turns: Sequence[Turn], size: int) -> Iterator[Sequence[Turn]]:
  """Turns that make a chunk: `size` of a session, 0 for all of it."""
  for _, session in itertools.groupby(turns, key=lambda turn: turn.session):
    yield from chunking.groups([*session], size)


def _is_ours(path: pathlib.Path) -> bool:
  return path.name == _ALL or path.suffix == '.json' and path.stem.isdecimal()


def _read(path: pathlib.Path) -> Iterator[Dialogue]:
  if path.name == _ALL:
    for where, row in rows.stream(path, _Sample, _PUBLISHER):
      uid = int(re.search(r'\d+$', row.sample_id)[0])
      yield _dialogue(row.conversation, row.qa, uid, where)
  else:
    data = rows.whole(path, dict[str, Any], _PUBLISHER)
    asked = rows.check(list[_Asked], data.get('qa'), f'{path}: qa')
    yield _dialogue(data, asked, int(path.stem), str(path))


def _dialogue(data, asked: Sequence[_Asked], uid: int, where: str) -> Dialogue:
  keys = [found for key in data if (found := _SESSION.fullmatch(key))]
  sessions = sorted(int(key[1]) for key in keys if not key[2])
  if not sessions:
    raise ValueError(f'{where}: no dialogue of LoCoMo (no session_1)')
  turns = tuple(_turns(data, sessions, where))
  known = {turn.id for turn in turns}
  questions = [
    _flagged(_question(row, known), uid, place)
    for place, row in enumerate(asked)
    if row.category in {*CATEGORIES, _UNANSWERABLE}
  ]
  dates = {int(key[1]) for key in keys if key[2]}
  rows.report(
    where,
    f'{len(sessions)} sessions, {len(turns)} turns, {len(questions)} questions',
    {
      'sessions missing before the last': sessions[-1] - len(sessions),
      'dates without a session': len(dates - {*sessions}),
      'questions of no known category': len(asked) - len(questions),
      'questions without evidence': sum(not q.evidence for q in questions),
      'questions of category 5 with an answer': sum(
        q.category == ANSWERED for q in questions
      ),
      errata.MARKED: sum(q.category.endswith(types.ERRATUM) for q in questions),
    },
  )
  return Dialogue(uid, turns, tuple(questions))


def _turns(
  data: Mapping[str, Any], sessions: Sequence[int], where: str
) -> Iterator[Turn]:
  for session in sessions:
    name = f'session_{session}'
    date = rows.check(
      str, data.get(f'{name}_date_time'), f'{where}: {name}_date_time'
    )
    for turn in rows.check(list[_Said], data[name], f'{where}: {name}'):
      text = ' '.join(turn.text.split())
      if turn.blip_caption is not None:
        text = f'{text} (photo: {turn.blip_caption})'
      day = date.split(' on ')[-1]
      yield Turn(turn.dia_id, session, day, turn.speaker, text)


def _question(row: _Asked, known: set[str]) -> Question:
  category = CATEGORIES.get(row.category, ADVERSARIAL)
  answer = str(row.answer)
  if category == ADVERSARIAL:
    told = row.answer not in (None, '', row.adversarial_answer)
    category, answer = (ANSWERED, answer) if told else (ADVERSARIAL, '')
  if category == 'open_domain':
    answer = answer.split(';')[0].strip()  # what follows is the reason
  # Some lists of evidence are one string, with ids that no turn has.
  evidence = _TURN_ID.findall(' '.join(row.evidence))
  evidence = tuple(i for i in dict.fromkeys(evidence) if i in known)
  return Question(row.question.strip(), answer, category, evidence)


def _flagged(question: Question, uid: int, place: int) -> Question:
  """Its category says if the very turns of its evidence contradict it."""
  gold = f'{question.text}\n{question.answer}'
  kind = errata.marked(SOURCE, f'{uid}/{place}', gold, question.category)
  return question._replace(category=kind)


SOURCES = (
  Source(
    SOURCE,
    rule='stemmed_f1',
    episodes=lambda config, split: episodes(
      config.data.root, config.data.turns, config.data.turn_words
    ),
    splits=('test',),
    rules={'multi_hop': 'list_f1', ADVERSARIAL: 'abstention'},
    alone=True,
    held_out=('.json', sessions),
    chats=True,
  ),
)
