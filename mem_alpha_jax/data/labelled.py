"""Labelled texts, and learning their labels at test time.

Labelled examples arrive chunk by chunk; then new texts of the same labels
must be labelled: the NLU, TREC and PubMed-RCT instances of Mem-alpha (arXiv
2509.25911, table 6) and the test-time learning of MemoryAgentBench (arXiv
2507.05257). There the training instances ask the very questions of the test;
here a text has one split and one role for ever, by a hash of its content.

  name               file below data.root                       published by
  banking77          banking77/train.csv                        2003.04807
  clinc150[_oos]     clinc150/data_train_val.json               D19-1131
  trec_coarse, _fine trec/train_5500.label                      C02-1150
  nlu                nlu/NLU-Data-Home-Domain-Annotated-All.csv 1903.05566
  pubmed_rct         pubmed_rct/train.txt                       1710.06071
"""

import collections
import csv
import functools
import json
import pathlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from mem_alpha_jax.data import chunking, content
from mem_alpha_jax.data.source import Endless, OracleNote, Source
from mem_alpha_jax.types import Episode, Question

SPLITS = content.ALL_SPLITS
STYLES = ('number', 'name')
_LINE = re.compile(r'Sample: (.*); Label: (.*)')
_CLINC_PARTS = ('train', 'val')
_CLINC_OUT_OF_SCOPE = ('oos_train', 'oos_val')
_NLU_COLUMNS = ('scenario', 'intent', 'status', 'answer')


class Example(NamedTuple):
  text: str
  label: str


def load(root: str, name: str) -> list[Example]:
  """Reads all labelled texts of a data set, in the order of its file.

  'clinc150' has the queries in scope; 'clinc150_oos' those out of it as well,
  under the label 'oos'. 'nlu' leaves out what its annotators marked as
  irrelevant (status IRR_...) and texts that are missing.

  Args:
    root: the data folder, config field data.root.
    name: key of READERS.

  Raises:
    FileNotFoundError: the file is not there.
    ValueError: for an unknown name or a broken row (file:line).
  """
  if name not in READERS:
    raise ValueError(f'no labelled data set {name!r}; use one of {[*READERS]}')
  file, reader = READERS[name]
  path = pathlib.Path(root) / file
  if not path.is_file():
    raise FileNotFoundError(
      f'{name}: no file {path}; download it from its publisher '
      '(mem_alpha_jax/data/labelled.py names them) or set data.root'
    )
  try:
    examples = list(reader(path))
  except UnicodeDecodeError as error:
    raise ValueError(f'{path}: {error}; download it again') from error
  if not examples:
    raise ValueError(f'{path}: the file has no example; download it again')
  return examples


def maker(
  examples: Sequence[Example],
  split: str,
  seed: int,
  *,
  source: str,
  per_label: int,
  questions: int,
  labels: int | None = None,
  chunks: int | None = None,
  style: str = 'number',
  wrap: bool = False,
  uid0: int = 0,
) -> Callable[[int], Episode]:
  """Returns i -> episode i of test-time learning from a split of the examples.

  A chunk has lines 'Sample: ...; Label: 3'. With style 'number' an episode
  draws the numbers of its labels anew: only its chunks tell them. A text is
  in a split (80/10/10) and in it an example or a question (half and half) by
  its content, so that no question is an example of any episode of any split.
  Texts that occur with two labels are left out.

  Args:
    examples: all of a data set; the split is taken here.
    split: 'train', 'validation' or 'test'.
    seed: of everything that is drawn.
    source: the episodes' source and the type of their questions.
    per_label: examples of each label, fewer where the split has no more.
    questions: of an episode at most, as evenly over its labels as may be.
    labels: labels of an episode, chosen at random; None for all.
    chunks: chunks that share the examples evenly; None is one an example.
    style: 'number', or 'name' for the label's own words.
    wrap: chunks are put into a conversation (`chunking.converse`).
    uid0: uid of the first episode.

  Raises:
    ValueError: for an unknown split or style, or if the split has too few
      labels or the episode fewer examples than chunks.
  """
  if split not in SPLITS:
    raise ValueError(f'{source}: no split {split!r}, only {list(SPLITS)}')
  if style not in STYLES:
    raise ValueError(f'{source}: no style {style!r}, only {list(STYLES)}')
  shown, asked = _pools(examples, split)
  usable = sorted(shown.keys() & asked.keys())
  if len(usable) < max(2, labels or 0):
    raise ValueError(
      f'{source}: {len(usable)} labels have examples and questions in the '
      f'{split} split, wanted {labels or "at least 2"}; lower `labels`'
    )

  def make(i: int) -> Episode:
    rng = content.generator(seed, source, split, i)
    names = _shuffled(usable, rng)[:labels]
    names = {n: _words(n) if style == 'name' else str(k)
             for k, n in enumerate(names)}  # fmt: skip
    lines = _lines(shown, names, per_label, rng)
    texts, firsts = _chunks(lines, chunks or len(lines), names, source)
    if wrap:
      texts = [chunking.converse(t, rng, day) for day, t in enumerate(texts)]
    wanted = [
      Question(question(text, style), names[label], source, firsts[label],
               len(texts) - 1)
      for text, label in _evenly(asked, names, questions, rng)
    ]  # fmt: skip
    return Episode(uid0 + i, source, tuple(texts), tuple(wanted))

  return make


def episodes(
  examples: Sequence[Example], split: str, seed: int, *, count: int, **shape
) -> list[Episode]:
  """The first `count` episodes of `maker`, which says what `shape` may be."""
  make = maker(examples, split, seed, **shape)
  return [make(i) for i in range(count)]


def question(text: str, style: str) -> str:
  """What is asked about a new text."""
  what = 'Which label number' if style == 'number' else 'Which label'
  return f'{what} does this sample have? Sample: {text}'


def line(text: str, label: str) -> str:
  """An example as a chunk shows it."""
  return f'Sample: {text}; Label: {label}'


def oracle_notes(chunk: str) -> tuple[OracleNote, ...]:
  """What to remember of a chunk: the words of each sample and its label."""
  notes = []
  for row in chunk.splitlines():
    if match := _LINE.fullmatch(row):
      words, label = content.normalize(match[1]), match[2]
      notes.append(OracleNote((words, label), 'semantic', f'{words} {label}'))
  return tuple(notes)


def _pools(
  examples: Iterable[Example], split: str
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
  """Texts of a split by label: those that are shown, and those asked."""
  seen = {}
  for text, label in examples:
    key = content.digest(text)
    first = seen.setdefault(key, (text, label))
    if first is not None and first[1] != label:
      seen[key] = None
  shown, asked = collections.defaultdict(list), collections.defaultdict(list)
  for key, pair in seen.items():
    if pair is None or content.bucket(key, 'split') not in SPLITS[split]:
      continue
    pool = shown if content.bucket(key, 'role') < 50 else asked
    pool[pair[1]].append(pair[0])
  return dict(shown), dict(asked)


def _lines(shown, names, per_label, rng):
  """Examples of the labels in random order."""
  chosen = [
    (text, label)
    for label in names
    for text in _shuffled(shown[label], rng)[:per_label]
  ]
  return _shuffled(chosen, rng)


def _chunks(lines, count, names: Mapping[str, str], source):
  """Texts of `count` chunks, and the chunk that first shows each label."""
  if len(lines) < count:
    raise ValueError(
      f'{source}: {len(lines)} examples for {count} chunks; raise `per_label` '
      'or lower `chunks`'
    )
  texts, firsts = [], {}
  for t, part in enumerate(np.array_split(np.arange(len(lines)), count)):
    part = [lines[k] for k in part]
    texts.append('\n'.join(line(text, names[label]) for text, label in part))
    for _, label in part:
      firsts.setdefault(label, t)
  return texts, firsts


def _evenly(asked, names, count, rng):
  """Pairs (text, label): one of each label by turns, then shuffled."""
  order = {label: _shuffled(asked[label], rng) for label in names}
  turns = [
    (depth, k, text, label)
    for k, label in enumerate(names)
    for depth, text in enumerate(order[label])
  ]
  chosen = [(text, label) for _, _, text, label in sorted(turns)[:count]]
  return _shuffled(chosen, rng)


def _shuffled(items, rng):
  return [items[k] for k in rng.permutation(len(items))]


def _words(label: str) -> str:
  return ' '.join(label.replace('_', ' ').replace(':', ' ').split())


def _example(text: str, label: str, where: str) -> Example:
  text, label = ' '.join(text.split()), label.strip()
  if not text or not label:
    raise ValueError(f'{where}: a text and a label, got {text!r}, {label!r}')
  return Example(text, label)


def _rows(
  path: pathlib.Path, columns: Sequence[str], delimiter: str
) -> Iterator[tuple[str, dict[str, str]]]:
  """Rows of a table with a header, each with the place it ends at."""
  with path.open(encoding='utf-8-sig', newline='') as file:
    table = csv.DictReader(file, delimiter=delimiter)
    if missing := [c for c in columns if c not in (table.fieldnames or ())]:
      raise ValueError(f'{path}:1: no column {missing}, got {table.fieldnames}')
    for row in table:
      where = f'{path}:{table.line_num}'
      if any(row[column] is None for column in columns):
        raise ValueError(f'{where}: the row is too short, got {row}')
      yield where, row


def _banking77(path: pathlib.Path) -> Iterator[Example]:
  for where, row in _rows(path, ('text', 'category'), ','):
    yield _example(row['text'], row['category'], where)


def _clinc150(
  path: pathlib.Path, parts: Sequence[str] = _CLINC_PARTS
) -> Iterator[Example]:
  try:
    data = json.loads(path.read_text(encoding='utf-8'))
  except json.JSONDecodeError as error:
    raise ValueError(f'{path}: no JSON ({error}); download it again') from error
  for part in parts:
    if not isinstance(data, dict) or not isinstance(data.get(part), list):
      raise ValueError(f'{path}: no list {part!r}; download it again')
    for i, row in enumerate(data[part]):
      try:
        text, intent = row
        yield _example(text, intent, f'{path}: {part}[{i}]')
      except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(
          f'{path}: {part}[{i}]: expected [text, intent], got {row!r}'
        ) from error


def _trec(path: pathlib.Path, fine: bool) -> Iterator[Example]:
  with path.open(encoding='latin-1') as file:
    for i, row in enumerate(file, start=1):
      if not row.strip():
        continue
      label, _, text = row.partition(' ')
      coarse, colon, _ = label.partition(':')
      if not colon or not coarse or not text.strip():
        raise ValueError(
          f"{path}:{i}: expected 'COARSE:fine question', got {row.strip()!r}"
        )
      yield _example(text, label if fine else coarse, f'{path}:{i}')


def _nlu(path: pathlib.Path) -> Iterator[Example]:
  for where, row in _rows(path, _NLU_COLUMNS, ';'):
    if row['status'].startswith('IRR_') or row['answer'] in ('', 'null'):
      continue
    label = f'{row["scenario"]}_{row["intent"]}'
    yield _example(row['answer'], label, where)


def _pubmed_rct(path: pathlib.Path) -> Iterator[Example]:
  with path.open(encoding='utf-8') as file:
    for i, row in enumerate(file, start=1):
      if not row.strip() or row.startswith('###'):
        continue
      label, tab, text = row.partition('\t')
      if not tab:
        raise ValueError(
          f"{path}:{i}: expected 'LABEL<tab>sentence', got {row.strip()!r}"
        )
      yield _example(text, label, f'{path}:{i}')


_CLINC_FILE = 'clinc150/data_train_val.json'
_TREC_FILE = 'trec/train_5500.label'
READERS = {
  'banking77': ('banking77/train.csv', _banking77),
  'clinc150': (_CLINC_FILE, _clinc150),
  'clinc150_oos': (
    _CLINC_FILE,
    functools.partial(_clinc150, parts=_CLINC_PARTS + _CLINC_OUT_OF_SCOPE),
  ),
  'trec_coarse': (_TREC_FILE, functools.partial(_trec, fine=False)),
  'trec_fine': (_TREC_FILE, functools.partial(_trec, fine=True)),
  'nlu': (
    'nlu/NLU-Data-Home-Domain-Annotated-All.csv',
    _nlu,
  ),
  'pubmed_rct': ('pubmed_rct/train.txt', _pubmed_rct),
}


def _run_episodes(config, split: str, name: str) -> Endless:
  d = config.data
  examples = [
    example
    for example in load(d.root, name)
    if not d.label_words or len(example.text.split()) <= d.label_words
  ]
  make = maker(
    examples,
    split,
    config.seed,
    source=name,
    labels=d.labels or None,
    per_label=d.per_label,
    questions=d.label_questions,
  )
  return Endless(make)


SOURCES = tuple(
  Source(
    name,
    rule='label',
    episodes=functools.partial(_run_episodes, name=name),
    oracle=lambda episode: [oracle_notes(chunk) for chunk in episode.chunks],
  )
  for name in READERS
)
