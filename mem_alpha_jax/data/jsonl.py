"""Your own data: texts or conversations with questions, a JSON object a line.

  {"text": "Ada moved to Rome.", "questions": [
    {"question": "Where does Ada live?", "answer": "Rome"}]}
  {"messages": [{"role": "user", "content": "I moved to Rome."}],
   "questions": [{"question": "Where do I live?", "answer": ["Rome", "Roma"]}]}

Of an object:

  text       its sentences, data.chunk_sentences of them a chunk;
  messages   or data.turns of them a chunk (0: all), each with its `role` and,
             if it has one, its `date`; data.turn_words splits long ones;
  chunks     or a list of texts, taken as they are
  questions  each with `question` and `answer`, a text or a list of texts that
             are equally good, '' where the text does not tell
  split      'train', 'validation' or 'test'; else 80/10/10 by its content

and, if they are given, of a question:

  type       its row in tables; the name of a rule of reward/scoring.py is
             scored by that rule, every other by `contains`
  after      the sentence, message or chunk, from 0, with which the answer is
             known; without it the last

Questions are asked at the end. No rule says what of a text is to be noted, so
there is no oracle.
"""

import collections
import itertools
import pathlib
from collections.abc import Iterator
from typing import Literal

import pydantic

from mem_alpha_jax.data import chunking, content, rows
from mem_alpha_jax.data.source import SPLITS, Source
from mem_alpha_jax.reward import scoring
from mem_alpha_jax.text import english
from mem_alpha_jax.types import Episode, Question

SOURCE = 'jsonl'


class _Message(rows.Row):
  content: str
  role: str = ''
  date: str = ''


class _Asked(rows.Row):
  question: str = pydantic.Field(pattern=r'\S')
  answer: rows.Golds
  type: str = 'question'
  after: int | None = pydantic.Field(None, ge=0)


class _Row(rows.Row):
  text: str = ''
  messages: list[_Message] = []
  chunks: list[str] = []
  questions: list[_Asked] = []
  split: Literal['train', 'validation', 'test'] | None = None

  @pydantic.model_validator(mode='after')
  def _one(self):
    given = [k for k in ('text', 'messages', 'chunks') if getattr(self, k)]
    if len(given) != 1:
      raise ValueError(f'one of text, messages and chunks, got {given}')
    return self


def load(
  path: pathlib.Path, sentences: int = 1, turns: int = 0, words: int = 0
) -> dict[str, list[Episode]]:
  """Reads a file: split -> episodes, whose uids are the lines, from 0.

  Args:
    sentences: of a chunk of a text.
    turns: messages of a chunk; 0: all of them.
    words: a longer message is split after a sentence; 0 is no limit.

  Raises:
    FileNotFoundError: it is not there.
    ValueError: a line is not as above (names file, line and field).
  """
  found, splits, left = [], [], collections.Counter()
  for where, row in rows.json_lines(path, _Row, 'its author'):
    chunks, last = _chunks(row, sentences, turns, words)
    if not chunks:
      left['lines without a word'] += 1
      continue
    asked = tuple(_questions(row, last, where))
    left['lines without a question'] += not asked
    found.append(Episode(len(found), SOURCE, chunks, asked))
    splits.append(row.split)
  if not found:
    raise ValueError(f'{path}: no line with a text')
  keys = ['\n'.join(episode.chunks) for episode in found]
  free = [k for k, split in zip(keys, splits, strict=True) if not split]
  by_content = {
    key: split
    for split in SPLITS
    for key in content.keys_of(free, split, content.ALL_SPLITS)
  }
  made = {split: [] for split in SPLITS}
  for episode, key, split in zip(found, keys, splits, strict=True):
    made[split or by_content[key]].append(episode)
  sizes = ', '.join(f'{len(e)} {name}' for name, e in made.items())
  rows.report(str(path), f'{len(found)} episodes ({sizes})', left)
  return made


def _chunks(row: _Row, sentences, turns, words) -> tuple[tuple[str, ...], list]:
  """Texts of the chunks, and for each piece the chunk that ends with it."""
  if row.chunks:
    pieces, size, joint = [[c] if c.strip() else [] for c in row.chunks], 1, ''
  elif row.text:
    pieces = [[s] for s in english.sentences(row.text)]
    size, joint = sentences, ' '
  else:
    pieces = [[*_said(message, words)] for message in row.messages]
    size, joint = turns or len(pieces), '\n'
  chunks, last = [], []
  for group in chunking.groups(pieces, size):
    parts = [*itertools.chain(*group)]
    whole = len(parts) <= size or not words
    texts = [joint.join(parts)] if whole else parts
    chunks += [text for text in texts if text]
    last += [max(len(chunks) - 1, 0)] * len(group)
  return tuple(chunks), last


def _said(message: _Message, words: int) -> Iterator[str]:
  """A message as '2 May, user: I moved.', in parts if it is long."""
  head = ', '.join(filter(None, (message.date, message.role)))
  head = f'{head}: ' if head else ''
  return (head + part for part in chunking.by_words(message.content, words))


def _questions(row: _Row, last: list[int], where: str) -> Iterator[Question]:
  end = last[-1]
  for i, asked in enumerate(row.questions):
    after = len(last) - 1 if asked.after is None else asked.after
    if after >= len(last):
      raise ValueError(
        f'{where}: questions[{i}].after={after}: there are {len(last)} '
        'sentences, messages or chunks, counted from 0'
      )
    gold, *others = asked.answer
    yield Question(
      asked.question.strip(), gold, asked.type, last[after], end,
      others=tuple(others),
    )  # fmt: skip


def _check(config) -> None:
  file = config.data.file
  if not file or not pathlib.Path(file).is_file():
    raise ValueError(
      f'config.data.file={file!r}: no such file; data.source=jsonl reads one '
      'of yours, what its lines are: mem_alpha_jax/data/jsonl.py'
    )


def _episodes(config, split: str) -> list[Episode]:
  d = config.data
  found = load(pathlib.Path(d.file), d.chunk_sentences, d.turns, d.turn_words)
  if not found[split]:
    raise ValueError(
      f'config.data.file={d.file!r}: no episode for {split}; it needs three '
      "lines or more, or give lines their 'split'"
    )
  return found[split]


SOURCES = (
  Source(
    SOURCE,
    rule='contains',
    episodes=_episodes,
    check=_check,
    rules={name: name for name in scoring.RULES},
  ),
)
