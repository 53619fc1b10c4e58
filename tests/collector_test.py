"""The collector under samplers that say what they are told to say."""

import collections
import itertools

import jax
import numpy as np
import pytest
import tiny_config
from small_rollouts import (
  ARGS,
  G,
  empty_starts,
  episodes_of,
  full_start,
  places,
  random_call,
  scripted,
)

from mem_alpha_jax.credit import groups
from mem_alpha_jax.memory import batch as batch_lib
from mem_alpha_jax.memory import slots as slots_lib
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.memory import tools
from mem_alpha_jax.recall import embedders
from mem_alpha_jax.roles import registry
from mem_alpha_jax.rollout import (
  assemble,
  collector,
  credit_questions,
  forced_calls,
  grading,
)
from mem_alpha_jax.rollout import samples as samples_lib
from mem_alpha_jax.rollout import starts as starts_lib
from mem_alpha_jax.run import build as build_lib
from mem_alpha_jax.run import progress
from mem_alpha_jax.types import Note, Turn

GROUPS = pytest.mark.parametrize('groups', ['state', 'trajectory'])


@pytest.fixture(scope='module')
def setups(tmp_path_factory) -> dict[str, collector.Setup]:
  folder = str(tmp_path_factory.mktemp('collector'))
  configs = {name: tiny_config.get_config(arg) for name, arg in ARGS.items()}
  return {
    name: build_lib.build(config, folder).train_setup
    for name, config in configs.items()
  }


@GROUPS
def test_failed_reading_is_missing_and_not_zero(setups, groups):
  setup = setups[groups]._replace(
    reader=lambda requests: [None] * len(requests)
  )
  collect = lambda setup: collector.collect(
    scripted(setup, random_call(setups['state'].tokenizer)), None,
    episodes_of(3, 3, 2, 3), empty_starts(), 0,
  )  # fmt: skip
  with np.errstate(all='ignore'):
    rollout = collect(setup)
  samples = rollout.samples
  failed = np.isnan(samples.parts['answers'])
  assert failed.any()
  assert rollout.metrics['rollout/failed_readings'] == failed.mean()
  rows, credit = assemble.to_rows(samples, setup.config)
  assert credit['rl/missing_rewards'] == failed.mean()
  for (row, column), place in places(samples, groups).items():
    assert (rows.row_weight[row, column] == 0) == failed[place]
    assert not (failed[place] and rows.advantages[row, column].any())
  assert rollout.metrics['rollout/missing_answers'] == 1
  # Where a question fails the reward is missing, elsewhere it is what it was.
  some = lambda requests: [
    None if 'where' in request.question.lower() else answer
    for request, answer in zip(
      requests, setups[groups].reader(requests), strict=True
    )
  ]
  partly = collect(setup._replace(reader=some))
  assert 0 < partly.metrics['rollout/missing_answers'] < 1
  whole, some = collect(setups[groups]).samples.parts, partly.samples.parts
  missing = np.isnan(some['answers'])
  assert missing.sum() < failed.sum()
  if groups == 'state':  # at the end, the mean of what was answered counts
    kept = np.where(missing, whole['answers'], some['answers'])
    np.testing.assert_array_equal(kept, whole['answers'])
  np.testing.assert_array_equal(some['calls'], whole['calls'])


@GROUPS
def test_trial_garbage_is_counted_and_never_fatal(setups, groups):
  tokenizer, setup = setups['state'].tokenizer, setups[groups]
  symbols = [tokenizer.symbol(name) for name in ('<ins>', '<upd>', '<sem>')]

  def say(rng, g):
    ids = rng.integers(0, tokenizer.vocab_size, rng.integers(1, 20))
    return np.where(rng.random(len(ids)) < 0.2, rng.choice(symbols), ids)

  rollout = collector.collect(
    scripted(setup, say), None, episodes_of(3, 3, 2, 3), empty_starts(), 0
  )
  assert 0 <= rollout.metrics['rollout/valid_calls'] < 0.5
  counted = rollout.samples.counts.sum(0).tolist()
  sums = dict(zip(samples_lib.count_names(), counted, strict=True))
  kinds = tools.FAILED[: len(tools.FAILURES)]  # the others are of these, too
  wrong = sums['calls'] - sums['valid'] - sums['repeats'] + sums['unread']
  assert sum(map(sums.get, kinds)) == wrong > 0
  share = sums['failed_bad_target'] / (sums['calls'] + sums['unread'])
  assert rollout.metrics['rollout/failed_bad_target'] == share > 0
  assert sums['repaired'] <= sum(sums[f'repaired_{r}'] for r in tools.REPAIRS)
  calls = rollout.samples.parts['calls']
  assert ((calls >= 0) & (calls <= 1)).all()
  rows, credit = assemble.to_rows(rollout.samples, setup.config)
  assert np.isfinite(rows.advantages).all()
  assert credit['rl/missing_rewards'] == 0
  memory = setup.config.memory
  for end in rollout.ends:
    cap = memory.cap_base + memory.cap_rate * end.read
    assert state_lib.token_length(end.state) <= cap


@GROUPS
def test_the_slot_arrays_follow_the_memories(setups, groups, monkeypatch):
  setup = scripted(setups[groups], random_call(setups['state'].tokenizer))
  start = full_start(setups['state'].tokenizer)
  seen, mirror = [], batch_lib.Memories.become

  def mirrored(memories, *args):
    mirror(memories, *args)
    slots, width = memories.bank.term_ids.shape[1:]
    built = slots_lib.from_states(memories.states, slots, width)
    assert built.valid.any()
    jax.tree.map(np.testing.assert_array_equal, memories.bank, built)
    seen.append(list(memories.states))

  monkeypatch.setattr(batch_lib.Memories, 'become', mirrored)
  ends = collector.collect(
    setup, None, episodes_of(3, 2, 3, 3), [start, *empty_starts()[1:]], 0
  ).ends
  assert len(seen) == 3
  copies = len(seen[0]) // len(ends)
  for i, end in enumerate(ends):
    assert end.state == state_lib.without_log(seen[-1][i * copies])
    assert progress._unpack(progress._pack(end)) == end


@GROUPS
def test_keys_name_the_memory_a_row_saw_and_the_row_it_came_from(
  setups, groups
):
  setup = scripted(setups[groups], random_call(setups['state'].tokenizer))
  keys = collector.collect(
    setup, None, episodes_of(3, 1, 2, 3), empty_starts(), 0
  ).samples.keys
  rows = list(zip(keys.episode, keys.trajectory, keys.turn, strict=True))
  assert rows == sorted(rows) and len(rows) == 9 * G
  for row, parent in enumerate(keys.parent):
    assert (parent < 0) == (keys.turn[row] == 0)
    if parent >= 0:
      assert keys.turn[parent] == keys.turn[row] - 1
      assert keys.episode[parent] == keys.episode[row]
    if parent >= 0 and groups == 'trajectory':
      assert keys.trajectory[parent] == keys.trajectory[row]
  # One memory, one parent: of the free samples where some are forced.
  memories = dict(zip(keys.state, keys.parent, strict=True))
  seen = zip(keys.state, keys.parent, strict=True)
  assert all(memories[state] == parent for state, parent in seen)
  assert len(memories) == (9 if groups == 'state' else 9 * G)
  free = keys.trajectory[keys.parent[keys.parent >= 0]]
  assert groups == 'trajectory' or free.min() >= setup.config.rollout.forced


@GROUPS
def test_as_many_samples_of_a_turn_are_forced_as_the_config_says(
  setups, groups
):
  setup = scripted(setups[groups], random_call(setups['state'].tokenizer))
  samples = collector.collect(
    setup, None, episodes_of(3, 1, 2, 3), empty_starts(), 0
  ).samples
  explored = (samples.forced.tokens != forced_calls.FREE).any(-1)
  turns = list(zip(samples.keys.episode, samples.keys.turn, strict=True))
  forced = collections.Counter(itertools.compress(turns, explored))
  assert len(forced) == 9
  assert set(forced.values()) == {setup.config.rollout.forced}
  which = collections.Counter(samples.keys.trajectory[explored].tolist())
  # The first samples of a state; of trajectories others at every turn.
  alone = groups == 'trajectory'
  assert (len(which) > setup.config.rollout.forced) == alone


def test_one_call_embeds_what_a_step_writes_and_one_what_it_asks(setups):
  calls = []

  def embed(texts):
    calls.append(set(texts))
    return embedders.hashed(texts, 8)

  setup = scripted(setups['state'], random_call(setups['state'].tokenizer))
  config = setup.config.copy_and_resolve_references()
  config.reading.retrieval = 'rrf'
  config.memory.embedder, config.memory.embedding_size = 'hashed', 8
  bind = lambda params: embedders.cached(embed, 8)
  collector.collect(
    setup._replace(config=config, embed=bind), None, episodes_of(3, 3, 2, 3),
    [full_start(setup.tokenizer), *empty_starts()[1:]], 0,
  )  # fmt: skip
  # At the start the entries; then at each chunk; last, the ends' questions.
  assert 1 + 3 <= len(calls) <= 1 + 2 * 3 + 1
  assert len(set.union(*calls)) == sum(map(len, calls))  # none twice


@GROUPS
def test_trial_a_judge_gives_the_content_part(setups, groups):
  tokenizer, asked = setups['state'].tokenizer, []

  def judge(notes):
    asked.append(list(notes))
    return [[True, False, None][len(n.text) % 3] for n in notes]

  setup = scripted(setups[groups], random_call(tokenizer))
  collect = lambda s: collector.collect(
    s, None, episodes_of(3, 3, 2, 3), empty_starts(), 0
  )
  plain, judged = collect(setup), collect(setup._replace(content_judge=judge))
  assert len(asked) <= 3 and all(asked)  # one call a chunk
  assert all(len(set(notes)) == len(notes) for notes in asked)
  before, after = (x.samples.parts['content'] for x in (plain, judged))
  known = ~np.isnan(after)
  assert not known.all() and (after[known] != before[known]).any()
  assert set(np.unique(after[known])) <= {0.0, 1.0}  # one call each
  # Such rewards are missing, not zero, and are told as missing answers are.
  assert judged.metrics['rollout/missing_verdicts'] > 0
  rows, credit = assemble.to_rows(judged.samples, setup.config)
  assert credit['rl/missing_rewards'] > 0
  assert np.isfinite(rows.advantages).all()


def test_streams_go_on_with_their_own_memory_for_a_while(setups):
  config = setups['state'].config
  limit = config.rollout.chain
  starts, chains = empty_starts() * 16, []
  for step in range(40):
    ends = [
      s._replace(chain=s.chain + 1, read=step * 64 + i)
      for i, s in enumerate(starts)
    ]
    starts = starts_lib.next_starts(ends, config, step)
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
  assert starts_lib.next_starts(ends, never, 0) == empty_starts() * 16


def test_an_episode_with_a_memory_of_its_own_begins_with_it(setups):
  count = setups['state'].tokenizer.count
  episodes = episodes_of(2, 2)
  note = Note('semantic', 'Ana job baker', 0)
  episodes[1] = episodes[1]._replace(start=(note, note._replace(text='it')))
  old = starts_lib.Start(state_lib.empty(), 9, 3, {'q': None}, 5)
  kept, begun = starts_lib.given([old, old], episodes, count)
  assert kept == old and begun[1:] == (0, 0, {}, 0)
  entries = state_lib.entries(begun.state)
  assert [e.text for e in entries] == ['Ana job baker', 'it']
  assert state_lib.token_length(begun.state) == sum(e.tokens for e in entries)
  assert [e.tokens for e in entries] == [count('Ana job baker'), count('it')]


def test_trial_clocks_of_streams_never_run_back(setups):
  # 16 chunks, then 4: times 16 to 19, not 4 to 7. Its neighbors: an episode of
  # one chunk between, and a stream that begins again.
  setup = setups['state']
  start, clocks = starts_lib.empty(), []
  for length in (16, 4, 1, 3):
    (episode,) = episodes_of(length)
    (plan,) = collector._plans(setup.schedule(episode), start, 1)
    clocks += [turn.clock for turn in plan]
    start = start._replace(chain=start.chain + 1, clock=start.clock + length)
  assert clocks == [*range(24)]
  begun = empty_starts()
  ends = collector.collect(
    scripted(setup, random_call(setup.tokenizer)), None,
    episodes_of(3, 1, 2, 3), [begun[0]._replace(clock=16, chain=1), *begun[1:]],
    0,
  ).ends  # fmt: skip
  assert [end.clock for end in ends] == [19, 1, 2, 3]
  steps = [[e.step for e in state_lib.entries(end.state)] for end in ends]
  assert min(steps[0], default=16) >= 16
  assert all(max(some, default=0) < 3 for some in steps[1:])


@pytest.mark.parametrize('advantage', ['gae', 'grpo'])
def test_trial_what_is_earned_at_the_end_is_paid_once(
  setups, advantage, monkeypatch
):
  half = lambda plans, *_: grading.Ends(
    *np.full((2, len(plans)), 0.5, np.float32)
  )
  monkeypatch.setattr(grading, 'end_scores', half)
  setup = scripted(setups['trajectory'], random_call(setups['state'].tokenizer))
  config = setup.config.copy_and_resolve_references()
  config.rl.advantage = advantage
  samples = collector.collect(
    setup._replace(config=config), None, episodes_of(4, 1, 2, 3),
    empty_starts(), 0,
  ).samples  # fmt: skip
  keys, parts = samples.keys, samples.parts
  lengths = np.array([4, 1, 2, 3])[keys.episode]
  last = keys.turn == lengths - 1
  for name in ('answers', 'size'):
    assert (parts[name][last] == 0.5).all()
    # Elsewhere the mean of a trajectory is what it earned.
    assert (parts[name][~last] == (0 if advantage == 'gae' else 0.5)).all()
  assert (parts['calls'][~last] > 0).any()  # at its own turn, as ever


def test_an_end_shared_by_evidence_sums_to_the_same(setups):
  episodes = episodes_of(4, 1, 2, 3)
  golds = {q.text: q.answer for e in episodes for q in e.questions}
  read = lambda requests: [
    golds[r.question] if r.notes else '' for r in requests
  ]

  def collect(share):
    setup = scripted(
      setups['trajectory'], random_call(setups['state'].tokenizer)
    )
    config = setup.config.copy_and_resolve_references()
    config.reward.evidence, config.rl.group_by = share, 'chunk'
    return collector.collect(
      setup._replace(config=config, reader=read), None, episodes,
      empty_starts(), 0,
    ).samples  # fmt: skip

  even, shared = collect(0.0), collect(0.5)
  jax.tree.map(np.testing.assert_array_equal, even.keys, shared.keys)
  whole = groups.ids(even.keys.episode, even.keys.trajectory)
  total = lambda samples: np.bincount(whole, samples.parts['answers'])
  np.testing.assert_allclose(total(even), total(shared), rtol=1e-5)
  assert total(even).any()
  moved = even.parts['answers'] != shared.parts['answers']
  assert moved.any()
  for name in ('calls', 'size', 'content'):
    np.testing.assert_array_equal(even.parts[name], shared.parts[name])


def test_rerolls_are_graded_at_once(setups):
  episodes = episodes_of(4, 1, 2, 3)
  golds = {q.text: q.answer for e in episodes for q in e.questions}
  setup = scripted(setups['trajectory'], random_call(setups['state'].tokenizer))
  config = setup.config.copy_and_resolve_references()
  config.rollout.rerolls, config.rollout.rerolled = 8, 1.0
  read = lambda requests: [
    golds[r.question] if r.core else '' for r in requests
  ]
  samples = collector.collect(
    setup._replace(config=config, reader=read), None, episodes,
    empty_starts(), 0,
  ).samples  # fmt: skip
  keys, names = samples.keys, samples_lib.count_names()
  counts = dict(zip(names, samples.counts.T, strict=True))
  rows = np.flatnonzero((keys.trajectory < 0) & (keys.turn == 0))
  assert len(rows) == 4 * 8
  # An update of an empty memory is one of its core, with which all that the
  # chunk is asked is right; nothing else changes an answer.
  wrote = counts['update'] * counts['valid']
  firsts = [Turn('writer', e.chunks[0], e, trajectory=-1) for e in episodes]
  asked = [
    sum(
      golds[q.text] == q.answer for q in credit_questions.of_turn(turn, config)
    )
    for turn in firsts
  ]
  wanted = wrote[rows] * np.array(asked)[keys.episode[rows]]
  np.testing.assert_array_equal(samples.parts['answers'][rows], wanted)
  assert wanted.any() and not wanted.all()


class _Bytes:
  """A tokenizer of bytes."""

  def encode(self, text):
    return list(text.encode())

  encode_text = encode


def test_forced_calls_of_a_chat_model_leave_content_and_entry_free(
  monkeypatch,
):
  with pytest.raises(ValueError, match='rollout.forced.*set it to 0'):
    forced_calls.starts(_Bytes(), 'chat')
  monkeypatch.setitem(forced_calls.WIDTH, 'chat', 99)
  starts = forced_calls.starts(_Bytes(), 'chat')
  texts = [bytes(ids).decode() for ids in (*starts.updates, *starts.others)]
  update, episodic, semantic, nothing = texts
  assert update.endswith('"memory_type": "')
  assert '"memory_type": "episodic", "content": "' in episodic
  assert semantic.endswith('"memory_type": "semantic", "content": "')
  assert nothing == 'Done.'
  forced, chance = forced_calls.forced_calls(
    np.random.default_rng(0), _Bytes(), ('a', 'b'), 5, 4, 'chat'
  )
  assert forced.shape == (5, 99) and (chance == 1).all()
  assert bytes(forced[0][forced[0] >= 0].tolist()).decode() == update
  assert (forced[4] == forced_calls.FREE).all()


def test_forced_deletes_are_their_share_of_calls_about_entries(setups):
  tokenizer, rng = setups['state'].tokenizer, np.random.default_rng(0)
  firsts, chances = [], []
  for _ in range(400):
    tokens, chance = forced_calls.forced_calls(
      rng,
      tokenizer,
      ('Ana baker', 'Tom poet'),
      5,
      4,
      shares=forced_calls.Shares(deletes=0.25),
    )
    firsts.append(tokenizer.decode(tokens[0].tolist()))
    chances.append(chance[0])
  drawn = {name: firsts.count(name) / 400 for name in set(firsts)}
  expected = {'<upd><1>': 3, '<upd><2>': 3, '<del><1>': 1, '<del><2>': 1}
  assert drawn.keys() == expected.keys()
  for name, eighths in expected.items():
    assert drawn[name] == pytest.approx(eighths / 8, abs=0.07)
    assert chances[firsts.index(name)] == eighths / 8


def test_forced_words_begin_a_text_with_their_share_of_the_words_read(setups):
  tokenizer, rng = setups['state'].tokenizer, np.random.default_rng(0)
  ids = forced_calls.first_tokens(tokenizer, 'The boss of Tom is now Ana; Tom.')
  boss, tom, now, ana = (
    tokenizer.encode_text(f' {word}')[0]
    for word in ('boss', 'Tom', 'now', 'Ana')
  )
  assert ids == [boss, tom, now, ana]
  drawn = collections.Counter()
  for _ in range(400):
    tokens, chance = forced_calls.forced_calls(
      rng,
      tokenizer,
      (),
      5,
      4,
      shares=forced_calls.Shares(words=0.25),
      words=ids,
    )
    for call, row, q in zip((2, 0, 1, 2), tokens, chance, strict=False):
      start = [tokenizer.symbol(name) for name in forced_calls.OTHERS[call]]
      begun, free = row[len(start) :][:1], forced_calls.FREE
      assert [*row[: len(start)]] == start and (row[3:] == free).all()
      drawn[call, begun[0] if call < 2 else free, q] += 1
    assert (tokens[4] == forced_calls.FREE).all()
  assert drawn.pop((2, forced_calls.FREE, 1)) == 800  # nothing is written
  for call in (0, 1):
    assert drawn[call, forced_calls.FREE, 0.75] == pytest.approx(300, abs=40)
    for word in ids:
      assert drawn.pop((call, word, 0.0625)) == pytest.approx(25, abs=18)
  assert len(drawn) == 2


def test_forced_subjects_are_what_the_updated_entry_begins_with(setups):
  tokenizer, rng = setups['state'].tokenizer, np.random.default_rng(0)
  entries = 'boss Tom is Ana', '...'  # of the second nothing can be begun
  (boss,) = forced_calls.first_tokens(tokenizer, 'boss')
  calls = forced_calls.starts(tokenizer, 'compact')
  drawn = collections.Counter()
  for _ in range(400):
    tokens, chance = forced_calls.forced_calls(
      rng,
      tokenizer,
      entries,
      5,
      4,
      shares=forced_calls.Shares(deletes=0.5, subjects=0.25),
    )
    drawn[(*tokens[0], chance[0])] += 1
  free = forced_calls.FREE
  expected = {
    (*calls.updates[0], boss, 0.0625): 25,
    (*calls.updates[0], free, 0.1875): 75,
    (*calls.updates[1], free, 0.25): 100,
    (*calls.deletes[0], free, 0.25): 100,
    (*calls.deletes[1], free, 0.25): 100,
  }
  assert drawn.keys() == expected.keys()
  for row, times in expected.items():
    assert drawn[row] == pytest.approx(times, abs=30)


def test_unranked_views_hold_the_same_entries(setups, monkeypatch):
  setup = scripted(setups['state'], random_call(setups['state'].tokenizer))
  role, views = registry.ROLES['writer'], []

  def show(setup, turn):
    views.append([e and e.id for e in turn.view])
    return role.show(setup, turn)

  monkeypatch.setitem(registry.ROLES, 'writer', role._replace(show=show))
  start = full_start(setup.tokenizer)

  def first_views(shuffled):
    config = setup.config.copy_and_resolve_references().unlock()
    config.rollout.shuffled = shuffled
    views.clear()
    collector.collect(
      setup._replace(config=config), None, episodes_of(1, 1, 1, 1),
      [start] * 4, 0,
    )  # fmt: skip
    return [*views]

  ranked, unranked = first_views(0.0), first_views(1.0)
  assert ranked != unranked
  assert [*map(set, ranked)] == [*map(set, unranked)]


def test_trial_what_acts_on_and_grades_a_turn_is_what_was_shown(
  setups, monkeypatch
):
  setup = scripted(setups['state'], random_call(setups['state'].tokenizer))
  role, wanted, seen = registry.ROLES['writer'], [], []

  def show(setup, turn):
    wanted.append(any(turn.view))
    cut = role.show(setup, turn)._replace(view=(None,) * len(turn.view))
    return cut._replace(cut_entries=int(any(turn.view)))

  def act(setup, turn, response):
    seen.append(turn.view)
    return role.act(setup, turn, response)

  monkeypatch.setitem(
    registry.ROLES, 'writer', role._replace(show=show, act=act)
  )
  start = full_start(setups['state'].tokenizer)
  rollout = collector.collect(
    setup, None, episodes_of(3, 3, 3, 3), [start] * 4, 0
  )
  assert any(wanted) and seen and not any(map(any, seen))
  assert rollout.metrics['rollout/cut_entries'] == np.mean(wanted)


def test_trial_what_is_cut_of_prompts_and_responses_is_counted(
  setups, monkeypatch
):
  setup = scripted(setups['state'], random_call(setups['state'].tokenizer))
  role, generate = registry.ROLES['writer'], setup.generate

  def show(setup, turn):  # of the first turns three tokens are lost
    cut = 3 * (turn.index == 0)
    return role.show(setup, turn)._replace(truncated=cut)

  def say(*args):  # one response of a group reaches its end
    samples = generate(*args)
    finished = np.zeros(samples.finished.shape, bool)
    finished[:, 0] = True
    return samples._replace(finished=finished)

  monkeypatch.setitem(registry.ROLES, 'writer', role._replace(show=show))
  metrics = collector.collect(
    setup._replace(generate=say), None, episodes_of(3, 1, 2, 2),
    empty_starts(), 0,
  ).metrics  # fmt: skip
  assert metrics['rollout/cut_prompts'] == 4 / 8
  assert metrics['rollout/cut_responses'] == 1 - 1 / G
  assert metrics['rollout/cut_entries'] == 0


def test_trial_a_run_is_warned_once_of_what_is_cut(monkeypatch):
  said = []
  monkeypatch.setattr(
    samples_lib.logging, 'warning', lambda text, *args: said.append(text % args)
  )
  samples_lib._warn.cache_clear()
  few = {f'rollout/{name}': 0.01 for name in samples_lib.CUT}
  samples_lib.warn_of_cuts(few)
  assert not said
  for _ in range(2):
    samples_lib.warn_of_cuts(few | {'rollout/cut_entries': 0.02})
  (line,) = said
  assert line.startswith('rollout/cut_entries: more than 1% of the prompts')


@GROUPS
def test_a_page_shows_every_sample_of_the_first_episode_as_it_was(
  setups, groups
):
  tokenizer = setups['state'].tokenizer
  episodes = episodes_of(3, 2, 3, 1)
  rollout = collector.collect(
    scripted(setups[groups], random_call(tokenizer)),
    None, episodes, empty_starts(), 0,
  )  # fmt: skip
  found, samples = rollout.shown(), rollout.samples
  counts = dict(zip(samples_lib.count_names(), samples.counts.T, strict=True))
  turns = found['turns']
  assert [turn['chunk'] for turn in turns] == list(episodes[0].chunks)
  assert len(found['names']) == G
  kept = [sum(one['kept'] for one in turn['tries']) for turn in turns]
  assert kept == [1 if groups == 'state' else G] * 3
  keys, changed = samples.keys, 0
  for t, g in np.ndindex(3, G):
    one = turns[t]['tries'][g]
    (row,) = np.flatnonzero(
      (keys.episode == 0) & (keys.turn == t) & (keys.trajectory == g)
    )
    said = samples.response[row][samples.mask[row]]
    assert one['text'] == tokenizer.decode(said)
    assert [logp for _, logp in one['tokens']] == [-1.0] * len(said)
    assert len(one['calls']) == counts['calls'][row] + counts['unread'][row]
    done = sum(ok for _, ok, _ in one['calls'])
    assert done == counts['valid'][row] == len(one['changes'])
    assert one['reward']['total'] == pytest.approx(
      samples.reward[row], abs=1e-4
    )
    changed += done
  assert changed
