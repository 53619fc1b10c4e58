"""Times BM25 on the device beside rank_bm25 on the same questions.

  python experiments/bench_retrieval/run.py

1,000 questions of 5 words over 256 memories of 256 entries of 6-10 words, all
drawn from 2,000 words by Zipf's law; each question goes to one memory. Both
count a word of an entry and of a question once. Writes results.json beside
this file.
"""

import argparse
import functools
import json
import os
import pathlib
import platform
import statistics
import sys
import time
from importlib import metadata

import jax
import numpy as np
import rank_bm25

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from mem_alpha_jax.memory import slots as slots_lib  # noqa: E402
from mem_alpha_jax.memory import state as state_lib  # noqa: E402
from mem_alpha_jax.recall import scores as scores_lib  # noqa: E402
from mem_alpha_jax.text import words as words_lib  # noqa: E402

MEMORIES, SLOTS, QUESTIONS, WORDS, TOP = 256, 256, 1000, 5, 5
VOCABULARY, WIDTH, ROUNDS, SEED = 2000, 12, 9, 0


def make_texts() -> tuple[list[list[str]], list[list[list[str]]]]:
  """Returns the entries of each memory and, for each round, its questions."""
  rng = np.random.default_rng(SEED)
  share = 1 / np.arange(1, VOCABULARY + 1)
  share /= share.sum()

  def text(count):
    words = rng.choice(VOCABULARY, count, p=share)
    return ' '.join(f'word{i}' for i in words)

  notes = [
    [text(rng.integers(6, 11)) for _ in range(SLOTS)] for _ in range(MEMORIES)
  ]
  rounds = [[[] for _ in range(MEMORIES)] for _ in range(ROUNDS + 1)]
  for questions in rounds:
    for i in range(QUESTIONS):
      questions[i % MEMORIES].append(text(WORDS))
  return notes, rounds


def make_states(notes: list[list[str]]) -> list[state_lib.MemoryState]:
  """Puts the i-th text of a memory into slot i."""
  return [
    state_lib.with_entries(
      state_lib.empty(),
      [
        state_lib.Entry(i, 'semantic', text, 0, i, 0)
        for i, text in enumerate(texts)
      ],
    )
    for texts in notes
  ]


def rank_index(notes: list[list[str]]) -> list[rank_bm25.BM25Okapi]:
  return [
    rank_bm25.BM25Okapi([[*dict.fromkeys(words_lib.terms(t))] for t in texts])
    for texts in notes
  ]


def rank_scores(index, questions) -> list[list[np.ndarray]]:
  """Scores every question; the reference asks one memory at a time."""
  return [
    [memory.get_scores(words_lib.content(text)) for text in texts]
    for memory, texts in zip(index, questions, strict=True)
  ]


def rank_answers(index, questions) -> list[list[np.ndarray]]:
  return [
    [np.argsort(-scores, kind='stable')[:TOP] for scores in row]
    for row in rank_scores(index, questions)
  ]


def compare(bank, index, questions) -> dict[str, float]:
  """Returns the largest score difference and the share of equal orders."""
  ids, score = scores_lib.encode_queries(questions), scores_lib.rank_bm25
  ours = np.asarray(score(bank, ids))
  slots = np.asarray(scores_lib.best(score, bank, ids, k=TOP)[0])
  gap, same = 0.0, []
  for n, row in enumerate(rank_scores(index, questions)):
    for q, scores in enumerate(row):
      gap = max(gap, float(np.abs(scores - ours[n, q]).max()))
      best = np.argsort(-scores, kind='stable')[:TOP]
      # Slots whose scores are tied may change places.
      tied = np.isclose(scores[slots[n, q]], scores[best], rtol=0, atol=1e-5)
      same.append(bool(tied.all()))
  return {'largest_score_gap': gap, 'same_order': float(np.mean(same))}


def measure(notes, rounds, bank, index) -> dict[str, float]:
  """Returns the median milliseconds of each way to answer one round.

  The ways take turns, so a load from outside hits them alike; a round's
  questions are new, so nothing is remembered. The first round warms up.
  """
  encoded = [scores_lib.encode_queries(q) for q in rounds]

  search = functools.partial(scores_lib.best, scores_lib.bm25)

  def encode_and_search(turn):
    fresh = [[text + ' ' for text in row] for row in rounds[turn]]
    ids = scores_lib.encode_queries(fresh)
    return search(bank, ids, k=TOP)

  ways = {
    'rank_bm25, index and answers': lambda turn: rank_answers(
      rank_index(notes), rounds[turn]
    ),
    'rank_bm25, answers': lambda turn: rank_answers(index, rounds[turn]),
    'device, encode and search': encode_and_search,
    'device, search': lambda turn: scores_lib.best(
      scores_lib.bm25, bank, encoded[turn], k=TOP
    ),
  }
  times = {name: [] for name in ways}
  for turn in range(ROUNDS + 1):
    for name, answer in ways.items():
      start = time.perf_counter()
      jax.block_until_ready(answer(turn))
      times[name].append(1e3 * (time.perf_counter() - start))
  return {name: statistics.median(row[1:]) for name, row in times.items()}


def build_ms(notes) -> float:
  """Returns the milliseconds to make a bank from the texts of all entries."""
  states = make_states(notes)
  slots_lib.encode_terms.cache_clear()
  start = time.perf_counter()
  bank = slots_lib.from_states(states, SLOTS, WIDTH)
  jax.block_until_ready(bank)
  return 1e3 * (time.perf_counter() - start)


def machine() -> dict[str, str | int]:
  """Returns what the numbers depend on."""
  packages = ('jax', 'jaxlib', 'numpy', 'rank-bm25')
  return {
    'python': platform.python_version(),
    **{name: metadata.version(name) for name in packages},
    'device': jax.devices()[0].device_kind,
    'architecture': platform.machine(),
    'cores': os.cpu_count(),
    'load_average_1min': round(os.getloadavg()[0], 2),
  }


def main() -> None:
  flags = argparse.ArgumentParser(description=__doc__)
  default = HERE / 'results.json'
  flags.add_argument('--out', type=pathlib.Path, default=default)
  out = flags.parse_args().out
  notes, rounds = make_texts()
  built = build_ms(notes)
  bank = slots_lib.from_states(make_states(notes), SLOTS, WIDTH)
  index = rank_index(notes)
  ms = measure(notes, rounds, bank, index)
  reference, answers, whole, search = ms.values()
  results = {
    'machine': machine(),
    'milliseconds': {**ms, 'device, bank from texts': built},
    'ratio': {
      'index and answers / encode and search': reference / whole,
      'answers / encode and search': answers / whole,
      'answers / search': answers / search,
    },
    **compare(bank, index, rounds[0]),
  }
  text = json.dumps(results, indent=2)
  out.write_text(text + '\n')
  print(text)


if __name__ == '__main__':
  main()
