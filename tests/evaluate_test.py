"""Evaluation: arms with intervals, all on the same episodes."""

import pytest
import tiny_config

from configs import tiny
from mem_alpha_jax.data import pipeline
from mem_alpha_jax.evaluation import episodes as episodes_lib
from mem_alpha_jax.evaluation import evaluate
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.methods import writers
from mem_alpha_jax.reading import protocol
from mem_alpha_jax.run import build as build_lib


@pytest.fixture(scope='module')
def experiment(tmp_path_factory):
  """The laptop run's retrieval, memory and readers; no model is needed."""
  config = tiny.get_config('tokenizer.train_episodes=200,eval.bootstrap=200')
  folder = str(tmp_path_factory.mktemp('evaluate'))
  return build_lib.build(config, folder)


@pytest.fixture(scope='module')
def episodes(experiment):
  return pipeline.eval_episodes(experiment.config, 'test')[:24]


@pytest.fixture(scope='module')
def arms(experiment, episodes):
  return {
    name: evaluate.baseline_arm(experiment, None, name, episodes)
    for name in writers.WRITERS
  }


@pytest.mark.parametrize('name', writers.WRITERS)
def test_an_arm_says_all_that_is_reported(arms, episodes, name):
  arm = arms[name]
  asked = [q for e in episodes for q in e.questions if q.asked]
  assert arm['questions'] == len(asked) > 50
  assert arm['episodes'] == len(episodes)
  assert arm['chunks'] == len(episodes[0].chunks)
  for one in (arm, arm['lenient'], *arm['by_type'].values()):
    low, high = one['interval']
    assert 0 <= low <= one['accuracy'] <= high <= 1
  assert set(arm['by_type']) == {q.type for q in asked}
  by_type = sum(
    one['accuracy'] * one['questions'] for one in arm['by_type'].values()
  )
  assert by_type / len(asked) == pytest.approx(arm['accuracy'])
  assert arm['accuracy'] == 1 or arm['interval'][0] < arm['interval'][1]
  assert arm['memory_share'] == pytest.approx(
    arm['memory_tokens'] / arm['read_tokens']
  )
  calls = arm['calls']
  assert calls['insert'] + calls['update'] + calls['delete'] == calls['all']
  assert arm['valid_calls'] == calls['valid'] / calls['all']
  assert arm['seconds_per_chunk'] > 0


def test_the_oracle_is_the_ceiling_and_strictness_costs(arms):
  assert arms['oracle']['accuracy'] >= 0.9
  assert arms['oracle']['by_type']['overwritten']['accuracy'] >= 0.9
  assert arms['oracle']['valid_calls'] >= 0.98
  everything = arms['keep_everything']
  assert everything['accuracy'] < everything['lenient']['accuracy'] - 0.05
  assert everything['memory_share'] == pytest.approx(1, abs=0.05)
  for name in ('keep_newest', 'random_inserts'):
    assert arms[name]['accuracy'] < arms['oracle']['accuracy'] - 0.2


def test_memory_stays_under_the_cap_where_there_is_one(arms, experiment):
  memory = experiment.config.memory
  for name, arm in arms.items():
    cap = memory.cap_base + memory.cap_rate * arm['read_tokens']
    assert (arm['memory_tokens'] <= cap) == (name != 'keep_everything')


def test_the_same_arm_again_is_the_same(arms, experiment, episodes):
  again = evaluate.baseline_arm(experiment, None, 'random_inserts', episodes)
  first = dict(arms['random_inserts'])
  assert again.pop('seconds_per_chunk') and first.pop('seconds_per_chunk')
  assert again == first


def run(experiment, episodes, write, readers=None):
  return episodes_lib.run(
    write, episodes, experiment.config, experiment.eval_setup.tokenizer,
    readers or experiment.readers, traces=len(episodes),
  )[0]  # fmt: skip


def test_short_episodes_stop_early_in_a_batch_of_mixed_lengths(experiment):
  world = experiment.config.copy_and_resolve_references()
  episodes = []
  for chunks in (3, 6, 1):
    with world.unlocked():
      world.data.train_chunks = chunks
    episodes += pipeline.eval_episodes(world, 'test')[:1]
  seen = []

  def write(memories, chunks, views, live, t):
    seen.append(live)
    op = state_lib.Op('insert', 'semantic', f'chunk {t}')
    return [
      episodes_lib.Written([op] if ok else [], noop=not ok) for ok in live
    ]

  records = run(experiment, episodes, write)
  assert [sum(row) for row in zip(*seen, strict=True)] == [3, 6, 1]
  for record, episode in zip(records, episodes, strict=True):
    assert (
      record.calls['insert'] == record.calls['valid'] == len(episode.chunks)
    )
    assert len(record.types) == sum(q.asked for q in episode.questions)
    steps = record.trace.steps
    assert [step.chunk for step in steps] == list(episode.chunks)
    assert len(steps[-1].memory) == len(steps)


def test_what_cannot_be_read_or_called_is_counted(experiment, episodes):
  garbage = lambda memories, chunks, *_: [
    episodes_lib.Written([], errors=['no call', 'empty text']) for _ in chunks
  ]
  failed = (lambda requests: [None for _ in requests],) * 2
  some = episodes[:2]
  for record in run(experiment, some, garbage, failed):
    assert set(record.strict) == set(record.lenient) == {None}
    assert record.calls['all'] == 2 * len(some[0].chunks)
    assert record.calls['valid'] == record.memory_tokens == 0
  with pytest.raises(protocol.Unanswered, match='reading.max_missing'):
    evaluate._arm(experiment._replace(readers=failed), None, garbage, some, 0)


def test_a_judge_decides_for_sources_that_ask_for_one(experiment, episodes):
  judged = []

  def judge(cases):
    judged.extend(cases)
    return [case.answer == 'strict' for case in cases]

  quiet = lambda memories, chunks, *_: [
    episodes_lib.Written([]) for _ in chunks
  ]
  readers = tuple(
    (lambda requests, said=said: [said for _ in requests])
    for said in ('strict', 'lenient')
  )
  one = episodes[0]._replace(source='longmemeval')
  (record,), _ = episodes_lib.run(
    quiet, [one], experiment.config, experiment.eval_setup.tokenizer, readers,
    judge=judge,
  )  # fmt: skip
  assert set(record.strict) == {1.0} and set(record.lenient) == {0.0}
  assert len(judged) == 2 * sum(q.asked for q in one.questions)
  first = next(q for q in one.questions if q.text == judged[0].question)
  assert (judged[0].gold, judged[0].kind) == (first.answer, first.type)


def test_lengths_are_multiples_of_the_train_length():
  config = tiny_config.get_config('eval.lengths=1;2;5,eval.length_episodes=3')
  found = evaluate.lengths(config, 'test')
  chunks = config.data.train_chunks
  assert {m: len(e) for m, e in found.items()} == {1: 4, 2: 3, 5: 3}
  for multiple, some in found.items():
    assert {len(e.chunks) for e in some} == {multiple * chunks}
