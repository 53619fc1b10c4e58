"""LoCoMo: very long dialogues of two people, with questions about them.

Maharana et al. 2024, arXiv 2402.17753. Files and names of the categories:
https://github.com/snap-research/locomo. Of category 5, questions that the
dialogue does not answer, the answer is '': to abstain is right.
"""

import json
import pathlib
import re
from typing import NamedTuple

from mem_alpha_jax import types

# Category of the files -> name, which reward.scoring grades by.
CATEGORIES = {
  1: 'multi_hop',
  2: 'temporal',
  3: 'open_domain',
  4: 'single_hop',
  5: 'adversarial',
}
_TURN_ID = re.compile(r'D\d+:\d+')


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
  """Reads the dialogues in <root>/locomo, by the number in the file's name.

  Args:
    root: the data folder, config field data.root.
    adversarial: with the questions of category 5.

  Raises:
    FileNotFoundError: there is none.
    ValueError: a file is not a dialogue of LoCoMo.
  """
  folder = pathlib.Path(root) / 'locomo'
  paths = sorted(folder.glob('*.json'), key=lambda p: int(p.stem))
  if not paths:
    raise FileNotFoundError(
      f'no {folder}/<number>.json; put the dialogues of LoCoMo there or set '
      'data.root'
    )
  return [_read(path, adversarial) for path in paths]


def episode(dialogue: Dialogue, turns: int = 0) -> types.Episode:
  """The dialogue as a stream, with questions from their evidence on.

  A chunk is a session, in parts of `turns` turns if that is above 0; a line
  of it is the `note` of a turn. A question's gold holds from the last chunk
  of its evidence to the end; without evidence it is asked at the end.
  """
  chunks, place = [], {}
  for turn in dialogue.turns:
    full = turns and chunks and len(chunks[-1][1]) == turns
    if not chunks or chunks[-1][0] != turn.session or full:
      chunks.append((turn.session, []))
    chunks[-1][1].append(note(turn))
    place[turn.id] = len(chunks) - 1
  end = len(chunks) - 1
  questions = tuple(
    types.Question(
      q.text,
      q.answer,
      q.category,
      max((place[i] for i in q.evidence), default=end),
      end,
    )
    for q in dialogue.questions
  )
  texts = tuple('\n'.join(lines) for _, lines in chunks)
  return types.Episode(dialogue.uid, 'locomo', texts, questions)


def note(turn: Turn) -> str:
  """The turn as an entry of a memory: '8 May, 2023, Ada: I moved out.'"""
  return f'{turn.date}, {turn.speaker}: {turn.text}'


def _read(path: pathlib.Path, adversarial: bool) -> Dialogue:
  try:
    data = json.loads(path.read_text(encoding='utf-8'))
    turns = tuple(_turns(data))
    questions = tuple(
      _questions(data, {turn.id for turn in turns}, adversarial)
    )
  except (AttributeError, KeyError, TypeError, ValueError) as error:
    raise ValueError(f'{path}: no dialogue of LoCoMo ({error!r})') from error
  return Dialogue(int(path.stem), turns, questions)


def _turns(data):
  session = 0
  while f'session_{session + 1}' in data:
    session += 1
    date = data[f'session_{session}_date_time'].split(' on ')[-1]
    for turn in data[f'session_{session}']:
      text = ' '.join(turn['text'].split())
      if 'blip_caption' in turn:
        text = f'{text} (photo: {turn["blip_caption"]})'
      yield Turn(turn['dia_id'], session, date, turn['speaker'], text)


def _questions(data, known, adversarial: bool):
  for qa in data['qa']:
    category = CATEGORIES[qa['category']]
    if category == 'adversarial' and not adversarial:
      continue
    answer = '' if category == 'adversarial' else str(qa['answer'])
    if category == 'open_domain':
      answer = answer.split(';')[0].strip()  # what follows is the reason
    # Some lists of evidence are one string, with ids that no turn has.
    evidence = _TURN_ID.findall(' '.join(qa.get('evidence', ())))
    evidence = tuple(i for i in dict.fromkeys(evidence) if i in known)
    yield Question(qa['question'].strip(), answer, category, evidence)
