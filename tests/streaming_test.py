"""Questions asked while a memory grows: curves known by arithmetic."""

import json
import types

import numpy as np
import pytest
import tiny_config

from mem_alpha_jax.evaluation import loop, stream_curves
from mem_alpha_jax.evaluation import stream as stream_lib
from mem_alpha_jax.evaluation.stream_curves import Ask
from mem_alpha_jax.memory import slots
from mem_alpha_jax.methods import rewriters, texts, writers
from mem_alpha_jax.methods.memory import MemoryMethod
from mem_alpha_jax.methods.protocol import Given, Written
from mem_alpha_jax.run import stream as stream_run
from mem_alpha_jax.types import Episode, Question

SESSIONS, EVERY, CAPACITY = 47, 5, 20
OPTIONS = stream_lib.Options(every=EVERY, lag=10)
CONFIG = tiny_config.get_config(
  'memory.slots=64,memory.cap_rate=0,memory.view=newest'
)


def stream(uid: int, sessions: int) -> Episode:
  """One fact a session, none of which ever changes."""
  chunks = [f'Box{t} of {uid} holds thing{t}.' for t in range(sessions)]
  questions = tuple(
    Question(f'What does box{t} hold?', f'thing{t}', 'box', t, sessions - 1)
    for t in range(sessions)
  )
  return Episode(uid, 'synthetic', chunks, questions)


EPISODES = [stream(0, SESSIONS), stream(1, SESSIONS - 8)]


def count(text: str) -> int:
  return len(text.split())


def reader(requests):
  """Finds the sentence about the box, in the notes or the core."""
  answers = []
  for request in requests:
    box = request.question.split()[2]
    lines = [n.text for n in request.notes] + [request.core]
    words = ' '.join(lines).lower().replace('.', '').split()
    at = words.index(box) if box in words else None
    found = '' if at is None or at + 4 >= len(words) else words[at + 4]
    answers.append(found)
  return answers


def memory(capacity=None):
  """Every sentence is an entry; with a capacity the oldest go."""
  name = 'keep_newest' if capacity else 'keep_everything'

  def write(memories, chunks, views, t):
    written = []
    for i, chunk in enumerate(chunks):
      ops = ()
      if chunk is not None:
        limits, rng = memories.limits(i), np.random.default_rng(0)
        seen = writers.Seen(
          memories.states[i], chunk, views[i], limits, count, rng
        )
        ops = writers.WRITERS[name](seen)
      written.append(Written(ops))
    return written

  def adapt(limits):
    wide = writers.limits_of(name, limits)
    return wide._replace(slots=capacity) if capacity else wide

  setup = types.SimpleNamespace(
    tokenizer=types.SimpleNamespace(count=count),
    embed=lambda params: slots.no_vectors,
  )
  parts = types.SimpleNamespace(eval_setup=setup)
  given = Given(parts, CONFIG, None, EPISODES, range(len(EPISODES)))
  return MemoryMethod(write, given, adapt)


METHODS = {
  'all': memory,
  'fifo': lambda: memory(CAPACITY),
  'long_context': lambda: texts.LongContext(len(EPISODES), 30, count),
  'rewritten': lambda: texts.Rewritten(
    len(EPISODES), rewriters.newest_words(25, count), 25, count
  ),
}


def panel(rule='exact', ask=reader, judge=None):
  return loop.Panel([ask], lambda episode, question: rule, judge)


def run(name, folder, ask=reader):
  method = METHODS[name]()
  return stream_lib.run(method, EPISODES, panel(ask=ask), OPTIONS, folder)


def test_a_judge_decides_where_the_rule_says_so(tmp_path):
  calls = []

  def judge(cases):
    calls.append(len(cases))
    return [case.gold == case.answer for case in cases]

  method, judged = METHODS['all'](), panel('judge', judge=judge)
  found = stream_lib.run(method, EPISODES, judged, OPTIONS, tmp_path)
  plain = run('all', tmp_path / 'plain')
  assert found['accuracy'] == plain['accuracy']
  # One call a checkpoint; the shorter stream ends between two.
  marks = stream_lib.checkpoints(SESSIONS, EVERY)
  assert sum(calls) == found['asked'] and len(calls) == len(marks) + 1


def means(curve):
  return {int(at): estimate[0] for at, estimate in curve.items()}


def test_checkpoints_end_with_the_last_session():
  assert stream_lib.checkpoints(47, 5) == [
    5,
    10,
    15,
    20,
    25,
    30,
    35,
    40,
    45,
    47,
  ]
  assert stream_lib.checkpoints(10, 5) == [5, 10]
  assert stream_lib.checkpoints(3, 5) == [3]


def test_a_memory_of_everything_is_flat_at_one(tmp_path):
  found = run('all', tmp_path)
  assert set(means(found['accuracy']).values()) == {1.0}
  assert set(means(found['retention']).values()) == {1.0}
  assert found['saturation'] is None
  assert found['fixed_lag_saturation'] is None


def test_a_fifo_gives_way_where_arithmetic_says(tmp_path):
  found = run('fifo', tmp_path)
  for t, accuracy in means(found['accuracy']).items():
    assert accuracy == pytest.approx(min(1, CAPACITY / t)), t
  assert abs(found['saturation'] - CAPACITY) <= EVERY
  for lag, accuracy in means(found['retention']).items():
    assert accuracy == float(lag < CAPACITY)
  # Questions that look back ten sessions are answered as long as it runs.
  assert set(means(found['fixed_lag']).values()) == {1.0}


@pytest.mark.parametrize('name', METHODS)
def test_an_interrupted_stream_goes_on_to_the_same_bytes(name, tmp_path):
  whole = run(name, tmp_path / 'whole')
  calls = []

  def breaks(requests):
    calls.append(len(requests))
    if len(calls) == 5:
      raise KeyboardInterrupt
    return reader(requests)

  with pytest.raises(KeyboardInterrupt):
    run(name, tmp_path / 'cut', breaks)
  resumed = run(name, tmp_path / 'cut')
  state = [
    json.loads((tmp_path / part / stream_lib.STATE).read_text())
    for part in ('whole', 'cut')
  ]
  for one in state:
    one['seconds'] = len(one['seconds'])
  assert state[0] == state[1]
  whole.pop('time'), resumed.pop('time')
  assert json.dumps(whole) == json.dumps(resumed)


def test_no_session_is_dropped_and_an_ended_stream_is_left_alone(tmp_path):
  seen = []

  class Watching(texts.LongContext):
    def observe(self, chunks):
      seen.append(list(chunks))
      super().observe(chunks)

  method = Watching(len(EPISODES), 0, count)
  found = stream_lib.run(method, EPISODES, panel(), OPTIONS, tmp_path)
  for i, episode in enumerate(EPISODES):
    read = [row[i] for row in seen if row[i] is not None]
    assert read == list(episode.chunks)
  asked = sum(
    stream_lib.checkpoints(len(e.chunks), EVERY).count(t) * t
    for e in EPISODES
    for t in range(1, SESSIONS + 1)
  )
  assert found['asked'] == asked
  # The shorter stream ends between two checkpoints of the longer one.
  assert '39' in found['accuracy'] and '47' in found['accuracy']


def test_other_streams_are_refused(tmp_path):
  run('fifo', tmp_path)
  other = OPTIONS._replace(every=7)
  with pytest.raises(ValueError, match='other streams or options'):
    stream_lib.run(memory(CAPACITY), EPISODES, panel(), other, tmp_path)


def test_the_same_few_questions_are_asked_again():
  episode = EPISODES[0]
  early, late = (stream_lib.due(episode, t, 6) for t in (20, 40))
  assert len(early) == len(late) == 6
  # Those of the early ones that gave way did so to smaller checksums.
  assert set(early) & set(late)
  assert stream_lib.due(episode, 20, 0) == list(range(20))


def test_an_answer_that_changed_is_not_asked_any_more():
  questions = (
    Question('Where is it?', 'here', 'now', 0, 3),
    Question('Where is it?', 'there', 'now', 4, 9),
  )
  episode = Episode(0, 'synthetic', ['x'] * 10, questions)
  assert [stream_lib.due(episode, t, 0) for t in (4, 5, 10)] == [[0], [1], [1]]


def test_missing_answers_are_counted_and_left_out(tmp_path):
  def half(requests):
    answers = reader(requests)
    return [a if i % 2 else None for i, a in enumerate(answers)]

  found = run('all', tmp_path, half)
  assert found['missing'] > 0
  assert set(means(found['accuracy']).values()) == {1.0}


def test_each_type_has_its_curve():
  asks = [Ask(0, 5, 0, *one) for one in (('a', 1.0), ('a', 0.0), ('b', 1.0))]
  asks.append(Ask(0, 10, 5, 'b', 0.0))
  found = stream_curves.curves(asks, [], 1, OPTIONS)
  assert means(found['by_type']['a']) == {5: 0.5}
  assert means(found['by_type']['b']) == {5: 1.0, 10: 0.0}


def test_saturation_is_the_start_of_a_fall_that_lasts():
  def curve(*accuracies):
    asks = [
      Ask(0, 10 * i, 0, 'x', float(q < round(10 * a)))
      for i, a in enumerate(accuracies, 1)
      for q in range(10)
    ]
    return stream_curves.accuracy(asks, lambda ask: ask.sessions, 1)

  assert stream_curves.saturation(curve(1, 0.8, 1, 0.9, 0.7, 0.6), 0.15) == 50
  assert stream_curves.saturation(curve(1, 0.8, 1), 0.15) is None
  assert stream_curves.saturation(curve(0.2, 0.9, 0.5, 0.6), 0.15) == 30


def test_the_mode_writes_curves_and_goes_on(tmp_path, capsys):
  arg = (
    'stream.methods=oracle;keep_newest;long_context,stream.multiple=4,'
    'stream.episodes=2,stream.every=5,stream.lag=3'
  )
  config = tiny_config.get_config(arg)
  found = stream_run.main(config, str(tmp_path))
  folder = tmp_path / 'stream' / 'synthetic'
  assert json.loads((folder / 'curves.json').read_text()).keys() == found.keys()
  assert (folder / 'curves.png').read_bytes()[:4] == b'\x89PNG'
  assert [int(at) for at in found['oracle']['accuracy']] == [5, 10, 12]
  best = means(found['oracle']['accuracy'])[12]
  assert best > means(found['keep_newest']['accuracy'])[12]
  told = capsys.readouterr().out
  assert 'oracle: accuracy' in told
  # Nothing takes a second here, so that the best is had within any time.
  assert f'LAFS of all {best:.3f}, from 1 to 200 s' in told
  again = stream_run.main(config, str(tmp_path))
  assert json.dumps(again) == json.dumps(found)


def test_the_mode_names_what_it_lacks(tmp_path):
  config = tiny_config.get_config('stream.methods=oracle;nobody')
  with pytest.raises(ValueError, match="no method 'nobody'"):
    stream_run.main(config, str(tmp_path / 'a'))
  config = tiny_config.get_config('stream.methods=policy')
  with pytest.raises(FileNotFoundError, match='no run there'):
    stream_run.main(config, str(tmp_path / 'b'))
