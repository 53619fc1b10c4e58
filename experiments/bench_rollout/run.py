"""Rollout speed beside google-tunix's Sampler: one run, the same weights.

  python -m experiments.bench_rollout.run --out=results.json

Both sample 4 prompts of 512 tokens x 8 responses of 128 tokens from one
6-layer decoder in float32 and return the ids and their log-probs. README.md
says how to install tunix beside this package; --skip_tunix leaves it out.
"""

import argparse
import json
import os
import pathlib
import platform
import statistics
import time
import warnings

import jax
import jax.numpy as jnp
import numpy as np

from experiments import results
from mem_alpha_jax.model import policy as policy_lib
from mem_alpha_jax.model import presets
from mem_alpha_jax.sampling import buckets, sampler

B, G, P, R, V = 4, 8, 512, 128, 8192
CONFIG = presets.ModelConfig(
  layers=6,
  width=384,
  heads=6,
  kv_heads=2,
  head_size=64,
  ffn=1152,
  vocab_size=V,
  rope_theta=1e6,
  qk_norm=True,  # tunix's model of this shape is Qwen3
  tied=True,
)
PAD, EOS = 0, V  # EOS is no token: every response has R tokens


def matmul_rate() -> float:
  """Returns the best float32 rate of a large matmul, in FLOP/s."""
  n = 1536
  a = jnp.asarray(np.random.default_rng(0).random((n, n)), jnp.float32)
  multiply = jax.jit(lambda a: a @ a)
  multiply(a).block_until_ready()
  return 2 * n**3 / min(timed(lambda: multiply(a)) for _ in range(8))


def arithmetic() -> dict[str, float]:
  """FLOPs that the task needs: each prefix once, causal attention."""
  c = CONFIG
  heads = (2 * c.heads + 2 * c.kv_heads) * c.head_size
  block = 2 * c.layers * c.width * (heads + 3 * c.ffn)
  pair = 4 * c.layers * c.heads * c.head_size  # one query, one key
  prefill = B * (P * block + P * (P + 1) / 2 * pair)
  seen = R * (P - 1) + R * (R + 1) / 2  # the last prompt token is decoded
  decode = B * G * (R * (block + 2 * c.width * V) + seen * pair)
  return {'prefill': prefill, 'decode': decode}


def timed(call) -> float:
  start = time.perf_counter()
  jax.block_until_ready(call())
  return time.perf_counter() - start


class Ours:
  """Ids in, ids and log-probs out, through this package's sampler."""

  def __init__(self, params, greedy=False):
    policy = policy_lib.make_policy(CONFIG)
    self.params, self.device_seconds = params, 0.0
    self.generate = sampler.make_sampler(
      policy, R, eos_id=EOS, pad_id=PAD, greedy=greedy
    )
    self.prefill = jax.jit(policy.prefill)
    self.forced = np.full((B, G, 1), -1, np.int32)

  def __call__(self, prompts, seed=0):
    """Returns (ids [B, G, R], log-probs) as numpy arrays."""
    prefix, length = buckets.pad([p[:-1] for p in prompts], P, PAD)
    own = np.array([[p[-1:]] * G for p in prompts], np.int32)
    own_length = np.ones((B, G), np.int32)
    keys = jax.random.split(jax.random.key(seed), (B, G))
    inputs = (prefix, length, own, own_length, self.forced, keys)
    start = time.perf_counter()
    out = jax.block_until_ready(self.generate(self.params, *inputs))
    self.device_seconds = time.perf_counter() - start
    return np.asarray(out.tokens), np.asarray(out.logps)

  def prefill_seconds(self, prompts) -> float:
    prefix, length = buckets.pad([p[:-1] for p in prompts], P, PAD)
    return timed(lambda: self.prefill(self.params, prefix, length).k)


class _Ids:
  """A tokenizer whose text is ids, for a sampler that wants strings."""

  def encode(self, text):
    return [int(i) for i in text.split()]

  def decode(self, ids):
    return ' '.join(map(str, ids))

  def bos_id(self):
    return 0  # none is prepended

  def eos_id(self):
    return EOS

  def pad_id(self):
    return PAD


class Tunix:
  """The same through tunix's Sampler: each prompt G times."""

  def __init__(self, params):
    warnings.filterwarnings('ignore')
    from flax import nnx
    from tunix.generate import sampler as tunix_sampler
    from tunix.models.qwen3 import model

    c = CONFIG
    config = model.ModelConfig(
      num_layers=c.layers, vocab_size=V, embed_dim=c.width,
      hidden_dim=c.ffn, num_heads=c.heads, head_dim=c.head_size,
      num_kv_heads=c.kv_heads, rope_theta=int(c.rope_theta),
      norm_eps=c.norm_eps, use_tied_embedding=True,
    )  # fmt: skip
    decoder = model.Qwen3(config, rngs=nnx.Rngs(0))
    _copy_weights(decoder, params)
    cache = tunix_sampler.CacheConfig(P + R, c.layers, c.kv_heads, c.head_size)
    self.sampler = tunix_sampler.Sampler(decoder, _Ids(), cache)

  def __call__(self, prompts, seed=0, greedy=False):
    """Returns (ids [B, G, R], log-probs) as numpy arrays."""
    texts = [' '.join(map(str, p)) for p in prompts for _ in range(G)]
    options = {} if greedy else dict(temperature=1.0, top_p=1.0)
    out = self.sampler(
      texts, R, max_prompt_length=P, return_logprobs=True, eos_tokens=[EOS],
      seed=seed, **options,
    )  # fmt: skip
    tokens = np.array([t[:R] for t in out.tokens]).reshape(B, G, R)
    return tokens, np.array(out.logprobs).reshape(B, G, R)


def _copy_weights(decoder, params):
  """Writes our parameters into tunix's Qwen3."""
  decoder.embedder.input_embedding.value = params['embedding']
  decoder.final_norm.w.value = params['final_norm']['scale']
  for i, layer in enumerate(decoder.layers):
    w = jax.tree.map(lambda x, i=i: x[i], params['blocks'])
    a, m = w['attention'], w['mlp']
    layer.input_layernorm.w.value = w['attention_norm']['scale']
    layer.post_attention_layernorm.w.value = w['mlp_norm']['scale']
    for name in 'qkvo':
      getattr(layer.attn, f'{name}_proj').w.value = a[name]
    for name in 'qk':
      getattr(layer.attn, f'{name}_norm').w.value = a[f'{name}_norm']['scale']
    for name in ('gate', 'up', 'down'):
      getattr(layer.mlp, f'{name}_proj').kernel.value = m[name]


def summary(seconds: list[float]) -> dict[str, float]:
  """Best and median, since other work on the machine only adds time."""
  tokens = B * G * R
  return {
    'seconds': min(seconds),
    'seconds_median': statistics.median(seconds),
    'seconds_all': seconds,
    'tokens_per_second': tokens / min(seconds),
  }


def compare_greedy(ours, theirs) -> dict[str, float]:
  """Log-probs of the greedy responses, up to where a near-tie splits them."""
  same = np.cumprod(ours[0] == theirs[0], axis=-1).astype(bool)
  gap = np.abs(ours[1] - theirs[1])[same]
  return {'equal_tokens': same.mean(), 'largest_logp_gap': gap.max()}


def main():
  flags = argparse.ArgumentParser()
  flags.add_argument('--repeats', type=int, default=5)
  flags.add_argument('--skip_tunix', action='store_true')
  default = pathlib.Path(__file__).with_name('results.json')
  flags.add_argument('--out', type=pathlib.Path, default=default)
  flags = results.parse(flags)

  rng = np.random.default_rng(0)
  prompts = rng.integers(3, V, (B, P)).tolist()
  params = jax.jit(policy_lib.make_policy(CONFIG).init)(jax.random.key(0))
  ours = Ours(params)
  runs = {'ours': ours}
  result = {}
  if not flags.skip_tunix:
    runs['tunix'] = Tunix(params)
    greedy = Ours(params, greedy=True)(prompts)
    result['check'] = compare_greedy(
      greedy, runs['tunix'](prompts, greedy=True)
    )
  for run in runs.values():  # compiles
    run(prompts)
  ours.prefill_seconds(prompts)

  rates, prefill, host = [matmul_rate()], [], []
  seconds = {name: [] for name in runs}
  for i in range(flags.repeats):  # in turn, so that noise meets both
    for name, run in runs.items():
      seconds[name].append(timed(lambda run=run, i=i: run(prompts, seed=i)))
    host.append(1 - ours.device_seconds / seconds['ours'][-1])
    prefill.append(ours.prefill_seconds(prompts))
    rates.append(matmul_rate())

  result.update({name: summary(s) for name, s in seconds.items()})
  best, flops = result['ours']['seconds'], arithmetic()
  share = min(prefill) / best
  result['ours']['share'] = {
    'prefill': share,
    'decode': 1 - share - min(host),
    'host': min(host),
  }
  result['matmul_flops_per_second'] = max(rates)
  result['arithmetic_flops'] = flops
  result['ours']['fraction_of_matmul_rate'] = {
    'whole': sum(flops.values()) / best / max(rates),
    'prefill': flops['prefill'] / min(prefill) / max(rates),
    'decode': flops['decode'] / (best - min(prefill)) / max(rates),
  }
  if 'tunix' in result:
    speedup = [
      t / o for t, o in zip(seconds['tunix'], seconds['ours'], strict=True)
    ]
    result['speedup'] = {
      'best': result['tunix']['seconds'] / best,
      'by_repeat': speedup,
    }
  result['load_average'] = os.getloadavg()
  result['cores'] = os.cpu_count()
  result['versions'] = {
    'python': platform.python_version(),
    'jax': jax.__version__,
  }
  text = json.dumps(result, indent=2, default=float)
  flags.out.write_text(text + '\n')
  print(text)


if __name__ == '__main__':
  main()
