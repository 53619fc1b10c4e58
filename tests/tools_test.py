"""Both notations of a call, their parsers, and the table behind them."""

import json

import hypothesis
import pytest
from hypothesis import strategies as st

from mem_alpha_jax.memory import execution, tools
from mem_alpha_jax.memory import state as state_lib

Op = state_lib.Op
VIEW = (
  state_lib.Entry(7, 'semantic', '', 0, 0, 0),
  None,
  state_lib.Entry(9, 'episodic', '', 0, 0, 0),
)
VALID = (
  Op('insert', 'semantic', 'Marta job baker'),
  Op('insert', 'episodic', 'on Monday Marta sang'),
  Op('update', 'core', 'the user likes tea'),
  Op('update', 'semantic', 'Marta job pilot', 7),
  Op('update', 'episodic', 'on Friday Marta sang', 9),
  Op('delete', 'core'),
  Op('delete', 'semantic', entry_id=7),
)


def parsed(response):
  return [call.op for call in response.calls]


@pytest.mark.parametrize('op', VALID)
def test_round_trip(op):
  assert parsed(tools.parse_json(tools.render_json(op))) == [op]
  compact = tools.render_compact(op, VIEW)
  assert parsed(tools.parse_compact(compact, VIEW)) == [op]


def test_several_calls_keep_their_order():
  compact = ''.join(tools.render_compact(op, VIEW) for op in VALID)
  assert parsed(tools.parse_compact(compact, VIEW)) == list(VALID)
  text = 'I see.\n' + '\n'.join(map(tools.render_json, VALID))
  assert parsed(tools.parse_json(text)) == list(VALID)


def test_compact_grammar_as_written():
  text = '<ins><sem> Marta job baker<upd><3> Marta sang<del><1><del><core>'
  assert parsed(tools.parse_compact(text, VIEW)) == [
    Op('insert', 'semantic', 'Marta job baker'),
    Op('update', 'episodic', 'Marta sang', 9),
    Op('delete', 'semantic', '', 7),
    Op('delete', 'core'),
  ]


def test_compact_reads_entries_as_view():
  view = (state_lib.Entry(5, 'episodic', 'old', 0, 0, 1),)
  assert parsed(tools.parse_compact('<del><1>', view)) == [
    Op('delete', 'episodic', '', 5)
  ]


@pytest.mark.parametrize(
  'text, error',
  [
    ('', 'no call'),
    ('hello', 'no call'),
    ('<ins>', 'insert without a target'),
    ('<ins> x<sem> y', 'insert without a target'),
    ('<ins><sem>', 'empty text'),
    ('<ins><core> x', 'insert cannot target <core>'),
    ('<ins><1> x', 'insert cannot target <1>'),
    ('<upd><sem> x', 'update cannot target <sem>'),
    ('<upd><none> x', 'update cannot target <none>'),
    ('<upd><2> x', 'handle <2> shows no entry'),
    ('<upd><9> x', 'handle <9> shows no entry'),
    ('<del><1> x', 'delete takes no text'),
    ('<ins><sem> x<null> y', 'symbol inside the text'),
    ('<ins><sem> x<none>', 'symbol inside the text'),
    ('<none><none>', 'no call'),
  ],
)
def test_compact_errors(text, error):
  response = tools.parse_compact(text, VIEW)
  assert response.calls == [tools.ParsedCall(None, error)]
  assert not response.noop


def test_an_error_does_not_hide_the_other_calls():
  response = tools.parse_compact('x<ins><sem> a<upd><2> b<del><1>', VIEW)
  assert [error for _, error in response.calls] == [
    'text before the first call',
    '',
    'handle <2> shows no entry',
    '',
  ]


@pytest.mark.parametrize('text', ['<none>', ' <none> '])
def test_compact_noop(text):
  assert tools.parse_compact(text, VIEW) == ([], True)


@pytest.mark.parametrize('text', ['Done', ' done.\n', '<think>hm</think>Done!'])
def test_json_noop(text):
  assert tools.parse_json(text) == ([], True)


QWEN = """<think>

</think>

<tool_call>
{"name": "memory_insert", "arguments": {"memory_type": "semantic_memory", \
"content": "Marta is a baker\\nin Oslo"}}
</tool_call>
<tool_call>
{"name": "memory_update", "arguments": "{\\"memory_type\\": \\"episodic\\", \
\\"content\\": \\"new\\", \\"memory_id\\": \\"[12]\\"}"}
</tool_call>
<tool_call>
{"name": "memory_delete", "arguments": {"memory_type": "core_memory"}}
"""


def test_json_qwen_form_with_tolerated_slips():
  assert parsed(tools.parse_json(QWEN)) == [
    Op('insert', 'semantic', 'Marta is a baker\nin Oslo'),
    Op('update', 'episodic', 'new', 12),
    Op('delete', 'core'),
  ]


@pytest.mark.parametrize('value', [3, '3', '[3]', ' [ 3 ] '])
def test_json_ids(value):
  arguments = {'memory_type': 'semantic', 'memory_id': value}
  call = {'name': 'memory_delete', 'arguments': arguments}
  response = tools.parse_json(f'<tool_call>{json.dumps(call)}</tool_call>')
  assert parsed(response) == [Op('delete', 'semantic', '', 3)]


@pytest.mark.parametrize(
  'name, arguments, error',
  [
    ('memory_search', {}, 'unknown tool'),
    (['memory_insert'], {}, 'unknown tool'),
    ('memory_insert', [], 'arguments are not a JSON object'),
    ('memory_insert', '{', 'arguments are not a JSON object'),
    ('memory_insert', {'memory_type': 'core'}, 'bad memory_type for insert'),
    ('memory_insert', {'memory_type': 3}, 'bad memory_type for insert'),
    (
      'memory_insert',
      {'memory_type': 'semantic', 'content': 4},
      'content is missing or empty',
    ),
    (
      'memory_update',
      {'memory_type': 'semantic', 'content': 'x', 'memory_id': True},
      'memory_id is missing or not a number',
    ),
    (
      'memory_delete',
      {'memory_type': 'semantic', 'memory_id': 3.5},
      'memory_id is missing or not a number',
    ),
  ],
)
def test_json_errors(name, arguments, error):
  call = json.dumps({'name': name, 'arguments': arguments})
  response = tools.parse_json(f'<tool_call>{call}</tool_call>')
  assert response.calls == [tools.ParsedCall(None, error)]


@pytest.mark.parametrize(
  'body',
  ['', '{', '[' * 100_000, '{"name": ' + '9' * 5000 + '}', 'null', '[1]'],
)
def test_json_garbage_is_one_failed_call(body):
  response = tools.parse_json(f'<tool_call>{body}</tool_call>')
  assert parsed(response) == [None]


def test_no_call_is_one_failed_call():
  assert parsed(tools.parse_json('I will store nothing')) == [None]


def pieces():
  json_bits = ['<tool_call>', '</tool_call>', '"', '{', '}', '\\ud800', 'NaN']
  return st.one_of(
    st.text(max_size=8),
    st.sampled_from([*tools.compact_symbols(), *json_bits]),
    st.sampled_from(VALID).map(tools.render_json),
    st.sampled_from(VALID).map(lambda op: tools.render_compact(op, VIEW)),
  )


@st.composite
def mutated(draw):
  """Valid calls and garbage, then some characters cut or doubled."""
  text = ''.join(draw(st.lists(pieces(), max_size=8)))
  for _ in range(draw(st.integers(0, 4))):
    at = draw(st.integers(0, len(text)))
    end = draw(st.integers(at, min(at + 5, len(text))))
    text = (
      text[:at] + draw(st.sampled_from(['', text[at:end] * 2])) + text[end:]
    )
  return text


def check(response):
  assert response.noop == (not response.calls)
  for op, error in response.calls:
    assert (op is None) == bool(error)
    if op is not None:
      op.text.encode()  # what is stored can be written
      execution.apply(state_lib.empty(), op, state_lib.Limits(9, 9, 9), len, 0)


@hypothesis.settings(max_examples=50, deadline=None)
@hypothesis.given(st.one_of(st.text(), mutated()))
def test_parsers_never_raise(text):
  check(tools.parse_json(text))
  check(tools.parse_compact(text, VIEW))


def test_schemas_come_from_the_table():
  schemas = {s['function']['name']: s['function'] for s in tools.tool_schemas()}
  assert list(schemas) == ['memory_insert', 'memory_update', 'memory_delete']
  insert = schemas['memory_insert']['parameters']
  assert insert['properties']['memory_type']['enum'] == ['semantic', 'episodic']
  assert insert['required'] == ['memory_type', 'content']
  update = schemas['memory_update']['parameters']
  assert update['required'] == ['memory_type', 'content']  # core has no id
  assert json.loads(json.dumps(tools.tool_schemas())) == tools.tool_schemas()


def test_symbols_are_distinct_and_fixed():
  assert len(set(tools.compact_symbols())) == len(tools.compact_symbols())
  expected = (
    *('<call>', '<ins>', '<upd>', '<del>', '<none>'),
    *('<core>', '<sem>', '<epi>'),
    *('<1>', '<2>', '<3>', '<4>', '<5>', '<6>', '<7>', '<8>', '<9>'),
    *('<sep>', '<null>'),
  )
  assert expected == tools.compact_symbols()


def test_render_compact_needs_a_visible_entry():
  with pytest.raises(ValueError, match='entry 8 is not in the view'):
    tools.render_compact(Op('delete', 'semantic', '', 8), VIEW)
