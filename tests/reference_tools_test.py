"""The reference's notation of calls: there and back, and whatever comes."""

import hypothesis
import hypothesis.strategies as st
import pytest

from mem_alpha_jax.memory import reference_tools as reference
from mem_alpha_jax.memory import state as state_lib

Op = state_lib.Op
OPS = (
  Op('insert', 'semantic', 'Marta is a "baker".'),
  Op('insert', 'episodic', 'At 3 May, the user sang é.'),
  Op('update', 'core', 'The user bakes.'),
  Op('update', 'semantic', 'Marta is a pilot.', 0x1F3A),
  Op('delete', 'episodic', '', 7),
)


VIEW = [state_lib.Entry(i, 'semantic', '', 0, 0, 0) for i in (0x1F3A, 7, 0x12)]


def calls(text):
  return [call.op for call in reference.parse(text, VIEW).calls]


def test_calls_come_back():
  assert calls('\n'.join(map(reference.render, OPS))) == list(OPS)


def test_names_are_the_references():
  text = reference.render(OPS[3])
  assert text == (
    '✿FUNCTION✿: memory_update\n✿ARGS✿: {"memory_type": "semantic_memory", '
    '"memory_id": "1f3a", "new_content": "Marta is a pilot."}'
  )
  assert 'new_memory_insert' in reference.render(OPS[0])
  names = [s['function']['name'] for s in reference.schemas()]
  assert names == ['new_memory_insert', 'memory_update', 'memory_delete']
  update = reference.schemas()[1]['function']['parameters']
  assert update['properties']['memory_type']['enum'][0] == 'core_memory'
  assert 'new_content' in update['required']


def test_made_up_results_are_cut():
  text = (
    reference.render(OPS[0]) + '\n✿RESULT✿: ok\n' + reference.render(OPS[1])
  )
  assert calls(text) == [OPS[0]]
  assert calls(reference.render(OPS[0]) + '\n✿RETURN✿: stored') == [OPS[0]]


def test_thoughts_are_skipped_and_done_is_a_noop():
  said = (
    f'<think>{reference.render(OPS[1])}</think>\n{reference.render(OPS[0])}'
  )
  assert calls(said) == [OPS[0]]
  assert reference.parse('Done.', VIEW) == ([], True)
  assert reference.parse('I stored it.', VIEW).calls[0].error == 'no call'


def test_what_the_reference_repairs_is_read():
  head = '✿FUNCTION✿: memory_delete\n✿ARGS✿: {"memory_type": '
  for tail in (
    '"memory_id": "0012"}\nDone',
    '"memory_id": " [12]"}',
    '"memory_id": 12}',
  ):
    text = f'{head}"semantic_memory", {tail}'
    assert calls(text) == [Op('delete', 'semantic', '', 0x12)]


BAD = {
  '✿FUNCTION✿: fly\n✿ARGS✿: {}': 'unknown tool',
  '✿FUNCTION✿: memory_insert\n✿ARGS✿: {}': 'memory_type',
  '✿FUNCTION✿: memory_delete': 'arguments are not a JSON object',
  '✿FUNCTION✿: new_memory_insert\n✿ARGS✿: [1]': 'arguments are not',
  '✿FUNCTION✿: memory_delete\n✿ARGS✿: {"memory_type": "semantic_memory", '
  '"memory_id": "zz"}': 'memory_id',
}


@pytest.mark.parametrize('text', BAD)
def test_bad_calls_say_why(text):
  (call,) = reference.parse(text, VIEW).calls
  assert call.op is None and BAD[text] in call.error


@hypothesis.given(
  st.lists(
    st.sampled_from(
      [reference.FUNCTION, reference.ARGS, reference.RESULT, ':', '{', '}', '"']
    )
    | st.text(max_size=8)
  )
)
@hypothesis.settings(max_examples=150, deadline=None)
def test_it_never_raises(parts):
  parsed = reference.parse(''.join(parts), VIEW)
  assert parsed.noop or parsed.calls


def test_trial_slips_are_counted_and_thoughts_without_an_end_hide_all():
  head = f'{reference.FUNCTION}: memory_delete\n{reference.ARGS}: '
  for body, repairs in (
    ('{"memory_type": "semantic_memory", "memory_id": "0012"}', set()),
    ('{"memory_type": "semantic", "memory_id": "0012"}', {'type'}),
    ('{"memory_type": "semantic_memory", "memory_id": "#12"}', {'id'}),
    ("{'memory_type': 'semantic_memory', 'memory_id': '0012',}", {'json'}),
    (
      '{"memory_type": "semantic_memory", "memory_id": "0012"} ok',
      {'stray_text'},
    ),
  ):
    (call,) = reference.parse(head + body, VIEW).calls
    assert call.op == Op('delete', 'semantic', '', 0x12)
    assert call.repairs == repairs, body
  (call,) = reference.parse(f'<think>so\n{head}{body}', VIEW).calls
  assert call.error == 'unfinished thought'
  (call,) = reference.parse(head + body.replace('0012', '0013'), VIEW).calls
  assert call.error == 'unknown id: 19 is not shown'
