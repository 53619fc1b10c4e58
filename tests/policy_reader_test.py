"""The policy as a reader of evaluations, beside the frozen one."""

import json
import pathlib

import numpy as np
import pytest
import tiny_config
from small_rollouts import recorded, scripted

from mem_alpha_jax import train
from mem_alpha_jax.data import pipeline
from mem_alpha_jax.evaluation import held_out, policy_reader
from mem_alpha_jax.memory import batch, execution
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.recall import registry as recall
from mem_alpha_jax.report import metrics, tables
from mem_alpha_jax.roles import answerer, registry
from mem_alpha_jax.rollout import collector
from mem_alpha_jax.rollout import starts as starts_lib
from mem_alpha_jax.run import build as build_lib
from mem_alpha_jax.run import summary
from mem_alpha_jax.sampling import buckets
from mem_alpha_jax.types import Episode, Question, Request

ANSWERS = 'rollout.answers=1,rollout.forced=0,reading.batch=8,'
PEOPLE = ('Marta', 'Leo', 'Ana', 'Tom')


@pytest.fixture(scope='module')
def world(tmp_path_factory):
  config = tiny_config.get_config(f'{ANSWERS}eval.answerer=policy')
  return build_lib.build(config, str(tmp_path_factory.mktemp('reader')))


def start(world, i):
  """A memory with a core, and more notes about a person than a view shows."""
  count = world.eval_setup.tokenizer.count
  limits = state_lib.Limits(8, 12, 64)
  ops = [state_lib.Op('update', 'core', f'I am {PEOPLE[i % 4]}')] * (i % 2)
  for j, person in enumerate(PEOPLE[: 1 + i % 4]):
    ops += [
      state_lib.Op('insert', 'semantic', f'{person} job {i} {j}'),
      state_lib.Op('insert', 'episodic', f'{person} went home {i}'),
      state_lib.Op('insert', 'semantic', f'{person} new job {j}'),
    ]
  state, results = execution.apply_all(state_lib.empty(), ops, limits, count, 0)
  assert all(result.ok for result in results)
  return starts_lib.Start(state_lib.without_log(state), 0, 1, {})


def test_it_answers_as_the_greedy_turn_of_training(world, monkeypatch):
  turns, said = [], []

  def act(setup, turn, ids):
    done = answerer.act(setup, turn, ids)
    turns.append(turn)
    said.append(done.answer)
    return done

  role = answerer.ROLE._replace(act=act)
  monkeypatch.setitem(registry.ROLES, 'answerer', role)
  params, config = build_lib.init_params(world), world.config
  episodes = [
    Episode(i, 'synthetic', ('',), (Question(f'{name} job?', '', 'x', 0, 0),))
    for i, name in enumerate(PEOPLE * 3)
  ]
  setup = world.eval_setup._replace(
    schedule=lambda e: answerer.ask(e, e.questions)
  )
  starts = [start(world, i) for i in range(len(episodes))]
  collector.collect(setup, params, episodes, starts, 0)
  assert len(said) == 12 and len(set(said)) > 3
  memories = batch.Memories(
    [turn.state for turn in turns], [0] * 12, config, setup.tokenizer.count
  )
  asked = recall.requests(memories, [[turn.text] for turn in turns], 16)
  requests = [request for (request,) in asked]
  assert max(len(r.notes) for r in requests) > config.memory.view_entries
  for turn, request in zip(turns, requests, strict=True):
    mine = answerer.show(setup, policy_reader.turn(config, request))
    assert mine[:2] == answerer.show(setup, turn)[:2]
  assert policy_reader.make(setup, params)(requests) == said


def test_nothing_compiles_for_a_number_of_questions(world):
  setup, calls = recorded(world.eval_setup)
  read = policy_reader.make(setup, build_lib.init_params(world))
  requests = [Request(f'{name} job?', ()) for name in PEOPLE * 5]
  whole = read(requests)
  before = buckets.compile_count()
  for size in (0, 1, 7, 8, 9):
    assert read(requests[:size]) == whole[:size]
  assert buckets.compile_count() == before
  assert len(calls) == 3 + 1 + 1 + 1 + 2
  assert {inputs[0].shape[0] for inputs, _ in calls} == {8}


def test_both_readers_are_in_an_arm_and_its_tables(world):
  episodes = pipeline.eval_episodes(world.config, 'test')
  asked = [q for e in episodes for q in e.questions if q.asked]
  gold, tokenizer = asked[0].answer, world.eval_setup.tokenizer
  ids = [*tokenizer.encode_text(f' {gold}'), tokenizer.eos_id]
  setup = scripted(world.eval_setup, lambda rng, g: ids)
  both = world._replace(eval_setup=setup)
  off = both.config.copy_and_resolve_references().unlock()
  off.eval.answerer = 'reader'
  found, alone = (
    held_out.arm('oracle', parts, None, episodes)[0]
    for parts in (both, both._replace(config=off))
  )
  share = np.mean([q.answer == gold for q in asked])
  assert found['policy']['accuracy'] == pytest.approx(share) and share > 0
  assert found['policy']['questions'] == len(asked)
  assert found['accuracy'] > share and found['missing_answers'] == 0
  # The frozen readers find what they find without it.
  for one in (found, alone):
    del one['seconds_per_chunk'], one['seconds_at_ends']
  assert {k: v for k, v in found.items() if k != 'policy'} == alone
  shown = tables.summary_table({'after': found})
  assert f'{share:.3f}' in shown and 'policy' in shown.splitlines()[0]
  rows = tables.length_table({'1': {'after': found}}).splitlines()
  assert rows[-1].split()[:2] == ['policy', f'{share:.3f}']
  rows = tables.type_table({'after': found}).splitlines()
  assert rows[0].startswith('strict / lenient / policy')
  assert all(row.count(' / ') == 2 for row in rows[2:])
  assert 'policy' not in tables.summary_table({'after': alone})
  assert held_out.told(both, episodes)[-1] == policy_reader.TOLD
  assert policy_reader.TOLD not in held_out.told(
    both._replace(config=off), episodes
  )
  assert held_out.validation(both, None, episodes)['eval/policy'] == share


@pytest.mark.slow
def test_a_run_and_mode_eval_ask_it(tmp_path, capsys):
  arg = (
    f'{ANSWERS}num_steps=1,eval.every=1,eval.lengths=1,'
    'rollout.groups=trajectory,reward.when=end,rl.group_by=trajectory,'
    'reward.answerer=policy,rl.advantage=uma,warm_start.answers=2,'
  )
  folder = str(tmp_path)
  result = train.train(
    tiny_config.get_config(f'{arg}eval.answerer=policy'), folder
  )
  (row,) = metrics.read(str(tmp_path / metrics.FILE))
  assert 0 <= row['eval/policy'] <= 1
  written = json.loads(pathlib.Path(folder, 'results.json').read_text())
  arms = [written['before'], written['after'], *written['baselines'].values()]
  assert all(0 <= arm['policy']['accuracy'] <= 1 for arm in arms)
  assert written['told'][-1] == policy_reader.TOLD
  capsys.readouterr()
  again = summary.main(
    tiny_config.get_config(f'{arg}eval.answerer=policy'), folder
  )
  assert again['after']['policy'] == result['after']['policy']
  shown = capsys.readouterr().out
  assert policy_reader.TOLD in shown and 'strict, lenient, policy' in shown
  alone = summary.main(tiny_config.get_config(arg), folder)
  assert 'policy' not in alone['after']
  assert alone['after']['accuracy'] == again['after']['accuracy']
