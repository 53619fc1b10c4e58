"""Files of labelled texts, as their publishers have them."""

import collections
import functools
import pathlib
from collections.abc import Callable, Iterator
from typing import Annotated, NamedTuple

import pydantic

from mem_alpha_jax.data import rows

# In place of a label: what is left out, and why.
_LEFT_OUT = _IRRELEVANT, _MISSING = ('marked as irrelevant', 'texts missing')
# Of consoles and editors that UTF-8 has been read as.
_ENCODINGS = ('cp1252', 'cp437', 'cp850')


class Example(NamedTuple):
  text: str
  label: str


class _Set(NamedTuple):
  """A data set: its file below data.root, by whom, and what reads it."""

  file: str
  publisher: str
  read: Callable[[pathlib.Path, str], Iterator[tuple[str, str, str]]]


def load(root: str, name: str) -> list[Example]:
  """Reads all labelled texts of a data set, in the order of its file.

  'clinc150' has the queries in scope; 'clinc150_oos' those out of it as well,
  under the label 'oos'. 'nlu' leaves out what its annotators marked as
  irrelevant (status IRR_...) and texts that are missing; all are logged, and
  texts that were decoded wrongly, which are repaired (`readable`).
  """
  file, publisher, read = SETS[name]
  path, examples = pathlib.Path(root, file), []
  left = collections.Counter()
  for where, text, label in read(path, publisher):
    label = label.strip()
    if label in _LEFT_OUT:
      left[label] += 1
      continue
    found = readable(text)
    left['texts repaired'] += found != text
    text = ' '.join(found.split())
    if not text or not label:
      raise ValueError(
        f'{where}: a text and a label, got '
        f'{rows.shown(text)}, {rows.shown(label)}'
      )
    examples.append(Example(text, label))
  if not examples:
    raise ValueError(f'{path}: the file has no example; download it again')
  rows.report(str(path), f'{len(examples)} examples', left)
  return examples


def readable(text: str) -> str:
  """The text before UTF-8 was read as another encoding, once or more often.

  Left as it is where no chain of these encodings leads back to UTF-8.
  """
  while not text.isascii():
    for encoding in _ENCODINGS:
      try:
        before = text.encode(encoding).decode()
      except UnicodeError:
        continue
      text = before
      break
    else:
      break
  return text.replace('\u200b', '')  # zero-width spaces are none of a reader


def _banking77(path, publisher):
  for where, row in rows.table(path, publisher, ('text', 'category')):
    yield where, row['text'], row['category']


def _nlu(path, publisher):
  """The whole file, or all files of folds that lie below its folder.

  Those have no status, and the text in another column.
  """
  columns = 'scenario', 'intent'
  folds = [] if path.is_file() else sorted(path.parent.rglob('*.csv'))
  for file in folds or [path]:
    for where, row in rows.table(file, publisher, columns, ';'):
      text = row.get('answer', row.get('answer_from_user'))
      if text is None:
        raise ValueError(f'{where}: no column answer or answer_from_user')
      label = f'{row["scenario"]}_{row["intent"]}'
      if (row.get('status') or '').startswith('IRR_'):
        label = _IRRELEVANT
      elif text.strip().lower() in ('', 'null'):
        label = _MISSING
      yield where, text, label


_Pairs = list[Annotated[tuple[str, str], pydantic.Strict(False)]]


class _Clinc(rows.Row):
  """Pairs of text and intent; `oos` are those out of scope."""

  train: _Pairs
  val: _Pairs
  oos_train: _Pairs = ()
  oos_val: _Pairs = ()


def _clinc150(path, publisher, parts=('train', 'val')):
  data = rows.whole(path, _Clinc, publisher)
  for part in parts:
    for i, (text, label) in enumerate(getattr(data, part)):
      yield f'{path}: {part}[{i}]', text, label


def _trec(path, publisher, fine: bool):
  for where, row in rows.lines(path, publisher, 'latin-1'):
    label, _, text = row.partition(' ')
    coarse, colon, _ = label.partition(':')
    if not colon or not coarse or not text.strip():
      raise ValueError(
        f"{where}: expected 'COARSE:fine question', got "
        f'{rows.shown(row.strip())}'
      )
    yield where, text, label if fine else coarse


def _pubmed_rct(path, publisher):
  for where, row in rows.lines(path, publisher):
    label, tab, text = row.partition('\t')
    if row.startswith('###'):
      continue
    if not tab:
      raise ValueError(
        f"{where}: expected 'LABEL<tab>sentence', got {rows.shown(row.strip())}"
      )
    yield where, text, label


_TREC = functools.partial(
  _Set, 'trec/train_5500.label', 'aclanthology.org/C02-1150'
)
_CLINC = functools.partial(
  _Set, 'clinc150/data_train_val.json', 'aclanthology.org/D19-1131'
)
_NLU = 'nlu/NLU-Data-Home-Domain-Annotated-All.csv'
_ALL_PARTS = 'train', 'val', 'oos_train', 'oos_val'
SETS = {
  'nlu': _Set(_NLU, 'arXiv 1903.05566', _nlu),
  'trec_coarse': _TREC(functools.partial(_trec, fine=False)),
  'pubmed_rct': _Set('pubmed_rct/train.txt', 'arXiv 1710.06071', _pubmed_rct),
  'banking77': _Set('banking77/train.csv', 'arXiv 2003.04807', _banking77),
  'clinc150': _CLINC(_clinc150),
  'trec_fine': _TREC(functools.partial(_trec, fine=True)),
  'clinc150_oos': _CLINC(functools.partial(_clinc150, parts=_ALL_PARTS)),
}
