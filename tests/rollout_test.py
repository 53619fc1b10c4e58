"""Collecting: what was sampled is what is trained, wherever it stands."""

import dataclasses
import itertools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny_config

from mem_alpha_jax import experiment as experiment_lib
from mem_alpha_jax import train, warm_start
from mem_alpha_jax.data import pipeline, synthetic
from mem_alpha_jax.memory import slots as slots_lib
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.rl import update as update_lib
from mem_alpha_jax.rollout import assemble, collector
from mem_alpha_jax.sampling import buckets as buckets_lib
from mem_alpha_jax.sampling import sampler

# Prompts are as wide as what they show: with an empty memory they fit the
# first bucket, with two long entries they need the second.
VARIABLE = (
  'memory.fixed_width=False,memory.view=newest,memory.slots=64,'
  'rollout.prefix_buckets=40;80,rl.drop_degenerate=False,'
)
TRAJECTORY = (
  'rollout.groups=trajectory,reward.when=end,rl.group_by=trajectory,'
)
NARROW, WIDE = 40, 80
G = tiny_config.FIELDS['rollout.group_size']
GROUPS = pytest.mark.parametrize('groups', ['state', 'trajectory'])


class World(NamedTuple):
  """A policy that knows the syntax of calls, and where it may collect."""

  folder: str
  params: Any
  experiments: dict[str, experiment_lib.Experiment]

  def setup(self, groups: str) -> collector.Setup:
    return self.experiments[groups].train_setup

  @property
  def tokenizer(self):
    return self.setup('state').tokenizer


@pytest.fixture(scope='module')
def world(tmp_path_factory) -> World:
  folder = str(tmp_path_factory.mktemp('rollout'))

  def build(arg):
    return experiment_lib.build(tiny_config.get_config(arg), folder)

  plain = build('')
  params = warm_start.train(
    plain.train_setup,
    plain.policy,
    experiment_lib.init_params(plain),
    iter(pipeline.make_dataset(plain.config, 'train')),
  )
  experiments = {'state': VARIABLE, 'trajectory': VARIABLE + TRAJECTORY}
  return World(
    folder, params, {name: build(arg) for name, arg in experiments.items()}
  )


def episodes_of(*lengths):
  return [
    synthetic.episode(synthetic.WorldConfig(), 'train', uid, length, seed=7)
    for uid, length in enumerate(lengths, 11)
  ]


def empty_starts():
  return [collector.empty_start()] * 4


def full_start(tokenizer) -> collector.Start:
  """A memory of two entries, each as long as an entry may be."""
  state, limits = state_lib.empty(), state_lib.Limits(0, 12, 64)
  for letters in ('abcdefghijkl', 'mnopqrstuvwx'):
    count = max(
      n for n in range(13) if tokenizer.count(' '.join(letters[:n])) <= 12
    )
    op = state_lib.Op('insert', 'semantic', ' '.join(letters[:count]))
    state, result = state_lib.apply(state, op, limits, tokenizer.count, 0)
    assert result.ok
  return collector.Start(state_lib.without_log(state), 60, 1, {})


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


def places(grid, groups):
  """(row, column) of RolloutRows -> (b, g, t) of every sample."""
  b, g, t = grid.valid.shape
  found, row = {}, -1
  order = (0, 2, 1) if groups == 'state' else (0, 1, 2)
  last = None
  for at in itertools.product(*(range((b, g, t)[axis]) for axis in order)):
    place = tuple(at[order.index(axis)] for axis in range(3))
    if not grid.valid[place]:
      continue
    group = (place[0], place[2]) if groups == 'state' else place
    row += group != last
    last = group
    found[row, place[1] if groups == 'state' else 0] = place
  return found


@GROUPS
def test_trained_ids_are_the_sampled_ids(world, groups):
  setup, calls = recorded(world.setup(groups))
  starts = [full_start(world.tokenizer), *empty_starts()[1:]]
  rollout = collector.collect(
    setup, world.params, episodes_of(3, 2, 3, 1), starts, step=3
  )
  rows, _ = assemble.to_rows(rollout.grid, setup.config)
  found = places(rollout.grid, groups)
  assert len(found) == rows.row_weight.size == 9 * G
  ends = 0
  for (row, column), (b, g, t) in found.items():
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
  return update_lib.make_logps_fn(world.experiments['state'].policy, 1.0)


@GROUPS
@pytest.mark.parametrize('width', [NARROW, WIDE])
def test_sampler_and_trainer_agree_in_every_bucket(
  world, logps, groups, width
):
  setup = world.setup(groups)
  start = full_start(world.tokenizer)
  starts = empty_starts() if width == NARROW else [start] * 4
  rollout = collector.collect(
    setup, world.params, episodes_of(1, 1, 1, 1), starts, step=0
  )
  rows, _ = assemble.to_rows(rollout.grid, setup.config)
  assert rows.prefix.shape[1] == width
  found = np.asarray(logps(world.params, rows))
  mask = rows.response_mask
  np.testing.assert_allclose(found[mask], rows.rollout_logps[mask], atol=1e-4)
  if width == NARROW:  # sampled in one bucket, trained in the other
    wider = np.pad(rows.prefix, ((0, 0), (0, WIDE - NARROW)))
    found = np.asarray(logps(world.params, rows.replace(prefix=wider)))
    np.testing.assert_allclose(
      found[mask], rows.rollout_logps[mask], atol=1e-4
    )


@GROUPS
def test_samples_do_not_depend_on_the_place_in_the_batch(world, groups):
  setup = world.setup(groups)
  episodes = episodes_of(3, 2, 3, 3)
  start = full_start(world.tokenizer)
  starts = [start, *empty_starts()[:2], start]
  order = [2, 0, 3, 1]
  grids = [
    collector.collect(
      setup, world.params, [episodes[i] for i in some],
      [starts[i] for i in some], step=5,
    ).grid
    for some in (range(4), order)
  ]  # fmt: skip
  for name in ('response', 'mask', 'prefix', 'forced', 'parts'):
    first, second = (getattr(grid, name) for grid in grids)
    live = grids[1].valid
    np.testing.assert_allclose(
      first[order][live], second[live], rtol=1e-6, err_msg=name
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
  for name in ('prefix', 'prefix_length', 'own', 'response', 'mask', 'forced'):
    np.testing.assert_array_equal(
      getattr(first.grid, name), getattr(second.grid, name), err_msg=name
    )
  assert [e.state for e in first.ends] == [e.state for e in second.ends]


@GROUPS
def test_failed_reading_is_missing_and_not_zero(world, groups):
  setup = world.setup(groups)._replace(reader=lambda *_: None)
  collect = lambda setup: collector.collect(
    scripted(setup, random_call(world.tokenizer)), None,
    episodes_of(3, 3, 2, 3), empty_starts(), 0,
  )  # fmt: skip
  with np.errstate(all='ignore'):
    rollout = collect(setup)
  grid = rollout.grid
  failed = np.isnan(grid.parts[..., 0]) & grid.valid
  assert failed.any()
  assert rollout.metrics['rollout/failed_readings'] == pytest.approx(
    failed.sum() / grid.valid.sum()
  )
  rows, credit = assemble.to_rows(grid, setup.config)
  assert credit['rl/missing_rewards'] == pytest.approx(
    failed.sum() / grid.valid.sum()
  )
  for (row, column), place in places(grid, groups).items():
    assert (rows.row_weight[row, column] == 0) == failed[place]
    assert not (failed[place] and rows.advantages[row, column].any())
  # One question that fails leaves the others of the step as they were.
  some = lambda question, *rest: (
    None if 'where' in question.lower() else world.setup(groups).reader(
      question, *rest
    )
  )
  partly = collect(setup._replace(reader=some)).grid
  whole = collect(world.setup(groups)).grid
  assert np.isnan(partly.parts[..., 0]).sum() < failed.sum() + (~grid.valid).sum()
  np.testing.assert_array_equal(partly.parts[..., 1], whole.parts[..., 1])


@GROUPS
def test_garbage_is_counted_and_never_fatal(world, groups):
  tokenizer, setup = world.tokenizer, world.setup(groups)
  symbols = [tokenizer.symbol(name) for name in ('<ins>', '<upd>', '<sem>')]

  def say(rng, g):
    ids = rng.integers(0, tokenizer.vocab_size, rng.integers(1, 20))
    return np.where(rng.random(len(ids)) < 0.2, rng.choice(symbols), ids)

  rollout = collector.collect(
    scripted(setup, say), None, episodes_of(3, 3, 2, 3), empty_starts(), 0
  )
  assert 0 <= rollout.metrics['rollout/valid_calls'] < 0.5
  calls = rollout.grid.parts[..., collector.PARTS.index('calls')]
  assert ((calls >= 0) & (calls <= 1))[rollout.grid.valid].all()
  rows, credit = assemble.to_rows(rollout.grid, setup.config)
  assert np.isfinite(rows.advantages).all()
  assert credit['rl/missing_rewards'] == 0
  memory = setup.config.memory
  for end in rollout.ends:
    cap = memory.cap_base + memory.cap_rate * end.read
    assert state_lib.token_length(end.state) <= cap


def test_forced_samples_begin_as_told_and_are_never_carried_out(world):
  setup = world.setup('state')
  count = setup.config.rollout.forced
  assert count
  collect = lambda setup: collector.collect(
    setup, world.params, episodes_of(3, 3, 3, 3), empty_starts(), 2
  )
  grid = collect(setup).grid
  told = grid.forced >= 0
  begun = grid.response[..., : told.shape[-1]]
  assert told[:, :count].any(-1).all() and not told[:, count:].any()
  assert (begun == grid.forced)[told].all()

  def say(rng, g):
    text = '<ins><sem> forced' if g < count else '<ins><sem> free'
    text += f' {"abcdefgh"[rng.integers(8)]}'
    return [*world.tokenizer.encode(text), world.tokenizer.eos_id]

  for end in collect(scripted(setup, say)).ends:
    texts = [entry.text for entry in state_lib.entries(end.state)]
    assert texts and all(text.startswith('free') for text in texts)


@GROUPS
def test_the_slot_arrays_follow_the_memories(world, groups):
  setup = scripted(world.setup(groups), random_call(world.tokenizer))
  copies = 1 if groups == 'state' else G
  start = full_start(world.tokenizer)
  batch = collector.Batch(
    setup, episodes_of(3, 2, 3, 3), [start, *empty_starts()[1:]], copies,
    G // copies, 0,
  )  # fmt: skip
  memory = setup.config.memory
  for t in range(3):
    batch.advance(None, t)
    built = slots_lib.from_states(
      batch.memories.states, memory.slots, memory.slot_terms
    )
    assert built.valid.any()
    for field in dataclasses.fields(built):
      np.testing.assert_array_equal(
        getattr(batch.memories.bank, field.name), getattr(built, field.name),
        err_msg=field.name,
      )  # fmt: skip
  ends = batch.finish().ends
  for i, end in enumerate(ends):
    kept = state_lib.without_log(batch.memories.states[i * copies])
    assert end.state == kept
    packed = train._unpack(train._pack(end))
    assert packed == end


def test_streams_go_on_with_their_own_memory_for_a_while(world):
  config = world.setup('state').config
  limit = config.rollout.chain
  starts, chains = empty_starts() * 16, []
  for step in range(40):
    ends = [s._replace(chain=s.chain + 1, read=step * 64 + i)
            for i, s in enumerate(starts)]
    starts = collector.next_starts(ends, config, step)
    for i, start in enumerate(starts):
      assert start.chain == 0 or start.read == step * 64 + i
      chains.append(start.chain)
  assert set(chains) == set(range(limit + 1))
  kept = sum(c > 0 for c in chains) / sum(0 <= c <= limit for c in chains)
  # A stream of share p is kept k times with probability p^k, at most
  # `limit` times: mean share of steps that go on.
  p = config.rollout.own_memory
  lives = sum(p**k for k in range(limit + 1))
  assert kept == pytest.approx(1 - 1 / lives, abs=0.04)
  never = config.copy_and_resolve_references()
  with never.unlocked():
    never.rollout.own_memory = 0.0
  assert collector.next_starts(ends, never, 0) == empty_starts() * 16


def make_grid(lengths, groups=3, chunks=4, width=5, seed=0):
  """A grid of random numbers; episode b has lengths[b] chunks."""
  rng = np.random.default_rng(seed)
  shape = (len(lengths), groups, chunks)
  draw = lambda *more: rng.integers(3, 9, (*shape, *more)).astype(np.int32)
  mask = np.arange(width) < rng.integers(1, width + 1, shape)[..., None]
  valid = np.arange(chunks) < np.array(lengths)[:, None, None]
  forced = np.full((*shape, 2), -1, np.int32)
  forced[:, 0] = 5
  return collector.Grid(
    prefix=draw(6), prefix_length=draw(), own=draw(1),
    own_length=np.ones(shape, np.int32), response=draw(width), mask=mask,
    logps=np.where(mask, -rng.random(mask.shape), 0).astype(np.float32),
    forced=forced, parts=rng.random((*shape, 4)).astype(np.float32),
    valid=np.broadcast_to(valid, shape),
  )  # fmt: skip


@pytest.mark.parametrize(
  ('arg', 'pooled'),
  [
    ('', lambda b, g, t: (b, t)),
    (TRAJECTORY, lambda b, g, t: b),
    (TRAJECTORY + 'rl.group_by=episode', lambda b, g, t: b),
  ],
)
def test_advantages_are_taken_by_group_and_spread_over_tokens(arg, pooled):
  config = tiny_config.get_config(f'{arg},rl.drop_degenerate=False')
  grid = make_grid((4, 2))
  grid.parts[0, 1, 2, 0] = np.nan
  weights = [config.reward[name] for name in collector.PARTS]
  reward = (grid.parts * np.float32(weights)).sum(-1)
  counted = grid.valid & ~np.isnan(reward)
  places_ = [tuple(place) for place in np.argwhere(counted)]
  if config.rl.group_by == 'trajectory':  # means over chunks come first
    for b, g in np.ndindex(*reward.shape[:2]):
      reward[b, g] = np.mean(reward[b, g][counted[b, g]])
  members = {}
  for place in places_:
    key = pooled(*place)
    one = members.setdefault(key, {})
    by = place[1] if config.rl.group_by == 'trajectory' else place
    one[by] = reward[place]
  groups = 'trajectory' if arg else 'state'
  rows, credit = assemble.to_rows(grid, config)
  found = places(grid, groups)
  assert rows.row_weight.size == len(found) == grid.valid.sum()
  for (row, column), place in found.items():
    mask = rows.response_mask[row, column]
    got = rows.advantages[row, column]
    if not counted[place]:
      assert rows.row_weight[row, column] == 0 and not got.any()
      continue
    some = np.array(list(members[pooled(*place)].values()))
    wanted = (reward[place] - some.mean()) / max(
      some.std(), config.rl.std_floor
    )
    np.testing.assert_allclose(got[mask], wanted, rtol=2e-4, atol=1e-5)
    assert not got[~mask].any()
    # Only a forced sample that failed is weighed down.
    likely = np.exp(grid.logps[place][:2].sum()) if wanted < 0 else 1.0
    weight = likely if place[1] == 0 else 1.0
    assert rows.row_weight[row, column] == pytest.approx(weight, rel=1e-5)
  assert credit['rl/missing_rewards'] == pytest.approx(1 / grid.valid.sum())


def test_groups_of_equal_rewards_are_left_out():
  config = tiny_config.get_config('rl.drop_degenerate=True')
  grid = make_grid((4, 2))
  grid.parts[0, :, 1] = 0.5
  rows, credit = assemble.to_rows(grid, config)
  assert rows.row_weight.shape == (5, 3)
  assert credit['rl/degenerate_groups'] == pytest.approx(1 / 6)
  grid.parts[:] = 0.5  # nothing to learn from: one batch is still made
  rows, _ = assemble.to_rows(grid, config)
  assert len(rows.row_weight) and not rows.advantages.any()


def test_values_of_steps_find_their_places():
  config = tiny_config.get_config(
    TRAJECTORY + 'rl.advantage=gae,model.value_head=True'
  )
  grid = make_grid((4, 2))
  value_of = lambda rows: rows.prefix[:, :1, None] / 10 + rows.own / 100
  rows, _ = assemble.to_rows(
    grid, config, lambda rows: value_of(rows).repeat(5, -1)
  )
  reward = assemble.rewards(grid, config)
  for (row, _), (b, g, t) in places(grid, 'trajectory').items():
    wanted = carry = 0.0
    for s in reversed(range(t, (4, 2)[b])):
      value = grid.prefix[b, g, s, 0] / 10 + grid.own[b, g, s, 0] / 100
      after = 0.0
      if s + 1 < (4, 2)[b]:
        after = grid.prefix[b, g, s + 1, 0] / 10
        after += grid.own[b, g, s + 1, 0] / 100
      delta = reward[b, g, s] + config.rl.gamma * after - value
      carry = delta + config.rl.gamma * config.rl.lam * carry
      wanted = carry
    first = rows.advantages[row, 0, 0]
    assert first == pytest.approx(wanted, rel=1e-4, abs=1e-5)
    assert rows.old_values[row, 0, 0] == pytest.approx(value, rel=1e-5)
    assert rows.returns[row, 0, 0] == pytest.approx(wanted + value, rel=1e-4)
    assert not rows.returns[row, 0, 1:].any()


def test_nothing_compiles_after_a_pass_over_the_buckets(world):
  setup, calls = recorded(world.setup('state'))
  experiment = world.experiments['state']._replace(train_setup=setup)
  run = train.Run(experiment, world.folder, train.Clock())
  run.open_writer()
  # A copy: the update donates the state.
  run.state = run.state.replace(params=jax.tree.map(jnp.copy, world.params))
  full = [full_start(world.tokenizer)] * 4

  def advance(lengths, starts=None):
    run.loader = iter([episodes_of(*lengths)])
    run.starts = run.starts if starts is None else starts
    calls.clear()
    run.advance()
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
  ):
    widths |= advance(lengths, starts)
    assert buckets_lib.compile_count() == compiled, lengths
  assert widths == {NARROW, WIDE}
