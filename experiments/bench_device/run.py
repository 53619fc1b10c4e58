"""Prefill, decode and update of random weights on one accelerator.

  python -m experiments.bench_device.run               # on a GPU or TPU
  python -m experiments.bench_device.run --quick       # any machine, a check

Tokens a second beside what the device multiplies and copies a second in the
same run. README.md says what is measured.
"""

import argparse
import functools
import json
import pathlib
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from configs import common, gpu_h100
from mem_alpha_jax.compile import programs
from mem_alpha_jax.model import policy, presets
from mem_alpha_jax.rl import optimizer, update
from mem_alpha_jax.sampling import sampler
from mem_alpha_jax.system import files, machine

# name -> prompts, samples of each, prefix, own and response tokens
SIZES = {
  'smollm2-135m': (32, 8, 1024, 256, 128),
  'qwen3-4b': (4, 8, 2048, 512, 256),
}
QUICK = (2, 2, 128, 16, 8)
ROUNDS = 3


def best(call: Callable) -> float:
  """Seconds of the fastest of ROUNDS calls; the first compiles."""
  spent = []
  for _ in range(ROUNDS + 1):
    started = time.perf_counter()
    jax.block_until_ready(call())
    spent.append(time.perf_counter() - started)
  return min(spent[1:])


def rates(size: int) -> dict[str, float]:
  """Flops of a bfloat16 product, bytes of a copy, per second."""
  x = jnp.ones((size, size), jnp.bfloat16)
  multiply = jax.jit(lambda x: x @ x)
  big = jnp.ones(size * size * 4, jnp.float32)
  copy = jax.jit(lambda x: x + 1)
  return {
    'matmul_flops': 2 * size**3 / best(lambda: multiply(x)),
    'copy_bytes': 2 * big.nbytes / best(lambda: copy(big)),
  }


def measure(preset: str, sizes: tuple, attention: str, dtype: str) -> dict:
  """Seconds and tokens a second of one model."""
  b, g, p, c, r = sizes
  config = gpu_h100.get_config().unlock()
  common.use_preset(config, preset)
  config.model.attention, config.model.dtype = attention, dtype
  config.model.param_dtype = dtype  # float32 moments of 4B fill the device
  config.rl.microbatches, config.rl.importance_cap = b, 0.0
  shape = presets.model_config(config.model, config.tokenizer.vocab_size)
  one = policy.make_policy(shape)
  params = jax.jit(one.init)(jax.random.key(0))
  rng = np.random.default_rng(0)
  ids = lambda *dims: rng.integers(3, shape.vocab_size, dims).astype(np.int32)
  prefix, lengths = ids(b, p), np.full(b, p, np.int32)
  forward = jax.jit(lambda *args: one.prefill(*args).k)
  generate = sampler.make_sampler(one, r, eos_id=shape.vocab_size, pad_id=0)
  keys = jax.random.split(jax.random.key(1), (b, g))
  inputs = (
    prefix, lengths, ids(b, g, c), np.full((b, g), c, np.int32),
    np.full((b, g, 1), -1, np.int32), keys,
  )  # fmt: skip
  first = sampler.make_sampler(one, 1, eos_id=shape.vocab_size, pad_id=0)
  seconds = {'prefill': best(lambda: forward(params, prefix, lengths))}
  whole = best(lambda: generate(params, *inputs).tokens)
  seconds['decode'] = whole - best(lambda: first(params, *inputs).tokens)
  tx, _ = optimizer.create_optimizer(config.optim, 10)
  train = update.make_update_fn(one, tx, config.rl, 1.0, horizon=r)
  rows = jax.tree.map(
    lambda x: np.ones(x.shape, x.dtype), programs.rows_of(b, g, p, c, r)
  )
  rows = rows.replace(
    prefix=prefix, prefix_length=lengths, own=inputs[2], own_length=inputs[3]
  )
  state = update.init_state(params, tx, jax.random.key(0))

  def step():
    nonlocal state
    state, metrics = train(state, rows)
    return metrics

  del params
  seconds['update'] = best(step)
  tokens = {
    'prefill': b * p,
    'decode': b * g * (r - 1),
    'update': b * (p + g * (c + r - 1)),
  }
  return {
    'sizes': sizes,
    'seconds': seconds,
    'tokens_per_second': {k: tokens[k] / seconds[k] for k in tokens},
  }


def main():
  flags = argparse.ArgumentParser()
  flags.add_argument('--quick', action='store_true', help='tiny sizes')
  default = pathlib.Path(__file__).with_name('results.json')
  flags.add_argument('--out', type=pathlib.Path, default=default)
  flags = flags.parse_args()
  platform = jax.default_backend()
  attention = {'gpu': 'cudnn', 'tpu': 'splash'}.get(platform, 'xla')
  run = functools.partial(measure, attention=attention)
  result = {'versions': machine.versions(), 'attention': attention}
  if flags.quick:
    result |= {'rates': rates(512)}
    result['smollm2-135m'] = run('smollm2-135m', QUICK, dtype='float32')
    print(json.dumps(result, indent=2))
    return
  result |= {'rates': rates(8192)}
  for preset, sizes in SIZES.items():
    result[preset] = run(preset, sizes, dtype='bfloat16')
    print(preset, json.dumps(result[preset]), flush=True)
  files.write_json(flags.out, result)


if __name__ == '__main__':
  main()
