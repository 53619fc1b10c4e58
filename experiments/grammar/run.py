"""What rollout.grammar='calls' changes before any training, and what it costs.

  python -m experiments.grammar.run --model=tiny
  python -m experiments.grammar.run --model=smollm2

The same weights roll out the same batch with the grammar and without, in turns;
prints one JSON object a kind and adds it to results.json beside this file.
"""

import argparse
import json
import pathlib
import tempfile
import time

import jax
import numpy as np

from configs import smollm2, tiny
from mem_alpha_jax.data import pipeline
from mem_alpha_jax.memory.tools import FAILED
from mem_alpha_jax.rollout import collector, starts
from mem_alpha_jax.run import build, parameters
from mem_alpha_jax.system import files, machine

# One rollout; of SmolLM2 as it comes, which has seen no demonstration.
CONFIGS = {
  'tiny': (tiny, 'rollout.own_memory=0.0'),
  'smollm2': (
    smollm2,
    'data.train_chunks=1,warm_start.steps=0,reading.reader=extractive,'
    'reading.model=',
  ),
}
OUT = pathlib.Path(__file__).with_name('results.json')


def prepare(module, fields: str, grammar: str, folder: str):
  """A setup whose sampler also counts tokens and seconds, and parameters."""
  config = module.get_config(f'{fields},rollout.grammar={grammar}')
  built = build.build(config, folder)
  spent = {'tokens': 0, 'seconds': 0.0}

  def generate(*inputs):
    began = time.perf_counter()
    out = jax.device_get(built.train_setup.generate(*inputs))
    spent['seconds'] += time.perf_counter() - began
    spent['tokens'] += int(np.sum(out.mask))
    return out

  setup = built.train_setup._replace(generate=generate)
  return setup, parameters.shipped_params(built), spent


def summary(metrics: dict, spent: dict) -> dict:
  names = ('valid_calls', 'end_accuracy', 'noop', 'cut_responses', 'update')
  found = {name: metrics[f'rollout/{name}'] for name in names}
  found |= {n: v for n in FAILED if (v := metrics[f'rollout/{n}'])}
  found['tokens_per_second'] = spent['tokens'] / spent['seconds']
  return {name: round(float(value), 4) for name, value in found.items()}


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--model', choices=list(CONFIGS), default='tiny')
  parser.add_argument('--turns', type=int, default=3, help='timed rollouts')
  args = parser.parse_args()
  machine.use_compilation_cache()
  module, fields = CONFIGS[args.model]
  metrics: dict[str, list] = {'off': [], 'calls': []}
  with tempfile.TemporaryDirectory() as folder:
    made = {name: prepare(module, fields, name, folder) for name in metrics}
    loader = iter(pipeline.make_dataset(made['off'][0].config, 'train'))
    for turn in range(args.turns + 1):
      episodes = next(loader)
      for name, (setup, params, spent) in made.items():
        if turn == 1:  # the first compiles
          spent.update(tokens=0, seconds=0.0)
        fresh = [starts.empty()] * len(episodes)
        rollout = collector.collect(setup, params, episodes, fresh, turn)
        metrics[name].append(rollout.metrics)
  found = {}
  for name, (_, _, spent) in made.items():
    mean = {k: np.mean([m[k] for m in metrics[name]]) for k in metrics[name][0]}
    found[name] = summary(mean, spent)
    print(json.dumps({'model': args.model, 'grammar': name, **found[name]}))
  before = json.loads(OUT.read_text()) if OUT.exists() else {}
  files.write_json(OUT, {**before, args.model: found})


if __name__ == '__main__':
  main()
