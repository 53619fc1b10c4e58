"""What a writer that was trained elsewhere makes of other texts.

  python -m experiments.gpu.transfer --config=configs/smollm2_gpu.py \
    --params=runs/gpu/run --name=after --systems=policy --out=runs/gpu/transfer

A cell is one system on one column, a file in --out that is not made again.
The columns' texts come a sentence, a turn or four facts at a time, and a
language model reads the notes; with --reader=extractive rules do, for labels
are beyond a small model. Give each reader its own --out.
"""

import argparse
import functools
import importlib
import itertools
import json
import pathlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from experiments.paper_tables import cells
from mem_alpha_jax.data import longmemeval, pipeline, sources
from mem_alpha_jax.data import source as source_lib
from mem_alpha_jax.report import statistics
from mem_alpha_jax.run import build as build_lib
from mem_alpha_jax.run import parameters, params_file
from mem_alpha_jax.system import files, machine
from mem_alpha_jax.text import english
from mem_alpha_jax.types import Episode

READER = {
  'reading.model': 'smollm2',
  'reading.top_k': 8,
  'reading.hops': 1,
  'reading.budget': 256,
  'reading.buckets': (256, 512, 1024),
  'reading.batch': 64,
  'memory.max_slots': 4096,
  'rollout.prefix_buckets': (208, 352),  # sentences longer than the world's
  'eval.lengths': (1,),
}
EPISODES = 16  # of SQuAD and of HotpotQA at most
SYSTEMS = (
  'policy', 'rag_bm25_budget', 'keep_newest', 'long_context', 'no_memory',
  'gold_evidence', 'oracle',
)  # fmt: skip


class Column(NamedTuple):
  """Held-out episodes; `lacks` are systems that cannot read them."""

  fields: dict[str, Any]
  episodes: Callable[[Any], list[Episode]]
  lacks: tuple[str, ...] = ('oracle',)


def by_sentence(episode: Episode) -> Episode:
  """The same texts, a sentence a chunk; gold holds from its old chunk's end."""
  parts = [english.sentences(chunk) for chunk in episode.chunks]
  ends = (np.cumsum([*map(len, parts)]) - 1).tolist()
  of_chunk = lambda c: range(ends[c] - len(parts[c]) + 1, ends[c] + 1)
  asked = tuple(
    q._replace(
      first=ends[q.first],
      last=ends[q.last],
      evidence=tuple(t for c in q.evidence for t in of_chunk(c)),
    )
    for q in episode.questions
  )
  chunks = tuple(itertools.chain.from_iterable(parts))
  return episode._replace(chunks=chunks, questions=asked, sessions=())


def _built(name: str, config: Any) -> list[Episode]:
  """Short ones of the builders, of both splits: nothing here trains on them."""
  count = lambda text: 4 * len(text.split())
  build = lambda split: sources.of(name).built.build(
    source_lib.Request(config.data.root, split, config.seed, count, EPISODES)
  )
  found = [*build('validation'), *build('train')]
  return [by_sentence(episode) for episode in found[:EPISODES]]


def _test(config: Any) -> list[Episode]:
  return pipeline.eval_episodes(config, 'test')


def _histories(config: Any) -> list[Episode]:
  path = pathlib.Path(config.data.root, 'longmemeval', 'longmemeval_s.json')
  return [*map(by_sentence, longmemeval.load([path], turns=1))]


def _of(source: str, **fields: Any) -> dict[str, Any]:
  data = {f'data.{name}': value for name, value in fields.items()}
  return {'data.source': source, 'data.eval_episodes': 32, **data}


COLUMNS = {
  'world': Column(_of('synthetic'), _test, ()),
  'babi_qa1': Column(_of('babi', babi_tasks=('qa1',)), _test, ()),
  'banking77': Column(
    _of('banking77', labels=4, per_label=2), _test, ('gold_evidence',)
  ),
  'squad': Column(_of('synthetic'), functools.partial(_built, 'squad')),
  'hotpotqa': Column(_of('synthetic'), functools.partial(_built, 'hotpotqa')),
  'factconsolidation': Column(
    _of('memoryagentbench', turns=4), _test, ('gold_evidence', 'oracle')
  ),
  'locomo': Column(_of('locomo', turns=1, turn_words=48), _test),
  'longmemeval_s': Column(_of('longmemeval'), _histories),
}


def fill(
  config: Any,
  params: str,
  name: str,
  columns: Sequence[str],
  systems: Sequence[str],
  out: pathlib.Path,
) -> None:
  """Makes the cells that are not there.

  Args:
    config: of the policy.
    params: a workdir, whose newest checkpoint is taken, or a file of trained
      parameters; '' where no system is a policy.
    name: of the policy among the cells.
  """
  experiment = build_lib.build(config, str(out))
  weights = load(experiment, params) if 'policy' in systems else None
  for column in columns:
    one = COLUMNS[column]
    fields = config.copy_and_resolve_references().unlock()
    fields.update_from_flattened_dict(one.fields)
    episodes = one.episodes(fields)
    reading = build_lib.for_evaluation(experiment, fields)
    for system in systems:
      label = name if system == 'policy' else system
      path = out / f'{column}_{label}.json'
      if system in one.lacks or path.exists():
        continue
      found = cells.compare(system, reading, weights, episodes)
      files.write_json(path, {'column': column, 'system': label, **found})
      print(column, label, json.dumps(shown(found)), flush=True)


def load(experiment: build_lib.Experiment, params: str) -> Any:
  """Those of a workdir's newest checkpoint, or of a file of `params_file`."""
  if pathlib.Path(params).is_dir():
    return parameters.saved_params(experiment, params)
  trained = params_file.load(params, parameters.trained_shapes(experiment))
  return build_lib.init_params(experiment, trained)


def shown(cell: dict[str, Any]) -> dict[str, Any]:
  """Numbers of a cell: no text of a data set."""
  scores = cell['scores']['strict']
  # Category 5 asks what LoCoMo does not tell.
  kept = [np.asarray(t) for kind, t in scores.items()
          if not kind.startswith('adversarial')]  # fmt: skip
  found = statistics.micro(sum(kept))
  return {
    'score': found.mean,
    'interval': [found.low, found.high],
    'questions': found.count,
    'memory_tokens': cell['memory_tokens'],
    'read_tokens': cell['read_tokens'],
    'shown_tokens': cell['shown_tokens'],
  }


def table(out: pathlib.Path) -> dict[str, dict[str, Any]]:
  """Column -> system -> numbers, of the cells in a folder."""
  found: dict[str, dict[str, Any]] = {name: {} for name in COLUMNS}
  for path in sorted(out.glob('*_*.json')):
    cell = json.loads(path.read_text(encoding='utf-8'))
    found[cell['column']][cell['system']] = shown(cell)
  return {name: systems for name, systems in found.items() if systems}


def main():
  flags = argparse.ArgumentParser()
  flags.add_argument('--config', default='configs/smollm2_gpu.py')
  flags.add_argument('--params', default='', help='workdir, or file')
  flags.add_argument('--name', default='after', help='of the policy')
  flags.add_argument('--columns', default=','.join(COLUMNS))
  flags.add_argument('--systems', default=','.join(SYSTEMS))
  flags.add_argument('--reader', default='lm', help='extractive: by rules')
  flags.add_argument('--out', type=pathlib.Path, required=True)
  flags = flags.parse_args()
  machine.use_compilation_cache()
  file, _, fields = flags.config.partition(':')
  module = importlib.import_module(file.removesuffix('.py').replace('/', '.'))
  flags.out.mkdir(parents=True, exist_ok=True)
  config = module.get_config(fields).unlock()
  config.update_from_flattened_dict({**READER, 'reading.reader': flags.reader})
  fill(
    config, flags.params, flags.name, flags.columns.split(','),
    flags.systems.split(','), flags.out,
  )  # fmt: skip


if __name__ == '__main__':
  main()
