"""Calls in JSON and in symbols, and the table behind them."""

import json

import hypothesis
import pytest
import small_calls
from hypothesis import strategies as st

from mem_alpha_jax.memory import (
  compact_calls,
  execution,
  json_calls,
  notations,
  reference_tools,
  tools,
)
from mem_alpha_jax.memory import state as state_lib

Op = state_lib.Op
VIEW = (
  state_lib.Entry(7, 'semantic', '', 0, 0, 0),
  None,
  state_lib.Entry(9, 'episodic', '', 0, 0, 0),
)
SHOWN = [state_lib.Entry(i, 'semantic', '', 0, 0, 0) for i in (3, 7, 9, 12)]
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


def read(text):
  return json_calls.parse(text, SHOWN)


@pytest.mark.parametrize('op', VALID)
def test_round_trip(op):
  assert read(json_calls.render(op)).calls == [tools.ParsedCall(op)]
  assert small_calls.there_and_back(op, VIEW).calls == [tools.ParsedCall(op)]


def test_several_calls_keep_their_order():
  tok = small_calls.tokenizer()
  ids = [i for op in VALID for i in compact_calls.render(tok, op, VIEW)]
  assert parsed(compact_calls.parse(tok, ids, VIEW)) == list(VALID)
  text = 'I see.\n' + '\n'.join(map(json_calls.render, VALID))
  assert parsed(read(text)) == list(VALID)


def test_compact_grammar_as_written():
  text = '<ins><sem> Marta job baker<upd><3> Marta sang<del><1><del><core>'
  assert parsed(small_calls.parse(text, VIEW)) == [
    Op('insert', 'semantic', 'Marta job baker'),
    Op('update', 'episodic', 'Marta sang', 9),
    Op('delete', 'semantic', '', 7),
    Op('delete', 'core'),
  ]


def test_compact_reads_entries_as_view():
  view = (state_lib.Entry(5, 'episodic', 'old', 0, 0, 1),)
  assert parsed(small_calls.parse('<del><1>', view)) == [
    Op('delete', 'episodic', '', 5)
  ]


@pytest.mark.parametrize(
  'text, error',
  [
    ('', 'no call'),
    ('hello', 'no call'),
    ('<ins>', 'bad target: insert without a target'),
    ('<ins> x<sem> y', 'bad target: insert without a target'),
    ('<ins><sem>', 'bad text: empty'),
    ('<ins><core> x', 'bad target: insert cannot target <core>'),
    ('<ins><1> x', 'bad target: insert cannot target <1>'),
    ('<upd><sem> x', 'bad target: update cannot target <sem>'),
    ('<upd><none> x', 'bad target: update cannot target <none>'),
    ('<upd><2> x', 'bad target: <2> shows no entry'),
    ('<upd><9> x', 'bad target: <9> shows no entry'),
    ('<del><1> x', 'unreadable: delete takes no text'),
    ('<ins><sem> x<null> y', 'unreadable: symbol inside the text'),
    ('<ins><sem> x<none>', 'unreadable: symbol inside the text'),
    ('<none><none>', 'no call'),
  ],
)
def test_compact_errors(text, error):
  response = small_calls.parse(text, VIEW)
  assert response.calls == [tools.ParsedCall(None, error)]
  assert not response.noop


def test_an_error_does_not_hide_the_other_calls():
  response = small_calls.parse('x<ins><sem> a<upd><2> b<del><1>', VIEW)
  assert [call.error for call in response.calls] == [
    'unreadable: text before the first call',
    '',
    'bad target: <2> shows no entry',
    '',
  ]


@pytest.mark.parametrize('text', ['<none>', ' <none> '])
def test_compact_noop(text):
  assert small_calls.parse(text, VIEW) == ([], True)


@pytest.mark.parametrize('text', ['Done', ' done.\n', '<think>hm</think>Done!'])
def test_json_noop(text):
  assert read(text) == ([], True)


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
  assert parsed(read(QWEN)) == [
    Op('insert', 'semantic', 'Marta is a baker\nin Oslo'),
    Op('update', 'episodic', 'new', 12),
    Op('delete', 'core'),
  ]


@pytest.mark.parametrize('value', [3, '3', '[3]', ' [ 3 ] '])
def test_json_ids(value):
  arguments = {'memory_type': 'semantic', 'memory_id': value}
  call = {'name': 'memory_delete', 'arguments': arguments}
  response = read(f'<tool_call>{json.dumps(call)}</tool_call>')
  assert parsed(response) == [Op('delete', 'semantic', '', 3)]


@pytest.mark.parametrize(
  'name, arguments, error',
  [
    ('memory_search', {}, 'unknown tool'),
    (['memory_insert'], {}, 'unknown tool'),
    ('memory_insert', [], 'unreadable: arguments are not a JSON object'),
    ('memory_insert', '{', 'unreadable: arguments are not a JSON object'),
    (
      'memory_insert',
      {'memory_type': 'core'},
      'bad target: memory_type of insert',
    ),
    ('memory_insert', {'memory_type': 3}, 'bad target: memory_type of insert'),
    (
      'memory_insert',
      {'memory_type': 'semantic', 'content': 4},
      'bad text: content is missing or empty',
    ),
    (
      'memory_update',
      {'memory_type': 'semantic', 'content': 'x', 'memory_id': True},
      'bad target: memory_id is missing or not a number',
    ),
    (
      'memory_delete',
      {'memory_type': 'semantic', 'memory_id': 3.5},
      'bad target: memory_id is missing or not a number',
    ),
  ],
)
def test_json_errors(name, arguments, error):
  call = json.dumps({'name': name, 'arguments': arguments})
  response = read(f'<tool_call>{call}</tool_call>')
  assert response.calls == [tools.ParsedCall(None, error)]


@pytest.mark.parametrize(
  'body',
  ['', '{', '[' * 100_000, '{"name": ' + '9' * 5000 + '}', 'null', '[1]'],
)
def test_json_garbage_is_one_failed_call(body):
  response = read(f'<tool_call>{body}</tool_call>')
  assert parsed(response) == [None]


def test_no_call_is_one_failed_call():
  assert parsed(read('I will store nothing')) == [None]


def pieces():
  json_bits = ['<tool_call>', '</tool_call>', '"', '{', '}', '\\ud800', 'NaN']
  return st.one_of(
    st.text(max_size=8),
    st.sampled_from([*compact_calls.symbols(), *json_bits]),
    st.sampled_from(VALID).map(json_calls.render),
    st.sampled_from(['<ins><sem> a b', '<upd><1> c', '<del><3>', '<none>']),
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
  for op, error, repairs in response.calls:
    assert not error or tools.failure(error) in tools.FAILURES
    assert repairs <= set(tools.REPAIRS)
    assert (op is None) == bool(error)
    if op is not None:
      op.text.encode()  # what is stored can be written
      execution.apply(state_lib.empty(), op, state_lib.Limits(9, 9, 9), len, 0)


@hypothesis.settings(max_examples=50, deadline=None)
@hypothesis.given(st.one_of(st.text(), mutated()))
def test_parsers_never_raise(text):
  check(read(text))
  check(reference_tools.parse(text, SHOWN))
  check(small_calls.parse(text, VIEW))


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
  assert len(set(compact_calls.symbols())) == len(compact_calls.symbols())
  expected = (
    *('<call>', '<ins>', '<upd>', '<del>', '<none>'),
    *('<core>', '<sem>', '<epi>'),
    *('<1>', '<2>', '<3>', '<4>', '<5>', '<6>', '<7>', '<8>', '<9>'),
    *('<sep>', '<null>'),
  )
  assert expected == compact_calls.symbols()


def test_render_compact_needs_a_visible_entry():
  with pytest.raises(ValueError, match='entry 8 is not in the view'):
    small_calls.there_and_back(Op('delete', 'semantic', '', 8), VIEW)


SEMANTIC = '"semantic"'
INSERT = {'memory_type': 'semantic', 'content': "Ana's job: baker"}
WANTED = Op('insert', 'semantic', "Ana's job: baker")
CALL = json.dumps({'name': 'memory_insert', 'arguments': INSERT})
DELETE = (
  '{"name": "memory_delete", "arguments": {"memory_type": %s, "memory_id": %s}}'
)
GONE = Op('delete', 'semantic', '', 3)
XML = (
  '<function=memory_insert>\n<parameter=memory_type>\nsemantic\n</parameter>\n'
  "<parameter=content>\nAna's job: baker\n</parameter>\n</function>"
)
SINGLE = (
  "{'name': 'memory_insert', 'arguments': {'memory_type': 'semantic', "
  "'content': 'Ana\\'s job: baker', }}"
)
FORMS = [
  (f'<tool_call>{CALL}', [WANTED], {'unclosed'}),
  (CALL, [WANTED], {'untagged'}),
  (f'I store this: {CALL}.', [WANTED], {'untagged'}),
  (f'[{CALL}, {CALL}]', [WANTED] * 2, {'untagged'}),
  (f'```json\n{CALL}\n```', [WANTED], {'code_block'}),
  (f'<tools>\n{CALL}\n</tools>', [WANTED], {'tools_tag'}),
  (f'<tool_call>{CALL}\n{CALL}</tool_call>', [WANTED] * 2, {'several'}),
  (f'<tool_call>[{CALL},{CALL}]</tool_call>', [WANTED] * 2, {'several'}),
  (
    f'<tool_call>\n```json\n{CALL}\n```\n</tool_call>', [WANTED], {'code_block'}
  ),
  (f'<tool_call>\n{XML}\n</tool_call>', [WANTED], {'function_tag'}),
  (XML, [WANTED], {'function_tag'}),
  (f'<tool_call>{CALL[:-1]}, }}</tool_call>', [WANTED], {'json'}),
  (f'<tool_call>{SINGLE}</tool_call>', [WANTED], {'json'}),
  (f'<tool_call>{CALL} ok?</tool_call>', [WANTED], {'stray_text'}),
  (
    f'<tool_call>{CALL.replace("arguments", "parameters")}</tool_call>',
    [WANTED],
    {'arguments'},
  ),
  (
    f'<tool_call>{{"type": "function", "function": {CALL}}}</tool_call>',
    [WANTED],
    {'arguments'},
  ),
  (
    f'<tool_call>{json.dumps({"name": "memory_insert", **INSERT})}</tool_call>',
    [WANTED],
    {'arguments'},
  ),
  (
    f'<tool_call>{CALL.replace("name", "tool")}</tool_call>',
    [WANTED],
    {'arguments'},
  ),
  *(
    (f'<tool_call>{DELETE % (SEMANTIC, i)}</tool_call>', [GONE], {'id'})
    for i in ('3.0', '"#3"', '"3"', '"[3]"', '"(3)"', '"3.0"')
  ),
  *(
    (f'<tool_call>{DELETE % (kind, 3)}</tool_call>', [GONE], {'type'})
    for kind in ('"Semantic"', '"semantic_memory"', '"SEMANTIC MEMORY"')
  ),
]  # fmt: skip


@pytest.mark.parametrize('text, ops, repairs', FORMS)
def test_trial_common_forms_are_read_and_counted(text, ops, repairs):
  response = read(text)
  assert parsed(response) == ops
  assert [call.repairs for call in response.calls] == [repairs] * len(ops)


@pytest.mark.parametrize(
  'text, error',
  [
    (f'<think>hm <tool_call>{CALL}</tool_call>', 'unfinished thought'),
    (f'<think>hm\n{CALL}', 'unfinished thought'),
    ('<think>Done.', 'unfinished thought'),
    ('{"name": "Ana", "job": "baker"}', 'no call'),
    ('see [3] and {this}', 'no call'),
    (f'<tool_call>{DELETE % (json.dumps("semantic"), 8)}', 'unknown id'),
    (f'<tool_call>{CALL[:-20]}</tool_call>', 'unreadable'),
    ('<tool_call></tool_call>', 'unreadable'),
  ],
)
def test_trial_what_is_no_call_neither_acts_nor_counts(text, error):
  (call,) = read(text).calls
  assert call.op is None and tools.failure(call.error) == error


def test_trial_thoughts_hide_calls_and_notes_may_speak_of_them():
  tagged = json_calls.render(WANTED)
  other = json_calls.render(GONE)
  for thought in (f'<think>{other}</think>', f'{other}</think>'):
    assert parsed(read(f'{thought}{tagged}')) == [WANTED]
  said = '</think><tool_call>{}</tool_call>'
  call = {'name': 'memory_insert', 'arguments': INSERT | {'content': said}}
  raw = f'<tool_call>{json.dumps(call)}</tool_call>{tagged}'
  assert parsed(read(raw)) == [WANTED._replace(text=said), WANTED]
  cut = parsed(read(f'{tagged}<think>and {other}'))
  assert cut == [WANTED, None]


MARKERS = [
  '<tool_call>', '</tool_call>', '<think>', '</think>', '<tools>', '```json',
  '<function=a>', '</function>', *compact_calls.symbols(), '\u2581', '<0x3C>',
  reference_tools.FUNCTION, reference_tools.ARGS, reference_tools.RESULT,
  reference_tools.RETURN, '"', '\\', '{', '}', '\x00', '\ufeff', '\r\n', '  ',
]  # fmt: skip


@hypothesis.settings(max_examples=150, deadline=None)
@hypothesis.given(
  st.lists(st.sampled_from(MARKERS) | st.text(max_size=6)).map(''.join),
  st.sampled_from([('insert', None), ('update', 7)]),
)
def test_trial_render_then_parse_is_the_identity(text, call):
  if not text.strip():
    text += 'x'
  op = Op(call[0], 'semantic', text, call[1])
  only = [tools.ParsedCall(op)]
  assert read(json_calls.render(op)).calls == only
  said = reference_tools.render(op)
  assert reference_tools.parse(said, SHOWN).calls == only
  assert small_calls.there_and_back(op, VIEW).calls == only
  for notation in notations.NOTATIONS.values():
    tok = small_calls.tokenizer()
    ids = notation.encode(tok, op, VIEW)
    assert notation.parse(tok, ids, SHOWN[1:], '').calls[0].op is not None


@pytest.mark.parametrize('text', ['<del><1>', '<none>', '<upd><core> x', '<1>'])
def test_trial_a_note_that_spells_symbols_is_text(text):
  tok = small_calls.tokenizer()
  op = Op('insert', 'semantic', f'he said {text}')
  assert small_calls.there_and_back(op, VIEW).calls == [tools.ParsedCall(op)]
  response = compact_calls.parse(tok, tok.encode_text(text), VIEW)
  assert parsed(response) == [None] and not response.noop


def test_failures_are_named_by_kind_and_by_cause():
  refused, unread = (
    ['bad text: too long', 'full'],
    ['unreadable: no', 'no call'],
  )
  found = tools.failed_names(unread, refused, cut=True)
  assert sorted(found) == sorted(
    f'failed_{kind}'
    for kind in (
      'unreadable', 'no_call', 'truncated', 'truncated', 'bad_text', 'too_long',
      'full',
    )
  )  # fmt: skip
  assert set(found) <= set(tools.FAILED)
  assert 'failed_truncated' not in tools.failed_names(unread, refused, False)
