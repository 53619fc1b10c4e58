"""How much of the evidence each way to retrieve finds in LoCoMo's dialogues.

  make models
  python experiments/bench_retrieval/locomo.py

Every turn of a dialogue is an entry. A question of categories 1 to 4 has as
gold the turns that its annotators named; recall@k is the share of them among
the first k entries. Writes locomo.json beside this file.
"""

import argparse
import functools
import json
import pathlib
import sys
import time

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from configs import tiny  # noqa: E402
from experiments.bench_retrieval import run as bench  # noqa: E402
from mem_alpha_jax.data import locomo  # noqa: E402
from mem_alpha_jax.memory import batch  # noqa: E402
from mem_alpha_jax.memory import slots as slots_lib  # noqa: E402
from mem_alpha_jax.recall import embedders  # noqa: E402
from mem_alpha_jax.recall.registry import RECALL  # noqa: E402

TOP, QUESTIONS, HASHED = (5, 20), 32, 384
WAYS = (
  ('none', 'bm25'),
  ('hashed', 'cosine'),
  ('hashed', 'rrf'),
  ('minilm', 'cosine'),
  ('minilm', 'rrf'),
)


def _asked(question) -> bool:
  """Whether annotators named turns that answer it; category 5 has no answer."""
  return bool(question.evidence) and 'adversarial' not in question.category


def recalls(found, asked, turns) -> list[tuple[str, list[float]]]:
  """(category, recall at each of TOP) of every question.

  Args:
    found: the max(TOP) entries found for each question of each dialogue.
    asked: the questions.
    turns: for each dialogue turn id -> slot.
  """
  out = []
  for rows, questions, places in zip(found, asked, turns, strict=True):
    for entries, question in zip(rows, questions, strict=True):
      row = [entry.slot for entry in entries]
      gold = [places[i] for i in question.evidence]
      out.append(
        (question.category, [np.isin(gold, row[:k]).mean() for k in TOP])
      )
  return out


def summary(rows) -> dict[str, dict[str, float]]:
  """Means over all questions and over those of each category."""
  names = {'all', *(category for category, _ in rows)}
  return {
    name: {
      f'recall@{k}': round(
        float(np.mean([r[i] for c, r in rows if name in ('all', c)])), 4
      )
      for i, k in enumerate(TOP)
    }
    for name in sorted(names)
  }


def gaps(rows, base) -> dict[str, list[float]]:
  """Recall minus that of `base`, with its 95% interval over questions."""
  out = {}
  for i, k in enumerate(TOP):
    gap = np.array(
      [r[i] - b[i] for (_, r), (_, b) in zip(rows, base, strict=True)]
    )
    half = 1.96 * gap.std() / len(gap) ** 0.5
    out[f'recall@{k}'] = [
      round(float(x), 4)
      for x in (gap.mean(), gap.mean() - half, gap.mean() + half)
    ]
  return out


def main() -> None:
  flags = argparse.ArgumentParser(description=__doc__)
  default = HERE / 'locomo.json'
  flags.add_argument('--out', type=pathlib.Path, default=default)
  where = flags.parse_args().out
  config = tiny.get_config().unlock()
  dialogues = locomo.load(config.data.root)
  notes = [[locomo.note(turn) for turn in d.turns] for d in dialogues]
  asked = [[q for q in d.questions if _asked(q)] for d in dialogues]
  texts = [[q.text for q in row] for row in asked]
  turns = [{t.id: i for i, t in enumerate(d.turns)} for d in dialogues]
  config.memory.slots = max(map(len, notes)) + config.rollout.max_calls
  kinds = {
    'none': slots_lib.no_vectors,
    'hashed': functools.partial(embedders.hashed, size=HASHED),
    'minilm': embedders.minilm(),
  }
  rows, seconds = {}, {}
  for kind, method in WAYS:
    config.reading.retrieval = method
    start = time.perf_counter()
    memories = batch.Memories(
      bench.make_states(notes), [0] * len(notes), config, len,
      embed=kinds[kind],
    )  # fmt: skip
    found = RECALL[method].find(memories, texts, max(TOP), QUESTIONS)
    name = method if kind == 'none' else f'{kind} {method}'
    rows[name] = recalls(found, asked, turns)
    seconds[name] = round(time.perf_counter() - start, 1)
  categories = [q.category for row in asked for q in row]
  out = {
    'machine': bench.machine(),
    'dialogues': len(dialogues),
    'turns': sum(map(len, notes)),
    'questions': {name: categories.count(name) for name in set(categories)},
    'seconds': seconds,
    'recall': {name: summary(row) for name, row in rows.items()},
    'more than bm25': {
      name: gaps(row, rows['bm25'])
      for name, row in rows.items()
      if name != 'bm25'
    },
  }
  text = json.dumps(out, indent=2, sort_keys=True)
  where.write_text(text + '\n')
  print(text)


if __name__ == '__main__':
  main()
