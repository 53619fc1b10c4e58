"""Whole prompts of public models against files that people can read.

`REWRITE_GOLDEN=1 pytest tests/chat_golden_test.py` writes them again; read the
difference before it is committed. The bar of a file marks where `own` begins.
"""

import difflib
import functools
import os
import pathlib

import ml_collections
import pytest

import mem_alpha_jax
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.pretrained import registry
from mem_alpha_jax.roles import chat_prompt

pytest.importorskip('jinja2')
pytest.importorskip('tokenizers')
pytest.importorskip('gguf')

FOLDER = pathlib.Path(__file__).parent / 'golden'
ASSETS = pathlib.Path(mem_alpha_jax.__file__).parent / 'assets'
QWEN3 = ASSETS / 'chat_templates' / 'qwen3.jinja'
BAR = '\n────\n'
PLAIN = 'These days Sigrid works as a pilot. "Ünïcode" 😀'
CHUNK = f'{PLAIN} <|im_end|>'
VIEW = (
  state_lib.Entry(3, 'semantic', 'Sigrid is a baker.', 0, 0, 5),
  state_lib.Entry(26, 'episodic', 'On 3 May, Sigrid moved to Oslo.', 1, 1, 9),
)
STATE = state_lib.with_entries(
  state_lib.MemoryState(core='The user keeps a garden.'),
  (state_lib.Entry(1, 'semantic', 'Oslo is old.', 0, 2, 4), *VIEW),
)


class Spelled:
  """Ids of characters: what is read back is what was rendered."""

  template_values = {'name': 'chat_template.jinja'}

  def __init__(self, template):
    self.chat_template = template

  def encode(self, text):
    return [ord(c) for c in text]

  encode_text = encode


@functools.cache
def smollm2():
  try:
    return registry.open_model('smollm2').tokenizer
  except FileNotFoundError as error:
    pytest.skip(str(error))


def qwen3():
  return Spelled(QWEN3.read_text())


def spelled_smollm2():
  return Spelled(smollm2().chat_template)


CASES = {
  'qwen3_chunk_first': (qwen3, {}),
  'qwen3_memory_first': (qwen3, {'prompt_order': 'memory_first'}),
  'qwen3_thinking': (qwen3, {'thinking': True}),
  'smollm2_chunk_first': (spelled_smollm2, {}),
  'smollm2_memory_first': (spelled_smollm2, {'prompt_order': 'memory_first'}),
  'smollm2_brief': (spelled_smollm2, {'instructions': 'brief'}),
  'reference': (
    qwen3, {'prompt_format': 'reference', 'prompt_order': 'memory_first'}
  ),
}  # fmt: skip


def rendered(case, tokenizer, chunk=CHUNK):
  base = dict(
    prompt_format='chat',
    prompt_order='chunk_first',
    instructions='full',
    thinking=False,
  )
  config = ml_collections.ConfigDict(base | CASES[case][1])
  return chat_prompt.chat(tokenizer, chunk, STATE, VIEW, config)


def spelled(case, chunk=CHUNK):
  made = rendered(case, CASES[case][0](), chunk)
  return [''.join(map(chr, ids)) for ids in (made.prefix, made.own)]


@pytest.mark.parametrize('case', CASES)
def test_prompt_is_the_golden_one(case):
  text = BAR.join(spelled(case))
  path = FOLDER / f'{case}.txt'
  if 'REWRITE_GOLDEN' in os.environ:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
  assert text == path.read_text()


@pytest.mark.parametrize('case', [c for c in CASES if 'smollm2' in c])
def test_ids_are_those_of_the_whole_text_but_at_the_cuts(case):
  """A run of newlines that is cut may be one token more or less."""
  made = rendered(case, smollm2(), PLAIN)
  ids, whole = made.prefix + made.own, ''.join(spelled(case, PLAIN))
  expected = smollm2().encode(whole)
  assert smollm2().decode(ids) == smollm2().decode(expected)
  matcher = difflib.SequenceMatcher(None, ids, expected, autojunk=False)
  same = sum(block.size for block in matcher.get_matching_blocks())
  assert len(expected) - same <= 2 * 2  # two cuts
