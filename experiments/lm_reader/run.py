"""SmolLM2-135M as reader: the synthetic world, and LoCoMo.

  make models
  nice .venv/bin/python -m experiments.lm_reader.run [--split=validation]

Cells that results.json beside this file holds are not run again. The answers
themselves go to <out>/<part>/<cell>.json: those of LoCoMo quote its text.
"""

import json
import pathlib
import time
from collections.abc import Iterable

import numpy as np
from absl import app, flags

from experiments.lm_reader import cells as cells_lib
from mem_alpha_jax.model import policy as policy_lib
from mem_alpha_jax.pretrained import registry
from mem_alpha_jax.reading import chat_reader, lm_chat, protocol
from mem_alpha_jax.report import statistics, tables
from mem_alpha_jax.reward import scoring
from mem_alpha_jax.system import files

RESULTS = pathlib.Path(__file__).parent / 'results.json'
_PARTS = flags.DEFINE_list('parts', ['world', 'locomo'], 'world, locomo.')
_SPLIT = flags.DEFINE_string('split', 'test', 'Split of the world.')
_ROOT = flags.DEFINE_string('root', '../shared/data', 'Folder of locomo/.')
_MODEL = flags.DEFINE_string('model', 'smollm2', 'As reading.model.')
_OUT = flags.DEFINE_string('out', 'runs/lm_reader', 'Folder of the answers.')
ANSWER_TOKENS = 24
BATCH = {'world': 16, 'locomo': 8}
BUCKETS = {
  'world': (48, 80, 128, 192),
  'locomo': (64, 128, 192, 256, 320, 384, 512, 640, 768, 896, 1024),
}
INSTRUCTIONS = {
  'world': chat_reader.INSTRUCTIONS,
  'locomo': chat_reader.Instructions(chat_reader.INSTRUCTIONS.task),
}


def reader(part: str, model: registry.Pretrained) -> protocol.Reader:
  """SmolLM2 with the prompt and the shapes of one part."""
  chat = lm_chat.LmChat(
    policy_lib.make_policy(model.config),
    model.load(None, model.config.dtype),
    model.tokenizer,
    batch=BATCH[part],
    buckets=BUCKETS[part],
  )
  return chat_reader.make_reader(
    chat, ANSWER_TOKENS, INSTRUCTIONS[part], chat.fits
  )


def measure(items: list, answers: list, seconds: float) -> dict:
  """Scores of a cell, over all and by type, with intervals."""
  rows = [
    statistics.Answer(i.unit, i.type, scoring.score(a, i.gold, i.rule))
    for i, a in zip(items, answers, strict=True)
  ]
  units = max(i.unit for i in items) + 1
  counts, failed = statistics.count_answers(rows, units)
  found = [i.found for i in items if i.found is not None]
  return {
    'all': _cell(statistics.overall(counts)),
    'by_type': {
      kind: _cell(e) for kind, e in statistics.by_type(counts).items()
    },
    'failed': failed,
    'evidence_found': float(np.mean(found)),
    'notes': float(np.mean([len(i.request.notes) for i in items])),
    'seconds': seconds,
  }


def _cell(estimate: statistics.Estimate) -> dict:
  mean, low, high, count = estimate
  return {'mean': mean, 'interval': [low, high], 'questions': count}


def run(part: str, key: str, cells: Iterable, model) -> dict:
  """Runs the cells that results.json lacks, and keeps each as it ends."""
  ask = None
  for name, items in cells:
    if name in _results().get(key, {}):
      continue
    ask = ask or reader(part, model)
    started = time.perf_counter()
    answers = ask([item.request for item in items])
    done = measure(items, answers, time.perf_counter() - started)
    log = pathlib.Path(_OUT.value) / key / f'{name}.json'
    log.parent.mkdir(parents=True, exist_ok=True)
    said = [
      [i.type, i.request.question, i.gold, a, scoring.score(a, i.gold, i.rule)]
      for i, a in zip(items, answers, strict=True)
    ]
    files.write_json(log, said)
    results = _results()  # another part may have ended meanwhile
    results.setdefault(key, {})[name] = done
    files.write_json(RESULTS, results)
    print(key, name, done['all'], f'{done["seconds"]:.0f} s', flush=True)
  return _results().get(key, {})


def _results() -> dict:
  return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def table(done: dict) -> str:
  """Means and intervals, in percent, a cell a row."""
  kinds = [*next(iter(done.values()))['by_type']]
  rows = []
  for name, cell in done.items():
    low, high = cell['all']['interval']
    mean = cell['all']['mean']
    row = [name, f'{100 * mean:.1f} ({100 * low:.1f}-{100 * high:.1f})']
    row += [f'{100 * cell["by_type"][k]["mean"]:.1f}' for k in kinds]
    rows.append((*row, f'{100 * cell["evidence_found"]:.0f}'))
  return tables.grid(('cell', 'all', *kinds, 'evidence found'), rows)


def main(argv):
  del argv
  model = registry.open_model(_MODEL.value)
  if 'world' in _PARTS.value:
    cells = cells_lib.world(_SPLIT.value).items()
    print(table(run('world', f'world {_SPLIT.value}', cells, model)))
  if 'locomo' in _PARTS.value:
    cells = cells_lib.dialogues(_ROOT.value, model.tokenizer)
    print(table(run('locomo', 'locomo', cells, model)))


if __name__ == '__main__':
  app.run(main)
