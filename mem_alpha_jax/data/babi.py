"""bAbI question answering tasks v1.2 (Weston et al. 2015, arXiv 1502.05698).

A story is an episode, a statement of it a chunk, and its questions are asked
where they stand. Only the files `qaN_*_train.txt` are read: they are split
here by story, so that no story is in two splits.
"""

import hashlib
import itertools
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mem_alpha_jax.data import content, rows
from mem_alpha_jax.data.source import OracleNote, Source
from mem_alpha_jax.reading.extractive import ExtractiveReader, Frame
from mem_alpha_jax.text import english
from mem_alpha_jax.types import Episode, Question

_PUBLISHER = 'arXiv 1502.05698'
_LONGEST = 10_000  # characters of a line; those of bAbI have less than 200
_STORIES = 1_000_000  # uids of one task; a task has some 2,000 stories
_MOVE = re.compile(
  r'(\w+) (?:moved|journeyed|travelled|went)(?: back)? to the (\w+)'
)
_TAKE = re.compile(r'(\w+) (?:got|took|grabbed|picked up) the (\w+)')
_DROP = re.compile(r'(\w+) (?:dropped|left|discarded|put down) the (\w+)')
_WORD_KINDS = {
  _MOVE: ('person', 'location'),
  _TAKE: ('person', 'object'),
  _DROP: ('person', 'object'),
}

_FRAMES = {
  'qa1': Frame(re.compile(r'where is (?P<subject>\w+) ?\?'), (), 'location'),
  'qa2': Frame(
    re.compile(r'where is the (?P<subject>\w+) ?\?'),
    (),
    'location',
    two_hop=True,
  ),
  'qa6': Frame(
    re.compile(r'is (?P<subject>\w+) in the (?P<value>\w+) ?\?'), (), 'yes_no'
  ),
}

# What could be asked about people and about objects in the stories of a task,
# and the task whose question it is.
_UNASKED = {
  'qa1': {'person': ('qa1', 'Where is {}?')},
  'qa2': {
    'person': ('qa1', 'Where is {}?'),
    'object': ('qa2', 'Where is the {}?'),
  },
}


class _Row(NamedTuple):
  """One line of a file: a statement, or a question with its support."""

  number: int
  text: str
  answer: str = ''
  support: tuple[int, ...] = ()


def load(
  root: str, task: str, split: str, unasked: bool = False
) -> list[Episode]:
  """Reads one split of one task, in the order of the file.

  About 80/10/10 of the stories are train/validation/test, by a hash of the
  statements: the split of a story depends on nothing else, and two stories
  with the same statements are always in the same split.

  A question's gold holds from its last supporting statement on (`first`);
  `last` is the newest statement when it is asked.

  Args:
    root: the data folder, config field data.root; files are in root/babi.
    unasked: add what `could_be_asked` of each story.

  Raises:
    FileNotFoundError: if the folder or the task's file is not there.
    ValueError: for an unknown task or split, or a broken row (file:line).
  """
  if split not in content.ALL_SPLITS:
    raise ValueError(
      f'babi: no split {split!r}, only {list(content.ALL_SPLITS)}'
    )
  path = _find(root, task)
  stories = _stories(path)
  if len(stories) > _STORIES:
    raise ValueError(f'{path}: {len(stories)} stories, at most {_STORIES}')
  offset = int(task[2:]) * _STORIES
  episodes = [
    _episode(story, offset + i, task)
    for i, story in enumerate(stories)
    if _bucket(story) in content.ALL_SPLITS[split]
  ]
  if not unasked:
    return episodes
  return [
    e._replace(questions=e.questions + could_be_asked(e.chunks, task))
    for e in episodes
  ]


def frames(tasks: Sequence[str]) -> tuple[Frame, ...]:
  """Questions of the tasks; ValueError for one that the reader cannot read."""
  unknown = [task for task in tasks if task not in _FRAMES]
  if unknown:
    raise ValueError(
      f'data.babi_tasks: reading.reader=extractive answers {list(_FRAMES)}, '
      f'not {unknown}; leave them out'
    )
  return tuple(_FRAMES[task] for task in tasks)


def lexicon(root: str, tasks: Sequence[str]) -> dict[str, frozenset[str]]:
  """Lowercase words of the train split: 'person', 'location' and 'object'."""
  found = {'person': set(), 'location': set(), 'object': set()}
  for episode in itertools.chain(*(load(root, t, 'train') for t in tasks)):
    for text in episode.chunks:
      for pattern, kinds in _WORD_KINDS.items():
        if match := pattern.match(text):
          for kind, word in zip(kinds, match.groups(), strict=True):
            found[kind].add(word.lower())
    for question in episode.questions:
      frame = _FRAMES.get(question.type)
      if frame and frame.answer_type in found:
        found[frame.answer_type].add(question.answer.lower())
  return {kind: frozenset(words) for kind, words in found.items()}


def oracle_notes(
  chunk: str, known: Sequence[str] = ()
) -> tuple[OracleNote, ...]:
  """What to remember of statements of qa1, qa2 and qa6.

  There is one note for each person and object, and its first word is what it
  is about:

    'Mary moved to the bathroom.' -> ('mary',)      'Mary bathroom'
    'Mary got the football there.' -> ('football',) 'football Mary'
    'Mary dropped the football.' -> ('football',)   'football bathroom'

  While Mary holds the football it is where she is: the reader follows
  football -> Mary -> bathroom. From the drop on it stays when she moves, so
  the note must name the place itself, which the statement does not say. It
  comes from `known`: a writer sees 'Mary bathroom' in its memory. If Mary's
  place is not known, no note is made of the drop.

  Args:
    chunk: one or more statements; others than these give no note.
    known: texts of earlier notes, such as the entries a writer sees; the
      last about a person counts.
  """
  places = {text.split()[0].lower(): text for text in known if text.strip()}
  notes = []
  for statement in english.sentences(chunk.strip()):
    note = _note(statement, places)
    if note:
      notes.append(note)
      places[note.key[0]] = note.text
  return tuple(notes)


def episode_notes(chunks: Sequence[str]) -> list[tuple[OracleNote, ...]]:
  """`oracle_notes` of every chunk, each given the notes of those before."""
  known, notes = {}, []
  for chunk in chunks:
    notes.append(oracle_notes(chunk, tuple(known.values())))
    known |= {note.key: note.text for note in notes[-1]}
  return notes


def could_be_asked(chunks: Sequence[str], task: str) -> tuple[Question, ...]:
  """A question for each place of each person, of qa2 of each object, too.

  It stands for as long as the subject stays there and its place is known, is
  never asked (`asked=False`), and so serves dense credit alone: the questions
  of a file, five a story, grade few of its statements. Gold comes from the
  statements. Other tasks have none.
  """
  forms = _UNASKED.get(task, {})
  moves = [match.groups() for match in map(_MOVE.match, chunks) if match]
  people, places = {who for who, _ in moves}, {place for _, place in moves}
  known, newest, found = {}, {}, []
  for t, notes in enumerate(episode_notes(chunks)):
    known |= dict(note.text.split() for note in notes)
    for subject, value in known.items():
      place, last = known.get(value, value), newest.get(subject)
      kind = 'person' if subject in people else 'object'
      if place not in places or kind not in forms:
        continue
      if last is None or (last.answer, last.last) != (place, t - 1):
        found.extend([last] if last else ())
        name, form = forms[kind]
        last = Question(form.format(subject), place, name, t, t, asked=False)
      newest[subject] = last._replace(last=t)
  return (*found, *newest.values())


def _note(statement: str, known: Mapping[str, str]) -> OracleNote | None:
  if match := _MOVE.match(statement):
    subject, value = match.groups()
  elif match := _TAKE.match(statement):
    value, subject = match.groups()
  elif match := _DROP.match(statement):
    person, subject = match.groups()
    if person.lower() not in known:
      return None
    value = known[person.lower()].split()[-1]
  else:
    return None
  return OracleNote((subject.lower(),), 'semantic', f'{subject} {value}')


def _find(root: str, task: str) -> pathlib.Path:
  if not re.fullmatch(r'qa([1-9]|1\d|20)', task):
    raise ValueError(f'data.babi_tasks: no task {task!r}, only qa1 to qa20')
  folder = pathlib.Path(root) / 'babi'
  pattern = f'{task}_*_train.txt'
  found = sorted(folder.glob(pattern))
  if len(found) == 1:
    return found[0]
  problem = f'{len(found)} files' if found else 'no file'
  raise FileNotFoundError(
    f'data.root={str(root)!r}: {problem} {pattern} in {folder}; get the bAbI '
    'tasks v1.2 (Weston et al. 2015, arXiv 1502.05698) and put the files of '
    'its folder en-10k or en there'
  )


def _stories(path: pathlib.Path) -> list[list[_Row]]:
  """Rows of every story of a file; numbering restarts with each story."""
  stories = []
  for where, line in rows.lines(path, _PUBLISHER):
    row = _row(line, where)
    if row.number == 1:
      stories.append([])
    story = stories[-1] if stories else []
    if row.number != len(story) + 1:
      raise ValueError(
        f'{where}: line number {row.number} after {len(story)}; lines of a '
        'story are numbered 1, 2, 3, ...'
      )
    statements = [r.number for r in story if not r.support]
    if not set(row.support) <= set(statements):
      raise ValueError(
        f'{where}: a supporting line of {row.support} is not a statement '
        'before the question'
      )
    story.append(row)
  if not stories:
    raise ValueError(f'{path}: the file has no story; download it again')
  return stories


def _row(line: str, where: str) -> _Row:
  if len(line) > _LONGEST:
    raise ValueError(
      f'{where}: a line of {len(line):,} characters; is it a file of bAbI?'
    )
  number, _, rest = line.strip().partition(' ')
  fields = [field.strip() for field in rest.split('\t')]
  try:
    if len(fields) == 1 and fields[0]:
      return _Row(int(number), fields[0])
    question, answer, support = fields
    numbers = tuple(map(int, support.split()))
    if question and answer and numbers:
      return _Row(int(number), question, answer, numbers)
  except ValueError:
    pass
  raise ValueError(
    f"{where}: expected 'number statement' or 'number question<tab>answer"
    f"<tab>supporting line numbers', got {rows.shown(line.rstrip())}"
  )


def _episode(story: Sequence[_Row], uid: int, task: str) -> Episode:
  chunks, questions, index = [], [], {}
  for row in story:
    if row.support:
      told = tuple(sorted({index[number] for number in row.support}))
      asked = Question(row.text, row.answer, task, told[-1], len(chunks) - 1)
      questions.append(asked._replace(evidence=told))
    else:
      index[row.number] = len(chunks)
      chunks.append(row.text)
  return Episode(uid, 'babi', tuple(chunks), tuple(questions))


def _bucket(story: Sequence[_Row]) -> int:
  """Stable number from 0 to 99 of a story's statements."""
  text = '\n'.join(row.text for row in story if not row.support)
  return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) % 100


def _reader(config, strict: bool) -> ExtractiveReader:
  tasks = config.data.babi_tasks
  known, asked = lexicon(config.data.root, tasks), frames(tasks)
  if config.data.unasked:  # of others than the file's own
    forms = (form for task in tasks for form in _UNASKED.get(task, {}).values())
    asked += frames([name for name, _ in forms if name not in tasks])
  return ExtractiveReader(asked, known, strict)


def _all_tasks(config, split: str) -> list[Episode]:
  """Stories of all tasks, by turns: any beginning of the list is a mix."""
  d = config.data
  tasks = [load(d.root, t, split, d.unasked) for t in d.babi_tasks]
  turns = itertools.chain.from_iterable(itertools.zip_longest(*tasks))
  episodes = [episode for episode in turns if episode is not None]
  if not episodes:
    raise ValueError(
      f'data.babi_tasks={tuple(config.data.babi_tasks)} has no {split} story; '
      'name a task with more stories'
    )
  return episodes


SOURCES = (
  Source(
    'babi',
    rule='exact',
    episodes=_all_tasks,
    reader=_reader,
    oracle=lambda episode: episode_notes(episode.chunks),
  ),
)
