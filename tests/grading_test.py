"""Which questions grade a step, and how their answers are scored."""

import json

import numpy as np
import pytest
import tiny_config

from mem_alpha_jax.memory import batch as batch_lib
from mem_alpha_jax.memory import execution
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.reward import parts
from mem_alpha_jax.rollout import credit_questions, grading, starts, traces
from mem_alpha_jax.run import progress
from mem_alpha_jax.types import Episode, Outcome, Question, Turn

WHO = Question('Who has the kite?', 'Ada', 'single_hop', 0, 1)
LIST = Question('What kites?', 'red, blue', 'multi_hop', 0, 1)
NONE = Question('Whose dog?', '', 'adversarial', 0, 1)
NAMES = Question('Who flew?', 'Bob', 'single_hop', 1, 1, True, ('Robert',))
EPISODE = Episode(1, 'locomo', ('a', 'b'), (WHO, LIST, NONE, NAMES))


@pytest.fixture(scope='module')
def config():
  return tiny_config.get_config()


def score(config, **answers):
  """Accuracy at the end, with '' for what is not answered."""
  memories = batch_lib.Memories([state_lib.empty()], [9], config, len)
  read = lambda requests: [answers.get(r.question[:5], '') for r in requests]
  plan = [Turn('writer', text, EPISODE) for text in EPISODE.chunks]
  return grading.end_scores([plan], memories, read).accuracy[0]


def test_an_answer_is_scored_by_the_type_of_its_question(config):
  # To abstain is right for the adversarial one alone.
  assert score(config) == pytest.approx(1 / 4)
  assert score(config, **{'Whose': 'Bob'}) == 0
  # The best of the parts of a list: red is one of two.
  assert score(config, **{'What ': 'red'}) == pytest.approx((1 + 1 / 2) / 4)
  assert score(config, **{'Who h': 'ada'}) == pytest.approx(2 / 4)
  # The other gold is as good.
  assert score(config, **{'Who f': 'Robert'}) == pytest.approx(2 / 4)


def test_missing_answers_leave_the_mean(config):
  assert score(config, **{'Who h': None}) == pytest.approx(1 / 3)
  nothing = {q.text[:5]: None for q in EPISODE.questions}
  assert np.isnan(score(config, **nothing))


def test_the_end_is_paid_to_the_turns_that_wrote_what_was_read():
  # An earlier episode told of a kite at time 4; this one's turns are 5 6 7.
  Op, limits = state_lib.Op, state_lib.Limits(32, 12, 64)
  calls = {
    4: [Op('insert', 'semantic', 'Ada kite')],
    5: [Op('insert', 'semantic', 'Ada red kite')],
    6: [Op('insert', 'semantic', 'Bob dog'), Op('update', 'core', 'I fly')],
    7: [Op('update', 'semantic', 'Bob black dog', 3)],
  }
  state, count = state_lib.empty(), lambda text: len(text.split())
  for clock, ops in calls.items():
    for op in ops:
      state, result = execution.apply(state, op, limits, count, clock)
      assert result.ok
    if clock == 4:
      state = state_lib.without_log(state)
  texts = ('Who has the kite?', 'Whose dog?', 'Who flew?', 'Who sang?')
  questions = tuple(Question(t, 'Ada', 'single_hop', 0, 2) for t in texts)
  episode = Episode(1, 'locomo', ('a', 'b', 'c'), questions)
  plan = [Turn('writer', '', episode, clock=clock) for clock in (5, 6, 7)]
  config = tiny_config.get_config('reward.evidence=0.5')
  memories = batch_lib.Memories([state], [9], config, count)

  def paid(*answers):
    known = dict(zip(texts, answers, strict=True))
    read = lambda requests: [known[r.question] for r in requests]
    return grading.end_scores([plan], memories, read)

  # Right, wrong, right, missing: 2 / 3, and 2 / 9 a turn if shared evenly. The
  # first rests on an entry of turn 0, the core of turn 1 and one that is no
  # turn's: 1 / 2 each. The second is lost, the third rests on the core alone.
  # By evidence: 1 / 6, 1 / 6 + 1 / 3, 0. Half of both, paid three times:
  found = paid('Ada', 'Cyd', 'Ada', None)
  np.testing.assert_allclose(found.paid[0], [7 / 12, 13 / 12, 4 / 12])
  assert found.accuracy[0] == pytest.approx(np.mean(found.paid[0]))
  # The second alone: its entry was last written at turn 2.
  found = paid('Cyd', 'Ada', 'Cyd', None).paid[0]
  np.testing.assert_allclose(found, [1 / 6, 1 / 6 + 1 / 4, 1 / 6 + 1 / 4])
  assert np.isnan(paid(None, None, None, None).paid[0]).all()


def test_the_end_is_paid_by_the_q_of_what_was_written():
  Op, limits = state_lib.Op, state_lib.Limits(32, 12, 64)
  calls = {
    5: [Op('insert', 'semantic', 'Ada red kite')],
    6: [Op('insert', 'semantic', 'Bob dog'), Op('update', 'core', 'I fly')],
    7: [],
    8: [Op('update', 'semantic', 'Bob black dog', 2),
        Op('delete', 'semantic', entry_id=1)],
  }  # fmt: skip
  questions = tuple(
    Question(t, 'Ada', 'single_hop', 0, 3) for t in ('Whose dog?', 'Who sang?')
  )
  episode = Episode(1, 'locomo', tuple('abcd'), questions)
  state, count, plan = state_lib.empty(), lambda text: len(text.split()), []
  for clock, ops in calls.items():
    view = (*state_lib.entries(state), None)
    plan.append(Turn('writer', '', episode, clock=clock, view=view))
    for op in ops:
      state, result = execution.apply(state, op, limits, count, clock)
      assert result.ok
  made = traces.writes(plan, state)
  assert [note.step for note in made.notes] == [5, 6, 6, 8]
  # The dog beside the kite; the core too; the black dog took the dog's place,
  # beside kite and core. The kite is deleted.
  assert made.parents == [[], [0], [0], [0, 2]]
  assert made.replaced == {3: 1} and made.newest == {2: 3, None: 2}
  config = tiny_config.get_config('reward.memq=1,reward.memq_lam=0.5')
  memories = batch_lib.Memories([state], [9], config, count)

  def paid(*answers):
    known = dict(zip([q.text for q in questions], answers, strict=True))
    read = lambda requests: [known[r.question] for r in requests]
    return grading.end_scores([plan], memories, read).paid[0]

  # The dog is asked: black dog and core used, both delta 1, at a rate of 0.2.
  # From the black dog: itself and the dog 0.2, kite and core 0.1. From the
  # core: itself 0.2, the kite 0.1. Turns: kite 0.2; dog 0.2 and core 0.3; none;
  # 0.2.
  found = paid('Ada', None)
  np.testing.assert_allclose(found, [0.2, 0.25, 0, 0.2])
  # Then the core alone, wrong: delta -0.3: itself -0.06, the kite -0.03.
  np.testing.assert_allclose(paid('Ada', 'Bob'), [0.17, 0.22, 0, 0.2])
  with config.unlocked():
    config.reward.memq = 0.5
  found = paid('Ada', 'Bob')
  np.testing.assert_allclose(found, 0.25 + np.array([0.085, 0.11, 0, 0.1]))
  with config.unlocked():
    config.reward.memq_lam = 0.0  # what was used, and what it replaced, alone
  found = paid('Ada', None) - 0.5
  np.testing.assert_allclose(found, 0.5 * np.array([0, 0.2, 0, 0.2]))
  assert np.isnan(paid(None, None)).all()


def test_a_turn_is_graded_by_whole_questions(config):
  turn = Turn('writer', 'Ada bought a kite.', EPISODE)
  with config.unlocked():
    config.reward.when = 'step'
  asked = lambda turn: credit_questions.of_turn(turn, config)
  assert asked(turn) == [WHO]  # 'kites' is another word than kite
  with config.unlocked():
    config.reward.when = 'end'
  assert asked(turn) == list(EPISODE.questions)[: config.rollout.probes]
  assert asked(turn._replace(live=False)) == []
  assert asked(turn._replace(question=WHO)) == []  # it is no chunk


def test_a_session_is_graded_by_its_own_questions(config):
  asked = lambda first, last: Question(
    f'{first} to {last}?', 'Ada', 'single_hop', first, last, False
  )
  spans = ((0, 4), (1, 1), (1, 4), (2, 3), (2, 4), (3, 4), (4, 4))
  questions = tuple(asked(*span) for span in spans)
  episode = Episode(1, 'locomo', tuple('abcde'), questions, (1, 3, 1))
  of = lambda step, e=episode: [
    (q.first, q.last) for q in credit_questions.of_session(e, step)
  ]
  # Chunks 0, 1 to 3, 4. What no longer holds is not asked.
  assert of(0) == [(0, 4)] and of(1) == [(1, 1), (1, 4)]
  assert of(3) == [(1, 4), (2, 3), (2, 4), (3, 4)] and of(4) == [(4, 4)]
  each = episode._replace(sessions=())
  assert of(3, each) == [(3, 4)]
  with config.unlocked():
    config.reward.when, config.rollout.probes = 'session', 2
  turn = Turn('writer', 'd', episode, 3, state=state_lib.empty())
  empty = turn._replace(chunk=4, episode=each._replace(questions=()))
  assert credit_questions.of_turn(turn, config) == [questions[4], questions[5]]
  memories = batch_lib.Memories([state_lib.empty()] * 2, [9] * 2, config, len)

  def gained(**answers):
    read = lambda requests: [answers[f'q{r.question[0]}'] for r in requests]
    row = [Outcome(state_lib.empty())]
    found = grading.gained(memories, [turn, empty], [row] * 2, read, 1)
    return [o.gain for (o,) in found]

  # Half are right, whatever they were before; nothing is asked of the other.
  assert gained(q2='Ada', q3='Bob') == [0.5, 0]
  assert np.isnan(gained(q2='Ada', q3=None)[0])
  with config.unlocked():
    config.reward.when, config.rollout.probes = 'step', 4


def outcome(ops, ok, errors=()):
  results = tuple(state_lib.OpResult(good, '') for good in ok)
  return Outcome(state_lib.empty(), tuple(ops), results, errors)


def test_judged_content_is_the_share_of_true_calls(config):
  entry = state_lib.Entry(1, 'semantic', 'kite red', 0, 0, 2)
  insert = state_lib.Op('insert', 'semantic', 'Ada kite')
  lie = state_lib.Op('insert', 'episodic', 'Ada sold it')
  update = state_lib.Op('update', 'semantic', 'kite blue', 1)
  delete = state_lib.Op('delete', 'semantic', entry_id=1)
  asked = []

  def judge(notes):
    asked.extend(notes)
    return [{'Ada sold it': False, 'kite blue': None}.get(n.text, True)
            for n in notes]  # fmt: skip

  row = [
    outcome([insert], [True]),
    outcome([insert, lie], [True, True]),
    outcome([insert, delete], [False, True]),  # what failed is not judged
    outcome([insert], [True], ('unreadable',)),
    outcome([], []),  # earns what a response without calls earns
    outcome([update, insert], [True, True]),  # no verdict
  ]
  turn = Turn('writer', 'Ada has a kite.', view=(entry,))
  turn = turn._replace(state=state_lib.empty())
  (found, none) = grading.judged(judge, [turn, turn], [row, []])
  np.testing.assert_array_equal(
    parts.content([turn] * 6, found, config.reward),
    [1, 1 / 2, 1 / 2, 1 / 2, 1, np.nan],
  )
  assert none == []
  assert len(asked) == 3  # each text once
  # An update may keep what it replaces.
  assert asked[2].chunk == 'kite red\nAda has a kite.'


def test_questions_of_earlier_episodes_come_back_from_a_checkpoint():
  history = credit_questions.remembered(EPISODE, {})
  assert history[NAMES.text] == NAMES
  start = starts.Start(state_lib.empty(), 7, 1, history)
  packed = json.loads(json.dumps(progress._pack(start)))
  assert progress._unpack(packed) == start
