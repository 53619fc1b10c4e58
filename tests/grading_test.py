"""Which questions grade a step, and how their answers are scored."""

import json

import numpy as np
import pytest
import tiny_config

from mem_alpha_jax import train
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.reading import protocol
from mem_alpha_jax.rollout import collector, grading, probes
from mem_alpha_jax.types import Episode, Question

WHO = Question('Who has the kite?', 'Ada', 'single_hop', 0, 1)
LIST = Question('What kites?', 'red, blue', 'multi_hop', 0, 1)
NONE = Question('Whose dog?', '', 'adversarial', 0, 1)
NAMES = Question('Who flew?', 'Bob', 'single_hop', 1, 1, True, ('Robert',))
EPISODE = Episode(1, 'locomo', ('a', 'b'), (WHO, LIST, NONE, NAMES))


class Memories:
  """As many as there are episodes; each question is its own request."""

  def __init__(self, config, n):
    self.config, self.states, self.read = config, [state_lib.empty()] * n, [9]

  def requests(self, questions, width):
    return [[protocol.Request(q, ()) for q in row] for row in questions]


@pytest.fixture(scope='module')
def config():
  return tiny_config.get_config()


def score(config, **answers):
  """Accuracy at the end, with '' for what is not answered."""
  memories = Memories(config, 1)
  read = lambda requests: [answers.get(r.question[:5], '') for r in requests]
  found, _ = grading.end_scores([EPISODE], memories, read)
  return found[0]


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


def test_a_step_is_graded_by_whole_questions(config):
  start = collector.Start(state_lib.empty(), 0, 0, {})
  with config.unlocked():
    config.reward.when = 'step'
  args = ([EPISODE], [start], ['Ada bought a kite.'], [[]], [True])
  (asked,) = grading.step_questions(*args, 0, config)
  assert asked == [WHO]  # 'kites' is another word than kite
  with config.unlocked():
    config.reward.when = 'end'
  (asked,) = grading.step_questions(*args, 0, config)
  assert asked == list(EPISODE.questions)[: config.rollout.probes]
  assert grading.step_questions(*args[:4], [False], 0, config) == [[]]


def test_questions_of_earlier_episodes_come_back_from_a_checkpoint():
  history = probes.remembered(EPISODE, {})
  assert history[NAMES.text] == NAMES
  start = collector.Start(state_lib.empty(), 7, 1, history)
  packed = json.loads(json.dumps(train._pack(start)))
  assert train._unpack(packed) == start
