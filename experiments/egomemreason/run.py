"""Answers of a method to EgoMemReason, in the file that its publisher wants.

  .venv/bin/python -m experiments.egomemreason.run [--method=rag_bm25] \
    [--run=<workdir or config>] [--fields=reading.reader=lm] [--out=<file>]

Captions are yours: mem_alpha_jax/data/egomemreason.py says how they are read.
Answers are scored by the publisher alone. A question without an answer, or
with several letters, has '' there.
"""

import argparse
import pathlib
from collections.abc import Sequence

from mem_alpha_jax.data import egomemreason
from mem_alpha_jax.evaluation import held_out, loop
from mem_alpha_jax.methods import registry
from mem_alpha_jax.reward import rules
from mem_alpha_jax.serve import model as model_lib
from mem_alpha_jax.system import files, machine


def submission(
  people: Sequence[egomemreason.Person], records: Sequence[loop.Record]
) -> list[dict]:
  """An entry a question, by id."""
  found = []
  for person, record in zip(people, records, strict=True):
    for asked in record.answered:
      letters = rules.chosen(asked.answers[0] or '')
      said = letters.pop() if len(letters) == 1 else ''
      key = person.ids[asked.index]
      found.append({'example_id': key, 'predicted_answer': said})
  return sorted(found, key=lambda entry: entry['example_id'])


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--method', default='rag_bm25', help='of methods/')
  parser.add_argument('--run', default='', help="'': the trained writer")
  parser.add_argument('--root', default='../shared/data')
  parser.add_argument('--fields', default='', help='field=value,...')
  parser.add_argument(
    '--out', type=pathlib.Path, default='runs/egomemreason/submission.json'
  )
  options = parser.parse_args()
  registry.check([options.method])
  machine.use_compilation_cache()
  parts, params = model_lib.open_run(options.run, options.fields)
  d = parts.config.data
  people = egomemreason.load(options.root, d.turns, d.turn_words)
  episodes = [person.episode for person in people]
  found = loop.run(
    registry.make(options.method, parts, params, episodes),
    episodes,
    [held_out.ending(episode) for episode in episodes],
    loop.panel(parts, parts.readers[:1]),
  )
  options.out.parent.mkdir(parents=True, exist_ok=True)
  entries = submission(people, found.records)
  files.write_json(options.out, entries)
  print(f'{options.out}: {len(entries)} answers of {options.method}')


if __name__ == '__main__':
  main()
