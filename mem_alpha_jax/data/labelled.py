"""Labelled texts, and streams in which their labels are learned.

  banking77    Casanueva et al. 2020      banking77/train.csv
  clinc150     Larson et al. 2019         clinc150/data_train_val.json
  trec_coarse, trec_fine  Li & Roth 2002  trec/train_5500.label
  nlu          Liu et al. 2019 (HWU64)    nlu/NLU-Data-Home-Domain-Annotated-
                                          All.csv
  pubmed-rct   Dernoncourt & Lee 2017     pubmed-rct/train.txt

Test-time learning, as MemoryAgentBench (arXiv 2507.05257) has it: labelled
examples arrive as chunks, then new texts must be labelled.
"""

import csv
import pathlib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from mem_alpha_jax.data import content, json_files
from mem_alpha_jax.data.oracle import OracleNote
from mem_alpha_jax.types import Episode, Question

SAMPLE, ASK = 'Sample: {}; Label: {}', 'Label of: {}'
_FRAME = re.compile(r'^(?:Sample: (.*); Label: .*|Label of: (.*))$')


class Example(NamedTuple):
  text: str
  label: str


def bare(line: str) -> str:
  """The text of a sample or a question about a label; else the line."""
  match = _FRAME.match(line)
  return match[1] or match[2] if match else line


def oracle_notes(chunk: str) -> tuple[OracleNote, ...]:
  """What to remember of a chunk: the words of each sample and its label."""
  notes = []
  for line in chunk.splitlines():
    match = _FRAME.match(line)
    if match and match[1]:
      label = line.rpartition(' ')[2]
      words = content.normalize(match[1])
      notes.append(OracleNote((words, label), 'semantic', f'{words} {label}'))
  return tuple(notes)


class Shape(NamedTuple):
  """How large an instance is.

  Attributes:
    labels: that it teaches; 0 is all there are.
    per_label: examples of each.
    per_chunk: examples of a chunk.
    questions: new texts.
    words: longest text; longer ones are left out. 0 is no limit.
  """

  labels: int = 0
  per_label: int = 5
  per_chunk: int = 1
  questions: int = 100
  words: int = 0


def load(root: str, name: str) -> list[Example]:
  """Reads all examples of a set, each text once, in the order of the file.

  A text with two labels has none that is right: it is left out.

  Args:
    root: the data folder, config field data.root.
    name: key of FILES.

  Raises:
    FileNotFoundError: the set's file is not there.
    ValueError: for an unknown set, or a malformed row; names file and row.
  """
  if name not in FILES:
    raise ValueError(f'no labelled set {name!r}; use one of {list(FILES)}')
  file, read = FILES[name]
  path = pathlib.Path(root) / file
  if not path.exists():
    raise FileNotFoundError(
      f'data.root={root!r}: no file {path}; download {name} there'
    )
  labels: dict[str, Example | None] = {}
  for example in read(path):
    key = content.normalize(example.text)
    known = labels.setdefault(key, example)
    if known is not None and known.label != example.label:
      labels[key] = None
  labels.pop('', None)
  return [example for example in labels.values() if example is not None]


def source(
  examples: Sequence[Example], name: str, split: str, shape: Shape, seed: int
) -> Callable[[int], Episode]:
  """Returns uid -> episode of a split.

  Its examples and questions are texts of that split alone, by the hash of what
  they say, and no question is among the examples. Labels are numbers, drawn
  anew for each instance: none can be known beforehand.

  Raises:
    ValueError: if the split has too few texts for the shape.
  """
  by_label: dict[str, list[str]] = {}
  for text, label in examples:
    short = not shape.words or len(text.split()) <= shape.words
    if short and content.split_of(text) == split:
      by_label.setdefault(label, []).append(text)
  by_label = {
    label: texts
    for label, texts in sorted(by_label.items())
    if len(texts) > shape.per_label
  }
  count = shape.labels or len(by_label)
  if not by_label or count > len(by_label):
    raise ValueError(
      f'{name}: only {len(by_label)} labels have more than '
      f'{shape.per_label} texts in the {split} split, {max(count, 1)} wanted'
    )

  def make(uid: int) -> Episode:
    order = list(content.SPLITS).index(split)
    rng = np.random.default_rng((seed, order, uid))
    return _episode(by_label, name, shape, count, uid, rng)

  return make


def _episode(by_label, name, shape: Shape, count: int, uid, rng) -> Episode:
  names = [list(by_label)[i] for i in rng.permutation(len(by_label))[:count]]
  shown, asked = [], []
  for number, label in enumerate(names, 1):
    texts = by_label[label]
    order = [texts[i] for i in rng.permutation(len(texts))]
    shown += [(text, number) for text in order[: shape.per_label]]
    asked += [(text, number) for text in order[shape.per_label :]]
  shown = [shown[i] for i in rng.permutation(len(shown))]
  asked = [asked[i] for i in rng.permutation(len(asked))[: shape.questions]]
  size = shape.per_chunk
  groups = [shown[i : i + size] for i in range(0, len(shown), size)]
  chunks = tuple(
    '\n'.join(SAMPLE.format(*pair) for pair in group) for group in groups
  )
  first = {}
  for t, group in enumerate(groups):
    for _, number in group:
      first.setdefault(number, t)
  questions = tuple(
    Question(
      ASK.format(text), str(number), name, first[number], len(groups) - 1
    )
    for text, number in asked
  )
  return Episode(uid, name, chunks, questions)


def _banking(path: pathlib.Path) -> Iterator[Example]:
  yield from _csv(path, ',', lambda row: Example(row['text'], row['category']))


def _nlu(path: pathlib.Path) -> Iterator[Example]:
  yield from _csv(
    path,
    ';',
    lambda row: Example(row['answer'], f'{row["scenario"]}_{row["intent"]}'),
  )


def _csv(path, delimiter: str, make: Callable) -> Iterator[Example]:
  with path.open(encoding='utf-8', newline='') as file:
    rows = csv.DictReader(file, delimiter=delimiter)
    for row in rows:
      try:
        example = make(row)
      except KeyError as error:
        raise ValueError(f'{path}: no column {error}') from None
      if not example.text or not example.label:
        raise ValueError(f'{path}:{rows.line_num}: no text or no label')
      yield example


def _clinc(path: pathlib.Path) -> Iterator[Example]:
  """In-scope texts of the train and validation parts."""
  parts = json_files.want(json_files.read(path), dict, str(path))
  for part in ('train', 'val'):
    if part not in parts:
      raise ValueError(f'{path}: no part {part!r}')
    for i, pair in enumerate(parts[part]):
      if not isinstance(pair, list) or len(pair) != 2 or not all(pair):
        raise ValueError(f'{path}: {part}[{i}] is not [text, intent]')
      yield Example(*pair)


def _trec(fine: bool) -> Callable:
  def read(path: pathlib.Path) -> Iterator[Example]:
    with path.open(encoding='latin-1') as file:
      for number, line in enumerate(file, 1):
        label, _, text = line.strip().partition(' ')
        coarse = label.partition(':')[0]
        if not text or coarse == label:
          raise ValueError(
            f"{path}:{number}: expected 'COARSE:fine question', got {line!r}"
          )
        yield Example(text, label if fine else coarse)

  return read


def _pubmed(path: pathlib.Path) -> Iterator[Example]:
  with path.open(encoding='utf-8') as file:
    for number, line in enumerate(file, 1):
      line = line.strip()
      if not line or line.startswith('###'):
        continue
      label, _, text = line.partition('\t')
      if not text:
        raise ValueError(f"{path}:{number}: expected 'LABEL<tab>sentence'")
      yield Example(text, label)


FILES = {
  'banking77': ('banking77/train.csv', _banking),
  'clinc150': ('clinc150/data_train_val.json', _clinc),
  'trec_coarse': ('trec/train_5500.label', _trec(False)),
  'trec_fine': ('trec/train_5500.label', _trec(True)),
  'nlu': ('nlu/NLU-Data-Home-Domain-Annotated-All.csv', _nlu),
  'pubmed-rct': ('pubmed-rct/train.txt', _pubmed),
}
