"""The labs of credit: a gradient by enumeration, a memory by hand, arms."""

import itertools
import json

import numpy as np
import pytest

from configs import babi as babi_config
from configs import tiny_paper
from experiments.credit_lab import arms, babi, forked, measures, synthetic
from experiments.credit_lab import world as world_lib
from experiments.credit_lab.world import FILLER, INSERT, SKIP, UPDATE
from mem_alpha_jax.config import compare
from mem_alpha_jax.config import validate as validate_lib

KINDS = np.array([0, 1, FILLER, 0])
WORLD = world_lib.build()
LOGITS = world_lib.policy(0.5)


def remembered(kinds, actions):
  """A plain memory: lists of (key or None, turn that the value is of)."""
  memory, newest = [], {}
  for t, (kind, action) in enumerate(zip(kinds, actions, strict=True)):
    key = None if kind == FILLER else kind
    mine = [e for e in memory if key is not None and e[0] == key]
    if key is not None:
      newest[key] = t
    if action == INSERT:
      memory = [*memory, (key, t)][-world_lib.SLOTS :]
    elif action == UPDATE and mine:
      memory[memory.index(mine[0])] = (key, t)
      memory = [e for e in memory if e not in mine[1:]]
  about = lambda key: [t for k, t in memory if k == key]
  return {key: about(key) == [t] for key, t in newest.items()}


@pytest.mark.parametrize('seed', range(20))
def test_memories_are_those_of_a_plain_one(seed):
  rng = np.random.default_rng(seed)
  kinds = world_lib.streams(rng, 1, 9, 2)[0]
  actions = rng.integers(0, 3, len(kinds))
  state = 0
  for kind, action in zip(kinds, actions, strict=True):
    state = WORLD.after[kind, action, state]
  for key, right in remembered(kinds, actions).items():
    assert WORLD.right[state, key] == right


def expected(logits, last):
  """E of the last reward over all 3^4 plays."""
  chance, total = world_lib.softmax(logits), 0.0
  for actions in itertools.product(world_lib.ACTIONS, repeat=len(KINDS)):
    state, p = 0, 1.0
    for kind, action in zip(KINDS, actions, strict=True):
      p *= chance[WORLD.seen[kind, state], action]
      state = WORLD.after[kind, action, state]
    total += p * last[state]
  return total


def test_the_exact_gradient_is_that_of_all_plays():
  last = WORLD.right[:, :2].mean(1)
  found = world_lib.exact(WORLD, KINDS, LOGITS, last)
  np.testing.assert_allclose(found.value, expected(LOGITS, last))
  np.testing.assert_allclose(found.reached @ last, found.value)
  for at in np.ndindex(LOGITS.shape):
    step = np.zeros_like(LOGITS)
    step[at] = 1e-5
    slope = expected(LOGITS + step, last) - expected(LOGITS - step, last)
    np.testing.assert_allclose(found.gradient[at], slope / 2e-5, atol=1e-9)


def test_rewards_of_turns_are_part_of_the_gradient():
  # Paid 1 for each skip: the gradient of skips is the mean of pi (1 - pi).
  each = np.zeros((4, 3, 1))
  each[:, SKIP] = 1.0
  each = np.broadcast_to(each, (4, 3, len(WORLD.entries)))
  zero = np.zeros(len(WORLD.entries))
  found = world_lib.exact(WORLD, KINDS, LOGITS, zero, each)
  flat = world_lib.exact(WORLD, KINDS, 0 * LOGITS, zero, each)
  np.testing.assert_allclose(flat.value, 4 / 3)
  np.testing.assert_allclose(flat.gradient[:, SKIP].sum(), 4 * 2 / 9)
  np.testing.assert_allclose(found.gradient.sum(1), 0, atol=1e-12)


def test_provenance_of_entries():
  # Insert, insert, nothing, update the first.
  kinds = np.array([[0, 1, FILLER, 0]])
  logits = np.zeros((6, 3))
  logits[[0, 1], INSERT] = logits[[2, 3], UPDATE] = logits[[4, 5], SKIP] = 99
  rng = np.random.default_rng(0)
  found = world_lib.play(WORLD, kinds, logits, rng)
  assert found.first.tolist() == [[0, 1, -1]]
  assert found.newest.tolist() == [[3, 1, -1]]
  assert WORLD.right[found.after, :2].all()
  # Played on from its end: the turns go on, too.
  more = world_lib.play(WORLD, np.array([[2]]), logits, rng, found)
  assert more.newest.tolist() == [[3, 1, 4]]


def test_all_arms_are_near_the_gradient_and_cost_the_same():
  task = arms.Task(WORLD, KINDS[None], LOGITS, 300, 0)
  exact = world_lib.exact(WORLD, KINDS, LOGITS, task.last[0]).gradient.ravel()
  flat = arms.play_flat(task, arms.BUDGET)
  rows = {k: flat.rows(a) for k, a in arms.broadcast(flat).items()}
  rows |= {k: flat.rows(a) for k, a in arms.redistributed(flat).items()}
  rows |= forked.same_state(task) | forked.trees(task, *forked.TREES[0])
  rows |= forked.logo(task)
  budget = task.replicates * arms.BUDGET * len(KINDS)
  for name, one in rows.items():
    cost = len(one.action) / budget
    assert cost == pytest.approx(1, abs=0.02), name
    found = measures.compare(arms.gradients(one, LOGITS, 300), exact)
    assert measures.numbers(found['direction'])[0] > 0.8, name
  for name in ('rloo', 'siblings 8x3, rloo', 'gae, exact critic, lambda 0'):
    found = arms.gradients(rows[name], LOGITS, 300)
    error = (found.mean(0) - exact) / (found.std(0) / 300**0.5 + 1e-9)
    assert (np.abs(error) < 4.5).all(), name


def test_measures_of_estimates_that_are_known():
  exact = np.array([3.0, 4, 0])
  noise = np.random.default_rng(0).normal(size=(4000, 3))
  told = measures.compare(2 * exact + noise, exact)
  found = {name: measures.numbers(text) for name, text in told.items()}
  assert found['direction'][0] == pytest.approx(1, abs=1e-3)
  assert found['bias'][0] == pytest.approx(1, abs=0.02)
  assert found['noise'][0] == pytest.approx(3 / 100, rel=0.1)
  # 1 - (10 * 5)^2 / ((100 + 3) * 25)
  assert found['error'][0] == pytest.approx(3 / 103, rel=0.1)
  sure = measures.compare(np.tile(exact, (5, 1)), exact)
  assert sure['cosine'] == '1.0000 1.0000 1.0000'
  for value, low, high in found.values():
    assert low <= value <= high


@pytest.mark.parametrize('name', synthetic.cells())
def test_every_arm_of_the_synthetic_lab_is_a_run(name):
  config = synthetic.config_of(name, 'seed=1')
  validate_lib.validate(config)
  plain = compare.flatten(tiny_paper.get_config('seed=1').to_dict())
  mine = compare.flatten(config.to_dict())
  differ = {field for field in mine if mine[field] != plain[field]}
  assert differ == set(synthetic.cells()[name])


@pytest.mark.parametrize('arm', [babi.PRESENT, *babi.arms_of_stories()])
@pytest.mark.parametrize('task', ['qa1', 'qa3'])
def test_every_arm_on_stories_is_a_run_of_as_many_episodes(arm, task):
  path, _, arg = babi.config_of(task, arm).partition(':')
  config = {
    'configs/babi.py': babi_config,
    'configs/tiny_paper.py': tiny_paper,
  }[path].get_config(arg)
  validate_lib.validate(config)
  assert config.data.source == 'babi' and config.data.babi_tasks == (task,)
  assert config.reading.hops == (3 if task == 'qa3' else 1)
  episodes = config.num_steps * config.data.batch_episodes
  assert episodes == (200 * 16 if task == 'qa3' else 120 * 24)
  at_end = config.reward.when == 'end'
  assert at_end == (arm != babi.PRESENT)


def test_the_best_arms_are_those_of_the_end_alone(tmp_path):
  with pytest.raises(SystemExit, match='missing; run .*, or give --arms'):
    babi.best(tmp_path / 'none.json')
  accuracy = {
    'rloo; end': 0.7, 'grpo; dense': 0.9, 'grpo, horizon 2, 4; end': 0.8,
    'grpo; end': 0.5, 'same state; dense': 0.95, 'mem_t, 4x2; end': 0.6,
  }  # fmt: skip
  rows = [
    {'arm': k, 'accuracy': {'1': {'mean': v}}} for k, v in accuracy.items()
  ]
  path = tmp_path / 'synthetic.json'
  path.write_text(json.dumps({'rows': rows}))
  assert babi.best(path) == ['rloo', 'mem_t, 4x2']
