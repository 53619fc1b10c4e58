"""Training against a real server that fails at 30% of its requests."""

import json
import os

import numpy as np
import pytest
import tiny_config

from configs import tiny
from experiments.reader_faults import run as run_lib
from experiments.reader_faults import server as server_lib
from mem_alpha_jax import train
from mem_alpha_jax.reading import (
  chat_reader,
  http_client,
  protocol,
  remote_chat,
)
from mem_alpha_jax.report import metrics as metrics_lib
from mem_alpha_jax.run import checkpoint, summary
from mem_alpha_jax.types import Note, Request

STEPS, RATE = 3, 0.3
TIMEOUT, DELAY = 1.0, 1.5  # seconds
REMOTE = (
  'reading.reader=remote,reading.model=rules,reading.retries=1,'
  'reading.backoff=0.01,reading.breaker_limit=50,reading.max_missing=0.25,'
  f'reading.timeout={TIMEOUT},num_steps={STEPS},'
)
# The policy that ships with the package, which stores what it reads.
ABLE = (
  'data.batch_episodes=4,data.train_chunks=3,data.eval_episodes=2,'
  'rollout.group_size=4,rollout.forced=1,rollout.probes=4,rl.minibatch_rows=32,'
  'eval.every=3,eval.lengths=1,log.tensorboard=False,log.progress=False,'
)


def lines(folder):
  return metrics_lib.read(os.path.join(folder, metrics_lib.FILE))


def request(question, *texts, core=''):
  notes = tuple(Note('semantic', text, 0) for text in texts)
  return Request(question, notes, core)


def test_the_answer_is_whole_and_only_failures_are_missing():
  asked = []

  class Client:
    def complete(self, chats, tokens):
      asked.extend(chats)
      assert tokens == 9
      return ['\n Tom. \nBob', None, '', 'Ada'][: len(chats)]

  read = chat_reader.make_reader(Client(), 9)
  requests = [request(name, 'best', core='I am Bob') for name in 'abcd']
  assert read(requests) == ['Tom. \nBob', None, '', 'Ada']
  task, *examples, last = asked[0]
  assert task == {'role': 'system', 'content': chat_reader.INSTRUCTIONS.task}
  assert [m['role'] for m in examples] == ['user', 'assistant'] * 4
  assert last['content'] == chat_reader.user_text(requests[0])
  # What was answered is known, what failed is asked for again.
  asked.clear()
  assert read(requests) == ['Tom. \nBob', 'Tom. \nBob', '', 'Ada']
  assert len(asked) == 1


def test_the_key_comes_from_the_environment(monkeypatch):
  config = tiny_config.get_config(f'{REMOTE}reading.key_env=READER_KEY')
  for value in ('', ' \n', 'two\nlines'):
    monkeypatch.setenv('READER_KEY', value)
    with pytest.raises(ValueError, match='reading.key_env.*READER_KEY') as told:
      remote_chat.from_config(config)
    assert 'two' not in str(told.value)
  monkeypatch.setenv('READER_KEY', 'secret\n')
  client = remote_chat.from_config(config)
  assert client._key == 'secret' and 'secret' not in repr(client)


def test_trial_the_experiment_shows_what_is_committed():
  cells = json.loads(run_lib.RESULTS.read_text())
  text = run_lib.table({name: cells[name] for name in run_lib.CELLS})
  rows = {row.split('  ')[0]: row for row in text.splitlines()}
  for name in http_client.COUNTS:
    assert f'requests: {name}' in rows
  assert set(rows['rewards: zeroed'].split()[2:]) == {'0'}


def test_the_server_reads_what_a_reader_is_shown():
  notes = ('Marta job baker', 'Tom job banker')
  question = 'What job does Marta have?'
  answers = server_lib.faultless(
    [request(question, *notes), request(question, core='Marta job barber')]
  )
  assert answers == ['baker', 'barber']


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
  """A run at 30% faults, and the counts of the server."""
  with server_lib.Server(server_lib.share(RATE), DELAY) as server:
    config = tiny.get_config(f'{REMOTE}{ABLE}reading.url={server.url}')
    folder = str(tmp_path_factory.mktemp('faults'))
    return run_lib.watch(config, folder), server.counts


@pytest.mark.slow
def test_training_goes_on(trained):
  (rows, accuracies, *_), _ = trained
  assert [row['step'] for row in rows] == list(range(1, STEPS + 1))
  for row in rows:
    assert row['rl/skipped'] == 0 and row['rl/loss'] is not None
    assert 0 < row['rollout/missing_answers'] < 0.25
    assert 0 < row['rl/missing_rewards'] < 1
    assert {f'reader/{name}' for name in http_client.COUNTS} <= set(row)
  assert accuracies[:-1] == [None] * (STEPS - 1) and 0 <= accuracies[-1] <= 1


@pytest.mark.slow
def test_no_reward_is_zeroed_by_a_fault(trained):
  pairs = trained[0].pairs
  assert len(pairs) == STEPS
  known, different = 0, 0
  for faulty, true in pairs:
    faulty, true = faulty.samples, true.samples
    np.testing.assert_array_equal(faulty.response, true.response)
    found, wanted = faulty.parts['answers'], true.parts['answers']
    assert not any(np.isnan(x).any() for x in true.parts.values())
    missing = np.isnan(found)
    assert 0 < missing.sum() < len(missing)
    for name in true.parts:
      rows = ~missing if name == 'answers' else slice(None)
      np.testing.assert_array_equal(
        faulty.parts[name][rows], true.parts[name][rows]
      )
    known += (wanted[~missing] != 0).sum()
    different += (wanted[missing] != 0).sum()
  # Some rewards that are missing would not have been 0, and some are known.
  assert known and different


@pytest.mark.slow
def test_the_counts_add_up(trained):
  ours, theirs = trained[0].counts, trained[1]
  assert set(theirs) == {'ok', *server_lib.FAULTS}
  # A busy machine misses a time-out without being told to: such a request may
  # have reached the server as anything, or never.
  late = ours['timeout'] - theirs['delay']
  assert theirs['delay'] > 0 and 0 <= late < ours['requests'] / 4
  assert 0 <= ours['requests'] - sum(theirs.values()) <= late
  assert ours['requests'] == (
    ours['answers'] + ours['retries'] + ours['failures']
  )
  for name, fault in (
    ('connection', 'drop'), ('http_5xx', 'http_500'),
    ('http_429', 'http_429'), ('garbage', 'garbage'), ('answers', 'ok'),
  ):  # fmt: skip
    assert ours[name] > 0 and 0 <= theirs[fault] - ours[name] <= late
  assert ours['http_other'] == ours['refused'] == ours['openings'] == 0
  assert 0.2 < 1 - theirs['ok'] / sum(theirs.values()) < 0.4


@pytest.mark.slow
def test_a_run_pauses_when_nobody_answers_and_goes_on(tmp_path):
  folder = str(tmp_path)
  broken = [False]
  plan = lambda body, nth: 'http_500' if broken[0] else ''
  arg = (
    f'{REMOTE}warm_start.steps=1,data.eval_episodes=2,eval.lengths=1,'
    'checkpoint.every=9,reading.breaker_limit=5,reading.breaker_pause=0.2,'
  )
  step = train.step

  def breaks(experiment, learner, loader, now, *args):
    broken[0] = now.step == 1  # in the second step
    return step(experiment, learner, loader, now, *args)

  with server_lib.Server(plan, DELAY) as server:
    config = tiny_config.get_config(f'{arg}reading.url={server.url}')
    with pytest.MonkeyPatch.context() as patch:
      patch.setattr(train, 'step', breaks)
      with pytest.raises(protocol.Unanswered) as told:
        train.train(config, folder)
    message = str(told.value)
    assert 'of the answers of step 1 are missing' in message
    assert 'config.reading.max_missing=0.25' in message
    assert 'reader/http_5xx' in message and '\n' not in message
    assert [row['step'] for row in lines(folder)] == [1]
    with checkpoint.Manager(folder, 2) as manager:
      assert manager.steps() == [0, 1]
    # A reader that is mended may be elsewhere and get more time.
    with pytest.raises(protocol.Unanswered, match='of an evaluation'):
      summary.main(config, folder)
    broken[0] = False
    config.reading.timeout = 2.0
    train.train(config, folder)
    paused = lines(folder)
    train.train(config, whole := str(tmp_path / 'whole'))
  plain = lambda rows: [
    {k: v for k, v in row.items() if k.split('/')[0] not in ('time', 'reader')}
    for row in rows
  ]
  assert plain(paused) == plain(lines(whole))
