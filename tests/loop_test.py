"""What is asked of a method: once, in order, with every reader's score.

And a method from outside of the package, through all that is evaluated.
"""

import collections

from mem_alpha_jax.evaluation import held_out, loop
from mem_alpha_jax.types import Episode, Note, Question, Request

FIRST = Question('Who?', 'Ada', 'a', 0, 0)
LATER = Question('Where?', 'Rome', 'b', 0, 1)
HIDDEN = Question('Why?', 'Rain', 'b', 0, 1, asked=False)
EPISODES = [
  Episode(0, 'babi', ('x', 'y'), (FIRST, LATER, HIDDEN)),
  Episode(1, 'locomo', ('z',), (FIRST._replace(answer='Bob'),)),
]


class Method:
  """Its notes are its number."""

  def requests(self, questions):
    return [
      [Request(q, (Note('core', str(i), 0),)) for q in row]
      for i, row in enumerate(questions)
    ]


def rule(episode, question):
  return 'exact' if episode.source == 'babi' else 'f1'


def reader(said, calls):
  def read(requests):
    calls.append([r.question for r in requests])
    return [said.get(r.question) for r in requests]

  return read


def ask(readers, read, rule=rule, judge=None):
  panel = loop.Panel(readers, rule, judge)
  due = [held_out.ending(e).get(read, ()) for e in EPISODES]
  found, _ = loop.ask(Method(), EPISODES, due, panel, read)
  return [i for i, _ in found], [a for _, a in found]


def test_questions_are_due_at_the_end_of_their_span():
  assert held_out.ending(EPISODES[0]) == {1: [0], 2: [1]}
  assert held_out.ending(EPISODES[1]) == {1: [0]}
  silent = Episode(2, 'babi', ('x', 'y'), ())
  assert held_out.ending(silent) == {2: []}  # it is looked at all the same


def test_every_reader_is_asked_once_and_scored():
  calls = []
  strict = reader({'Who?': 'Ada'}, calls)
  lenient = reader({'Who?': 'Bob or Ada'}, calls)
  streams, found = ask([strict, lenient], 1)
  assert calls == [['Who?', 'Who?']] * 2
  assert streams == [0, 1] and [a[:2] for a in found] == [(1, 0)] * 2
  assert found[0].answers == ('Ada', 'Bob or Ada')
  assert found[0].scores == (1, 0)  # exact
  assert found[1].scores == (0, 0.5)  # F1: one of three words, all of the gold
  assert found[1].request.notes[0].text == '1'


def test_one_reader_that_stands_twice_is_asked_and_judged_once():
  calls, judged = [], []

  def judge(cases):
    judged.extend(cases)
    return [True for _ in cases]

  one = reader({'Who?': 'Ada'}, calls)
  _, found = ask([one, one], 1, lambda *_: 'judge', judge)
  assert len(calls) == 1 and len(judged) == 2
  assert [a.scores for a in found] == [(1, 1), (1, 1)]
  assert found[0].answers == ('Ada', 'Ada')


def test_nothing_due_asks_nobody():
  assert ask([None], 9) == ([], [])


def test_what_nothing_is_shown_for_is_missing_and_asks_no_reader(monkeypatch):
  calls = []
  one = [[None], [Request('Who?', ())]]
  monkeypatch.setattr(Method, 'requests', lambda *_: one)
  _, found = ask([reader({'Who?': 'Bob'}, calls)], 1)
  assert calls == [['Who?']] and [a.scores for a in found] == [(None,), (1,)]
  record = loop.Record(found, [], collections.Counter(), [], [])
  assert held_out.missing([record]) == {'answers': 1, 'verdicts': 0}
  assert len(loop.trace(EPISODES[0], record).answers) == 1


def test_what_failed_is_missing():
  _, found = ask([reader({}, [])], 2)
  assert found[0].answers == found[0].scores == (None,)
