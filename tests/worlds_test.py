"""Worlds on the symbolic core: gold, spans, notes, states, their readers."""

import collections
import functools
import hashlib
import itertools
import random
import unicodedata
from collections.abc import Callable
from types import ModuleType
from typing import NamedTuple

import pytest
import regex
import small_worlds

from configs import competences as competences_config
from configs import conflict as conflict_config
from configs import home as home_config
from configs import traps as traps_config
from configs import traps_zh as traps_zh_config
from configs import week as week_config
from configs import workflow as workflow_config
from configs import worlds as worlds_config
from mem_alpha_jax.config import validate
from mem_alpha_jax.data import pipeline, sources
from mem_alpha_jax.data.worlds import (
  competences,
  competences_words,
  conflict,
  conflict_words,
  core,
  home,
  home_words,
  streams,
  traps,
  traps_arabic,
  traps_chinese,
  traps_hindi,
  traps_words,
  week,
  week_words,
  workflow,
  workflow_words,
)
from mem_alpha_jax.data.worlds import language as language_lib
from mem_alpha_jax.memory import execution
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.methods import writers
from mem_alpha_jax.reading import judge
from mem_alpha_jax.reward import gold, parts, scoring
from mem_alpha_jax.run import build
from mem_alpha_jax.types import Note, Outcome, Request, Turn


class World(NamedTuple):
  """A world, its own truth (tests/small_worlds.py), and what it was before."""

  config: ModuleType
  table: core.World
  language: language_lib.Language
  facts: Callable
  answer: Callable
  digest: str


def _traps(language, digest):
  answer = small_worlds.traps_answer
  if language is not traps_words.ENGLISH:
    answer = small_worlds.traps_answer_in(language)
  facts = small_worlds.traps_facts
  chinese = language is traps_chinese.CHINESE
  config = traps_zh_config if chinese else traps_config
  return World(config, traps.TRAPS, language, facts, answer, digest)


KNOWN = {
  'traps': _traps(traps_words.ENGLISH, '85b6f6ff64e57865'),
  'traps_zh': _traps(traps_chinese.CHINESE, '653aff2096fda278'),
  'traps_ar': _traps(traps_arabic.ARABIC, 'bef18b11be775fa0'),
  'traps_hi': _traps(traps_hindi.HINDI, '89dbba32735e11d1'),
  'home': World(
    home_config,
    home.HOME,
    home_words.ENGLISH,
    small_worlds.home_facts,
    small_worlds.home_answer,
    'f41e686a5dccbf57',
  ),
  'conflict': World(
    conflict_config,
    conflict.CONFLICT,
    conflict_words.ENGLISH,
    small_worlds.conflict_facts,
    small_worlds.conflict_answer,
    '3bc16718c8f560e4',
  ),
  'week': World(
    week_config,
    week.WEEK,
    week_words.ENGLISH,
    small_worlds.week_facts,
    small_worlds.week_answer,
    '9663dc699d88cae5',
  ),
  'competences': World(
    competences_config,
    competences.COMPETENCES,
    competences_words.ENGLISH,
    small_worlds.competences_facts,
    small_worlds.competences_answer,
    '07f33b7af158b6bd',
  ),
  'workflow': World(
    workflow_config,
    workflow.WORKFLOW,
    workflow_words.ENGLISH,
    small_worlds.workflow_facts,
    small_worlds.workflow_answer,
    'b5070818761dd6af',
  ),
}
WIDE = state_lib.Limits(0, 64, 1 << 12)


@pytest.fixture(scope='module', params=KNOWN)
def name(request):
  return request.param


def _config(name):
  return KNOWN[name].config.get_config(f'data.source={name}')


def _episodes(name, split='test_pairs', multiple=1, count=8):
  return sources.of(name).episodes(_config(name), split, multiple)[:count]


def _stream(name, split, seed, chunks):
  one, options = KNOWN[name], streams.Options()
  said = streams.stream(
    one.table, one.language, split, str(seed), chunks, options
  )
  return [*said]


def _read(name, strict=True):
  reader = sources.of(name).reader(_config(name), strict)
  return lambda text, notes: reader([Request(text, tuple(notes))])[0].lower()


def test_its_config_is_valid(name):
  validate.validate(_config(name))


def test_gold_is_what_a_recomputation_says(name):
  """Of every question: its gold, that it held just so long, and no other."""
  asked = 0
  for seed, split in itertools.product(range(12), ('train', 'test_templates')):
    steps = _stream(name, split, seed, 80)
    told = [line for step in steps for line in step.lines]
    assert len(told) == len(steps)
    stored = steps[0].stored
    facts = [KNOWN[name].facts(told[: t + 1], stored) for t in range(len(told))]
    questions = [q for step in steps for q in step.closed]
    spans = collections.defaultdict(dict)
    for q in questions:
      for t in range(q.first, q.last + 1):
        assert t not in spans[q.text]
        spans[q.text][t] = q.answer
    for text, golds in spans.items():
      for t in range(min(golds), len(told)):
        assert golds.get(t, '') == KNOWN[name].answer(text, facts[t]), (text, t)
    starts = {(q.text, q.first): q.answer for q in questions}
    for q in questions:  # a span does not go on in another
      assert starts.get((q.text, q.last + 1)) != q.answer
    asked += len(questions)
  assert asked > 1000


def test_the_evidence_is_what_the_answer_takes(name):
  read, known, asked = _read(name), KNOWN[name], 0
  for episode in _episodes(name, 'train', 4, 2):
    for q in episode.questions:
      told = [Note('semantic', episode.chunks[t], t) for t in q.evidence]
      assert q.evidence[-1:] == (q.first,) * (KNOWN[name].table.start is None)
      if name.startswith('traps'):
        assert read(q.text, told) == q.answer.lower(), (q, told)
      if known.table.sums:  # and nothing else that was told
        lines = [known.language.read(episode.chunks[t]) for t in q.evidence]
        facts = known.facts(sum(lines, []), ())
        assert known.answer(q.text, facts) == q.answer, (q, lines)
      asked += 1
  assert asked > 20


def test_the_same_seed_is_the_same_world(name):
  digest = hashlib.sha256()
  for split in sources.of(name).splits:
    digest.update(repr(_episodes(name, split, 4, 2)).encode())
  assert digest.hexdigest()[:16] == KNOWN[name].digest
  assert _episodes(name) == _episodes(name)
  assert _episodes(name, 'train') != _episodes(name)


def test_a_shorter_stream_begins_a_longer_one(name):
  short, long = (_stream(name, 'train', 3, n) for n in (9, 30))
  assert [s.chunk for s in short] == [s.chunk for s in long[:9]]
  assert [s.closed for s in short[:8]] == [s.closed for s in long[:8]]


def test_text_says_what_was_told(name):
  language = KNOWN[name].language
  for split in ('train', 'test', 'validation_templates'):
    for step in _stream(name, split, 1, 200):
      (line,), read = step.lines, language.read(step.chunk)
      assert [one.form for one in read] == [line.form], step.chunk
      assert read[0].fields.items() <= line.fields.items()
      assert language.say(random.Random(0), line, False)


def test_words_are_of_one_kind_and_of_one_split(name):
  """And as a tokenizer leaves them: NFKC, and a word by Unicode's rules."""
  language = KNOWN[name].language
  dealt = [d for d in language.words.values() if d['train'] != d['test']]
  every = [word.lower() for d in dealt for some in d.values() for word in some]
  shared = {w.lower() for d in language.words.values() for w in d['train']}
  shared -= set(every)
  cues = {language.cue(name).lower() for name in language.attributes}
  assert len(every) == len(set(every)) and not shared & cues
  assert not cues & set(every)
  for word in {*every, *shared, *cues}:
    assert unicodedata.normalize('NFKC', word) == word
    assert regex.fullmatch(r'[\p{L}\p{M}]+', word), word
  fields = {kind: min(language.words[kind]['train']) for kind in language.words}
  for form, told in language.said.items():
    assert told.seen and told.held_out
    assert not set(told.seen) & set(told.held_out), form
    for template in (*told.seen, *told.held_out):
      assert {kind for kind in fields if f'{{{kind}}}' in template} or (
        form == KNOWN[name].table.talk
      )


def test_every_type_is_asked_and_by_turns(name):
  questions = [q for e in _episodes(name, count=60) for q in e.questions]
  asked = collections.Counter(q.type for q in questions if q.asked)
  assert set(asked) == {q.type for q in questions}
  assert max(asked.values()) < asked.total() / 2


@pytest.mark.parametrize('split', ['train', 'test', 'test_templates'])
def test_perfect_notes_answer_everything_and_none_nothing(name, split):
  read = _read(name)
  for episode in _episodes(name, split, 4, 4):
    for t, before, ops in _gold_operations(name, episode):
      entries = state_lib.entries(_applied(before, ops, t))
      held = [Note(e.kind, e.text, e.step) for e in entries]
      for q in episode.questions:
        if q.first <= t <= q.last:
          assert read(q.text, held) == q.answer.lower(), q
          assert read(q.text, ()) == ''


def _gold_operations(name, episode):
  """(chunk, state before it, operations) of perfect writing."""
  state = state_lib.holding(episode.start, str.__len__)
  steps = []
  for t, notes in enumerate(sources.of(name).oracle(episode)):
    view = tuple(state_lib.entries(state))
    ops = writers.oracle(writers.Seen(state, '', view, WIDE, len, None, notes))
    steps.append((t, state, ops))
    state = _applied(state, ops, t)
  return steps


def _end(name, episode):
  t, before, ops = _gold_operations(name, episode)[-1]
  return _applied(before, ops, t)


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
  other = KNOWN[name].language.words['person']['validation'][0]
  for episode in _episodes(name, multiple=2, count=4):
    assert grade(episode, _end(name, episode)) == (True, 1.0)
    untouched = state_lib.holding(episode.start, str.__len__)
    assert not grade(episode, untouched).strict
    for t, before, ops in _gold_operations(name, episode):
      so_far = episode._replace(chunks=episode.chunks[: t + 1])
      # Of a store that begins wrong, what no line has come for is wrong still.
      right = grade(so_far, _applied(before, ops, t))
      assert right.strict or episode.start
      for i, op in enumerate(ops):
        for wrong in _mutations(op, other):
          state = _applied(before, [*ops[:i], *wrong, *ops[i + 1 :]], t)
          found = grade(so_far, state)
          assert not found.strict and found.part < right.part
          mutated += 1
  assert mutated > 100


def test_a_state_is_graded_in_any_words(name):
  """What is no word of the world, and the order of words, do not count."""
  episode = _episodes(name)[0]
  entries = state_lib.entries(_end(name, episode))
  again = state_lib.with_entries(
    state_lib.empty(),
    [e._replace(text=f'well, {e.text}, so it goes') for e in entries],
  )
  assert sources.of(name).grade(episode, again).strict
  half = state_lib.with_entries(state_lib.empty(), entries[::2])
  part = sources.of(name).grade(episode, half).part
  assert part == pytest.approx(len(entries[::2]) / len(entries))


def test_several_worlds_come_by_turns_and_are_read_together():
  """At every length: the oracle's notes of each answer its questions."""
  config = worlds_config.get_config()
  validate.validate(config)
  sources.check(config)
  mine = worlds_config.WORLDS
  for multiple in (1, 2):
    episodes = pipeline.eval_episodes(config, 'test', multiple)[:12]
    assert [e.source for e in episodes] == [*mine, *mine]
    assert {len(e.chunks) for e in episodes} == {10 * multiple}
  train = pipeline.make_source(config, 'train')
  assert [train[i].source for i in range(6)] == [*mine]
  strict, lenient = build.source_readers(config, None)
  for episode in episodes[:6]:
    end = _end(episode.source, episode)
    notes = [Note(e.kind, e.text, e.step) for e in state_lib.entries(end)]
    due = [q for q in episode.questions if q.last == len(episode.chunks) - 1]
    requests = [Request(q.text, tuple(notes)) for q in due]
    gold = [q.answer.lower() for q in due]
    said = strict(requests)
    assert said == lenient(requests)
    assert [answer.lower() for answer in said] == gold
    assert strict([Request('What else?', tuple(notes))]) == ['']


def test_a_store_begins_with_every_trouble_and_a_line_comes_for_each():
  """Six abilities; before its line none of the troubles is settled."""
  abilities = collections.Counter()
  for episode in _episodes('conflict', 'train', count=40):
    texts = [note.text for note in episode.start]
    assert len(set(texts)) == len(texts) >= 4
    abilities.update({q.type for q in episode.questions})
    untouched = state_lib.holding(episode.start, str.__len__)
    assert sources.of('conflict').grade(episode, untouched).part < 0.7
  assert set(abilities) == {
    'duplicate', 'gap', 'repair', 'sources', 'transfer', 'workflow', 'kept',
  }  # fmt: skip
  assert min(abilities.values()) > 15


def test_a_false_premise_is_to_be_named():
  """By rules as by a judge of published types: not to know is wrong."""
  rule = functools.partial(sources.rule_of, 'workflow')
  questions = [q for e in _episodes('workflow', count=24) for q in e.questions]
  kinds = {q.type: q.answer for q in questions if q.type.endswith('-abs')}
  assert len(kinds) == 3
  for kind, flaw in kinds.items():
    mark = lambda said, by='extractive', kind=kind, flaw=flaw: scoring.score(
      said, flaw, rule(by, kind)
    )
    assert mark(flaw) == mark(f'It is {flaw}.', 'lm') == 1
    assert not any(map(mark, ('', 'I do not know.', 'billing')))
    assert rule('lm', kind, judge=True) == scoring.JUDGE
    assert 'names that flaw' in judge.criterion(kind)
    assert rule('lm', kind.removesuffix('-abs'), judge=True) == 'substring'


def _corrupted(kind, turn, o):
  """The outcome of gold calls, corrupted; None where it has no such call."""
  *rest, op = o.ops or (None,)
  change = lambda **new: o._replace(ops=(*rest, op._replace(**new)))
  if kind == 'calls':  # one more, that cannot be read
    return o._replace(errors=('unreadable',))
  if kind == 'answers':
    return o._replace(gain=scoring.score('{"device": "lamp"}', GOLD, 'json'))
  if kind == 'operation, unneeded':
    more = state_lib.Op('insert', 'semantic', turn.text)
    return o._replace(ops=(*o.ops, more), results=(*o.results, OK))
  if kind == 'operation, missed':
    return op and o._replace(ops=tuple(rest), results=o.results[:-1], noop=True)
  if kind == 'target' and op and op.entry_id:
    return change(entry_id=op.entry_id + 1)
  if kind == 'target, list' and op and op.tool == 'insert':
    return change(kind='episodic')
  if kind == 'wording, stale' and op and op.tool == 'update':
    return change(text=next(e.text for e in turn.view if e.id == op.entry_id))
  return None


GOLD = '{"device": "lamp", "setting": "warm"}'
OK = state_lib.OpResult(True)


def test_each_dimension_of_the_reward_falls_for_its_own_corruption():
  """Of MemHome's vector: gold has all, and a corruption costs just one."""
  config = home_config.get_config('reward.gold=True').reward
  names = ('answers', 'calls', *gold.PARTS)
  earned = lambda turn, o: {
    name: float(parts.of(config)[name]([turn], [o], config)[0])
    for name in names
  }
  found = collections.Counter()
  for episode in _episodes('home', 'train', 4, 2):
    for t, before, ops in _gold_operations('home', episode):
      view = tuple(state_lib.entries(before))
      turn = Turn(
        'writer', episode.chunks[t], state=before, view=view, gold=tuple(ops)
      )
      done = Outcome(
        before, tuple(ops), (OK,) * len(ops), noop=not ops,
        gain=scoring.score(GOLD, GOLD, 'json'),
      )  # fmt: skip
      assert set(earned(turn, done).values()) == {1.0}
      garbage = earned(turn, Outcome(before, errors=('unreadable',)))
      assert not any(garbage[name] for name in gold.PARTS)
      for kind in (
        'calls', 'answers', 'operation, unneeded', 'operation, missed',
        'target', 'target, list', 'wording, stale',
      ):  # fmt: skip
        wrong = _corrupted(kind, turn, done)
        if wrong and not (kind == 'calls' and not ops):
          fell = [
            name for name, mark in earned(turn, wrong).items() if mark < 1
          ]
          assert fell == [kind.split(',')[0]], (kind, ops)
          found[kind] += 1
  assert len(found) == 7 and min(found.values()) > 4
  with pytest.raises(ValueError, match=r'reward\.wording=0\.1: .*gold=True'):
    parts.of(home_config.get_config('reward.wording=0.1').reward)
