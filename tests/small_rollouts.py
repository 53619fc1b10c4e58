"""Small rollouts for tests: episodes, memories, and samplers that are told."""

import jax
import numpy as np
import tiny_config

from mem_alpha_jax.credit.groups import Keys
from mem_alpha_jax.data import synthetic
from mem_alpha_jax.memory import execution
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.reward import parts as parts_lib
from mem_alpha_jax.rollout import forced_calls, play, starts
from mem_alpha_jax.rollout import samples as samples_lib
from mem_alpha_jax.sampling import sampler

# Prompts are as wide as what they show: with an empty memory they fit the
# first bucket, with two long entries they need the second.
VARIABLE = (
  'memory.fixed_width=False,memory.view=newest,memory.slots=64,'
  'rollout.prefix_buckets=40;80,rl.min_gap=0,'
)
TRAJECTORY = 'rollout.groups=trajectory,reward.when=end,rl.group_by=trajectory,'
NARROW, WIDE = 40, 80
G = tiny_config.FIELDS['rollout.group_size']
ARGS = {
  'state': VARIABLE,
  'trajectory': f'{VARIABLE}{TRAJECTORY}rollout.prefix_buckets={WIDE}',
}


def episodes_of(*lengths):
  return [
    synthetic.episode(synthetic.WorldConfig(), 'train', uid, length, seed=7)
    for uid, length in enumerate(lengths, 11)
  ]


def empty_starts():
  return [starts.empty()] * 4


def full_start(tokenizer) -> starts.Start:
  """A memory of two entries, each as long as an entry may be."""
  state, limits = state_lib.empty(), state_lib.Limits(0, 12, 64)
  for letters in ('abcdefghijkl', 'mnopqrstuvwx'):
    count = max(
      n for n in range(13) if tokenizer.count(' '.join(letters[:n])) <= 12
    )
    op = state_lib.Op('insert', 'semantic', ' '.join(letters[:count]))
    state, result = execution.apply(state, op, limits, tokenizer.count, 0)
    assert result.ok
  return starts.Start(state_lib.without_log(state), 60, 1, {})


def recorded(setup):
  """The setup, and a list of what its sampler will be given and give."""
  calls = []

  def generate(params, *inputs):
    samples = setup.generate(params, *inputs)
    calls.append((inputs, jax.device_get(samples)))
    return samples

  return setup._replace(generate=generate), calls


def scripted(setup, say):
  """The setup with say(uniform generator, g) -> ids as its sampler."""
  rng = np.random.default_rng(0)
  width = setup.config.rollout.response_buckets[-1]

  def generate(params, prefix, prefix_length, own, *rest):
    b, g = own.shape[:2]
    tokens = np.zeros((b, g, width), np.int32)
    mask = np.zeros((b, g, width), bool)
    for i, j in np.ndindex(b, g):
      ids = list(say(rng, j))[:width]
      tokens[i, j, : len(ids)], mask[i, j, : len(ids)] = ids, True
    logps = np.where(mask, -1.0, 0.0).astype(np.float32)
    return sampler.Samples(tokens, logps, mask, mask[..., -1])

  return setup._replace(generate=generate)


def random_call(tokenizer):
  """Says calls that are mostly valid, of all tools."""

  def say(rng, g):
    texts = ('<ins><sem> Marta job', '<ins><epi> went to', '<upd><1> lives in')
    text = (*texts, '<upd><core> I am', '<none>', '<del><2>')[rng.integers(6)]
    if text[-1] != '>':
      text += f' {"abcdefghijklmnopqrstuvwxyz"[rng.integers(26)]}'
    return [*tokenizer.encode(text), tokenizer.eos_id]

  return say


def places(samples, groups):
  """(row, column) of RolloutRows -> row of the table."""
  k = samples.keys
  order = (
    (k.turn, k.trajectory) if groups == 'state' else (k.trajectory, k.turn)
  )
  columns = [c.tolist() for c in (k.episode, *order)]
  found, row, last = {}, -1, None
  for *group, inner, n in sorted(
    zip(*columns, range(len(k.turn)), strict=True)
  ):
    if groups != 'state':
      group.append(inner)
    row += group != last
    last = group
    found[row, inner if groups == 'state' else 0] = n
  return found


def table(lengths, groups=3, width=5, seed=0, vocab=16):
  """A table of random numbers; episode b has lengths[b] turns."""
  rng = np.random.default_rng(seed)
  rows = [
    (b, g, t)
    for b, length in enumerate(lengths)
    for g in range(groups)
    for t in range(length)
  ]
  episode, trajectory, turn = np.array(rows).T
  n, zeros = len(rows), np.zeros(len(rows), int)
  keys = Keys(episode, trajectory, turn, zeros, zeros, zeros)
  # Samples of a turn share their prompt.
  prompt = np.unique([episode, turn], axis=1, return_inverse=True)[1].ravel()
  length = rng.integers(1, 6, n)[prompt]
  prefix = rng.integers(3, vocab, (n, 5))[prompt]
  prefix = np.where(np.arange(5) < length[:, None], prefix, 0)
  own_length = rng.integers(1, 3, n)
  mask = np.arange(width) < rng.integers(1, width + 1, n)[:, None]
  forced = np.full((n, 2), -1, np.int32)
  forced[trajectory == 0] = 5
  parts = {name: np.float32(rng.random(n)) for name in parts_lib.PARTS}
  draw = lambda size, real: np.int32(
    np.where(real, rng.integers(3, vocab, (n, size)), 0)
  )
  return samples_lib.Samples(
    keys,
    play.Prompts(
      np.int32(prefix),
      np.int32(length),
      draw(2, np.arange(2) < own_length[:, None]),
      np.int32(own_length),
    ),
    draw(width, mask),
    mask,
    np.float32(np.where(mask, -rng.random(mask.shape) * 3, 0)),
    forced_calls.Forced(forced, np.ones(n, np.float32)),
    np.zeros((n, len(samples_lib.count_names())), np.int32),
    parts,
    np.zeros(n, np.float32),
  )
