"""Prefill, decode, update and RL step of random weights on one accelerator.

  python -m experiments.bench_device.run               # on a GPU or TPU
  python -m experiments.bench_device.run --quick       # any machine, a check

Tokens a second beside what the device multiplies and copies a second in the
same run. README.md says what is measured.
"""

import argparse
import dataclasses
import json
import math
import pathlib
import time
from collections.abc import Callable, Sequence
from concurrent import futures
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from configs import common, gpu_h100
from mem_alpha_jax.compile import programs, roofline
from mem_alpha_jax.model import policy, presets
from mem_alpha_jax.rl import optimizer, update
from mem_alpha_jax.sampling import sampler
from mem_alpha_jax.system import files, machine


class Task(NamedTuple):
  """What one model is measured on.

  Attributes:
    preset: its shape.
    prompts: groups of a batch.
    samples: of each group.
    prefix: tokens that a group shares.
    own: tokens of each sample after them.
    response: tokens that are generated.
    microbatches: of an update.
    lora: rank of what is trained; 0 trains all parameters.
    dtype: of parameters and activations.
    layers: of the model; 0 is all that the preset has.
  """

  preset: str
  prompts: int
  samples: int
  prefix: int
  own: int
  response: int
  microbatches: int
  lora: int = 0
  dtype: str = 'bfloat16'
  layers: int = 0

  @property
  def tokens(self) -> dict[str, int]:
    """Tokens that each part runs (`step`: those that it samples)."""
    b, g = self.prompts, self.samples
    own = self.own + self.response - 1
    return {
      'prefill': b * self.prefix,
      'decode': b * g * (self.response - 1),
      'update': b * (self.prefix + g * own),
      'step': b * g * self.response,
    }


TASKS = {
  'smollm2-135m': Task('smollm2-135m', 32, 8, 1024, 256, 128, 8),
  'qwen3-4b': Task('qwen3-4b', 4, 8, 2048, 512, 256, 4, lora=16),
}
QUICK = Task('smollm2-135m', 2, 2, 32, 8, 4, 2, dtype='float32', layers=2)
PARTS = ('prefill', 'decode', 'update', 'step')
ROUNDS = 3
QUEUED = 10  # products or copies


def best(call: Callable, rounds: int = ROUNDS) -> float:
  """Seconds of the fastest of some calls, after one that compiles."""
  spent = []
  for _ in range(rounds + 1):
    started = time.perf_counter()
    jax.block_until_ready(call())
    spent.append(time.perf_counter() - started)
  return min(spent[1:])


def rates(size: int) -> dict[str, float]:
  """Flops of a bfloat16 product of random numbers, bytes of a copy, a second.

  Products and copies are queued, so that starting one costs nothing.
  """
  x = jax.random.normal(jax.random.key(0), (size, size), jnp.bfloat16)
  multiply = jax.jit(lambda x: x @ x)
  big = jax.random.normal(jax.random.key(1), (size * size * 4,), jnp.float32)
  copy = jax.jit(lambda x: x + 1)
  queued = lambda call, x: [call(x) for _ in range(QUEUED)][-1]
  return {
    'matmul_flops': 2 * size**3 * QUEUED / best(lambda: queued(multiply, x)),
    'copy_bytes': 2 * big.nbytes * QUEUED / best(lambda: queued(copy, big)),
  }


def work(task: Task, shape: presets.ModelConfig) -> dict[str, dict[str, float]]:
  """Flops of each part that no way of computing it avoids, bytes of decode.

  Products of weights and of attention; of a decode step the weights and the
  keys and values that it must read, a group's prefix once.
  """
  table, *layers = (
    math.prod(dims)
    for dims, _ in roofline.matrix_axes(policy.make_policy(shape))
  )
  weights, t = sum(layers), task.tokens
  b, g = task.prompts, task.samples
  own, r = task.own + task.response - 1, task.response
  score = 4 * shape.layers * shape.heads * shape.head_size  # flops of a pair
  pairs = b * task.prefix**2 / 2
  own_pairs = b * g * own * (task.prefix + own / 2)
  decode_pairs = b * g * (r - 1) * (task.prefix + task.own + r / 2)
  forward = 2 * weights * t['update'] + 2 * table * b * g * r
  forward += score * (pairs + own_pairs)
  size = jnp.dtype(shape.dtype).itemsize
  cached = 2 * shape.layers * shape.kv_heads * shape.head_size * size
  read = (weights + table) * size + cached * b * task.prefix
  read += cached * b * g * (task.own + r / 2)
  decode = 2 * (weights + table) * t['decode'] + score * decode_pairs
  return {
    'prefill': {'flops': 2 * weights * t['prefill'] + score * pairs},
    'decode': {'flops': decode, 'bytes': read * (r - 1)},
    # Of LoRA the gradients of the frozen weights are not needed.
    'update': {'flops': forward * (2 if task.lora else 3)},
  }


def measure(
  task: Task,
  attention: str,
  parts: Sequence[str] = PARTS,
  note: Callable[[dict], None] = lambda found: None,
) -> dict[str, Any]:
  """Seconds of each part of one model; `note` is told after each of them.

  All programs are compiled at once, on as many cores as there are.
  """
  config = gpu_h100.get_config().unlock()
  common.use_preset(config, task.preset)
  config.model.attention, config.model.dtype = attention, task.dtype
  # Of LoRA the frozen weights may be short; what is trained is float32.
  config.model.param_dtype = task.dtype if task.lora else 'float32'
  config.model.layers = task.layers or config.model.layers
  config.rl.microbatches, config.rl.importance_cap = task.microbatches, 0.0
  shape = presets.model_config(config.model, config.tokenizer.vocab_size)
  shape = dataclasses.replace(
    shape, lora_rank=task.lora, lora_alpha=2.0 * (task.lora or 1)
  )
  one = policy.make_policy(shape)
  params = jax.jit(one.init)(jax.random.key(0))
  prompts = _prompts(task, shape.vocab_size)
  rows = _rows(task, prompts)
  tx, _ = optimizer.create_optimizer(config.optim, 10)
  state = update.init_state(params, tx)
  sample = lambda n: sampler.make_sampler(
    one, n, eos_id=shape.vocab_size, pad_id=0
  ).lower(params, *prompts)
  learn = update.make_update_fn(one, tx, config.rl, 1.0, horizon=task.response)
  lowered = {
    'prefill': lambda: jax.jit(lambda *args: one.prefill(*args).k).lower(
      params, *prompts[:2]
    ),
    'generate': lambda: sample(task.response),
    'first': lambda: sample(1),
    'update': lambda: learn.lower(state, rows, None, None),
  }
  started = time.perf_counter()
  run = _compiled({n: lowered[n]() for n in lowered if n in _needed(parts)})
  compiling = time.perf_counter() - started
  del params  # of an update, which gives them away

  def train():
    nonlocal state
    state, metrics = run['update'](state, rows, None, None)
    return metrics

  def generate(name='generate'):
    return run[name](state.params, *prompts).tokens

  def step():
    generate().block_until_ready()
    return train()

  calls = {
    'prefill': lambda: run['prefill'](state.params, *prompts[:2]),
    'generate': generate,
    'first': lambda: generate('first'),
    'update': train,
    'step': step,
  }
  seconds = {}
  found = {
    'task': task._asdict(),
    'attention': attention,
    'work': work(task, shape),
    'compile_seconds': compiling,
    'seconds': seconds,
  }
  for name, call in calls.items():
    if name in run or name in parts:
      seconds[name] = best(call)
      if name == 'first':
        seconds['decode'] = seconds['generate'] - seconds['first']
      note(found)
  return found


def _needed(parts: Sequence[str]) -> set[str]:
  """Programs that measuring the parts takes."""
  uses = {'decode': ('generate', 'first'), 'step': ('generate', 'update')}
  return {name for part in parts for name in uses.get(part, (part,))}


def _compiled(lowered: dict[str, Any]) -> dict[str, Callable]:
  with futures.ThreadPoolExecutor() as pool:
    made = pool.map(lambda one: one.compile(), lowered.values())
    return dict(zip(lowered, made, strict=True))


def _prompts(task: Task, vocabulary: int) -> tuple:
  """Arguments of a sampler after the parameters: random ids, all full."""
  b, g = task.prompts, task.samples
  rng = np.random.default_rng(0)
  ids = lambda *dims: rng.integers(3, vocabulary, dims).astype(np.int32)
  return (
    ids(b, task.prefix), np.full(b, task.prefix, np.int32),
    ids(b, g, task.own), np.full((b, g), task.own, np.int32),
    np.full((b, g, 1), -1, np.int32),
    jax.random.split(jax.random.key(1), (b, g)),
  )  # fmt: skip


def _rows(task: Task, prompts: tuple):
  prefix, lengths, own, own_length, *_ = prompts
  shapes = programs.rows_of(
    task.prompts, task.samples, task.prefix, task.own, task.response
  )
  rows = jax.tree.map(lambda x: np.ones(x.shape, x.dtype), shapes)
  return rows.replace(
    prefix=prefix, prefix_length=lengths, own=own, own_length=own_length
  )


def shares(found: dict, rate: dict[str, float]) -> dict[str, dict[str, float]]:
  """Tokens a second of each part, and its shares of the device's rates."""
  tokens, out = Task(**found['task']).tokens, {}
  for part in tokens.keys() & found['seconds'].keys():
    seconds = found['seconds'][part]
    out[part] = {'tokens_per_second': tokens[part] / seconds}
    for kind, name in (('flops', 'matmul_flops'), ('bytes', 'copy_bytes')):
      amount = found.get('work', {}).get(part, {}).get(kind)
      if amount:
        out[part][f'share_of_{name}'] = amount / seconds / rate[name]
  return out


def main():
  flags = argparse.ArgumentParser()
  flags.add_argument('--quick', action='store_true', help='tiny sizes')
  default = pathlib.Path(__file__).with_name('results.json')
  flags.add_argument('--out', type=pathlib.Path, default=default)
  flags = flags.parse_args()
  platform = jax.default_backend()
  attention = {'gpu': 'cudnn', 'tpu': 'splash'}.get(platform, 'xla')
  result = {'versions': machine.versions(), 'attention': attention}
  result['rates'] = rates(512 if flags.quick else 8192)
  for name, task in {'quick': QUICK}.items() if flags.quick else TASKS.items():
    found = measure(task, attention)
    result[name] = found | {'parts': shares(found, result['rates'])}
    print(name, json.dumps(result[name]['parts'], indent=2), flush=True)
  if not flags.quick:
    files.write_json(flags.out, result)


if __name__ == '__main__':
  main()
