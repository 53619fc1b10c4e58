"""Evaluation: arms with intervals, all on the same episodes."""

import numpy as np
import pytest
import tiny_config

from configs import tiny
from experiments.paper_tables import cells
from mem_alpha_jax.data import pipeline
from mem_alpha_jax.evaluation import held_out, loop
from mem_alpha_jax.evaluation import stream as stream_lib
from mem_alpha_jax.memory import slots
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.methods import memory, registry
from mem_alpha_jax.methods.protocol import Written
from mem_alpha_jax.reading import judge, protocol
from mem_alpha_jax.run import build as build_lib
from mem_alpha_jax.types import Note, Request


@pytest.fixture(scope='module')
def experiment(tmp_path_factory):
  """The laptop run's retrieval, memory and readers; no model is needed."""
  config = tiny.get_config('tokenizer.train_episodes=200')
  folder = str(tmp_path_factory.mktemp('evaluate'))
  return build_lib.build(config, folder)


@pytest.fixture(scope='module')
def episodes(experiment):
  return pipeline.eval_episodes(experiment.config, 'test')[:24]


@pytest.fixture(scope='module')
def arms(experiment, episodes):
  return {
    name: held_out.arm(name, experiment, None, episodes)[0]
    for name in registry.BASELINES
  }


@pytest.mark.parametrize('name', registry.BASELINES)
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
  made = calls['insert'] + calls['update'] + calls['delete']
  assert made == calls['all'] + calls['repeats']
  if name == 'no_memory':
    assert arm['valid_calls'] is None and arm['memory_tokens'] == 0
    assert arm['accuracy'] == arm['lenient']['accuracy'] == 0
  elif name == 'gold_evidence':
    assert arm['valid_calls'] is None and arm['memory_share'] == 1
  else:
    assert arm['valid_calls'] == calls['valid'] / calls['all']
  table = [part.split('/') for part in arm['by_episode'].split()]
  assert len(table) == len(episodes)
  assert sum(float(c) for c, _ in table) == pytest.approx(
    arm['accuracy'] * arm['questions'], rel=1e-4
  )
  assert arm['seconds_per_chunk'] > 0 and min(arm['seconds_at_ends']) > 0


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
    whole = 'keep_everything', 'gold_evidence'
    assert (arm['memory_tokens'] <= cap) == (name not in whole)


def test_the_same_arm_again_is_the_same(arms, experiment, episodes):
  again, _ = held_out.arm('random_inserts', experiment, None, episodes)
  first = dict(arms['random_inserts'])
  for arm in (again, first):
    del arm['seconds_per_chunk'], arm['seconds_at_ends']
  assert again == first


def test_a_question_without_evidence_is_missing_and_no_failure(
  experiment, episodes
):
  bare = lambda q: q._replace(evidence=())
  some = [
    e._replace(questions=(*map(bare, e.questions[1:]), e.questions[0]))
    for e in episodes[:4]
  ]
  name = 'gold_evidence'
  arm, _ = held_out.arm(name, experiment, None, some, traces=4)
  asked = sum(q.asked for e in some for q in e.questions)
  assert arm['missing_answers'] == 2 * (asked - arm['questions']) > 0
  assert held_out.known([name, 'x'], some) == [name, 'x']
  none = [e._replace(questions=(*map(bare, e.questions),)) for e in some[:1]]
  assert held_out.known([name, 'x'], [*none, *some]) == ['x']


def test_a_table_says_what_a_judge_is_told_where_one_decides(
  experiment, episodes
):
  judged = [e._replace(source='longmemeval') for e in episodes[:2]]
  rules = ['The reader goes by rules.']
  parts = experiment._replace(judge=lambda cases: [True for _ in cases])
  assert held_out.told(experiment, judged) == rules
  assert held_out.told(parts, episodes[:2]) == rules  # of the world itself
  reader, prompt = held_out.told(parts, judged)
  assert [reader] == rules and judge.SAME in prompt
  kinds = {q.type for e in judged for q in e.questions if q.asked}
  assert prompt.startswith(f'The judge is told, of {", ".join(sorted(kinds))}:')


@pytest.fixture
def added(monkeypatch):
  """Adds a writer to the methods, as a line of the registry would."""

  def add(write):
    make = lambda given: memory.MemoryMethod(write, given)
    monkeypatch.setitem(registry.METHODS, 'added', make)

  return add


def test_short_episodes_stop_early_in_a_batch_of_mixed_lengths(
  experiment, added
):
  world = experiment.config.copy_and_resolve_references()
  episodes = []
  for chunks in (3, 6, 1):
    with world.unlocked():
      world.data.train_chunks = chunks
    episodes += pipeline.eval_episodes(world, 'test')[:1]

  def write(memories, chunks, views, t):
    # What is said where there is no chunk does not count.
    return [Written([state_lib.Op('insert', 'semantic', f'chunk {t}')])] * 3

  added(write)
  records, _ = held_out.read('added', experiment, None, episodes)
  _, traces = held_out.arm('added', experiment, None, episodes, traces=3)
  for record, trace, episode in zip(records, traces, episodes, strict=True):
    n = len(episode.chunks)
    assert record.calls['insert'] == record.calls['valid'] == n
    assert len(record.answered) == sum(q.asked for q in episode.questions)
    assert record.held[-1][0] == n
    assert [step.chunk for step in trace.steps] == list(episode.chunks)
    assert len(trace.steps[-1].memory) == n
    assert len(trace.answers) == len(record.answered)


def test_what_cannot_be_read_or_called_is_counted(experiment, episodes, added):
  added(
    lambda memories, chunks, *_: [
      Written([], errors=['no call', 'empty text']) for _ in chunks
    ]
  )
  some = episodes[:2]
  failed = lambda requests: [None for _ in requests]
  calls = held_out.arm('added', experiment, None, some)[0]['calls']
  assert calls['all'] == 2 * sum(len(e.chunks) for e in some)
  assert calls['valid'] == 0
  half = experiment._replace(readers=(failed, experiment.readers[1]))
  with half.config.unlocked():
    half.config.reading.max_missing = 0.5
  arm, _ = held_out.arm('added', half, None, some)
  assert arm['missing_answers'] == arm['lenient']['questions'] > 0
  assert arm['missing_verdicts'] == 0
  assert arm['questions'] == arm['memory_tokens'] == 0
  with pytest.raises(protocol.Unanswered, match='reading.max_missing'):
    mute = experiment._replace(readers=(failed, failed))
    held_out.arm('added', mute, None, some)


def test_a_judge_decides_for_sources_that_ask_for_one(experiment, episodes):
  judged = []

  def judge(cases):
    judged.extend(cases)
    return [case.answer == 'strict' for case in cases]

  readers = tuple(
    (lambda requests, said=said: [said for _ in requests])
    for said in ('strict', 'lenient')
  )
  one = episodes[0]._replace(source='longmemeval')
  parts = experiment._replace(readers=readers, judge=judge)
  arm, _ = held_out.arm('keep_newest', parts, None, [one])
  assert (arm['accuracy'], arm['lenient']['accuracy']) == (1, 0)
  assert len(judged) == 2 * sum(q.asked for q in one.questions)
  unread = parts._replace(judge=lambda cases: [None] * len(cases))
  with pytest.raises(protocol.Unanswered, match='100% of the verdicts of an'):
    held_out.arm('keep_newest', unread, None, [one])
  first = next(q for q in one.questions if q.text == judged[0].question)
  assert (judged[0].gold, judged[0].kind) == (first.answer, first.type)


class Newest:
  """A method from outside of the package: the newest chunk of each stream."""

  def __init__(self, given):
    self.chunks, self.count = [''] * len(given.episodes), given.count

  def observe(self, chunks):
    self.chunks = [
      old if new is None else new
      for old, new in zip(self.chunks, chunks, strict=True)
    ]

  def requests(self, questions):
    return [
      [Request(q, (), chunk) for q in row]
      for chunk, row in zip(self.chunks, questions, strict=True)
    ]

  def memory_tokens(self):
    return list(map(self.count, self.chunks))

  def to_json(self):
    return self.chunks

  def restore(self, value):
    self.chunks = value


def test_a_method_is_a_class_and_a_line(
  experiment, episodes, tmp_path, monkeypatch
):
  monkeypatch.setitem(registry.METHODS, 'newest', Newest)
  some = episodes[:3]
  arm, (trace,) = held_out.arm('newest', experiment, None, some, traces=1)
  count = experiment.eval_setup.tokenizer.count
  held = [count(e.chunks[-1]) for e in some]
  assert arm['memory_tokens'] == pytest.approx(sum(held) / 3)
  assert arm['calls']['all'] == 0 and not trace.steps and trace.answers
  cell = cells.compare('newest', experiment, None, some)
  assert cell['memory_tokens'] == arm['memory_tokens']
  assert cell['questions'] == arm['questions']
  score, answered = (
    sum(row[k] for rows in cell['scores']['strict'].values() for row in rows)
    for k in (0, 1)
  )
  assert score / answered == pytest.approx(arm['accuracy'])
  method = registry.make('newest', experiment, None, some)
  options = stream_lib.Options(every=2)
  panel = loop.panel(experiment, experiment.readers[:1])
  found = stream_lib.run(method, some, panel, options, tmp_path)
  last = str(len(some[0].chunks))
  assert found['memory_tokens'][last] == arm['memory_tokens']


def test_lengths_are_multiples_of_the_train_length():
  config = tiny_config.get_config('eval.lengths=1;2;5,eval.length_episodes=3')
  found = held_out.lengths(config, 'test')
  chunks = config.data.train_chunks
  assert {m: len(e) for m, e in found.items()} == {1: 4, 2: 3, 5: 3}
  for multiple, some in found.items():
    assert {len(e.chunks) for e in some} == {multiple * chunks}


def test_trial_a_source_without_an_oracle_has_no_row_of_it(
  experiment, episodes, monkeypatch
):
  names = ('oracle', 'no_memory')
  known = lambda *sources: held_out.known(
    names, [episodes[0]._replace(source=s) for s in sources]
  )
  assert known('synthetic') == known('synthetic', 'babi') == [*names]
  assert known('locomo') == known('babi', 'locomo') == ['no_memory']
  monkeypatch.setattr(registry, 'BASELINES', names)
  only = {1: [e._replace(source='locomo') for e in episodes[:2]]}
  monkeypatch.setattr(
    held_out, 'at_lengths', lambda name, *_: ({1: {'name': name}}, [])
  )
  arms, _ = held_out.with_baselines(experiment, None, only)
  assert [*arms[1]['baselines']] == ['no_memory']


@pytest.mark.parametrize('name', ['keep_everything', 'rag_bm25'])
def test_trial_all_words_of_a_chunk_are_indexed_for_baselines(
  experiment, episodes, name, monkeypatch
):
  monkeypatch.setattr(memory.view, 'look', lambda *_: [(None,)])  # none needed
  method = registry.make(name, experiment, None, episodes[:1])
  chunk = ' '.join(f'word{i}' for i in range(301))
  method.observe([chunk])
  found = np.asarray(method.memories.bank.term_ids)
  assert np.isin(slots.encode_terms(chunk), found).all()
  (entry,) = state_lib.entries(method.memories.states[0])
  assert entry.text == chunk


def test_trial_all_methods_look_as_often(experiment, episodes):
  config = experiment.config.copy_and_resolve_references().unlock()
  config.reading.hops = 2
  parts = experiment._replace(config=config)
  for name in ('rag_bm25', 'rag_bm25_budget', 'keep_newest', 'keep_everything'):
    method = registry.make(name, parts, None, episodes[:1])
    assert method.memories.config.reading.hops == 2


def test_a_memory_begins_with_what_its_episode_says(experiment, episodes):
  start = (Note('semantic', 'Ana job baker', 0), Note('episodic', 'it', 0))
  some = [episodes[0]._replace(start=start), episodes[1]]
  for name in ('oracle', 'rag_bm25'):
    method = registry.make(name, experiment, None, some)
    first, second = method.memory_tokens()
    count = experiment.eval_setup.tokenizer.count
    assert first == sum(count(note.text) for note in start) and second == 0
    ((request,), _) = method.requests([['What job does Ana have?'], []])
    assert [note.text for note in request.notes] == ['Ana job baker']
