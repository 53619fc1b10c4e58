"""Chat templates: as transformers renders them, and no way out of the sandbox.

The golden file holds what the template that ships with Qwen3 makes of these
conversations (SHA-256 of its text: a55ee1b1...1974d8).
"""

import pathlib

import pytest

pytest.importorskip('jinja2')

from mem_alpha_jax.pretrained import packages
from mem_alpha_jax.text import chat_template

GOLDEN = pathlib.Path(__file__).parent / 'golden' / 'qwen3_format.txt'
BAR = '\n════\n'
QWEN3 = chat_template.built_in(
  [
    '<|im_start|>',
    '<|im_end|>',
    '<tool_call>',
    '</tool_call>',
    '<think>',
    '</think>',
  ]
)
# The parts of jinja2 that public templates use.
FEATURES = """
{%- set ns = namespace(n=0) %}
{% for m in messages %}
  {% if m.role == 'tool' %}{% continue %}{% endif %}
  {% generation %}{{ m.role | length }}{% endgeneration %}
    {%- set ns.n = ns.n + 1 %}
  {{ m.role | upper }} {{ m.content | trim }} {{ m | tojson(indent=2) }}
{% endfor %}
{{ ns.n }} {{ bos_token }}{{ nothing }} {{ strftime_now('%d') | length }}
{%- if tools is not none %} {{ tools | tojson }}{% endif %}
"""
TOOL = {
  'type': 'function',
  'function': {
    'name': 'memory_insert',
    'description': 'Stores é "quoted" <b> & more.',
    'parameters': {
      'type': 'object',
      'properties': {'text': {'type': 'string'}},
    },
  },
}
SYSTEM = {'role': 'system', 'content': 'You keep\na memory.'}
USER = {'role': 'user', 'content': ' Ünïcode <b> & 😀\n'}
THOUGHT = {'role': 'assistant', 'content': '<think>\nhm\n</think>\n\nSo.'}
APART = {'role': 'assistant', 'content': '\nSo.', 'reasoning_content': 'hm\n'}
CALLS = {
  'role': 'assistant',
  'content': 'Two calls.',
  'tool_calls': [
    {'type': 'function', 'function': {'name': 'f', 'arguments': {'x': 'ä'}}},
    {'name': 'g', 'arguments': '{"y": 1}'},
  ],
}
SILENT = CALLS | {'content': None}
RESULT = {'role': 'tool', 'content': 'stored'}
CASES = [
  ([USER], None, {}),
  ([SYSTEM, USER], None, {'enable_thinking': False}),
  ([SYSTEM, USER], [TOOL, TOOL], {'enable_thinking': True}),
  ([USER], [TOOL], {'enable_thinking': False}),
  ([SYSTEM, USER, THOUGHT, USER], None, {}),
  ([USER, THOUGHT], None, {'add_generation_prompt': False}),
  ([USER, APART, SYSTEM, APART], None, {'add_generation_prompt': False}),
  ([SYSTEM, USER, CALLS, RESULT, RESULT, APART], [TOOL], {}),
  ([USER, SILENT, RESULT, CALLS, RESULT], None, {'enable_thinking': False}),
]


@pytest.fixture(scope='module')
def transformers_render():
  utils = pytest.importorskip('transformers.utils.chat_template_utils')

  def render(template, messages, tools=None, **more):
    more = {'add_generation_prompt': True} | more
    texts, _ = utils.render_jinja_template(
      [messages], tools=tools, chat_template=template, **more
    )
    return texts[0]

  return render


def test_the_built_in_template_writes_what_qwen3s_own_does():
  rendered = [chat_template.render(QWEN3, m, t, **k) for m, t, k in CASES]
  assert rendered == GOLDEN.read_text(encoding='utf-8').split(BAR)


@pytest.mark.parametrize('template', [QWEN3, FEATURES], ids=['qwen3', 'rest'])
@pytest.mark.parametrize('case', [2, 8])
def test_equal_to_transformers(transformers_render, template, case):
  messages, tools, more = CASES[case]
  if template is FEATURES:
    messages = [m | {'content': m['content'] or ''} for m in messages]
    more = more | {'bos_token': '<s>'}
  theirs = transformers_render(template, messages, tools, **more)
  assert chat_template.render(template, messages, tools, **more) == theirs


def test_smollm2s_own_template_equals_transformers(transformers_render):
  hf_tokenizer = pytest.importorskip(
    'mem_alpha_jax.pretrained.registry.hf_tokenizer'
  )
  try:
    tok = hf_tokenizer.from_gguf(packages.smollm2_gguf())
  except FileNotFoundError as error:
    pytest.skip(str(error))
  assert not chat_template.uses_tools(tok.chat_template)
  for messages in ([USER], [SYSTEM, USER, THOUGHT, USER]):
    ours = chat_template.render(
      tok.chat_template, messages, **tok.template_values
    )
    assert ours == transformers_render(tok.chat_template, messages)
    assert 'Ünïcode <b> & 😀\n<|im_end|>\n<|im_start|>assistant\n' in ours


@pytest.mark.parametrize(
  'template',
  [
    "{{ ''.__class__ }}",
    "{{ ''.__class__.__mro__ }}",
    '{{ strftime_now.__globals__ }}',
    "{{ (''|attr('__class__')).mro() }}",
    '{{ cycler.__init__.__globals__ }}',
    '{{ lipsum.__globals__["os"] }}',
    "{{ '{0.__class__.__mro__}'.format('') }}",
    "{{ ('{0.__class__.__mro__}'|attr('format'))('') }}",
    "{{ messages[0]['__class__']['__mro__'] }}",
    '{{ messages.append(1) }}',
    '{{ self.__init__.__globals__ }}',
    "{{ namespace(__html__='x') }}",
    "{% include '/etc/passwd' %}",
    '{% for i in range(10 ** 9) %}{% endfor %}',
    "{{ 'a' * 10 ** 10 }}",
    '{{ messages[0].content.ljust(10 ** 7) }}',
    '{{ messages[0].nothing.deeper }}',
    '{{ ' + '(' * 10**5,
    '{% for %}',
    "{{ raise_exception('only one user') }}",
  ],
  ids=range(20),
)
def test_hostile_and_broken_templates_are_refused_by_file(template):
  with pytest.raises(ValueError, match='/a/evil.jinja: refused: '):
    chat_template.render(template, [USER], name='/a/evil.jinja')


def test_endless_templates_are_stopped(monkeypatch):
  monkeypatch.setattr(chat_template, 'CPU_SECONDS', 1)
  loop = '{% for i in range(99999) %}'
  endless = loop * 3 + '{% endfor %}' * 3
  with pytest.raises(ValueError, match='evil: refused: .*stopped.* 1 s'):
    chat_template.render(endless, [USER], name='evil')


def test_the_refusal_says_what_the_template_said():
  template = "{{ raise_exception('roles must alternate') }}"
  with pytest.raises(ValueError, match='x: refused: .*roles must alternate'):
    chat_template.render(template, [USER], name='x')


@pytest.mark.parametrize(
  'template, expected',
  [
    (QWEN3, True),
    ('{% if not tools is defined %}{% set tools = none %}{% endif %}', True),
    ("{{ 'tools' }}{# tools #} tools {{ messages[0].tools }}", False),
    ("{{ 'a' * 10 ** 12 }}{{ 9 ** 9 ** 9 }}", False),
  ],
  ids=['qwen3', 'set', 'words', 'costly'],
)
def test_whether_a_template_writes_tools_is_read_not_run(template, expected):
  assert chat_template.uses_tools(template) is expected


@pytest.mark.parametrize(
  'template', ['{% if %}', '{{ ' + '(' * 10**5], ids=['syntax', 'depth']
)
def test_no_template_at_all_is_named(template):
  with pytest.raises(ValueError, match='x.jinja: not a chat template'):
    chat_template.uses_tools(template, 'x.jinja')


def test_other_vocabularies_have_no_built_in_template():
  assert chat_template.built_in(['<|im_start|>', '<|im_end|>']) is None


@pytest.mark.parametrize(
  'template', ["{{ strftime_now('%d %b %Y') }}", "{{ strftime_now('%Y') }}"]
)
def test_trial_a_date_in_a_prompt_is_the_same_every_day(template):
  text = chat_template.render(template, [])
  assert text in ('01 Jan 2025', '2025')
