"""A tool from outside the package: one effect and one row of the table."""

import numpy as np
import pytest
import small_calls
import tiny_config

from mem_alpha_jax.memory import batch as batch_lib
from mem_alpha_jax.memory import (
  compact_calls,
  effects,
  execution,
  json_calls,
  reference_tools,
  slots,
  tools,
)
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.rollout import samples

Op = state_lib.Op
LIMITS = state_lib.Limits(9, 40, 9)


def merge(state, op, limits, tokens, step):
  """Makes one entry of two: the first says the text, the other goes."""
  kept = state_lib.with_id(state, op.kind, op.entry_id)
  gone = state_lib.with_id(state, op.kind, op.other_id)
  if kept is None or gone is None or kept == gone:
    return state, state_lib.OpResult(False, 'unknown id')
  freed = kept.tokens + gone.tokens
  error = effects.misfit(state, op, limits, tokens, freed)
  if error:
    return state, state_lib.OpResult(False, error)
  new = kept._replace(
    text=op.text, step=step, tokens=tokens, parents=(kept.id, gone.id)
  )
  state = state_lib.put(state_lib.drop(state, gone), new)
  return state, effects.done(new, gone)


@pytest.fixture(autouse=True)
def registered(monkeypatch):
  row = tools.Tool(
    'memory_merge',
    'Make one note of two.',
    ('memory_type', 'content', 'memory_id', 'other_id'),
    state_lib.LISTS,
    '<mrg>',
    merge,
  )
  monkeypatch.setitem(tools.TOOLS, 'merge', row)


def stored():
  config = tiny_config.get_config()
  memories = batch_lib.Memories([state_lib.empty()], [900], config, len)
  texts = ('Ada kite', 'Bob boat', 'Ada red')
  memories.write([[Op('insert', 'semantic', text) for text in texts]], [0])
  return memories


VIEW = (
  state_lib.Entry(3, 'semantic', '', 0, 0, 0),
  None,
  state_lib.Entry(1, 'semantic', '', 0, 0, 0),
)
MERGE = Op('merge', 'semantic', 'Ada kite red', 1, 3)


@pytest.mark.parametrize('notation', ['compact', 'json', 'reference'])
def test_a_merge_is_said_read_done_and_mirrored(notation):
  read = {
    'compact': small_calls.there_and_back,
    'json': lambda op, view: json_calls.parse(json_calls.render(op), view),
    'reference': lambda op, view: reference_tools.parse(
      reference_tools.render(op), view
    ),
  }[notation](MERGE, VIEW)
  assert [call.op for call in read.calls] == [MERGE]
  memories = stored()
  before = memories.states[0]
  (results,) = memories.write([[MERGE, MERGE]], [5])
  assert [(r.ok, r.error) for r in results] == [
    (True, ''),
    (False, 'unknown id'),
  ]
  assert results[0].slots == (0, 2)
  state = memories.states[0]
  assert [e.text for e in state_lib.entries(state)] == [
    'Ada kite red',
    'Bob boat',
  ]
  assert state.by_slot[0].parents == (1, 3) and state.top == 2
  assert state_lib.count(before) == 3  # another version
  assert execution.replay(state.log) == state
  size, width = memories.bank.term_ids.shape[1:]
  built = slots.from_states([state], size, width)
  for field in built.__dataclass_fields__:
    np.testing.assert_array_equal(
      getattr(memories.bank, field), getattr(built, field), err_msg=field
    )


def test_what_follows_from_the_table():
  assert compact_calls.symbols()[4] == '<mrg>'
  assert 'merge' in samples.count_names()
  schema = tools.tool_schemas()[-1]['function']
  assert schema['parameters']['required'] == [*tools.TOOLS['merge'].arguments]
  assert (
    'other_id'
    in reference_tools.schemas()[-1]['function']['parameters']['properties']
  )


@pytest.mark.parametrize(
  'text, error',
  [
    ('<mrg><1> a', 'bad target: merge without a target'),
    ('<mrg><sem> a', 'bad target: merge cannot target <sem>'),
    ('<mrg><1><2> a', 'bad target: <2> shows no entry'),
    ('<mrg><1><3>', 'bad text: empty'),
  ],
)
def test_a_bad_merge_says_why(text, error):
  assert small_calls.parse(text, VIEW).calls == [tools.ParsedCall(None, error)]
