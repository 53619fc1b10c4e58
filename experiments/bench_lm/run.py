"""Speed of SmolLM2-135M on CPU beside transformers and torch, in one run.

  make models parity
  .venv/bin/python -m experiments.bench_lm.run

Both have the same float32 weights and take turns, so that noise of the machine
meets both. README.md says what is measured and how.
"""

import argparse
import gc
import json
import os
import pathlib
import tempfile
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch
import transformers

from experiments import results
from experiments.bench_lm.theirs import Theirs
from mem_alpha_jax.model import policy as policy_lib
from mem_alpha_jax.pretrained import hf_weights, registry
from mem_alpha_jax.sampling import sampler
from mem_alpha_jax.system import files, machine

PROMPT, NEW = 128, 32  # tokens
BATCHES = (1, 8, 32)
GROUP = 8  # samples of a prompt in the grouped task, at the largest batch
TRAIN = (8, 512)  # sequences, tokens
RATE = 1e-5  # of AdamW
THREADS = 2


class Ours:
  """Ids in, ids out, through this package's policy and sampler."""

  def __init__(self, params, config):
    self.policy = policy_lib.make_policy(config)
    self.params = params
    eos = config.vocab_size  # no token: all responses have NEW tokens
    make = lambda n: sampler.make_sampler(
      self.policy, n, eos_id=eos, pad_id=0, greedy=True
    )
    self.generators = {n: make(n) for n in (1, NEW)}
    self.tx = optax.adamw(RATE, weight_decay=0.01)

    @jax.jit
    def forward(params, tokens):
      """Keys and values of a prompt."""
      length = jnp.full(len(tokens), tokens.shape[1], jnp.int32)
      prefix = self.policy.prefill(params, tokens, length)
      return prefix.k, prefix.v

    self.forward = forward
    self.update = jax.jit(self._update, donate_argnums=(0, 1))

  def prefill(self, prompts):
    jax.block_until_ready(self.forward(self.params, prompts))

  def generate(self, prompts, new, group=1):
    """Returns ids [prompts * group, new]; one prefill a prompt."""
    b = len(prompts)
    own = np.repeat(prompts[:, None, -1:], group, 1)
    out = self.generators[new](
      self.params,
      prompts[:, :-1],
      np.full(b, PROMPT - 1, np.int32),
      own,
      np.ones((b, group), np.int32),
      np.full((b, group, 1), -1, np.int32),
      jax.random.split(jax.random.key(0), (b, group)),
    )
    return np.asarray(out.tokens).reshape(b * group, new)

  def _update(self, params, opt_state, tokens):
    length = jnp.full(len(tokens), tokens.shape[1], jnp.int32)

    def loss_fn(params):
      logps = self.policy.prompt_logps(params, tokens, length)
      return -logps.sum() / (tokens.size - len(tokens))

    loss, grads = jax.value_and_grad(loss_fn)(params)
    updates, opt_state = self.tx.update(grads, opt_state, params)
    return optax.apply_updates(params, updates), opt_state, loss

  def trainer(self, tokens, rate):
    """Returns step() -> loss in nats: updates of a copy of the weights."""
    del rate  # of self.tx
    params = jax.tree.map(jnp.copy, self.params)
    state = params, jax.jit(self.tx.init)(params)

    def step():
      nonlocal state
      *state, loss = self.update(*state, tokens)
      jax.block_until_ready(state)
      return float(loss)

    return step


def tasks(rng, vocab: int) -> dict[str, tuple[Callable, int]]:
  """Name -> (what a system does, tokens that it handles)."""
  ids = lambda *shape: rng.integers(3, vocab, shape)
  prompts = {b: ids(b, PROMPT) for b in BATCHES}
  found = {}
  for b, some in prompts.items():
    found[f'prefill {b}'] = (lambda s, x=some: s.prefill(x), b * PROMPT)
  for b, some in prompts.items():
    found[f'generate {b}'] = (lambda s, x=some: s.generate(x, NEW), b * NEW)
  b = BATCHES[-1]
  few = prompts[b][: b // GROUP]
  name = f'generate {b} in groups of {GROUP}'
  found[name] = (lambda s: s.generate(few, NEW, GROUP), b * NEW)
  return found


def train(systems: dict, tokens, rounds: int):
  """Returns (seconds of each update, loss of the first), by system.

  A system trains for a while, lets its state go, and then the other does:
  two states do not fit beside each other in 24 GiB. First updates compile or
  allocate and are not timed.
  """
  seconds, losses = {s: [] for s in systems}, {}
  for i in range(rounds):
    for label, system in systems.items():
      step = system.trainer(tokens, RATE)
      losses[label] = step()
      for _ in range(2):
        seconds[label].append(timed(step))
        print(i, 'train', label, f'{seconds[label][-1]:.2f} s', flush=True)
      del step
      gc.collect()
  return seconds, losses


def timed(call: Callable) -> float:
  started = time.perf_counter()
  call()
  return time.perf_counter() - started


def decoding(seconds: dict[str, float]) -> dict[str, float]:
  """Seconds of generation beyond the prefill of its prompts."""
  found = {}
  for name, value in seconds.items():
    if name.startswith('generate'):
      batch = int(name.split()[1])
      prompts = batch // GROUP if 'groups' in name else batch
      prefill = seconds.get(f'prefill {prompts}')
      if prefill is None:  # a batch that is not measured by itself
        rate = seconds[f'prefill {BATCHES[1]}'] / BATCHES[1]
        prefill = rate * prompts
      found[name.replace('generate', 'decode')] = value - prefill
  return found


def check(ours: Ours, theirs: Theirs, rng, vocab: int) -> float:
  """Returns the share of greedy tokens that both have before they part."""
  prompts = rng.integers(3, vocab, (BATCHES[1], PROMPT))
  mine, other = (s.generate(prompts, NEW) for s in (ours, theirs))
  same = np.cumprod(mine == other, axis=1)
  return float(same.mean())


def main():
  flags = argparse.ArgumentParser()
  flags.add_argument('--rounds', type=int, default=3)
  flags.add_argument('--only', choices=('all', 'train'), default='all')
  default = pathlib.Path(__file__).with_name('results.json')
  flags.add_argument('--out', type=pathlib.Path, default=default)
  flags = results.parse(flags)
  torch.set_num_threads(THREADS)
  model = registry.open_model('smollm2')
  params = model.load(None, 'float32')
  with tempfile.TemporaryDirectory() as made:
    folder = pathlib.Path(made) / 'model'
    hf_weights.save(folder, params, model.config)
    load = transformers.AutoModelForCausalLM.from_pretrained
    theirs = Theirs(lambda: load(folder, dtype=torch.float32))
    ours = Ours(params, model.config)
    rng = np.random.default_rng(0)
    vocab = model.config.vocab_size
    result, work = {}, {}
    if flags.only == 'all':
      result['equal_greedy_tokens'] = check(ours, theirs, rng, vocab)
      work = tasks(rng, vocab)
    systems = {'ours': ours, 'torch': theirs}
    seconds = {name: {s: [] for s in systems} for name in work}
    for i in range(flags.rounds + 1):  # the first compiles
      for name, (do, _) in work.items():
        for label, system in systems.items():
          spent = timed(lambda do=do, system=system: do(system))
          if i:
            seconds[name][label].append(spent)
          print(i, name, label, f'{spent:.2f} s', flush=True)
    name = 'train {} x {}'.format(*TRAIN)
    work[name] = None, int(np.prod(TRAIN))
    tokens = rng.integers(3, vocab, TRAIN)
    seconds[name], result['losses'] = train(systems, tokens, flags.rounds)
  best = {s: {n: min(v[s]) for n, v in seconds.items()} for s in systems}
  counts = {name: count for name, (_, count) in work.items()}
  for label in systems:
    extra = decoding(best[label])
    best[label] |= extra
    counts |= {n: counts[n.replace('decode', 'generate')] for n in extra}
  result['tasks'] = {
    name: {
      **{f'{s}_tokens_per_second': counts[name] / best[s][name] for s in best},
      'ratio': best['torch'][name] / best['ours'][name],
    }
    for name in counts
  }
  result['seconds'] = seconds
  result['load_average'] = os.getloadavg()
  result['versions'] = machine.versions() | {
    'torch': torch.__version__,
    'transformers': transformers.__version__,
  }
  files.write_json(flags.out, result)
  print(json.dumps(result['tasks'], indent=2))


if __name__ == '__main__':
  main()
