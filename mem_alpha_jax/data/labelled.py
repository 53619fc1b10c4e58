"""Labelled texts, and learning their labels at test time.

Labelled examples arrive chunk by chunk; then new texts of the same labels
must be labelled: the NLU, TREC and PubMed-RCT instances of Mem-alpha (arXiv
2509.25911, table 6) and the test-time learning of MemoryAgentBench (arXiv
2507.05257). There the training instances ask the very questions of the test;
here a text has one split and one role for ever, by a hash of its content.
"""

import collections
import functools
import re
from collections.abc import Callable, Sequence

import numpy as np

from mem_alpha_jax.data import chunking, content, rows
from mem_alpha_jax.data.label_files import SETS, Example, load
from mem_alpha_jax.data.source import Built, Made, OracleNote, Request, Source
from mem_alpha_jax.text import wrapping
from mem_alpha_jax.types import Episode, Question

_LINE = re.compile(r'Sample: (.*); Label: (.*)')
_DAYS, _QUESTIONS = 10, 100  # chunks, and questions at most, in a mixture


def maker(
  examples: Sequence[Example],
  split: str,
  seed: int,
  *,
  source: str,
  per_label: int,
  questions: int,
  labels: int | None = None,
  days: int = 0,
) -> Callable[[int], Episode]:
  """Returns i -> episode i of test-time learning from a split of the examples.

  A chunk has lines 'Sample: ...; Label: 3'. Each episode draws
  numbers for its labels: only its chunks tell them. A text is in a split
  (80/10/10) and in it an example or a question (half and half) by its content,
  so that no question is an example of any episode of any split. Texts that
  occur with two labels are left out.

  Args:
    examples: all of a data set; the split is taken here.
    source: the episodes' source and the type of their questions.
    per_label: examples of each label, fewer where the split has no more.
    questions: of an episode at most, as evenly over its labels as may be.
    labels: labels of an episode, chosen at random; None for all.
    days: chunks that share the examples evenly, each put into a conversation
      (`chunking.converse`); 0 is a chunk an example, as it is.

  Raises:
    ValueError: if the split has too few labels or the episode fewer examples
      than days.
  """
  shown, asked = _pools(examples, split, source)
  usable = sorted(shown.keys() & asked.keys())
  if len(usable) < max(2, labels or 0):
    raise ValueError(
      f'{source}: {len(usable)} labels have examples and questions in the '
      f'{split} split, wanted {labels or "at least 2"}; lower `labels`'
    )

  def make(i: int) -> Episode:
    rng = content.generator(seed, source, split, i)
    chosen = content.shuffled(usable, rng)[:labels]
    names = {label: str(k) for k, label in enumerate(chosen)}
    lines = _lines(shown, names, per_label, rng)
    texts, firsts = _chunks(lines, days or len(lines), names, source)
    if days:
      texts = chunking.converse(texts, rng)
    last = len(texts) - 1
    wanted = tuple(
      Question(question(text), names[label], source, firsts[label], last)
      for text, label in _evenly(asked, names, questions, rng)
    )
    return Episode(i, source, tuple(texts), wanted)

  return make


def question(text: str) -> str:
  return f'{wrapping.WHICH_LABEL}{wrapping.SAMPLE}{text}'


def line(text: str, label: str) -> str:
  return f'{wrapping.SAMPLE}{text}{wrapping.LABEL}{label}'


def oracle_notes(chunk: str) -> tuple[OracleNote, ...]:
  """What to remember of a chunk: the words of each sample and its label."""
  notes = []
  for row in chunk.splitlines():
    if match := _LINE.fullmatch(row):
      words, label = content.normalize(match[1]), match[2]
      notes.append(OracleNote((words, label), 'semantic', f'{words} {label}'))
  return tuple(notes)


def _pools(
  examples: Sequence[Example], split: str, source: str
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
  """Texts of a split by label: those that are shown, and those asked."""
  seen = {}
  for text, label in examples:
    key = content.digest(text)
    first = seen.setdefault(key, (text, label))
    if first is not None and first[1] != label:
      seen[key] = None
  shown, asked = collections.defaultdict(list), collections.defaultdict(list)
  rows.report(
    source,
    f'{len(seen)} texts',
    {
      'texts with two labels, left out': sum(p is None for p in seen.values()),
      'texts that come again': len(examples) - len(seen),
    },
  )
  for key, pair in seen.items():
    if (
      pair is None
      or content.bucket(key, 'split') not in content.ALL_SPLITS[split]
    ):
      continue
    pool = shown if content.bucket(key, 'role') < 50 else asked
    pool[pair[1]].append(pair[0])
  return dict(shown), dict(asked)


def _lines(shown, names, per_label, rng):
  """Examples of the labels in random order."""
  chosen = [
    (text, label)
    for label in names
    for text in content.shuffled(shown[label], rng)[:per_label]
  ]
  return content.shuffled(chosen, rng)


def _chunks(lines, count, names, source):
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
  order = {label: content.shuffled(asked[label], rng) for label in names}
  turns = [
    (depth, k, text, label)
    for k, label in enumerate(names)
    for depth, text in enumerate(order[label])
  ]
  chosen = [(text, label) for _, _, text, label in sorted(turns)[:count]]
  return content.shuffled(chosen, rng)


def _run_episodes(config, split: str, name: str) -> Made:
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
  return Made(make)


def _build(r: Request, name: str, per_label: int) -> list[Episode]:
  make = maker(
    load(r.root, name),
    r.split,
    r.seed,
    source=name,
    per_label=per_label,
    questions=_QUESTIONS,
    days=_DAYS,
  )
  return [make(i) for i in range(r.most)]


def _built(name, per_label, block, train, validation, cap) -> Built:
  build = functools.partial(_build, name=name, per_label=per_label)
  return Built(build, block, train, validation, cap, SETS[name].file)


# Examples a label, which give the chunks about the paper's tokens (table 7),
# and what else Built asks for.
_BUILT = {
  'nlu': (5, 4, 180, 20, 49),
  'trec_coarse': (32, 5, 180, 20, 51),
  'pubmed_rct': (96, 6, 90, 10, 90),
  'banking77': (5, 8, 180, 20, 0),
  'clinc150': (3, 9, 180, 20, 0),
  'trec_fine': (8, 10, 180, 20, 0),
}
SOURCES = tuple(
  Source(
    name,
    rule='label',
    episodes=functools.partial(_run_episodes, name=name),
    oracle=lambda episode: [oracle_notes(chunk) for chunk in episode.chunks],
    built=_built(name, *_BUILT[name]) if name in _BUILT else None,
  )
  for name in SETS
)
