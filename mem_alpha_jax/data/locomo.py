"""LoCoMo: very long dialogues of two people, with questions about them.

Maharana et al. 2024, arXiv 2402.17753. Files and names of the categories:
https://github.com/snap-research/locomo. Either its file locomo10.json, a list
of {sample_id: 'conv-26', conversation, qa}, or a file for each dialogue,
26.json, with what is in `conversation` beside `qa`.
"""

import collections
import contextlib
import itertools
import json
import pathlib
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mem_alpha_jax import types
from mem_alpha_jax.data.source import Source
from mem_alpha_jax.text import english

SOURCE = 'locomo'
# Category of the files -> name; the rule of reward.scoring that grades it.
CATEGORIES = {
  1: 'multi_hop',
  2: 'temporal',
  3: 'open_domain',
  4: 'single_hop',
}
# Category 5 asks what the dialogue does not tell; to abstain is right. What
# its `adversarial_answer` (and at times `answer`) says is wrong.
ADVERSARIAL = 'adversarial'
_UNANSWERABLE = 5
_PUBLISHER = 'https://github.com/snap-research/locomo'
_ALL = 'locomo10.json'
_TURN_ID = re.compile(r'D\d+:\d+')
_NUMBER = re.compile(r'\d+$')


class Turn(NamedTuple):
  """What one person says.

  Attributes:
    id: 'D<session>:<turn>'.
    session: number of the session, from 1.
    date: of the session, as '8 May, 2023'.
    speaker: who says it.
    text: the words, and the caption of a photo that goes with them.
  """

  id: str
  session: int
  date: str
  speaker: str
  text: str


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


def load(root: str, adversarial: bool = False) -> list[Dialogue]:
  """Reads the dialogues in <root>/locomo, by their numbers.

  Args:
    root: the data folder, config field data.root.
    adversarial: also the questions of category 5, with the answer ''.

  Raises:
    FileNotFoundError: there is none.
    ValueError: a file is not of LoCoMo, or a dialogue is there twice.
  """
  folder = pathlib.Path(root) / 'locomo'
  paths = [path for path in sorted(folder.glob('*.json')) if _is_ours(path)]
  if not paths:
    raise FileNotFoundError(
      f'no {_ALL} and no <number>.json in {folder}; put the dialogues of '
      'LoCoMo there or set data.root'
    )
  dialogues, origin = [], {}
  for dialogue, path in ((d, p) for p in paths for d in _read(p, adversarial)):
    if other := origin.get(dialogue.uid):
      raise ValueError(
        f'{path}: dialogue {dialogue.uid} is also in {other}; remove one'
      )
    origin[dialogue.uid] = path
    dialogues.append(dialogue)
  return sorted(dialogues, key=lambda dialogue: dialogue.uid)


def episodes(
  root: str,
  chunk: str = 'turn',
  turns: int = 1,
  adversarial: bool = True,
  words: int = 0,
) -> list[types.Episode]:
  """The dialogues as episodes; all questions are asked at the end.

  The type of a question is its category. `first` is the chunk of the last
  turn of the evidence, and the last chunk if no known turn is evidence.

  Args:
    root: the data folder, config field data.root.
    chunk: 'turn', or 'session' for one chunk a session.
    turns: turns of a chunk if chunk='turn'; never of two sessions.
    adversarial: also the questions of category 5, with the answer ''.
    words: a longer turn is split into several, after a sentence where one
      ends, for small readers of chunks; 0 is no limit.

  Raises:
    FileNotFoundError: there is no dialogue.
    ValueError: a broken file, another `chunk`, or no turn a chunk.
  """
  if chunk not in ('turn', 'session') or turns < 1:
    raise ValueError(
      f"locomo: chunk={chunk!r}, turns={turns}; use 'turn' with at least one "
      "turn, or 'session'"
    )
  size = turns if chunk == 'turn' else None
  return [
    _episode(_split(dialogue, words) if words else dialogue, size)
    for dialogue in load(root, adversarial)
  ]


def sessions(path: str | pathlib.Path) -> list[types.Episode]:
  """The dialogues of one file, with all questions; a session is a chunk.

  Raises:
    FileNotFoundError: the file is not there.
    ValueError: it is not of LoCoMo.
  """
  path = pathlib.Path(path)
  if not path.is_file():
    raise FileNotFoundError(f'no file {path}; download it from {_PUBLISHER}')
  if not _is_ours(path):
    raise ValueError(
      f'{path}: files of LoCoMo are named {_ALL} or <number>.json'
    )
  return [_episode(dialogue, None) for dialogue in _read(path, True)]


def note(turn: Turn) -> str:
  """The turn as an entry of a memory: '8 May, 2023, Ada: I moved out.'"""
  return f'{turn.date}, {turn.speaker}: {turn.text}'


def _episode(dialogue: Dialogue, size: int | None) -> types.Episode:
  groups = list(_groups(dialogue.turns, size))
  chunk_of = {turn.id: i for i, group in enumerate(groups) for turn in group}
  last = len(groups) - 1
  questions = tuple(
    types.Question(
      q.text,
      q.answer,
      q.category,
      first=max((chunk_of[turn] for turn in q.evidence), default=last),
      last=last,
    )
    for q in dialogue.questions
  )
  chunks = tuple('\n'.join(map(note, group)) for group in groups)
  sessions = collections.Counter(group[0].session for group in groups)
  return types.Episode(
    dialogue.uid, SOURCE, chunks, questions, tuple(sessions.values())
  )


def _split(dialogue: Dialogue, words: int) -> Dialogue:
  """The same words in turns of at most `words`; pieces keep the turn's id."""
  pieces = [
    turn._replace(text=' '.join(piece))
    for turn in dialogue.turns
    for piece in _pieces(turn.text, words) or [[]]
  ]
  return dialogue._replace(turns=tuple(pieces))


def _pieces(text: str, words: int) -> list[list[str]]:
  """Whole sentences as long as they fit, and parts of those that do not."""
  pieces: list[list[str]] = []
  for sentence in english.sentences(text):
    said = sentence.split()
    for start in range(0, len(said), words):
      part = said[start : start + words]
      if pieces and len(pieces[-1]) + len(part) <= words:
        pieces[-1] += part
      else:
        pieces.append(part)
  return pieces


def _groups(turns: Sequence[Turn], size: int | None) -> Iterator[list[Turn]]:
  """Turns that make a chunk: `size` of a session, None for all of it."""
  for _, session in itertools.groupby(turns, key=lambda turn: turn.session):
    session = list(session)
    step = size or len(session)
    for i in range(0, len(session), step):
      yield session[i : i + step]


def _is_ours(path: pathlib.Path) -> bool:
  return path.name == _ALL or path.suffix == '.json' and path.stem.isdecimal()


def _read(path: pathlib.Path, adversarial: bool) -> list[Dialogue]:
  with _named(path):
    data = json.loads(path.read_text(encoding='utf-8'))
  if path.name != _ALL:
    return [_dialogue(data, int(path.stem), adversarial, path)]
  with _named(path):
    if not isinstance(data, list):
      raise ValueError('expected a list')
  found = []
  for i, sample in enumerate(data):
    where = f'{path}: row {i}'
    with _named(where):
      uid = int(_NUMBER.search(sample['sample_id'])[0])
      sample = sample['conversation'] | {'qa': sample['qa']}
    found.append(_dialogue(sample, uid, adversarial, where))
  return found


def _dialogue(data, uid, adversarial, where) -> Dialogue:
  with _named(where):
    turns = tuple(_turns(data))
    if not turns:
      raise ValueError('no session_1')
    rows = list(enumerate(data['qa']))
  known, questions = {turn.id for turn in turns}, []
  for i, row in rows:
    with _named(f'{where}: qa[{i}]'):
      category = row['category']
      if category in CATEGORIES or adversarial and category == _UNANSWERABLE:
        questions.append(_question(row, known))
  return Dialogue(uid, turns, tuple(questions))


@contextlib.contextmanager
def _named(where: str | pathlib.Path):
  try:
    yield
  except (AttributeError, KeyError, TypeError, ValueError) as error:
    raise ValueError(f'{where}: no dialogue of LoCoMo ({error!r})') from error


def _turns(data) -> Iterator[Turn]:
  session = 0
  while f'session_{session + 1}' in data:
    session += 1
    date = data[f'session_{session}_date_time'].split(' on ')[-1]
    for turn in data[f'session_{session}']:
      text = ' '.join(turn['text'].split())
      if 'blip_caption' in turn:
        text = f'{text} (photo: {turn["blip_caption"]})'
      yield Turn(turn['dia_id'], session, date, turn['speaker'], text)


def _question(row, known) -> Question:
  category, answer = ADVERSARIAL, ''
  if row['category'] in CATEGORIES:
    category, answer = CATEGORIES[row['category']], str(row['answer'])
  if category == 'open_domain':
    answer = answer.split(';')[0].strip()  # what follows is the reason
  # Some lists of evidence are one string, with ids that no turn has.
  evidence = _TURN_ID.findall(' '.join(row.get('evidence', ())))
  evidence = tuple(i for i in dict.fromkeys(evidence) if i in known)
  return Question(row['question'].strip(), answer, category, evidence)


def _run_episodes(config, split: str) -> list[types.Episode]:
  del split
  d = config.data
  chunk = 'turn' if d.turns else 'session'
  return episodes(d.root, chunk, max(d.turns, 1), words=d.turn_words)


SOURCES = (
  Source(
    'locomo',
    rule='stemmed_f1',
    episodes=_run_episodes,
    splits=('test',),
    rules={'multi_hop': 'list_f1', ADVERSARIAL: 'abstention'},
    alone=True,
  ),
)
