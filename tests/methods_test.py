"""Every compared system: budgets, what it remembers, and going on."""

import http.server
import json
import threading

import hypothesis
import numpy as np
import pytest
import rank_bm25
from hypothesis import strategies as st

from configs import tiny
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.methods import policy, registry, rewriters, texts
from mem_alpha_jax.methods.protocol import Written
from mem_alpha_jax.recall import budget
from mem_alpha_jax.run import build as build_lib
from mem_alpha_jax.types import Episode, Note, Question, Request

CHUNKS = (
  'Anna has a red boat. Her brother Tom paints houses in the town of Ulm.',
  'On 3 May the boat of Anna was sold to a farmer from the hills.',
  'Tom likes chess, and his sister likes tea with much sugar in it.',
  'The farmer keeps nine goats. The boat is blue now, and the oars are new.',
  'Nobody came to the town that day, for the road was under water.',
)
QUESTIONS = ('Who sold the boat?', 'What does Tom like?', 'How many goats?')
BUDGET = 30
MODEL_FREE = [
  name
  for name in registry.METHODS
  if not name.startswith('policy')
  and name not in ('overwrite', 'inner_state', 'endpoint_writer')
]


def count(text: str) -> int:
  return len(text.split())


@pytest.fixture(scope='module')
def experiment(tmp_path_factory):
  config = tiny.get_config(
    f'tokenizer.train_episodes=200,reading.budget={BUDGET}'
  )
  folder = str(tmp_path_factory.mktemp('methods'))
  return build_lib.build(config, folder)


ASKED = tuple(
  Question(text, 'x', 'what', 0, 4, evidence=(0, 2)) for text in QUESTIONS
)
EPISODES = [
  Episode(0, 'synthetic', CHUNKS, ASKED),
  Episode(1, 'x', CHUNKS[:3], ASKED),
]


def read(method, first=0, last=None):
  for t in range(first, last or len(CHUNKS)):
    method.observe(
      [e.chunks[t] if t < len(e.chunks) else None for e in EPISODES]
    )


def asked(method):
  return method.requests([list(QUESTIONS)] * len(EPISODES))


def shown(request, tokens) -> int:
  return tokens(request.core) + sum(tokens(n.text) for n in request.notes)


@pytest.mark.parametrize('name', MODEL_FREE)
def test_budget_resume_and_streams_that_end(name, experiment):
  tokens = experiment.eval_setup.tokenizer.count
  whole, first, second = (
    registry.make(name, experiment, None, EPISODES) for _ in range(3)
  )
  read(whole)
  for row in asked(whole):
    assert len(row) == len(QUESTIONS)
    assert all(shown(request, tokens) <= BUDGET for request in row)
  read(first, 0, 3)
  ended = asked(first)[1]
  sizes = first.memory_tokens()
  second.restore(json.loads(json.dumps(first.to_json())))
  read(second, 3)
  assert asked(second) == asked(whole)
  assert second.memory_tokens() == whole.memory_tokens()
  assert json.dumps(second.to_json()) == json.dumps(whole.to_json())
  # Nothing was read of the stream that had ended.
  assert asked(second)[1] == ended
  assert second.memory_tokens()[1] == sizes[1]
  # The oracle knows another world.
  assert sizes[1] > 0 or name in ('oracle', 'no_memory')


@hypothesis.given(
  core=st.text('ab ', max_size=40),
  notes=st.lists(st.text('ab ', max_size=30), max_size=6),
  limit=st.integers(1, 12),
)
def test_a_request_is_cut_to_the_budget_best_first(core, notes, limit):
  made = tuple(Note('semantic', text, i) for i, text in enumerate(notes))
  cut = budget.within(Request('q', made, core), limit, count)
  assert shown(cut, count) <= limit
  assert core.startswith(cut.core) or cut.core in ' '.join(core.split())
  whole = [n for n in made if n in cut.notes]
  if len(cut.notes) > 1:
    assert list(cut.notes) == whole
  assert budget.within(Request('q', made, core), 0, count).notes == made


def test_whole_notes_come_before_a_cut_one():
  notes = [Note('semantic', t, 0) for t in ('a b c d', 'e f', 'g h i')]
  request = Request('q', tuple(notes), 'core')
  cut = lambda n: [x.text for x in budget.within(request, n, count).notes]
  assert cut(3) == ['e f']
  assert cut(8) == ['a b c d', 'e f']
  assert cut(2) == ['a']
  assert cut(1) == []


def test_gold_evidence_is_that_of_the_answer_which_holds(experiment):
  told = (('red', 0, 1, (0,)), ('blue', 2, 2, (1, 2)), ('?', 2, 2, ()))
  asked = tuple(
    Question('Which?' if e else 'Why?', gold, 'what', *span, evidence=e)
    for gold, *span, e in told
  )
  episode = Episode(0, 'x', ('red', 'no', 'blue'), asked)
  method = registry.make('gold_evidence', experiment, None, [episode])
  shown = []
  for chunk in episode.chunks:
    method.observe([chunk])
    ((request, none),) = method.requests([['Which?', 'Why?']])
    assert none is None
    shown.append(request and [n.text for n in request.notes])
  assert shown == [['red'], ['red'], ['blue', 'no']]


def test_long_context_keeps_the_newest_words():
  method = texts.LongContext(1, 7, count)
  for chunk in ('one two three', 'four five six', 'seven eight nine ten'):
    method.observe([chunk])
  ((request,),) = method.requests([['q']])
  assert [n.text for n in request.notes] == [
    'seven eight nine ten',
    'four five six',
  ]
  method.observe(['eleven twelve'])
  ((request,),) = method.requests([['q']])
  assert [n.text for n in request.notes][-1] == 'six'
  assert method.memory_tokens() == [12]


@pytest.mark.slow
def test_long_context_finds_events_and_rag_all_words_of_a_chunk(experiment):
  (request,) = asked(read_all('long_context', experiment))[0][:1]
  kinds = {note.text.split()[0]: note.kind for note in request.notes}
  assert kinds['Nobody'] == 'semantic'
  long = ' '.join(f'word{i}' for i in range(700))
  episode = Episode(0, 'x', (long, 'other things', 'more things'), ())
  method = registry.make('rag_bm25_budget', experiment, None, [episode])
  for chunk in episode.chunks:
    method.observe([chunk])
  ((request,),) = method.requests([['word699?']])
  assert request.notes and request.notes[0].text.startswith('word0')


def read_all(name, experiment):
  method = registry.make(name, experiment, None, EPISODES)
  read(method)
  return method


def test_rag_takes_the_chunks_that_bm25_takes(experiment):
  config = experiment.config.copy_and_resolve_references().unlock()
  config.reading.budget = 0
  method = registry.make(
    'rag_bm25', experiment._replace(config=config), None, EPISODES[:1]
  )
  for chunk in CHUNKS:
    method.observe([chunk])
  words = lambda text: [
    w.strip('.,?').lower() for w in text.split() if w.strip('.,?')
  ]
  oracle = rank_bm25.BM25Okapi([words(chunk) for chunk in CHUNKS])
  for question in ('Tom likes chess?', 'nine goats?'):
    ((request,),) = method.requests([[question]])
    best = np.argsort(-oracle.get_scores(words(question)), kind='stable')[:2]
    found = [note.text for note in request.notes]
    assert found and found == [CHUNKS[i] for i in best][: len(found)]


@pytest.mark.parametrize('rule', ['newest_words', 'new_words'])
def test_rules_keep_to_their_limit(rule):
  rewrite = getattr(rewriters, rule)(12, count)
  memory = ''
  for chunk in CHUNKS:
    (memory,) = rewrite([(memory, chunk)])
    assert 0 < count(memory) <= 12
  assert ('under water' in memory) == (rule == 'newest_words')


class Scripted:
  """A chat model that says what it is told."""

  def __init__(self, *said):
    self.said, self.chats = list(said), []

  def complete(self, chats, tokens):
    self.chats += chats
    return [self.said.pop(0) for _ in chats]


def test_trial_failed_rewrites_leave_the_memory_and_are_reported():
  last = '<think>hm</think> one two three four five six '
  model = Scripted('Anna: boat.', None, ' ', '<think>hm', last)
  method = texts.Rewritten(1, rewriters.overwrite(model, 4), 4, count)
  texts_after, lost = [], []
  for chunk in CHUNKS:
    (step,) = method.observe([chunk])
    texts_after += method.to_json()
    lost.append(step.written.lost)
    assert step.state.core == texts_after[-1]
  assert lost == [False, True, True, True, False]
  assert texts_after == ['Anna: boat.'] * 4 + ['one two three four']
  assert CHUNKS[1] in model.chats[1][0]['content']
  assert 'Anna: boat.' in model.chats[1][0]['content']


def test_inner_state_is_what_stands_between_the_tags():
  model = Scripted(
    'I think. <state>a b</state> So.',
    'no tags at all',
    'x <state>c</state> y <state>d e',
  )
  method = texts.Rewritten(1, rewriters.inner_state(model, 9), 9, count)
  after = []
  for chunk in CHUNKS[:3]:
    method.observe([chunk])
    after += method.to_json()
  assert after == ['a b', 'a b', 'd e']


def test_a_part_that_is_off_holds_nothing(experiment, monkeypatch):
  ops = [
    state_lib.Op('insert', 'semantic', 'a'),
    state_lib.Op('insert', 'episodic', 'b'),
    state_lib.Op('update', 'core', 'c'),
  ]
  said = lambda memories, chunks, *_: [Written(ops, ['bad call'])] * len(chunks)
  monkeypatch.setattr(policy, 'writer', lambda given: said)
  method = registry.make('policy_no_episodic', experiment, None, EPISODES)
  for step in method.observe([CHUNKS[0], CHUNKS[1]]):
    assert [op.kind for op in step.written.ops] == ['semantic', 'core']
    assert step.written.errors == ['bad call', 'episodic memory is off']
    assert len(state_lib.entries(step.state)) == 1


def test_unknown_methods_and_missing_servers_are_named(experiment):
  with pytest.raises(ValueError, match="no method 'rag'.*rag_bm25"):
    registry.make('rag', experiment, None, EPISODES)
  with pytest.raises(ValueError, match="config.reading.url=''"):
    registry.make('overwrite', experiment, None, EPISODES)


class _Server(http.server.BaseHTTPRequestHandler):
  """Answers with calls that name the chunk, or fails."""

  def do_POST(self):
    body = json.loads(self.rfile.read(int(self.headers['Content-Length'])))
    user = body['messages'][-1]['content']
    self.server.seen.append(user)
    if 'chess' in user:
      self.send_error(400)
      return
    note = 'Anna sold a boat' if '3 May' in user else 'Anna has a boat'
    call = {
      'name': 'memory_insert',
      'arguments': {'memory_type': 'semantic', 'content': note},
    }
    text = f'<tool_call>\n{json.dumps(call)}\n</tool_call>'
    reply = json.dumps({'choices': [{'message': {'content': text}}]}).encode()
    self.send_response(200)
    self.send_header('Content-Length', str(len(reply)))
    self.end_headers()
    self.wfile.write(reply)

  def log_message(self, *unused):
    pass


@pytest.fixture
def server():
  made = http.server.ThreadingHTTPServer(('127.0.0.1', 0), _Server)
  made.seen = []
  thread = threading.Thread(target=made.serve_forever, daemon=True)
  thread.start()
  yield made
  made.shutdown()
  made.server_close()


@pytest.mark.parametrize('order', ['chunk_first', 'memory_first'])
def test_a_model_behind_a_server_writes(experiment, server, order):
  config = experiment.config.copy_and_resolve_references().unlock()
  config.reading.url = f'http://127.0.0.1:{server.server_port}/v1'
  config.reading.model, config.reading.retries = 'writer', 0
  config.memory.prompt_order = order
  changed = build_lib.for_evaluation(experiment, config)
  method = registry.make('endpoint_writer', changed, None, EPISODES[:1])
  errors, lost = [], []
  for chunk in CHUNKS[:3]:
    ((written, *_),) = method.observe([chunk])
    errors.append(written.errors)
    lost.append(written.lost)
  notes = [e.text for e in state_lib.entries(method.memories.states[0])]
  assert notes == ['Anna has a boat', 'Anna sold a boat']
  assert errors == [(), (), ()]
  assert lost == [False, False, True]  # the third reply could not be had
  chunk, known = map(server.seen[1].index, (CHUNKS[1], 'Anna has a boat'))
  assert (chunk < known) == (order == 'chunk_first')
