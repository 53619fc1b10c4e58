"""A chunk read a clause at a time: in training, evaluation and warm start."""

import itertools
import types

import numpy as np
import pytest
import tiny_config

from mem_alpha_jax.config import sizes
from mem_alpha_jax.data import pipeline
from mem_alpha_jax.memory import slots
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.memory.state import Op
from mem_alpha_jax.methods import memory, policy
from mem_alpha_jax.methods.protocol import Given
from mem_alpha_jax.roles import writer
from mem_alpha_jax.rollout import play, warm_start
from mem_alpha_jax.run import build as build_lib
from mem_alpha_jax.run import learning
from mem_alpha_jax.types import Episode, Written

CHUNK = 'Ana is a baker; it rained. Tom moved to Oslo'
TWO = Episode(1, 'synthetic', ('A b.', 'C d; e f. G h'), ())


def test_pieces_are_the_chunk_and_lose_nothing():
  assert writer.pieces(CHUNK, 0) == [CHUNK]
  one = ['Ana is a baker;', 'it rained.', 'Tom moved to Oslo']
  assert writer.pieces(CHUNK, 1) == one
  assert writer.pieces(CHUNK, 2) == [' '.join(one[:2]), one[2]]
  assert writer.pieces(CHUNK, 9) == [CHUNK]
  assert writer.pieces('', 1) == writer.pieces('', 0) == ['']
  assert writer.pieces('安娜是面包师。汤姆搬家了。', 1) == [
    '安娜是面包师。', '汤姆搬家了。'
  ]  # fmt: skip


def test_a_schedule_has_a_turn_for_each_piece_of_its_chunk():
  turns = writer.read_chunks(TWO, 1)
  assert [(turn.chunk, turn.text) for turn in turns] == [
    (0, 'A b.'), (1, 'C d;'), (1, 'e f.'), (1, 'G h')
  ]  # fmt: skip
  assert len(writer.read_chunks(TWO)) == 2


def remembering(episodes, cut, write):
  """A method whose writer is asked to write, and that counts words."""
  count = lambda text: len(text.split())
  tokenizer = types.SimpleNamespace(count=count)
  setup = types.SimpleNamespace(
    tokenizer=tokenizer, embed=lambda params: slots.no_vectors
  )
  parts = types.SimpleNamespace(eval_setup=setup)
  config = tiny_config.get_config('memory.cap_rate=0,memory.view=newest')
  given = Given(parts, config, None, episodes, range(len(episodes)))
  return memory.MemoryMethod(write, given, cut=cut)


def noting(seen):
  """A writer that notes what it reads, but nothing of 'e f.'."""

  def write(memories, chunks, views, t):
    seen.append((t, tuple(chunks), [len([*filter(None, v)]) for v in views]))
    return [
      Written((Op('insert', 'semantic', chunk),), text=chunk)
      if chunk and chunk != 'e f.'
      else Written(noop=True)
      for chunk in chunks
    ]

  return write


def test_each_piece_is_read_beside_the_notes_on_those_before():
  seen = []
  other = Episode(2, 'synthetic', ('I j.', 'K l.'), ())
  cut = lambda chunk: writer.pieces(chunk, 1)
  method = remembering([TWO, other], cut, noting(seen))
  first = method.observe(['A b.', 'I j.'])
  steps = method.observe([TWO.chunks[1], 'K l.'])
  assert seen == [
    (0, ('A b.', 'I j.'), [0, 0]),
    (1, ('C d;', 'K l.'), [1, 1]),
    (1, ('e f.', None), [2, 2]),
    (1, ('G h', None), [2, 2]),
  ]
  assert [len(step.results) for step in (*first, *steps)] == [1, 1, 2, 1]
  assert [op.text for op in steps[0].written.ops] == ['C d;', 'G h']
  assert steps[0].written.text == 'C d;\nG h' and not steps[0].written.noop
  assert all(result.ok for result in steps[0].results)
  assert method.memories.read == [8, 4]
  # What a chunk said is as old as the chunk.
  assert [e.step for e in state_lib.entries(steps[0].state, 'semantic')] == [
    0, 1, 1
  ]  # fmt: skip


def test_streams_end_and_whole_chunks_are_one_piece():
  seen = []
  method = remembering([TWO, TWO], lambda chunk: [chunk], noting(seen))
  steps = method.observe([TWO.chunks[1], None])
  assert [chunks for _, chunks, _ in seen] == [(TWO.chunks[1], None)]
  assert steps[1].written.noop and not steps[1].results


@pytest.fixture(scope='module')
def experiment(tmp_path_factory):
  config = tiny_config.get_config(
    'rollout.clauses=1,data.wording=varied,data.chunk_sentences=3,'
    'memory.cap_rate=0'
  )
  folder = str(tmp_path_factory.mktemp('clauses'))
  return build_lib.build(config, folder)


def test_training_and_evaluation_read_the_same_pieces(experiment, monkeypatch):
  episodes = pipeline.eval_episodes(experiment.config, 'test')
  wanted = [experiment.train_setup.schedule(episode) for episode in episodes]
  assert sum(map(len, wanted)) > sum(len(e.chunks) for e in episodes)
  read, params = [[] for _ in episodes], build_lib.init_params(experiment)
  respond = play.respond

  def watched(setup, params, turns):
    for texts, turn in zip(read, turns, strict=True):
      texts += [turn.text] if turn.text else []
    return respond(setup, params, turns)

  monkeypatch.setattr(play, 'respond', watched)
  given = Given(
    experiment, experiment.config, params, episodes, range(len(episodes))
  )
  method = policy.method(given)
  for chunks in itertools.zip_longest(*(e.chunks for e in episodes)):
    method.observe(chunks)
  assert read == [[turn.text for turn in turns] for turns in wanted]


def test_demonstrations_are_about_one_piece(experiment):
  rng, seen = np.random.default_rng(0), set()
  for _ in range(30):
    turn = warm_start.turn_of(experiment.train_setup, rng, TWO, 1)
    seen.add(turn.text)
  assert seen == {'C d;', 'e f.', 'G h'}


def test_the_rate_falls_until_the_last_update(experiment):
  config = experiment.config
  assert learning.pieces(tiny_config.get_config()) == 1.0
  episodes = pipeline.make_source(config, 'train')[: learning.COUNTED]
  turns = sum(len(writer.read_chunks(e, 1)) for e in episodes)
  mean = turns / sum(len(e.chunks) for e in episodes)
  assert learning.pieces(config) == mean and 1.2 < mean < 1.8
  config = config.copy_and_resolve_references().unlock()
  config.num_steps, config.data.train_chunks = 10, 8
  config.data.batch_episodes, config.rl.minibatch_rows = 4, 16
  # round(8 * 1.5) = 12 turns of four episodes, groups of 4: 192 rows.
  assert sizes.total_updates(config, 1.5) == 10 * 12
