"""Worlds on the symbolic core: gold, spans, notes, states, their readers."""

import collections
import hashlib
import itertools

import pytest
import small_worlds

from configs import home as home_config
from configs import traps as traps_config
from mem_alpha_jax.config import validate
from mem_alpha_jax.data import sources
from mem_alpha_jax.data.worlds import (
  core,
  home,
  home_words,
  streams,
  traps,
  traps_words,
)
from mem_alpha_jax.memory import execution
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.methods import writers
from mem_alpha_jax.types import Note, Request

CONFIGS = {'traps': traps_config, 'home': home_config}
TABLES = {
  'traps': (traps.TRAPS, traps_words.ENGLISH),
  'home': (home.HOME, home_words.ENGLISH),
}
FACTS = {'traps': small_worlds.traps_facts, 'home': small_worlds.home_facts}
ANSWERS = {
  'traps': small_worlds.traps_answer,
  'home': small_worlds.home_answer,
}
DIGESTS = {'traps': 'c20afa3d58965bf0', 'home': '0261714d51bd90f0'}
WORLDS = [*TABLES]
OPTIONS = streams.Options()
WIDE = state_lib.Limits(0, 64, 1 << 12)


@pytest.fixture(scope='module', params=WORLDS)
def name(request):
  return request.param


def _config(name):
  return CONFIGS[name].get_config()


def _episodes(name, split='test_pairs', multiple=1, count=8):
  return sources.of(name).episodes(_config(name), split, multiple)[:count]


def _read(name, strict=True):
  reader = sources.of(name).reader(_config(name), strict)
  return lambda text, notes: reader([Request(text, tuple(notes))])[0]


def test_its_config_is_valid(name):
  validate.validate(_config(name))


def test_gold_is_what_a_recomputation_says(name):
  """Of every question: its gold, that it held just so long, and no other."""
  asked = 0
  for seed, split in itertools.product(range(6), ('train', 'test_templates')):
    steps = [*streams.stream(*TABLES[name], split, str(seed), 80, OPTIONS)]
    told = [line for step in steps for line in step.lines]
    assert len(told) == len(steps)
    facts = [FACTS[name](told[: t + 1]) for t in range(len(told))]
    questions = [q for step in steps for q in step.closed]
    spans = collections.defaultdict(dict)
    for q in questions:
      for t in range(q.first, q.last + 1):
        assert t not in spans[q.text]
        spans[q.text][t] = q.answer
    for text, golds in spans.items():
      for t in range(min(golds), len(told)):
        assert golds.get(t, '') == ANSWERS[name](text, facts[t]), (text, t)
    starts = {(q.text, q.first): q.answer for q in questions}
    for q in questions:  # a span does not go on in another
      assert starts.get((q.text, q.last + 1)) != q.answer
    asked += len(questions)
  assert asked > 1000


def test_the_same_seed_is_the_same_world(name):
  digest = hashlib.sha256()
  for split in sources.of(name).splits:
    digest.update(repr(_episodes(name, split, 4, 2)).encode())
  assert digest.hexdigest()[:16] == DIGESTS[name]
  assert _episodes(name) == _episodes(name)
  assert _episodes(name, 'train') != _episodes(name)


def test_a_shorter_stream_begins_a_longer_one(name):
  short, long = (
    [*streams.stream(*TABLES[name], 'train', '3', n, OPTIONS)] for n in (9, 30)
  )
  assert [s.chunk for s in short] == [s.chunk for s in long[:9]]
  assert [s.closed for s in short[:8]] == [s.closed for s in long[:8]]


def test_text_says_what_was_told(name):
  world, language = TABLES[name]
  for split in ('train', 'test', 'validation_templates'):
    for step in streams.stream(world, language, split, '1', 200, OPTIONS):
      read = language.read(step.chunk)
      changed = [c for x in read for c in core.changes(world, x)]
      assert changed == [
        c for line in step.lines for c in core.changes(world, line)
      ], step.chunk


def test_every_type_is_asked_and_by_turns(name):
  asked = collections.Counter(
    q.type for e in _episodes(name, multiple=4, count=12) for q in e.questions
    if q.asked
  )  # fmt: skip
  told = {q.type for e in _episodes(name, multiple=4) for q in e.questions}
  assert set(asked) == told
  assert max(asked.values()) < asked.total() / 2


@pytest.mark.parametrize('split', ['train', 'test', 'test_templates'])
def test_perfect_notes_answer_everything_and_none_nothing(name, split):
  read, oracle = _read(name), sources.of(name).oracle
  for episode in _episodes(name, split, 4, 4):
    held = {}
    for t, notes in enumerate(oracle(episode)):
      for note in notes:
        held.pop(note.key, None)
        if not note.over:
          held[note.key] = Note(note.kind, note.text, t)
      for q in episode.questions:
        if q.first <= t <= q.last:
          assert read(q.text, held.values()) == q.answer.lower(), q
        assert read(q.text, ()) == ''


def _gold_operations(name, episode):
  """(chunk, state before it, operations) of perfect writing, and the end."""
  state, steps = state_lib.empty(), []
  for t, notes in enumerate(sources.of(name).oracle(episode)):
    view = tuple(state_lib.entries(state))
    ops = writers.oracle(writers.Seen(state, '', view, WIDE, len, None, notes))
    steps.append((t, state, ops))
    state = _applied(state, ops, t)
  return steps, state


def _applied(state, ops, t):
  for op in ops:
    state, _ = execution.apply(state, op, WIDE, str.__len__, t)
  return state


def _mutations(op, other):
  """An operation that is not made, and made otherwise."""
  yield []
  if op.text:
    yield [op._replace(text=f'{op.text.rsplit(" ", 1)[0]} {other}')]
    yield [op, state_lib.Op('insert', op.kind, f'{op.text} {other}')]
  if op.entry_id:
    yield [op._replace(entry_id=op.entry_id + 1000)]
    yield [state_lib.Op('insert', op.kind, op.text or 'x')]


def test_a_mutation_of_any_gold_operation_fails_the_state(name):
  grade, mutated = sources.of(name).grade, 0
  language = TABLES[name][1]
  other = next(iter(language.words['person']['validation']))
  for episode in _episodes(name, multiple=2, count=4):
    steps, end = _gold_operations(name, episode)
    assert grade(episode, end) == (True, 1.0)
    assert not grade(episode, state_lib.empty()).strict
    for t, before, ops in steps:
      so_far = episode._replace(chunks=episode.chunks[: t + 1])
      assert grade(so_far, _applied(before, ops, t)).strict
      for i, op in enumerate(ops):
        for wrong in _mutations(op, other):
          state = _applied(before, [*ops[:i], *wrong, *ops[i + 1 :]], t)
          found = grade(so_far, state)
          assert not found.strict and found.part < 1
          mutated += 1
  assert mutated > 100


def test_a_state_is_graded_in_any_words(name):
  """What is no word of the world, and the order of words, do not count."""
  episode = _episodes(name)[0]
  _, end = _gold_operations(name, episode)
  entries = state_lib.entries(end)
  again = state_lib.with_entries(
    state_lib.empty(),
    [e._replace(text=f'well, {e.text}, so it goes') for e in entries],
  )
  assert sources.of(name).grade(episode, again).strict
  half = state_lib.with_entries(state_lib.empty(), entries[::2])
  part = sources.of(name).grade(episode, half).part
  assert part == pytest.approx(len(entries[::2]) / len(entries))
