"""Collecting: what was sampled is what is trained, wherever it stands."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny_config
from small_rollouts import (
  ARGS,
  NARROW,
  WIDE,
  G,
  empty_starts,
  episodes_of,
  full_start,
  places,
  random_call,
  recorded,
  scripted,
)

from configs import tiny_paper
from mem_alpha_jax import train
from mem_alpha_jax.config import validate as validate_lib
from mem_alpha_jax.config.fields import FIELDS
from mem_alpha_jax.credit import advantages, forks
from mem_alpha_jax.data import pipeline, synthetic
from mem_alpha_jax.memory import execution
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.report import metrics
from mem_alpha_jax.reward import gold as gold_lib
from mem_alpha_jax.rl import update as update_lib
from mem_alpha_jax.rollout import assemble, collector, trees, warm_start
from mem_alpha_jax.rollout import starts as starts_lib
from mem_alpha_jax.run import build as build_lib
from mem_alpha_jax.run import learning, parameters, progress
from mem_alpha_jax.sampling import buckets as buckets_lib

GROUPS = pytest.mark.parametrize('groups', ['state', 'trajectory'])


class World(NamedTuple):
  """A policy that knows the syntax of calls, and where it may collect."""

  folder: str
  params: Any
  experiments: dict[str, build_lib.Experiment]

  def setup(self, groups: str) -> collector.Setup:
    return self.experiments[groups].train_setup

  @property
  def tokenizer(self):
    return self.setup('state').tokenizer


@pytest.fixture(scope='module')
def world(tmp_path_factory) -> World:
  folder = str(tmp_path_factory.mktemp('rollout'))

  def build(arg):
    return build_lib.build(tiny_config.get_config(arg), folder)

  plain = build('')
  setup, episodes = plain.train_setup, pipeline.make_dataset
  shown = warm_start.batches(setup, iter(episodes(plain.config, 'train')))
  params = build_lib.init_params(plain)
  params = warm_start.train(setup, plain.policy, params, shown)
  return World(folder, params, {k: build(arg) for k, arg in ARGS.items()})


@GROUPS
def test_trained_ids_are_the_sampled_ids(world, groups):
  setup, calls = recorded(world.setup(groups))
  starts = [full_start(world.tokenizer), *empty_starts()[1:]]
  rollout = collector.collect(
    setup, world.params, episodes_of(3, 2, 3, 1), starts, step=3
  )
  rows, _ = assemble.to_rows(rollout.samples, setup.config)
  found = places(rollout.samples, groups)
  assert len(found) == rows.row_weight.size == 9 * G
  ends = 0
  keys = rollout.samples.keys
  for (row, column), n in found.items():
    b, g, t = keys.episode[n], keys.trajectory[n], keys.turn[n]
    inputs, samples = calls[t]
    at = (b, g) if groups == 'state' else (b * G + g, 0)
    sampled = samples.tokens[at][samples.mask[at]]
    mask = rows.response_mask[row, column]
    trained = rows.response[row, column][mask]
    assert trained.tolist() == sampled.tolist()
    assert mask[: mask.sum()].all()  # no hole
    logps = rows.rollout_logps[row, column]
    assert logps[mask].tolist() == samples.logps[at][samples.mask[at]].tolist()
    assert not logps[~mask].any()
    # A response ends with its end symbol, or where the bucket does.
    eos = trained == world.tokenizer.eos_id
    assert not eos[:-1].any() and (eos[-1] or mask.all())
    ends += eos[-1]
    prefix, prefix_length, own, own_length = inputs[:4]
    length = prefix_length[at[0]]
    assert rows.prefix_length[row] == length
    assert (rows.prefix[row, :length] == prefix[at[0], :length]).all()
    length = own_length[at]
    assert rows.own_length[row, column] == length
    assert (rows.own[row, column, :length] == own[at][:length]).all()
  assert ends


@pytest.fixture(scope='module')
def logps(world):
  """One compiled function for both groupings."""
  policy = world.experiments['state'].policy
  return update_lib.make_forward_fn(policy, update_lib.LOGPS)


@pytest.mark.parametrize(
  ('groups', 'width'),
  [('state', NARROW), ('state', WIDE), ('trajectory', WIDE)],
)
def test_sampler_and_trainer_agree_in_every_bucket(world, logps, groups, width):
  setup = world.setup(groups)
  start = full_start(world.tokenizer)
  starts = empty_starts() if width == NARROW else [start] * 4
  rollout = collector.collect(
    setup, world.params, episodes_of(1, 1, 1, 1), starts, step=0
  )
  rows, _ = assemble.to_rows(rollout.samples, setup.config)
  assert rows.prefix.shape[1] == width
  found = np.asarray(logps(world.params, rows))
  mask = rows.response_mask
  np.testing.assert_allclose(found[mask], rows.rollout_logps[mask], atol=1e-4)
  if width == NARROW:  # sampled in one bucket, trained in the other
    wider = np.pad(rows.prefix, ((0, 0), (0, WIDE - NARROW)))
    found = np.asarray(logps(world.params, rows.replace(prefix=wider)))
    np.testing.assert_allclose(found[mask], rows.rollout_logps[mask], atol=1e-4)


@GROUPS
def test_samples_do_not_depend_on_the_place_in_the_batch(world, groups):
  setup = world.setup(groups)
  episodes = episodes_of(3, 2, 3, 3)
  start = full_start(world.tokenizer)
  starts = [start, *empty_starts()[:2], start]
  order = [2, 0, 3, 1]
  first, second = (
    collector.collect(
      setup, world.params, [episodes[i] for i in some],
      [starts[i] for i in some], step=5,
    ).samples
    for some in (range(4), order)
  )  # fmt: skip
  rows = np.concatenate(
    [np.flatnonzero(first.keys.episode == i) for i in order]
  )
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a[rows], b, rtol=1e-6),
    first._replace(keys=first.keys.turn),
    second._replace(keys=second.keys.turn),
  )


@GROUPS
def test_questions_never_reach_the_writer(world, groups):
  setup = world.setup(groups)
  episodes = episodes_of(3, 3, 2, 3)
  others = [
    e._replace(
      questions=tuple(
        q._replace(text=f'Who told {i} so?', answer='nobody')
        for i, q in enumerate(e.questions)
      )
    )
    for e in episodes
  ]
  first, second = (
    collector.collect(setup, world.params, some, empty_starts(), step=1)
    for some in (episodes, others)
  )
  for name in ('prompts', 'response', 'mask', 'forced', 'counts'):
    jax.tree.map(
      np.testing.assert_array_equal,
      getattr(first.samples, name),
      getattr(second.samples, name),
    )
  assert [e.state for e in first.ends] == [e.state for e in second.ends]


def test_forced_samples_begin_as_told_and_are_never_carried_out(world):
  setup = world.setup('state')
  count = setup.config.rollout.forced
  assert count
  collect = lambda setup: collector.collect(
    setup, world.params, episodes_of(3, 3, 3, 3), empty_starts(), 2
  )
  samples = collect(setup).samples
  forced, g = samples.forced.tokens, samples.keys.trajectory
  told = forced >= 0
  begun = samples.response[:, : told.shape[-1]]
  assert told[g < count].any(-1).all() and not told[g >= count].any()
  assert (begun == forced)[told].all()

  def say(rng, g):
    text = '<ins><sem> forced' if g < count else '<ins><sem> free'
    text += f' {"abcdefgh"[rng.integers(8)]}'
    return [*world.tokenizer.encode(text), world.tokenizer.eos_id]

  for end in collect(scripted(setup, say)).ends:
    texts = [entry.text for entry in state_lib.entries(end.state)]
    assert texts and all(text.startswith('free') for text in texts)


@pytest.mark.slow
def test_rerolls_are_further_rows_and_change_no_trajectory(world):
  setup = world.setup('trajectory')
  config = setup.config.copy_and_resolve_references()
  config.rollout.rerolls = 2
  plain, rollout = (
    collector.collect(
      some, world.params, episodes_of(3, 2, 3, 1), empty_starts(), 5
    )
    for some in (setup, setup._replace(config=config))
  )
  first, samples = plain.samples, rollout.samples
  count = len(first.reward)
  # Two of four episodes at each of three turns.
  assert len(samples.reward) == count + 3 * 2 * 2
  jax.tree.map(
    lambda a, b: np.testing.assert_array_equal(a, b[:count]), first, samples
  )
  assert plain.ends == rollout.ends and plain.metrics == rollout.metrics
  keys = jax.tree.map(lambda x: x[count:], samples.keys)
  assert sorted(keys.trajectory) == [-2] * 6 + [-1] * 6
  anchors = [first.keys.state.tolist().index(state) for state in keys.state]
  for name in ('episode', 'turn', 'parent', 'role'):
    wanted = getattr(first.keys, name)[anchors]
    np.testing.assert_array_equal(getattr(keys, name), wanted)
  jax.tree.map(
    lambda x: np.testing.assert_array_equal(x[count:], x[anchors]),
    samples.prompts,
  )
  assert (
    len({*zip(keys.episode.tolist(), keys.turn.tolist(), strict=True)}) == 6
  )
  assert not np.isnan(samples.reward[count:]).any()
  # To the bit, trajectories learn what they learn without.
  rows, credit = assemble.to_rows(first, setup.config)
  more, told = assemble.to_rows(samples, config)
  np.testing.assert_array_equal(rows.advantages, more.advantages[:count])
  np.testing.assert_array_equal(rows.row_weight, more.row_weight[:count])
  assert credit['reward/total'] == told['reward/total']


def test_trajectories_share_what_they_do_until_they_branch(world):
  said = random_call(world.tokenizer)
  setup, calls = recorded(scripted(world.setup('trajectory'), said))
  config = setup.config.copy_and_resolve_references()
  config.rollout.forks, config.rl.advantage = (1,), 'siblings'
  config.rollout.forced = 0  # they would weigh less where they fail
  setup = setup._replace(config=config)
  rollout = collector.collect(
    setup, world.params, episodes_of(3, 2, 3, 1), empty_starts(), 5
  )
  # Two memories of each episode at turn 0, four from there on.
  assert [inputs[0].shape[0] for inputs, _ in calls] == [8, 16, 16]
  samples, keys = rollout.samples, rollout.samples.keys
  count = np.zeros((4, 3), int)
  np.add.at(count, (keys.episode, keys.turn), 1)
  assert count.tolist() == [[2, 4, 4], [2, 4, 0], [2, 4, 4], [2, 0, 0]]
  assert set(keys.trajectory[keys.turn == 0]) == {0, 2}
  for row in np.flatnonzero(keys.turn):
    above = keys.parent[row]
    assert keys.episode[above] == keys.episode[row]
    assert keys.turn[above] == keys.turn[row] - 1
    share = 2 if keys.turn[row] == 1 else 1
    assert keys.trajectory[above] == keys.trajectory[row] // share * share
  assert (keys.parent[keys.turn == 0] == -1).all()
  # A row is worth the mean of its leaves, each the mean of a trajectory.
  np.testing.assert_allclose(
    forks.values(samples.reward, keys), samples.reward, rtol=1e-5
  )
  assert len({*samples.reward.tolist()}) > 2
  # What all trajectories do weighs as often as they do it.
  rows, _ = assemble.to_rows(samples, config)
  branched = (keys.turn == 0) & (keys.episode < 3)
  np.testing.assert_array_equal(rows.row_weight[:, 0], 1 + branched)


def test_a_tree_that_branches_at_its_root_is_grpo_of_trajectories(world):
  said = random_call(world.tokenizer)
  setup = scripted(world.setup('trajectory'), said)
  samples = collector.collect(
    setup, world.params, episodes_of(3, 2, 3, 1), empty_starts(), 5
  ).samples
  plain, _ = assemble.to_rows(samples, setup.config)
  found = trees.merged(samples, setup.config)
  jax.tree.map(
    np.testing.assert_array_equal,
    samples._replace(reward=None),
    found._replace(reward=None),
  )
  again = forks.siblings(
    found.reward, found.keys, setup.config.rl, advantages.grpo
  )
  np.testing.assert_allclose(plain.advantages[:, 0, 0], again, atol=1e-4)


def test_the_memory_of_an_expert_goes_on_in_its_share_of_the_turns(world):
  config = tiny_config.get_config(f'{ARGS["state"]},rollout.expert=1')
  setup = build_lib.build(config, world.folder).train_setup
  said = random_call(world.tokenizer)

  def collect(share, gold=False):
    with config.unlocked():
      config.rollout.expert, config.reward.gold = share, gold
    rollout = collector.collect(
      scripted(setup, said), None, episodes_of(3, 2, 3, 1), empty_starts(), 5
    )
    return rollout.samples, [start.state for start in rollout.ends]

  other = tiny_config.get_config('data.source=locomo,rollout.expert=1')
  with pytest.raises(ValueError, match='source=locomo has no oracle; use 0'):
    build_lib._expert(other, len)
  samples, ends = collect(1.0)
  assert (samples.keys.parent == -1).all()
  # What the oracle notes, whatever the samples said.
  facts = lambda uid, chunks: {
    note.text
    for chunk in episodes_of(*chunks)[uid].chunks
    for note in synthetic.oracle_notes(chunk)
  }
  for i, end in enumerate(ends):
    notes = {entry.text for entry in state_lib.entries(end)}
    assert notes and notes <= facts(i, (3, 2, 3, 1))
  plain, own = collect(0.0)
  assert (plain.keys.parent[plain.keys.turn > 0] >= 0).all()
  first = samples.keys.turn == 0
  np.testing.assert_array_equal(samples.reward[first], plain.reward[first])
  compared, _ = collect(1.0, gold=True)
  np.testing.assert_array_equal(compared.reward, samples.reward)
  assert compared.parts.keys() - samples.parts.keys() == gold_lib.PARTS.keys()
  marks = [compared.parts[name] for name in gold_lib.PARTS]
  assert 0 <= np.min(marks) < np.max(marks) <= 1  # none is missing
  mixed, _ = collect(0.5)
  kept = mixed.keys.parent[mixed.keys.turn > 0]
  assert {-1} < {*kept.tolist()} and own != ends


class OneBatch:
  """A loader that has one batch."""

  def __init__(self, batch):
    self.batch = batch

  def __next__(self):
    return self.batch

  def get_state(self):
    return {}


def test_trial_the_reference_of_a_fresh_run_is_no_file(world, monkeypatch):
  """Nor is it lost when the first update takes the state's memory."""
  config = tiny_config.get_config('rl.kl_coef=0.1')
  experiment = build_lib.build(config, world.folder)
  tx = learning.create(config, experiment.policy, experiment.mesh).tx
  params = jax.tree.map(jnp.copy, world.params)
  monkeypatch.setattr(progress, '_start', lambda *_: params)
  monkeypatch.setattr(parameters, 'trained_start', None)
  loader = OneBatch([])
  now = progress.begin(experiment, tx, loader, world.folder, 0.0, print)
  jax.tree.map(lambda x: x.delete(), now.state.params)
  jax.tree.map(np.testing.assert_array_equal, now.reference, world.params)
  monkeypatch.undo()
  written = parameters.trained_start(experiment, world.folder)
  jax.tree.map(np.testing.assert_array_equal, written, world.params)


@pytest.mark.slow
def test_trial_gae_computes_its_values_by_one_program(world):
  config = tiny_config.get_config(
    f'{ARGS["trajectory"]},rl.advantage=gae,model.value_head=True,'
    'rl.microbatches=2,rl.kl_coef=0.1,rl.importance_cap=2,'
    'rollout.temperature=0.9,rollout.forced=0'
  )
  experiment = build_lib.build(config, world.folder)
  learner = learning.create(config, experiment.policy, experiment.mesh)
  params = build_lib.init_params(experiment)
  reference = jax.tree.map(jnp.copy, params)
  state = update_lib.init_state(params, learner.tx, experiment.mesh)
  now = progress.Progress(state, {}, empty_starts(), 0, 0.0, reference)
  compiled = []
  for lengths in ((3, 2, 1, 3), (2, 3, 3, 1), (4, 1, 3, 2), (3, 3, 3, 3)):
    now, scalars = train.step(
      experiment, learner, OneBatch(episodes_of(*lengths)), now, metrics.Timer()
    )
    compiled.append(scalars['time/compilations'])
    assert scalars['rl/row_gap_dropped'] == scalars['rl/skipped'] == 0
    assert scalars['rl/row_gap_max'] < 1e-3
    assert scalars['rl/loss_value'] > 0
  assert len(set(compiled[1:])) == 1, compiled
  assert learner.values._cache_size() == learner.logps._cache_size() == 1


@pytest.mark.slow
def test_trial_a_step_of_the_paper_recipe_with_all_its_options(world):
  config = tiny_paper.get_config().unlock()
  sizes = {
    name: value
    for name, value in tiny_config.FIELDS.items()
    if name not in tiny_paper.OTHERWISE and name != 'rollout.forced'
  }
  config.update_from_flattened_dict(sizes)
  config.rollout.rerolls, config.reward.evidence = 2, 0.5
  config.rl.group_by, config.rl.cut_responses = 'chunk', 'mask'
  config.data.horizon, config.data.promote = (2, 3), (1,)
  config.lock()
  validate_lib.validate(config)
  experiment = build_lib.build(config, world.folder)
  learner = learning.create(config, experiment.policy, experiment.mesh)
  params = jax.tree.map(jnp.copy, world.params)
  state = update_lib.init_state(params, learner.tx, experiment.mesh)
  now = progress.Progress(state, {}, empty_starts(), 0, 0.0)
  loader = iter(pipeline.make_dataset(config, 'train'))
  for chunks in config.data.horizon:
    now, scalars = train.step(experiment, learner, loader, now, metrics.Timer())
    assert scalars['rl/skipped'] == 0 and np.isfinite(scalars['rl/loss'])
    # Two of four episodes have two re-rolls a turn beside four trajectories.
    rows = chunks * 4 * (4 + 1)
    assert 0 < scalars['rl/trained_tokens'] <= scalars['rl/sampled_tokens']
    assert rows <= scalars['rl/sampled_tokens'] <= 16 * rows
  moved = jax.tree.map(
    lambda a, b: float(np.abs(a - b).max()), now.state.params, world.params
  )
  assert max(jax.tree.leaves(moved)) > 0


def crowded_start(tokenizer, count: int) -> starts_lib.Start:
  """A memory of so many short entries."""
  state, limits = state_lib.empty(), state_lib.Limits(0, 12, 1024)
  for i in range(count):
    op = state_lib.Op('insert', 'semantic', f'{chr(97 + i % 26)} {i}')
    state, result = execution.apply(state, op, limits, tokenizer.count, 0)
    assert result.ok
  return starts_lib.Start(state_lib.without_log(state), 999, 1, {})


@pytest.mark.slow
def test_trial_nothing_compiles_after_a_pass_over_the_buckets(world):
  setup, calls = recorded(world.setup('state'))
  experiment = world.experiments['state']._replace(train_setup=setup)
  assert experiment.config.memory.slots == FIELDS['memory.slots'].default
  learner = learning.create(
    experiment.config, experiment.policy, experiment.mesh
  )
  # A copy: the update donates the state.
  params = jax.tree.map(jnp.copy, world.params)
  state = update_lib.init_state(params, learner.tx, experiment.mesh)
  now = progress.Progress(state, {}, empty_starts(), 0, 0.0)
  full = [full_start(world.tokenizer)] * 4
  crowded = [crowded_start(world.tokenizer, n) for n in (1, 20, 29, 44)]

  def advance(lengths, starts=None):
    nonlocal now
    now = now._replace(starts=now.starts if starts is None else starts)
    calls.clear()
    now, scalars = train.step(
      experiment, learner, OneBatch(episodes_of(*lengths)), now, metrics.Timer()
    )
    assert scalars['time/compilations'] == buckets_lib.compile_count()
    assert scalars['rollout/slots'] == experiment.config.memory.slots
    return {inputs[0].shape[1] for inputs, _ in calls}

  assert advance((1, 1, 1, 1), empty_starts()) == {NARROW}
  assert advance((3, 2, 1, 3), full) == {WIDE}
  compiled = buckets_lib.compile_count()
  widths = set()
  for lengths, starts in (
    ((2, 3, 1, 3), None),
    ((1, 1, 1, 1), empty_starts()),
    ((4, 1, 3, 2), None),
    ((3, 3, 3, 3), full),
    ((3, 2, 3, 3), crowded),
  ):
    widths |= advance(lengths, starts)
    assert buckets_lib.compile_count() == compiled, lengths
  assert widths == {NARROW, WIDE}
