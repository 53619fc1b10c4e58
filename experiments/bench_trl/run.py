"""One step of RL end to end beside TRL's GRPOTrainer, on CPU, in one run.

  PYTHONPATH=.venv/trl .venv/bin/python -m experiments.bench_trl.run

Both sample, reward and train the same prompts with the same float32 weights of
SmolLM2-135M and take turns. README.md says how to install TRL beside this
package, and what is measured.
"""

import argparse
import importlib.metadata
import json
import os
import pathlib
import statistics
import tempfile
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from configs import smollm2
from experiments import results
from mem_alpha_jax.credit import advantages, groups
from mem_alpha_jax.data import synthetic
from mem_alpha_jax.model import policy as policy_lib
from mem_alpha_jax.pretrained import hf_weights, registry
from mem_alpha_jax.rl import batching, update
from mem_alpha_jax.run import learning
from mem_alpha_jax.sampling import buckets, sampler
from mem_alpha_jax.system import files, machine, sharding


class Task(NamedTuple):
  """What a step samples and trains."""

  prompts: int
  samples: int  # of each prompt
  length: int  # tokens of each prompt
  new: int  # tokens of each response
  rows: int  # of a micro-batch of TRL

  @property
  def tokens(self) -> dict[str, dict[str, int]]:
    """Tokens of a step, and those that run through the layers to train."""
    n, rows = self.new, self.prompts * self.samples
    shared = self.prompts * (self.length - 1)  # the last is of each sample
    both = {'generated': rows * n, 'trained': rows * n}
    return {
      'ours': {**both, 'run_by_update': shared + rows * n},
      'trl': {**both, 'run_by_update': rows * (self.length + n)},
    }


TASKS = {
  'long': Task(prompts=2, samples=8, length=384, new=24, rows=8),
  'short': Task(prompts=2, samples=8, length=64, new=24, rows=16),
}
TOY = {'toy': Task(prompts=2, samples=2, length=16, new=4, rows=2)}
RATE = 1e-5  # of AdamW
THREADS = 2
SENTENCES = 64  # of an episode that prompts are cut from
# configs/smollm2.py with what TRL has: two clips that are equal, no other bound
# of the loss, and AdamW as it is in torch.
SAME = {
  'rl.std_floor': 1e-4,
  'rl.clip_low': 0.2,
  'rl.clip_high': 0.2,
  'rl.dual_clip': 0.0,
  'rl.microbatches': 1,
  'optim.learning_rate': RATE,
  'optim.schedule': 'constant',
  'optim.warmup_steps': 0,
  'optim.weight_decay': 0.01,
  'optim.b2': 0.999,
  'optim.clip_norm': 1.0,
}


def reward(texts: Sequence[str]) -> list[float]:
  """The length of each response in characters."""
  return [float(len(text)) for text in texts]


def prompts(task: Task, tokenizer) -> list[str]:
  """Texts of the synthetic world, each of `task.length` tokens exactly."""
  found = []
  for uid in range(task.prompts):
    world = synthetic.WorldConfig()
    episode = synthetic.episode(world, 'train', uid, SENTENCES, seed=0)
    ids = tokenizer.encode(' '.join(episode.chunks))[: task.length]
    found.append(tokenizer.decode(ids))
    if len(ids) != task.length or tokenizer.encode(found[-1]) != ids:
      raise ValueError(f'prompt {uid} is not {task.length} tokens: cut it')
  return found


class Ours:
  """Steps of this package's sampler, advantages and update, as in a run."""

  def __init__(self, task: Task, model: registry.Pretrained):
    changes = ','.join(f'{name}={value}' for name, value in SAME.items())
    self.config = smollm2.get_config(changes)
    self.task, self.tokenizer = task, model.tokenizer
    self.texts = prompts(task, model.tokenizer)
    mesh = sharding.create_mesh(self.config.mesh)
    self.policy = policy_lib.make_policy(model.config, mesh)
    places = sharding.param_shardings(self.policy, mesh)
    self.params = model.load(places, 'float32')
    self.generate = sampler.make_sampler(
      self.policy, task.new, eos_id=model.config.vocab_size, pad_id=0
    )
    self.learner = learning.create(self.config, self.policy, mesh)
    self.state, self.steps = self.new_state(), 0

  def new_state(self):
    params = jax.tree.map(jnp.copy, self.params)
    return update.init_state(params, self.learner.tx, self.policy.mesh)

  def context(self) -> dict[str, np.ndarray]:
    """Fields of the prompts of training rows."""
    b, g = self.task.prompts, self.task.samples
    ids = [self.tokenizer.encode(text) for text in self.texts]
    size = self.task.length - 1
    prefix, length = buckets.pad([row[:-1] for row in ids], size, 0)
    own = np.array([[row[-1:]] * g for row in ids], np.int32)
    return {
      'prefix': prefix,
      'prefix_length': length,
      'own': own,
      'own_length': np.ones((b, g), np.int32),
    }

  def sample(self, context):
    """Returns (samples, rewards [B, G])."""
    b, g = self.task.prompts, self.task.samples
    forced = np.full((b, g, 1), -1, np.int32)
    keys = jax.random.split(jax.random.key(self.steps), (b, g))
    inputs = (*context.values(), forced, keys)
    out = jax.device_get(self.generate(self.state.params, *inputs))
    rows = out.tokens.reshape(b * g, -1)
    found = reward([self.tokenizer.decode(row) for row in rows])
    return out, np.array(found).reshape(b, g)

  def step(self) -> dict[str, float]:
    """Seconds of its parts; the state moves on."""
    compiled = buckets.compile_count()
    started = time.perf_counter()
    context = self.context()
    out, rewards = self.sample(context)
    sampled = time.perf_counter()
    rows = batching.make_rows(
      context,
      out.tokens,
      out.mask,
      np.ones(rewards.shape, np.float32),
      out.logps,
      self.advantages(rewards),
    )
    found = self.learner.update(self.state, rows)
    self.state, metrics = jax.block_until_ready(found)
    ended = time.perf_counter()
    if metrics['skipped'] or not out.mask.all():
      raise ValueError('an update was skipped, or a response ended early')
    if buckets.compile_count() > compiled:
      print('a timed step of ours compiled', flush=True)
    self.steps += 1
    return {
      'sampling': sampled - started,
      'update': ended - sampled,
      'step': ended - started,
    }

  def advantages(self, rewards):
    episode, trajectory = np.indices(rewards.shape).reshape(2, -1)
    zeros = np.zeros_like(episode)
    keys = groups.Keys(episode, trajectory, zeros, zeros, zeros, zeros - 1)
    found = advantages.grpo(rewards.reshape(-1), keys, self.config.rl)
    return found.reshape(rewards.shape)

  def check(self, trained) -> dict[str, float]:
    """One update of new parameters on the rows that TRL trained.

    Its log-probs stand for the sampler's, so that the metrics compare both.
    """
    shape = self.task.prompts, self.task.samples
    context = self.context()
    ids = np.concatenate([context['prefix'], context['own'][:, 0]], axis=1)
    same = (trained.prompts[:, None] == ids).all(-1)
    if not (same.sum(0) == self.task.samples).all() or not trained.mask.all():
      raise ValueError('TRL trained other prompts, or responses that ended')
    order = np.argsort(same.argmax(1), kind='stable')
    part = lambda x: x[order].reshape(*shape, *x.shape[1:])
    rows = batching.make_rows(
      context,
      part(trained.responses).astype(np.int32),
      part(trained.mask).astype(bool),
      np.ones(shape, np.float32),
      part(trained.logps),
      part(trained.advantages),
    )
    _, metrics = self.learner.update(self.new_state(), rows)
    names = ('loss', 'grad_norm', 'logp_gap_abs_max', 'logp_gap_abs_mean')
    return {name: float(metrics[name]) for name in names}


def measure(name: str, task: Task, model, rounds: int) -> dict[str, Any]:
  """Rounds of one step each, TRL's first."""
  from experiments.bench_trl import theirs

  ours, check = Ours(task, model), {}
  seconds = {who: [] for who in ('trl', 'ours')}

  def note(who, found):
    seconds[who].append(found)
    print(name, who, {k: round(v, 2) for k, v in found.items()}, flush=True)

  def after(trainer, spent):
    sampling = trainer.sampling
    rest = spent - sampling
    note('trl', {'sampling': sampling, 'update': rest, 'step': spent})
    if not check:  # compiles the update, and the next line the sampler
      check.update(ours.check(trainer.trained()))
      ours.sample(ours.context())
      print(name, check, flush=True)
    note('ours', ours.step())

  with tempfile.TemporaryDirectory() as folder:
    hf_weights.save(folder, ours.params, model.config)
    model.tokenizer.save(folder)
    trainer = theirs.trainer(
      folder, ours.texts, reward, task.samples, task.new, task.rows, rounds,
      RATE, after,
    )  # fmt: skip
    trainer.train()
  first = trainer.state.log_history[0]
  check |= {f'trl_{k}': float(first[k]) for k in ('loss', 'grad_norm')}
  return summary(task, seconds, check)


def summary(task: Task, seconds, check) -> dict[str, Any]:
  parts = {
    who: {part: [one[part] for one in found] for part in found[0]}
    for who, found in seconds.items()
  }
  ratios = {}
  for label, middle in (('best', min), ('median', statistics.median)):
    of = lambda who, part, middle=middle: middle(parts[who][part])
    ratios[label] = {p: of('trl', p) / of('ours', p) for p in parts['ours']}
  return {
    'task': task._asdict(),
    'tokens_of_a_step': task.tokens,
    'check': check,
    'seconds': parts,
    'ratio': ratios,
  }


def main():
  flags = argparse.ArgumentParser()
  flags.add_argument('--rounds', type=int, default=3)
  flags.add_argument('--only', choices=(*TASKS, *TOY), help='one task')
  flags.add_argument('--rows', type=int, help='of a micro-batch of TRL')
  default = pathlib.Path(__file__).with_name('results.json')
  flags.add_argument('--out', type=pathlib.Path, default=default)
  flags = results.parse(flags)
  os.environ['HF_HUB_OFFLINE'] = '1'  # TRL reports its use otherwise
  import torch

  torch.set_num_threads(THREADS)
  machine.use_compilation_cache()
  model = registry.open_model('smollm2')
  result = {}
  for name, task in (TASKS | TOY).items():
    if name == flags.only or not flags.only and name in TASKS:
      task = task._replace(rows=flags.rows or task.rows)
      result[name] = measure(name, task, model, flags.rounds)
      print(json.dumps(result[name], indent=2))
  result['load_average'] = os.getloadavg()
  packages = ('torch', 'transformers', 'trl', 'accelerate', 'datasets')
  result['versions'] = machine.versions() | {
    name: importlib.metadata.version(name) for name in packages
  }
  files.write_json(flags.out, result)


if __name__ == '__main__':
  main()
