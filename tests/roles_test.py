"""Roles: one that answers, its pay, and toys that the package knows not."""

import numpy as np
import optax
import pytest
import tiny_config
from small_rollouts import (
  TRAJECTORY,
  empty_starts,
  episodes_of,
  random_call,
  scripted,
)

from configs import common
from mem_alpha_jax.credit import advantages
from mem_alpha_jax.memory import execution
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.reward import parts as parts_lib
from mem_alpha_jax.rl import batching
from mem_alpha_jax.rl import update as update_lib
from mem_alpha_jax.roles import answerer, registry, writer
from mem_alpha_jax.rollout import assemble, collector
from mem_alpha_jax.rollout import starts as starts_lib
from mem_alpha_jax.run import build as build_lib
from mem_alpha_jax.types import Episode, Question

EPISODES = 24
SMALL = (
  f'data.batch_episodes={EPISODES},memory.entry_tokens=5,rollout.forced=0,'
  'rollout.prefix_buckets=24,rollout.response_buckets=3,rollout.group_size=8,'
  'rl.min_gap=0,rl.train_samples=0,rl.minibatch_rows=192'
)
PEOPLE = ('Marta', 'Leo')


def ask_all(episode):
  """A schedule that only asks."""
  return answerer.ask(episode, episode.questions)


def notes(tokenizer, words, rng):
  """Two notes in a memory, and a question that one of them answers."""
  state, limits = state_lib.empty(), state_lib.Limits(0, 5, 8)
  things = rng.choice(words, 2, replace=False).tolist()
  for person, thing in zip(PEOPLE, things, strict=True):
    op = state_lib.Op('insert', 'semantic', f'{person} {thing}')
    state, result = execution.apply(state, op, limits, tokenizer.count, 0)
    assert result.ok, result
  i = rng.integers(2)
  question = Question(PEOPLE[i], things[i], 'what', 0, 0)
  start = starts_lib.Start(state_lib.without_log(state), 0, 1, {})
  return start, Episode(
    int(rng.integers(1 << 30)), 'synthetic', ('',), (question,)
  )


def steps(experiment, schedule, tx, params):
  """An endless training loop in four lines."""
  config, setup = experiment.config, experiment.train_setup
  setup = setup._replace(schedule=schedule)
  update = update_lib.make_update_fn(
    experiment.policy, tx, config.rl, config.rollout.temperature,
    experiment.mesh, horizon=config.rollout.response_buckets[-1],
  )  # fmt: skip
  state = update_lib.init_state(params, tx)
  step, batch = 0, (yield)
  while True:
    starts, episodes = batch
    rollout = collector.collect(setup, state.params, episodes, starts, step)
    rows, credit = assemble.to_rows(rollout.samples, config)
    for part in batching.minibatches(rows, step, 24):
      state, _ = update(state, part)
    step += 1
    batch = yield rollout, rows, credit


@pytest.fixture
def world(tmp_path):
  return build_lib.build(tiny_config.get_config(SMALL), str(tmp_path))


@pytest.mark.slow
def test_an_answerer_learns_to_answer_from_recalled_notes(world):
  tokenizer = world.train_setup.tokenizer
  words = ('job', 'today', 'went', 'home', 'night', 'new', 'lives', 'works')
  words = [
    word
    for word in words
    if max(tokenizer.count(f'{person} {word}') for person in PEOPLE) <= 5
    and len(tokenizer.encode_text(f' {word}')) <= 2  # and the end
  ]
  rng = np.random.default_rng(0)
  train = steps(world, ask_all, optax.adam(1e-2), build_lib.init_params(world))
  next(train)
  scores = []
  for _ in range(45):
    starts, episodes = zip(
      *(notes(tokenizer, words, rng) for _ in range(EPISODES)), strict=True
    )
    rollout, *_ = train.send((starts, episodes))
    scores.append(rollout.metrics['reward/answers'])
  # Either note without looking who is asked about is right in a half.
  assert np.mean(scores[:2]) < 0.25 and np.mean(scores[-5:]) > 0.9


def read_then_ask(episode):
  """A schedule of two roles."""
  question = Question('Marta job', 'baker', 'what', 0, 0)
  return [*writer.read_chunks(episode), *answerer.ask(episode, [question])]


def test_an_answerer_sees_what_the_writer_stored(world, monkeypatch):
  seen, tokenizer = [], world.train_setup.tokenizer

  def show(setup, turn):
    seen.append(turn)
    return answerer.show(setup, turn)

  role = answerer.ROLE._replace(show=show)
  monkeypatch.setitem(registry.ROLES, 'answerer', role)
  say = lambda rng, g: tokenizer.encode('<ins><sem> job')
  setup = scripted(world.train_setup, say)._replace(schedule=read_then_ask)
  rollout = collector.collect(
    setup, None, episodes_of(2, 1, 2, 2), empty_starts(), 0
  )
  keys, parts = rollout.samples.keys, rollout.samples.parts
  roles = list(registry.ROLES)
  answered = keys.role == roles.index('answerer')
  assert answered.sum() == 4 * 8 and (keys.role[~answered] == 0).all()
  live = [turn for turn in seen if turn.live]
  assert len(live) == 4
  for turn in live:
    assert [e.text for e in turn.view if e] == ['job']
  # It earns what it earns, and nothing else is missing from its reward.
  assert np.isnan(parts['calls'][answered]).all()
  wanted = parts['answers'] + world.config.reward.content * parts['content']
  np.testing.assert_allclose(rollout.samples.reward[answered], wanted[answered])
  assert not np.isnan(rollout.samples.reward).any()


@pytest.mark.parametrize('advantage', ['uma', 'agree', 'agree_spearman'])
def test_the_answers_of_the_policy_pay_its_writer(world, advantage):
  config = world.config.copy_and_resolve_references()
  changes = f'{TRAJECTORY}rl.group_by=chunk,rollout.answers=1,'
  changes += f'reward.answerer=policy,rl.advantage={advantage}'
  config = common.parse_arg(config.unlock(), changes)
  tokenizer = world.train_setup.tokenizer
  texts = '<ins><sem> job', ' baker', ' a baker', ' job', '<none>'
  say = lambda rng, g: tokenizer.encode(texts[rng.integers(len(texts))])
  setup = scripted(world.train_setup, say)
  setup = setup._replace(config=config, schedule=read_then_ask)
  rollout = collector.collect(
    setup, None, episodes_of(2, 1, 2, 2), empty_starts(), 0
  )
  keys, parts = rollout.samples.keys, rollout.samples.parts
  answered = keys.role == 1
  marks = np.full((4, 8), np.nan)
  marks[keys.episode[answered], keys.trajectory[answered]] = parts['answers'][
    answered
  ]
  assert set(marks.ravel()) == {0, 1}  # the gold, with an article or not
  np.testing.assert_array_equal(
    parts['answers'], marks[keys.episode, keys.trajectory]
  )
  # What is said and not shown is made up.
  assert 0 < parts['content'][answered].mean() < 1
  rows, found = assemble.to_rows(rollout.samples, config)
  assert found['answerer/rows'] == 32 and found['writer/rows'] == 7 * 8
  assert found['answerer/answers'] == pytest.approx(marks.mean())
  pull = (rows.advantages[..., 0] * rows.response_mask.sum(-1)).sum()
  loss = found['writer/loss'] + found['answerer/loss']
  assert loss == pytest.approx(-pull / rows.response_mask.sum(), abs=1e-6)
  assert found['writer/advantage'] > 0.1 and found['answerer/advantage'] > 0.1


def brevity(turns, outcomes, config):
  """A reward part of nobody's: calls that were not made."""
  return np.array([1 / (1 + len(o.ops)) for o in outcomes], np.float32)


def against_zero(rewards, keys, config):
  """An estimator of nobody's: no baseline at all."""
  return np.nan_to_num(rewards) * config.std_floor


def test_a_step_with_a_part_and_an_estimator_from_outside(world, monkeypatch):
  monkeypatch.setitem(parts_lib.PARTS, 'brevity', brevity)
  monkeypatch.setitem(advantages.ESTIMATORS, 'against_zero', against_zero)
  config = world.config.copy_and_resolve_references()
  with config.unlocked():
    config.reward.brevity, config.rl.advantage = 0.5, 'against_zero'
  advantages.check(config.rl)
  parts_lib.check(parts_lib.PARTS, config.reward)
  setup = scripted(
    world.train_setup, random_call(world.train_setup.tokenizer)
  )._replace(config=config)
  experiment = world._replace(config=config, train_setup=setup)
  tx = optax.sgd(1.0)
  train = steps(
    experiment, read_then_ask, tx, build_lib.init_params(experiment)
  )
  next(train)
  rollout, rows, credit = train.send((empty_starts(), episodes_of(2, 1, 2, 2)))
  samples = rollout.samples
  wrote = samples.keys.role == 0
  found, weights = samples.parts, config.reward
  wanted = sum(weights[k] * found[k][wrote] for k in parts_lib.PARTS)
  np.testing.assert_allclose(samples.reward[wrote], wanted, rtol=1e-5)
  assert rollout.metrics['reward/brevity'] == found['brevity'][wrote].mean()
  spread = rows.advantages[..., 0].sum() / config.rl.std_floor
  assert spread == pytest.approx(samples.reward.sum(), rel=1e-4)
  with config.unlocked():
    del config.reward.brevity
  with pytest.raises(ValueError, match='reward.brevity'):
    parts_lib.check(parts_lib.PARTS, config.reward)
