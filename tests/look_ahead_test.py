"""Grading a response by what it is worth once a perfect writer has read on."""

import functools

import pytest
import tiny_config

from mem_alpha_jax.config import validate as validate_lib
from mem_alpha_jax.data import babi
from mem_alpha_jax.memory import batch as batch_lib
from mem_alpha_jax.memory import execution
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.methods import writers
from mem_alpha_jax.reading.extractive import ExtractiveReader
from mem_alpha_jax.rollout import grading, look_ahead
from mem_alpha_jax.run import build as build_lib
from mem_alpha_jax.types import Episode, Outcome, Turn

CHUNKS = (
  'Ada went to the attic.',
  'Ada got the lamp there.',
  'Ada dropped the lamp.',
  'Bob went to the attic.',
  'Ada went to the porch.',
  'Bob picked up the lamp.',
)
LEXICON = {
  'person': frozenset(('ada', 'bob')),
  'location': frozenset(('attic', 'porch')),
}
COUNT = lambda text: len(text.split())
INSERT = functools.partial(state_lib.Op, 'insert', 'semantic')
UPDATE = functools.partial(state_lib.Op, 'update', 'semantic')


def story(chunks):
  """An episode that only asks where the lamp is."""
  asked = babi.could_be_asked(chunks, 'qa2')
  return Episode(1, 'babi', chunks, tuple(q for q in asked if 'lamp' in q.text))


def write(turn, last=None):
  notes = babi.episode_notes(turn.episode.chunks)
  told = sum(notes[turn.chunk : (last or turn.chunk) + 1], ())
  return writers.expert(turn, told, COUNT, None, tidy=False)


EXPERT = look_ahead.Expert(write, lambda e: babi.episode_notes(e.chunks))


def gains(chunk, before, *responses, ahead, told=CHUNKS):
  """What each list of calls gains on a memory that some calls have made."""
  config = tiny_config.get_config(f'reading.hops=2,rollout.ahead={ahead}')
  limits = batch_lib.limits(config.memory, 100)
  act = lambda state, ops: execution.apply_all(state, ops, limits, COUNT, chunk)
  state, _ = act(state_lib.empty(), [INSERT(text) for text in before])
  turn = Turn(
    'writer', CHUNKS[chunk], story(told), chunk, state=state, limits=limits,
    view=tuple(state_lib.by_age(state)),
  )  # fmt: skip
  outcomes = []
  for ops in responses:
    after, results = act(state, ops)
    assert all(result.ok for result in results)
    outcomes.append(Outcome(after, tuple(ops), results))
  memories = batch_lib.Memories([state], [100], config, COUNT)
  reader = ExtractiveReader(babi.frames(['qa2']), LEXICON, strict=True)
  found = grading.gained(
    memories, [turn], [outcomes], reader, len(responses), EXPERT
  )
  return [o.gain for o in found[0]]


@pytest.mark.parametrize(
  ('chunk', 'most', 'stands', 'past'),
  [
    (0, 9, 3, 5), (0, 2, 2, 0), (1, 9, 1, 5), (2, 9, 4, 5), (2, 0, 2, 2),
    (4, 9, 5, 4), (5, 9, 5, 5),
  ],
)  # fmt: skip
def test_a_note_stands_until_one_with_its_key(chunk, most, stands, past):
  notes = babi.episode_notes(CHUNKS)
  assert look_ahead.horizons(notes, chunk, most) == (stands, past)
  assert look_ahead.horizons([(), *notes], 0, most) == (0, 0)  # none noted


def test_a_drop_pays_once_the_person_has_left():
  held = ['Ada attic', 'lamp Ada']
  drop = [UPDATE('lamp attic', 2)]
  lost = [state_lib.Op('delete', 'semantic', entry_id=2)]
  for ahead, expected in ((0, [0, 0, -1]), (1, [0, 0, -2]), (2, [1, 0, -1])):
    assert gains(2, held, drop, [], lost, ahead=ahead) == expected
  # Far enough, whatever comes later: at 5 the lamp is taken, and noted anew.
  assert gains(2, held, drop, [], lost, ahead=9) == [1, 0, -1]


def test_a_place_pays_once_something_is_taken_there():
  # Further on it is put down: that note of the writer names the place itself.
  for ahead, expected in ((0, [0, 0]), (1, [1, 0]), (9, [0, 0])):
    assert gains(0, [], [INSERT('Ada attic')], [], ahead=ahead) == expected


def test_a_take_pays_at_once_and_where_its_note_stands():
  take = [INSERT('lamp Ada')]
  # It is dropped in the next statement: nothing is left to read on.
  assert gains(1, ['Ada attic'], take, [], ahead=9) == [1, 0]
  assert gains(1, ['Ada porch'], take, [], ahead=9) == [0, 0]


def test_a_note_beside_an_old_one_costs_once_it_is_noted_anew():
  chunks = (*CHUNKS, 'Bob went to the porch.')
  held, here = ['Ada attic', 'lamp Ada'], dict(ahead=9, told=chunks)
  drops = [UPDATE('lamp attic', 2)], [INSERT('lamp attic')], []
  # While it stands, once Ada has left, both drops pay. Later the lamp is with
  # Bob, on the porch: 'lamp Ada' is in the way of 'lamp Bob', or 'lamp attic'
  # of both. Without a call 'lamp Ada' became 'lamp Bob'.
  assert gains(2, held, *drops, **here) == [1, 0, 0]


def test_a_turn_without_a_chunk_is_not_taken_on():
  config = tiny_config.get_config('rollout.ahead=4')
  memories = batch_lib.Memories([state_lib.empty()], [9], config, COUNT)
  idle = Turn('writer', '', story(CHUNKS), 2, live=False)
  start = [Outcome(state_lib.empty())]
  for past in (False, True):
    (later,), rows = look_ahead.read_on(EXPERT, memories, [idle], [start], past)
    assert not later.live and rows == [start]


def test_it_needs_an_oracle():
  config = tiny_config.get_config('data.source=locomo,rollout.ahead=2')
  with pytest.raises(
    ValueError, match='ahead=2: data.source=locomo has no oracle; use 0'
  ):
    build_lib._expert(config, len)


@pytest.mark.parametrize(
  ('arg', 'message'),
  [
    ('rollout.groups=trajectory', "ahead=3: .*s='state'"),
    ('reward.when=session', "ahead=3: .*when='step', not 'session'"),
  ],
)
def test_it_grades_gains_of_groups_of_a_state(arg, message):
  config = tiny_config.get_config(f'rollout.ahead=3,{arg}')
  with pytest.raises(ValueError, match=message):
    validate_lib.validate(config)
